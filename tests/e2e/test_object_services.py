"""Reading frozen versions and writing large objects against a real S3 interface: what no script of answers shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.deadlines import Deadline
from services.objects import PART_BYTES, LineWriter, ObjectReader
from tickstream.errors import ObjectRejected, Reason
from tickstream.ingests import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from bench.targets.embedded import EmbeddedTarget

BUCKET = "object-services"


@pytest.fixture(scope="module")
def s3(target: EmbeddedTarget) -> Iterator[S3Client]:
    """A client and a versioned bucket, emptied in the end."""
    client: S3Client = target.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield client
    for versions in client.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
        for found in [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]:
            client.delete_object(Bucket=BUCKET, Key=found["Key"], VersionId=found["VersionId"])
    client.delete_bucket(Bucket=BUCKET)


def test_i6_many_lines_become_one_object(s3: S3Client) -> None:
    """Lines of more than two parts arrive as one object, complete and in order."""
    lines = [b"%01000d" % number for number in range(2 * PART_BYTES // 1000 + 5)]
    with LineWriter(BUCKET, "rejected/many.jsonl", s3) as writer:
        for line in lines:
            writer.add(line)
    written = s3.get_object(Bucket=BUCKET, Key="rejected/many.jsonl")["Body"].read()
    assert written == b"".join(line + b"\n" for line in lines)


def test_lines_that_are_given_up_leave_nothing(s3: S3Client) -> None:
    """A writer that is left by an error leaves neither an object nor an upload that would cost money."""
    writer = LineWriter(BUCKET, "rejected/aborted.jsonl", s3)
    for _ in range(PART_BYTES // 1000 + 1):
        writer.add(b"x" * 1000)
    writer.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert not s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads")
    assert not s3.list_objects_v2(Bucket=BUCKET, Prefix="rejected/aborted").get("Contents")


def test_a_frozen_version_is_read_until_it_is_deleted(s3: S3Client) -> None:
    """New bytes and a delete marker hide nothing of the frozen version; only its own deletion makes it gone."""
    put = s3.put_object(Bucket=BUCKET, Key="k", Body=b"0123456789")
    source = Source(BUCKET, "k", put["VersionId"], put["ETag"].strip('"'), 10)
    unversioned = Source(BUCKET, "k", "null", source.etag, 10)

    def read(frozen: Source) -> bytes:
        return ObjectReader(frozen, Deadline.after(30), s3)(2, 99)

    assert read(source) == read(unversioned) == b"23456789"
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"abcdefghij")
    assert read(source) == b"23456789"
    with pytest.raises(ObjectRejected, match="PreconditionFailed"):
        read(unversioned)
    s3.delete_object(Bucket=BUCKET, Key="k")
    assert read(source) == b"23456789"
    s3.delete_object(Bucket=BUCKET, Key="k", VersionId=source.version_id)
    with pytest.raises(ObjectRejected) as gone:
        read(source)
    assert gone.value.reason is Reason.OBJECT_GONE
