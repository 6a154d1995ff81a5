"""S3 in memory: buckets with versions, behind the calls of boto3's client that the functions make."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.simulation.services import refused

if TYPE_CHECKING:
    from bench.simulation.services import Calls


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object."""

    key: str
    id: str
    body: bytes
    etag: str


class Bucket:
    """A bucket with versions; nothing in it is ever deleted."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str], Version] = {}
        self._latest: dict[str, Version] = {}

    def put(self, key: str, body: bytes) -> Version:
        """Put an object as a new version. Its id is the same in all schedules that put these bytes as often.

        Its ETag is another one each time, as under a KMS key: what says that two are the same bytes is the bytes.
        """
        times = sum(one.key == key and one.body == body for one in self.versions.values())
        version = Version(key, f"{_md5(body)[:8]}.{times}", body, _md5(body + b"%d" % times))
        self.versions[key, version.id] = self._latest[key] = version
        return version

    def get(self, key: str, version_id: str) -> Version | None:
        """Return a version, of no id the latest."""
        return self.versions.get((key, version_id)) if version_id else self._latest.get(key)


class ObjectClient:
    """boto3's client of S3, as far as the functions use it. bucket: behind every name; keys of two never meet here."""

    def __init__(self, bucket: Bucket, calls: Calls) -> None:
        self._bucket = bucket
        self._calls = calls

    def get_object(
        self, *, Bucket: str, Key: str, Range: str = "", VersionId: str = "", IfMatch: str = ""  # noqa: ARG002, N803 - boto3's
    ) -> Any:  # fmt: skip
        """See S3."""

        def get() -> Any:
            version = self._bucket.get(Key, VersionId)
            if version is None:
                raise refused("NoSuchKey", "GetObject", 404)
            body = version.body
            if Range:
                first, _, last = Range.removeprefix("bytes=").partition("-")
                body = body[int(first) : int(last) + 1]
            return {"Body": io.BytesIO(body), "ETag": f'"{version.etag}"'}

        return self._calls.make(f"GetObject {Key}", get)

    def head_object(
        self, *, Bucket: str, Key: str, VersionId: str = "", ChecksumMode: str = ""  # noqa: ARG002, N803
    ) -> Any:  # fmt: skip
        """See S3."""

        def head() -> Any:
            version = self._bucket.get(Key, VersionId)
            if version is None:
                raise refused("404", "HeadObject", 404)
            return {"ETag": f'"{version.etag}"', "ContentLength": len(version.body), "VersionId": version.id}

        return self._calls.make(f"HeadObject {Key}", head)

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> Any:  # noqa: ARG002, N803
        """See S3."""

        def put() -> Any:
            return {"ETag": f'"{self._bucket.put(Key, Body).etag}"'}

        return self._calls.make(f"PutObject {Key}", put)

    def list_object_versions(self, *, Bucket: str, Prefix: str) -> Any:  # noqa: ARG002, N803
        """See S3."""

        def listed() -> Any:
            found = [
                {"Key": version.key, "VersionId": version.id, "ETag": f'"{version.etag}"'}
                for version in self._bucket.versions.values()
                if version.key.startswith(Prefix)
            ]
            return {"Versions": found, "IsTruncated": False}

        return self._calls.make(f"ListObjectVersions {Prefix}", listed)


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
