"""Writing the copy beside an index, by boto3's own upload in parts."""

from __future__ import annotations

import io
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from services.deadlines import Deadline
from services.index_parts import IndexParts
from tickstream.errors import OutOfTime, ServiceIncomplete, ServiceRefused


class _Refusing:
    """A client that answers an upload with an error."""

    def __init__(self, code: str, status: int) -> None:
        self._answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}

    def upload_fileobj(self, *_: object, **__: object) -> None:
        raise ClientError(self._answer, "UploadPart")


class _Late(io.RawIOBase):
    """A file of which nothing can be read in time."""

    def readable(self) -> bool:
        return True

    def read(self, _size: int = -1) -> bytes:
        raise OutOfTime("no time")


@pytest.mark.parametrize(
    ("code", "status", "wanted"), [("AccessDenied", 403, ServiceRefused), ("SlowDown", 503, ServiceIncomplete)]
)
def test_what_does_not_pass_is_not_tried_for_ever(code: str, status: int, wanted: type[Exception]) -> None:
    """A refusal fails the message, which ends as a dead letter; what passes puts the order back."""
    client: Any = _Refusing(code, status)
    with pytest.raises(wanted, match="copy"):
        IndexParts("bucket", Deadline.after(10), client).put_copy("ingest", io.BytesIO(b"x"))


def test_what_reading_raises_comes_out_of_the_upload() -> None:
    """Out of time is told as such, through the threads of the upload, before anything is sent."""
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")  # noqa: S106
    with pytest.raises(OutOfTime):
        IndexParts("bucket", Deadline.after(10), client).put_copy("ingest", _Late())  # type: ignore[arg-type]
