"""The emptier on a real S3 API: LocalStack's own bucket deletion empties buckets too, so a stack cannot show this."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from operations.bucket_contents import BucketGone, Deleted, empty_bucket

if TYPE_CHECKING:
    from bench.targets.embedded import EmbeddedTarget

BUCKET = "emptied-by-the-emptier"
#: S3 takes them all; XML 1.0, in which many keys are deleted at once, can write neither the first nor the second.
ODD_KEYS = ("a\x1b[2J", "a\x01b\uffff", "a\n\r\tb", "<Key>&lt;</Key>", "\u2028\U0001f4c8")


def test_m18_versions_markers_and_uploads_are_deleted_for_good(target: EmbeddedTarget) -> None:
    """Versions, a delete marker and an unfinished upload: after it the bucket can be deleted."""
    s3 = target.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for number in range(30):
        s3.put_object(Bucket=BUCKET, Key=f"key {number % 3}+%.csv", Body=b"x")
    for key in ODD_KEYS:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="key 0+%.csv")
    s3.create_multipart_upload(Bucket=BUCKET, Key="unfinished")
    s3.create_multipart_upload(Bucket=BUCKET, Key="unfinished +%\u00e9")
    assert empty_bucket(s3, BUCKET, time.monotonic() + 60) == Deleted(versions=31 + len(ODD_KEYS), uploads=2)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=BUCKET, Key="too late", Body=b"x")
    listed = s3.list_object_versions(Bucket=BUCKET)
    assert "Versions" not in listed
    assert "DeleteMarkers" not in listed
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    assert empty_bucket(s3, BUCKET, time.monotonic() + 60) == Deleted(versions=0, uploads=0), "twice does no harm"
    s3.delete_bucket(Bucket=BUCKET)
    with pytest.raises(BucketGone):
        empty_bucket(s3, BUCKET, time.monotonic() + 60)
