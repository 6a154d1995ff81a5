"""The parts of indexes of packed objects, as objects of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from services import clients
from services.deadlines import attempts
from services.failures import code_of, explanation, is_transient
from tickstream.errors import MalformedItem
from tickstream.packed_index import ENTRY_BYTES, part_of, unpack_entry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from services.deadlines import Deadline
    from tickstream.packed_index import Entry

#: A part that is not there, or shorter than the entry's place in it.
_MISSING: Final = frozenset({"NoSuchKey", "404", "InvalidRange"})


def part_key(ingest_id: str, part: int) -> str:
    """Return the key of a part."""
    return f"index/{ingest_id}/{part:06}"


class IndexParts:
    """The parts in a bucket, for one invocation. client: the process's own unless given."""

    def __init__(self, bucket: str, deadline: Deadline, client: S3Client | None = None) -> None:
        self._bucket = bucket
        self._deadline = deadline
        self._client = client or clients.s3()

    def put(self, ingest_id: str, part: int, packed: bytes) -> None:
        """Write a part. Raises ServiceIncomplete, ServiceRefused."""
        doing = f"S3 PutObject of {self._bucket}/{part_key(ingest_id, part)}"
        for _ in attempts(self._deadline, doing):
            try:
                self._client.put_object(Bucket=self._bucket, Key=part_key(ingest_id, part), Body=packed)
            except (BotoCoreError, ClientError) as error:
                if not is_transient(error):
                    raise explanation(error, doing) from error
            else:
                return

    def get(self, ingest_id: str, part: int) -> bytes | None:
        """Return a part; None where it is not there. Raises ServiceIncomplete, ServiceRefused."""
        return self._bytes(ingest_id, part, "")

    def entry(self, ingest_id: str, index: int) -> Entry | None:
        """Return the entry of a range; None where it is not there, or is none. Raises as `get`."""
        part, start = part_of(index)
        packed = self._bytes(ingest_id, part, f"bytes={start}-{start + ENTRY_BYTES - 1}")
        try:
            return None if packed is None else unpack_entry(packed)
        except MalformedItem:
            return None

    def _bytes(self, ingest_id: str, part: int, extent: str) -> bytes | None:
        key = part_key(ingest_id, part)
        doing = f"S3 GetObject of {self._bucket}/{key}"
        for _ in attempts(self._deadline, doing):
            try:
                if extent:
                    return self._client.get_object(Bucket=self._bucket, Key=key, Range=extent)["Body"].read()
                return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except (BotoCoreError, ClientError) as error:
                if isinstance(error, ClientError) and code_of(error) in _MISSING:
                    return None
                if not is_transient(error):
                    raise explanation(error, doing) from error
        raise AssertionError("attempts() ends by raising")
