"""The parts of indexes of packed objects, as objects of their own."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from services import clients
from services.deadlines import attempts
from services.failures import code_of, explained, explanation, is_transient
from tickstream.errors import MalformedItem
from tickstream.packed_index import ENTRY_BYTES, part_of, unpack_entry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from services.deadlines import Deadline
    from tickstream.ingests import Read
    from tickstream.packed_index import Entry

#: A smaller copy is put at once, a larger one in parts of four times that: S3 takes 10,000 of them.
COPY_PART_BYTES: Final = 8 << 20
_IN_PARTS: Final = TransferConfig(COPY_PART_BYTES, max_concurrency=2, multipart_chunksize=4 * COPY_PART_BYTES)
#: A part that is not there, or shorter than the entry's place in it.
_MISSING: Final = frozenset({"NoSuchKey", "404", "InvalidRange"})


def copy_key(ingest_id: str) -> str:
    """Return the key of the copy of an object, where one is needed."""
    return f"index/{ingest_id}/copy"


def part_key(ingest_id: str, part: int) -> str:
    """Return the key of a part."""
    return f"index/{ingest_id}/{part:06}"


class IndexParts:
    """The parts in a bucket, for one invocation. client: the process's own unless given."""

    def __init__(self, bucket: str, deadline: Deadline, client: S3Client | None = None) -> None:
        self._bucket = bucket
        self._deadline = deadline
        self._client = client or clients.s3()

    def put_copy(self, ingest_id: str, copy: IO[bytes]) -> None:
        """Write the copy of an object. Raises ServiceIncomplete, ServiceRefused, and what reading raises."""
        key = copy_key(ingest_id)
        with explained(f"S3 upload of {self._bucket}/{key}"):
            # boto3's own: it reads on while parts are sent, and gives up an upload that breaks.
            self._client.upload_fileobj(copy, self._bucket, key, Config=_IN_PARTS)

    def copy(self, ingest_id: str, size_bytes: int) -> Read:
        """Return what reads the copy of an object; it raises MalformedItem where that is not there, or is shorter."""

        def read(start: int, end: int) -> bytes:
            extent = f"bytes={start}-{min(end, size_bytes) - 1}"
            data = self._bytes(copy_key(ingest_id), extent) if start < min(end, size_bytes) else b""
            if data is None or len(data) != max(min(end, size_bytes) - start, 0):
                raise MalformedItem("the copy beside the index is gone, or another")
            return data

        return read

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
        return self._bytes(part_key(ingest_id, part), "")

    def entry(self, ingest_id: str, index: int) -> Entry | None:
        """Return the entry of a range; None where it is not there, or is none. Raises as `get`."""
        part, start = part_of(index)
        packed = self._bytes(part_key(ingest_id, part), f"bytes={start}-{start + ENTRY_BYTES - 1}")
        try:
            return None if packed is None else unpack_entry(packed)
        except MalformedItem:
            return None

    def _bytes(self, key: str, extent: str) -> bytes | None:
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
