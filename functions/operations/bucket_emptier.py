"""BucketEmptier: the custom resource that lets one stack deletion take a versioned bucket with it.

CloudFormation deletes a bucket only when it is empty. This resource depends on the bucket, and everything that writes
to the bucket depends on this resource, so a deletion reaches it when the writers are gone and before the bucket is.
Strangers (a user's upload, still running) are kept out by a bucket policy first: without it the bucket could be
filled again between the last listing and DeleteBucket.

One resource a bucket: property `BucketName`; the physical id is the bucket's name. CloudFormation waits an hour for an
answer that does not come, so every path answers, and the work stops early enough to say that it did not finish.
"""

from __future__ import annotations

import json
import random
import time
import urllib.request
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from operations.bucket_contents import DELETIONS_AT_A_TIME, BucketGone, empty_bucket
from services.log_lines import one_line
from tickstream.errors import TickstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_s3 import S3Client

#: Left for the answer when the function's time runs out: more than one S3 call with all its retries takes.
ANSWER_RESERVE_SECONDS: Final = 90
ANSWER_ATTEMPTS: Final = 5
ANSWER_TIMEOUT_SECONDS: Final = 10
#: CloudFormation takes at most 4 KB of answer.
MAX_REASON_CHARACTERS: Final = 1_000

logger = Logger(json_serializer=one_line)


class AnswerNotDelivered(TickstreamError):
    """CloudFormation could not be reached: Lambda's own retry of the event tries again (all of it may run twice)."""


@cache
def _s3() -> S3Client:
    # Not the shared client: to delete 1,000 versions takes S3 longer than that one waits.
    config = Config(
        connect_timeout=5,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=DELETIONS_AT_A_TIME + 1,  # and who lists
    )
    return boto3.client("s3", config=config)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Serve one request of CloudFormation; the result is what was answered to its ResponseURL.

    Raises AnswerNotDelivered only; whatever else goes wrong is the answer.
    """
    logger.append_keys(stack=event.get("StackId"))
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - ANSWER_RESERVE_SECONDS
    physical_id = physical_id_of(event)
    try:
        serve(event, deadline)
    except Exception as error:  # whatever it is: no answer at all would hang the stack for an hour
        logger.exception("custom resource failed", bucket=physical_id)
        reason = f"{type(error).__name__}: {error} (log stream {context.log_stream_name})"
        deliver(event, answer(event, "FAILED", physical_id, reason))
    else:
        deliver(event, answer(event, "SUCCESS", physical_id, ""))


def serve(event: dict[str, Any], deadline: float) -> None:
    """Do what CloudFormation asks for: nothing, except where a bucket is to be deleted.

    A change of BucketName is a new physical id, after which CloudFormation asks to delete the old one by itself.
    """
    bucket = bucket_of(event)
    request_type = event.get("RequestType")
    if request_type in {"Create", "Update"}:
        return
    if request_type != "Delete":
        raise TickstreamError(f"unknown RequestType {request_type!r}")
    if event.get("PhysicalResourceId") != bucket:
        # A create that failed or never answered has a physical id of another's making. The bucket, if it is there
        # at all, may belong to somebody else: hands off.
        logger.info("delete of a failed create: nothing to do", bucket=bucket)
        return
    try:
        deleted = empty_bucket(_s3(), bucket, deadline)
    except BucketGone:
        logger.info("bucket is gone already", bucket=bucket)
    else:
        logger.info("bucket is empty", bucket=bucket, versions=deleted.versions, uploads=deleted.uploads)


def bucket_of(event: dict[str, Any]) -> str:
    """Return the property BucketName. Raises TickstreamError where it is missing."""
    bucket = (event.get("ResourceProperties") or {}).get("BucketName")
    if not isinstance(bucket, str) or not bucket:
        raise TickstreamError("the custom resource has no property BucketName")
    return bucket


def physical_id_of(event: dict[str, Any]) -> str:
    """Return the physical id to answer with: on Delete the one asked about, which must not change.

    A create without a bucket gets an id that no bucket can have, so that its delete is recognised.
    """
    if event.get("RequestType") == "Delete":
        return str(event.get("PhysicalResourceId"))
    try:
        return bucket_of(event)
    except TickstreamError:
        return f"failed/{event.get('RequestId')}"


def answer(event: dict[str, Any], status: str, physical_id: str, reason: str) -> dict[str, str]:
    """Build the body that CloudFormation wants; it matches answers to requests by these ids."""
    body = {
        "Status": status,
        "PhysicalResourceId": physical_id,
        "StackId": str(event.get("StackId")),
        "RequestId": str(event.get("RequestId")),
        "LogicalResourceId": str(event.get("LogicalResourceId")),
    }
    if reason:
        body["Reason"] = reason[:MAX_REASON_CHARACTERS]
    return body


def deliver(event: dict[str, Any], body: dict[str, str], sleep: Callable[[float], None] = time.sleep) -> None:
    """Put the answer to the presigned URL of the request. Raises AnswerNotDelivered after all attempts."""
    url = str(event.get("ResponseURL"))
    if not url.startswith(("https://", "http://")):
        raise AnswerNotDelivered("ResponseURL is not an HTTP address")
    # The signature covers an empty content type; urllib would otherwise send one of its own.
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        url, data=json.dumps(body).encode(), headers={"Content-Type": ""}, method="PUT"
    )
    for attempt in range(1, ANSWER_ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_SECONDS):  # noqa: S310 - as above
                logger.info("answered", status=body["Status"], reason=body.get("Reason"))
                return
        except OSError as error:  # URLError, HTTPError and time-outs are all OSErrors
            # Never with the address: it is presigned and would let a reader of the log answer.
            logger.warning("answer not taken", attempt=attempt, error=f"{type(error).__name__}: {error}")
            if attempt == ANSWER_ATTEMPTS:
                raise AnswerNotDelivered(f"no answer taken in {ANSWER_ATTEMPTS} attempts: {error}") from error
            sleep(random.uniform(0.5, 1.0) * 2 ** (attempt - 1))  # noqa: S311 - jitter, not a secret
