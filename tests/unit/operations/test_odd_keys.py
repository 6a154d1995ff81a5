"""The emptier and keys that XML cannot write, against an S3 that lists them as S3 and emulators do."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.exceptions import ClientError

from operations.bucket_contents import empty_bucket

BUCKET = "market-data-test"


class OddS3:
    """A bucket of four versions whose names moto's XML cannot list; deleted ones are gone."""

    def __init__(self, keys: list[str]) -> None:
        self.left = keys
        self.together: list[str] = []
        self.meta = boto3.client("s3", region_name="us-east-1").meta

    def get_bucket_policy(self, **_: Any) -> Any:
        """None is there."""
        return {"Policy": "{}"}

    def put_bucket_policy(self, **_: Any) -> None:
        """Forget it."""

    def put_bucket_lifecycle_configuration(self, **_: Any) -> None:
        """Forget it."""

    def get_paginator(self, _: str) -> OddS3:
        """Of versions."""
        return self

    def paginate(self, **_: Any) -> list[Any]:
        """One page."""
        return [{"Versions": [{"Key": key, "VersionId": "v"} for key in self.left]}]

    def list_multipart_uploads(self, **_: Any) -> Any:
        """None."""
        return {}

    def delete_objects(self, *, Delete: Any, **_: Any) -> Any:  # noqa: N803 - boto3's
        """Delete many at once."""
        self.together += [one["Key"] for one in Delete["Objects"]]
        self.left = [key for key in self.left if key not in self.together]
        return {}

    def delete_object(self, *, Key: str, VersionId: str, **_: Any) -> Any:  # noqa: N803 - boto3's
        """Delete one."""
        assert VersionId == "v"
        self.left = [key for key in self.left if key != Key]


def test_m18_a_key_that_xml_cannot_write_is_deleted_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """One object of such a name must not make S3 refuse the deletion of all others, and so of the stack."""
    monkeypatch.setattr("operations.bucket_contents.PAUSE_BETWEEN_EMPTY_LISTINGS_SECONDS", 0.0)
    odd: Any = OddS3(["a\x1b.csv", "b.csv", "c\x01.csv", "\ufffe", "d\t\n\r\U0001f4c8.csv"])
    assert empty_bucket(odd, BUCKET, time.monotonic() + 60).versions == 5
    assert odd.together == ["b.csv", "d\t\n\r\U0001f4c8.csv"]
    assert odd.left == []


@pytest.mark.parametrize("encodes", [True, False], ids=["as S3 does", "as emulators do"])
def test_m18_an_upload_of_an_odd_key_is_aborted(monkeypatch: pytest.MonkeyPatch, *, encodes: bool) -> None:
    """Uploads are listed with their keys encoded, or with keys that only look so; both are aborted under their own."""
    monkeypatch.setattr("operations.bucket_contents.PAUSE_BETWEEN_EMPTY_LISTINGS_SECONDS", 0.0)
    uploads = {"1": "a +%20.csv", "2": "b\x1b.csv"}

    def listed(**request: Any) -> Any:
        assert request["EncodingType"] == "url"
        named = {upload: quote(key) if encodes else key for upload, key in uploads.items()}
        return {"EncodingType": "url", "Uploads": [{"Key": key, "UploadId": upload} for upload, key in named.items()]}

    def abort(*, Key: str, UploadId: str, **_: Any) -> None:  # noqa: N803 - boto3's
        if uploads.get(UploadId) != Key:
            raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "AbortMultipartUpload")
        del uploads[UploadId]

    odd: Any = OddS3([])
    monkeypatch.setattr(odd, "list_multipart_uploads", listed)
    monkeypatch.setattr(odd, "abort_multipart_upload", abort, raising=False)
    assert empty_bucket(odd, BUCKET, time.monotonic() + 60).uploads == 2
    assert uploads == {}
