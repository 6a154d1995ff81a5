"""Emptying a versioned bucket for good: close it, then delete versions, markers and uploads until nothing is left.

In this order:

1. a **bucket policy** denies all writes. Died here: the bucket is closed, and its contents are still there.
2. a **lifecycle** lets everything expire in a day. Died anywhere after this: S3 goes on by itself, without a charge,
   and what no deletion gets to in its time is gone some days later. Both are the same again when they are put twice.
3. what is listed is deleted, several requests side by side; whoever dies, or meets what another one has deleted,
   leaves a shorter listing for the next.
"""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from services.failures import code_of
from tickstream.errors import TickstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import LifecycleRuleTypeDef, ObjectIdentifierTypeDef

DELETE_BATCH: Final = 1_000
#: Requests that delete at a time. One takes S3 about 0.4 s for 1,000 versions; a prefix of a bucket bears 3,500
#: deletions a second until S3 parts it, and the listing, which one thread reads, gives 5,000 to 10,000.
DELETIONS_AT_A_TIME: Final = 8
#: A bucket policy reaches all of S3 within seconds; an upload that got in before is seen by the second listing.
PAUSE_BETWEEN_EMPTY_LISTINGS_SECONDS: Final = 2.0
EMPTY_LISTINGS_WANTED: Final = 2
CLOSED_SID: Final = "DenyWritesWhileEmptying"
TLS_SID: Final = "DenyOutsideTls"


class BucketGone(TickstreamError):
    """The bucket does not exist (any more): that is success for whoever wants it empty."""


