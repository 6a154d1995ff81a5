"""What S3 is asked for, and what its answers mean: reads of frozen versions, checksums, lists, rejected lines."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from services import objects
from services.deadlines import Deadline
from services.objects import LineWriter, ObjectReader, stored_checksum
from tickstream.errors import NotShownYet, ObjectRejected, Reason, ServiceIncomplete, ServiceRefused
from tickstream.ingests import Source

SOON = 5.0
SOURCE = Source("bucket", "key", "v1", "e" * 32, 1000)


def scripted(service: str) -> tuple[Any, Stubber]:
    """A client that answers from a script; calls beyond the script fail the test."""
    make: Any = boto3.client  # Its stubs want to know the service by name.
    client = make(service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106 - none
    stubber = Stubber(client)
    stubber.activate()
    return client, stubber


def test_a_range_of_the_frozen_version_is_read() -> None:
    """The version and range that were frozen are asked for, clipped to the size; beyond it nothing is asked."""
    client, script = scripted("s3")
    body = StreamingBody(io.BytesIO(b"x" * 10), 10)
    script.add_response(
        "get_object", {"Body": body}, {"Bucket": "bucket", "Key": "key", "VersionId": "v1", "Range": "bytes=990-999"}
    )
    read = ObjectReader(SOURCE, Deadline.after(SOON), client)
    assert read(990, 2000) == b"x" * 10
    assert read(1000, 2000) == b""
    script.assert_no_pending_responses()


def test_a_read_that_breaks_off_is_made_again() -> None:
    """A body that ends early is read again from its beginning, never taken for the whole."""
    client, script = scripted("s3")
    script.add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"xx"), 10)})
    script.add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"y" * 10), 10)})
    assert ObjectReader(SOURCE, Deadline.after(SOON), client)(0, 10) == b"y" * 10


@pytest.mark.parametrize(
    ("code", "status"), [("NoSuchKey", 404), ("NoSuchVersion", 404), ("MethodNotAllowed", 405), ("Precondition", 412)]
)
def test_a_version_that_is_gone_is_the_objects_fate(code: str, status: int) -> None:
    """A missing version is a result with a reason; a missing bucket or right is an error of the deployment."""
    client, script = scripted("s3")
    script.add_client_error("get_object", code, http_status_code=status)
    if status == 404:
        script.add_response("list_object_versions", versions("v0", "v2"), {"Bucket": "bucket", "Prefix": "key"})
    with pytest.raises(ObjectRejected) as gone:
        ObjectReader(SOURCE, Deadline.after(SOON), client)(0, 10)
    assert gone.value.reason is Reason.OBJECT_GONE
    for other, other_status in (("NoSuchBucket", 404), ("AccessDenied", 403)):
        script.add_client_error("get_object", other, http_status_code=other_status)
        with pytest.raises(ServiceRefused):
            ObjectReader(SOURCE, Deadline.after(SOON), client)(0, 10)


@pytest.mark.parametrize(
    ("found", "checksum"),
    [
        ({"ChecksumCRC64NVME": "xx=", "ChecksumType": "FULL_OBJECT", "ContentLength": 1}, "ChecksumCRC64NVME:xx="),
        ({"ChecksumCRC32": "yy==-3", "ChecksumType": "COMPOSITE"}, "ChecksumCRC32:yy==-3"),
        ({"ETag": "e"}, ""),
        ({"ChecksumType": "FULL_OBJECT"}, ""),
    ],
)
def test_a_checksum_is_what_s3_keeps_of_a_version(found: dict[str, Any], checksum: str) -> None:
    """Asked for the very version, after a moment's trouble again; a version that is gone is told as such."""
    client, script = scripted("s3")
    asked = {"Bucket": "bucket", "Key": "key", "VersionId": "v1", "ChecksumMode": "ENABLED"}
    script.add_client_error("head_object", "503", http_status_code=503)
    script.add_response("head_object", found, asked)
    assert stored_checksum(SOURCE, Deadline.after(SOON), client) == checksum
    script.add_client_error("head_object", "404", http_status_code=404)
    script.add_response("list_object_versions", versions("v2"))
    with pytest.raises(ObjectRejected, match="object_gone"):
        stored_checksum(SOURCE, Deadline.after(SOON), client)
    script.add_client_error("head_object", "403", http_status_code=403)
    with pytest.raises(ServiceRefused):
        stored_checksum(SOURCE, Deadline.after(SOON), client)
    script.assert_no_pending_responses()


def versions(*version_ids: str, key: str = "key", **more: Any) -> dict[str, Any]:
    """A page of S3's list of versions."""
    return {"Versions": [{"Key": key, "VersionId": one, "ETag": f'"{"e" * 32}"'} for one in version_ids], **more}


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion", "404"])
def test_a_version_that_is_listed_is_not_gone(code: str) -> None:
    """In a bucket's first minutes S3 answers 404 for objects that are there: a retry may cure it."""
    for operation in ("get_object", "head_object"):
        client, script = scripted("s3")
        script.add_client_error(operation, code, http_status_code=404)
        script.add_response("list_object_versions", versions("v1"))
        with pytest.raises(NotShownYet):
            _ = (
                ObjectReader(SOURCE, Deadline.after(SOON), client)(0, 10)
                if operation == "get_object"
                else objects.as_stored(SOURCE, client)
            )
        script.assert_no_pending_responses()


def test_a_version_is_looked_for_among_all_of_its_key_and_no_other() -> None:
    """Page by page, until another key comes; a version of another key does not count, and no end does not mean gone."""
    client, script = scripted("s3")
    more: dict[str, Any] = {"IsTruncated": True, "NextKeyMarker": "key", "NextVersionIdMarker": "v9"}
    script.add_client_error("get_object", "NoSuchVersion", http_status_code=404)
    script.add_response("list_object_versions", versions("v9", **more))
    script.add_response(
        "list_object_versions",
        versions("v1", key="key2", **{**more, "NextKeyMarker": "key2"}),
        {"Bucket": "bucket", "Prefix": "key", "KeyMarker": "key", "VersionIdMarker": "v9"},
    )
    with pytest.raises(ObjectRejected):
        ObjectReader(SOURCE, Deadline.after(SOON), client)(0, 10)
    script.add_client_error("get_object", "NoSuchVersion", http_status_code=404)
    for _ in range(10):
        script.add_response("list_object_versions", versions("v9", **more))
    with pytest.raises(NotShownYet):
        ObjectReader(SOURCE, Deadline.after(SOON), client)(0, 10)
    script.assert_no_pending_responses()


def test_an_object_without_a_version_is_known_by_its_bytes() -> None:
    """In a bucket without versioning the list has one version of a key, and its ETag says whether it is the same."""
    unversioned = replace(SOURCE, version_id="")
    for etag, raised in (("e" * 32, NotShownYet), ("f" * 32, ObjectRejected)):
        client, script = scripted("s3")
        script.add_client_error("get_object", "NoSuchKey", http_status_code=404)
        script.add_response("list_object_versions", versions("null"))
        with pytest.raises(raised):
            ObjectReader(replace(unversioned, etag=etag), Deadline.after(SOON), client)(0, 10)


def test_a_list_that_cannot_be_read_decides_nothing() -> None:
    """Without the right to it, or while S3 is busy, an object is not called gone."""
    for code, raised in (("AccessDenied", ServiceRefused), ("SlowDown", ServiceIncomplete)):
        client, script = scripted("s3")
        script.add_client_error("get_object", "NoSuchVersion", http_status_code=404)
        script.add_client_error("list_object_versions", code)
        with pytest.raises(raised):
            ObjectReader(SOURCE, Deadline.after(SOON), client)(0, 10)


def test_few_lines_are_one_put_and_none_is_no_object() -> None:
    """A small object is put as a whole when the writer is left; without a line nothing is put."""
    client, script = scripted("s3")
    script.add_response("put_object", {}, {"Bucket": "bucket", "Key": "key", "Body": b"a\nb\n"})
    with LineWriter("bucket", "key", client) as writer:
        writer.add(b"a")
        writer.add(b"b")
    with LineWriter("bucket", "other", client):
        pass
    script.assert_no_pending_responses()


def test_i6_many_lines_are_sent_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines beyond a part's size leave memory as parts of one upload; an error on the way leaves no object."""
    monkeypatch.setattr(objects, "PART_BYTES", 4)
    upload = {"Bucket": "bucket", "Key": "key", "UploadId": "u"}

    client, script = scripted("s3")
    crc32 = {"ChecksumAlgorithm": "CRC32"}
    script.add_response("create_multipart_upload", {"UploadId": "u"}, {"Bucket": "bucket", "Key": "key", **crc32})
    parts: dict[str, list[dict[str, Any]]] = {"Parts": []}
    for number, body in ((1, b"abc\n"), (2, b"d\n")):
        uploaded = {"ETag": f"e{number}", "ChecksumCRC32": f"c{number}"}
        script.add_response("upload_part", uploaded, {**upload, **crc32, "PartNumber": number, "Body": body})
        parts["Parts"].append({"PartNumber": number, **uploaded})
    script.add_response("complete_multipart_upload", {}, {**upload, "MultipartUpload": parts})
    with LineWriter("bucket", "key", client) as writer:
        writer.add(b"abc")
        writer.add(b"d")
    script.assert_no_pending_responses()

    client, script = scripted("s3")
    script.add_response("create_multipart_upload", {"UploadId": "u"})
    script.add_response("upload_part", {"ETag": "e1", "ChecksumCRC32": "c1"})
    script.add_response("abort_multipart_upload", {}, upload)
    writer = LineWriter("bucket", "key", client)
    writer.add(b"abc")
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    script.assert_no_pending_responses()