class BucketNotEmptied(TickstreamError):
    """S3 refused to delete something, or time ran out: says what was seen last."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """How much was deleted: versions and delete markers, and uploads that were never completed."""

    versions: int
    uploads: int


def empty_bucket(s3: S3Client, bucket: str, deadline: float, *, sleep: Callable[[float], None] = time.sleep) -> Deleted:
    """Close the bucket, let it expire, and delete all that is in it, until two listings in a row are empty.

    deadline: on the monotonic clock. Running twice, also at once, does no harm.
    Raises BucketGone, BucketNotEmptied, or what S3 says that no retry can cure.
    """
    try:
        close_bucket(s3, bucket)
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": EXPIRE_EVERYTHING})
        versions = uploads = empty_listings = 0
        while empty_listings < EMPTY_LISTINGS_WANTED:
            deleted = Deleted(_delete_versions(s3, bucket, deadline), _abort_uploads(s3, bucket, deadline))
            versions, uploads = versions + deleted.versions, uploads + deleted.uploads
            if deleted.versions or deleted.uploads:
                empty_listings = 0
                continue
            empty_listings += 1
            if empty_listings < EMPTY_LISTINGS_WANTED:
                _check_time(deadline, f"{versions} versions and {uploads} uploads deleted, one listing was empty")
                sleep(PAUSE_BETWEEN_EMPTY_LISTINGS_SECONDS)
    except ClientError as error:
        if code_of(error) == "NoSuchBucket":
            raise BucketGone(bucket) from error
        raise
    return Deleted(versions, uploads)


def close_bucket(s3: S3Client, bucket: str) -> None:
    """Deny every write to the bucket, whoever asks; other statements of its policy stay.

    The denial stays until the bucket is deleted; nothing takes it away in between if the stack's own BucketPolicy
    depends on the emptier (it is then deleted before the emptier runs). TLS stays demanded also in that case.
    """
    try:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if code_of(error) != "NoSuchBucketPolicy":
            raise
        policy = {"Version": "2012-10-17", "Statement": []}
    bucket_arn = f"arn:{s3.meta.partition}:s3:::{bucket}"
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(closed_policy(policy, bucket_arn)))


def closed_policy(policy: dict[str, Any], bucket_arn: str) -> dict[str, Any]:
    """Return the policy with the denial of writes added, once however often this is done."""
    stated = policy.get("Statement", [])
    statements = [stated] if isinstance(stated, dict) else list(stated)
    ours = {CLOSED_SID, TLS_SID}
    kept = [statement for statement in statements if statement.get("Sid") not in ours]
    # PutObject is also what uploads in parts and copies are authorized by.
    closed = {
        "Sid": CLOSED_SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"{bucket_arn}/*",
    }
    tls = {
        "Sid": TLS_SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {**policy, "Version": policy.get("Version", "2012-10-17"), "Statement": [*kept, tls, closed]}


#: Versions a day after they came, noncurrent ones a day after that, then markers with nothing below them.
EXPIRE_EVERYTHING: Final[list[LifecycleRuleTypeDef]] = [
    {
        "ID": "ExpireEverything",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    },
    {
        "ID": "ExpireMarkers",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
    },
]


def _delete_versions(s3: S3Client, bucket: str, deadline: float) -> int:
    """One walk through the listing; returns how many versions and markers were deleted.

    However it ends, no thread is left at work: each looks at the time before each of its requests.
    """
    deleted = 0
    waiting: set[Future[int]] = set()
    with ThreadPoolExecutor(DELETIONS_AT_A_TIME) as threads:
        for batch in _version_batches(s3, bucket):
            # Bounded: what is listed waits for who deletes it, and not in memory.
            if len(waiting) == DELETIONS_AT_A_TIME:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                deleted += sum(one.result() for one in done)
            _check_time(deadline, f"{deleted} versions deleted in this walk, at least {len(batch)} are still there")
            waiting.add(threads.submit(_delete_batch, s3, bucket, batch, deadline))
        return deleted + sum(one.result() for one in waiting)


def _delete_batch(s3: S3Client, bucket: str, batch: list[ObjectIdentifierTypeDef], deadline: float) -> int:
    """Delete what one request can, and odd keys one by one; returns how many there were."""
    alone = [version for version in batch if _NOT_XML.search(version["Key"])]
    for version in alone:
        _check_time(deadline, "odd keys are deleted one by one")
        _delete_alone(s3, bucket, version)
    together = [version for version in batch if version not in alone] if alone else batch
    if together:
        _delete_together(s3, bucket, together)
    # Busy ones count too: they were in the listing, so the listing was not empty.
    return len(batch)


def _delete_together(s3: S3Client, bucket: str, together: list[ObjectIdentifierTypeDef]) -> None:
    """Delete many versions. What is only busy, all of it or some, is met again by the next listing."""
    try:
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": together, "Quiet": True})
    except ClientError as error:
        if code_of(error) not in _BUSY:
            raise
        return
    # A 200 with errors inside: any other than busy would go on for ever.
    errors = [error for error in answer.get("Errors", []) if error.get("Code") not in _BUSY]
    if errors:
        first = errors[0]
        raise BucketNotEmptied(
            f"S3 refused to delete {len(errors)} of {len(together)} versions, the first: "
            f"{first.get('Key')} ({first.get('Code')}: {first.get('Message')})"
        )


def _delete_alone(s3: S3Client, bucket: str, version: ObjectIdentifierTypeDef) -> None:
    """Delete a version by its address, which can hold every character."""
    try:
        s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    except ClientError as error:
        # As below: the next listing meets it again.
        if code_of(error) not in _BUSY:
            raise


#: What XML 1.0 has no way to write and a key may hold. Deleting many at once takes keys in XML: one such key would
#: make S3 refuse the whole request, and whoever may put an object could make the stack impossible to delete.
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_BUSY: Final = frozenset({"InternalError", "SlowDown", "ServiceUnavailable"})


def _version_batches(s3: S3Client, bucket: str) -> Iterator[list[ObjectIdentifierTypeDef]]:
    batch: list[ObjectIdentifierTypeDef] = []
    # Deleting behind the listing is safe: the next page starts after the last key and version that was listed.
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
            batch.append({"Key": entry["Key"], "VersionId": entry["VersionId"]})
            if len(batch) == DELETE_BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _abort_uploads(s3: S3Client, bucket: str, deadline: float) -> int:
    """Abort what the first page of the listing has, of 1,000; the next walk meets the others."""
    aborted = 0
    # Encoded, because the listing is XML too; botocore does and undoes that by itself for versions, not for uploads.
    listed = s3.list_multipart_uploads(Bucket=bucket, EncodingType="url")
    for upload in listed.get("Uploads", []):
        _check_time(deadline, f"{aborted} uploads aborted in this walk, at least one is still there")
        # Emulators are told to encode and do not: then the name as it stands is the key.
        if not _abort(s3, bucket, unquote_plus(upload["Key"]), upload["UploadId"]):
            _abort(s3, bucket, upload["Key"], upload["UploadId"])
        aborted += 1
    return aborted


def _abort(s3: S3Client, bucket: str, key: str, upload_id: str) -> bool:
    """Abort an upload; False where there is none: completed or aborted since the listing, which the next one shows."""
    try:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    except ClientError as error:
        if code_of(error) != "NoSuchUpload":
            raise
        return False
    return True


def _check_time(deadline: float, seen: str) -> None:
    if time.monotonic() >= deadline:
        raise BucketNotEmptied(
            f"time is up ({seen}): delete the stack again, it goes on from there; or do so in three days, by when "
            "S3 has let everything expire"
        )
