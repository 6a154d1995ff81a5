"""What each request of a function needs, as AWS's service authorization reference has it."""

from __future__ import annotations

from typing import Any

import pytest

from bench.iam.decisions import Asked
from bench.iam.requests import Place, needs_of

PLACE = Place("aws", "us-east-1", "123456789012")
_TABLES = "arn:aws:dynamodb:us-east-1:123456789012:table"
_OBJECT = {"Bucket": "b", "Key": "a/k"}
_QUEUE = "http://127.0.0.1:4566/queue/us-east-1/123456789012/work-dev.fifo"


@pytest.mark.parametrize(
    ("service", "operation", "request_", "needs"),
    [
        ("dynamodb", "Query", {"TableName": "t"}, [("dynamodb:Query", f"{_TABLES}/t")]),
        ("dynamodb", "Query", {"TableName": "t", "IndexName": "i"}, [("dynamodb:Query", f"{_TABLES}/t/index/i")]),
        ("dynamodb", "DeleteTable", {"TableName": f"{_TABLES}/t"}, [("dynamodb:DeleteTable", f"{_TABLES}/t")]),
        (
            "dynamodb",
            "BatchWriteItem",
            {"RequestItems": {"t": [], "u": []}},
            [("dynamodb:BatchWriteItem", f"{_TABLES}/t"), ("dynamodb:BatchWriteItem", f"{_TABLES}/u")],
        ),
        ("s3", "GetObject", _OBJECT, [("s3:GetObject", "arn:aws:s3:::b/a/k")]),
        ("s3", "GetObject", {**_OBJECT, "VersionId": "v"}, [("s3:GetObjectVersion", "arn:aws:s3:::b/a/k")]),
        ("s3", "HeadObject", {**_OBJECT, "VersionId": "v"}, [("s3:GetObjectVersion", "arn:aws:s3:::b/a/k")]),
        ("s3", "UploadPart", _OBJECT, [("s3:PutObject", "arn:aws:s3:::b/a/k")]),
        ("s3", "AbortMultipartUpload", _OBJECT, [("s3:AbortMultipartUpload", "arn:aws:s3:::b/a/k")]),
        ("s3", "ListObjectVersions", {"Bucket": "b"}, [("s3:ListBucketVersions", "arn:aws:s3:::b")]),
        ("s3", "ListMultipartUploads", {"Bucket": "b"}, [("s3:ListBucketMultipartUploads", "arn:aws:s3:::b")]),
        (
            "s3",
            "DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}, {"Key": "k", "VersionId": "v"}]}},
            [("s3:DeleteObject", "arn:aws:s3:::b/k"), ("s3:DeleteObjectVersion", "arn:aws:s3:::b/k")],
        ),
        (
            "sqs",
            "SendMessageBatch",
            {"QueueUrl": _QUEUE},
            [("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:work-dev.fifo")],
        ),
    ],
)
def test_m13_a_request_needs_these_actions(
    service: str, operation: str, request_: dict[str, Any], needs: list[tuple[str, str]]
) -> None:
    """Action and resource of each table, object or queue that a request touches."""
    assert needs_of(service, operation, request_, PLACE) == tuple(Asked(*need) for need in needs)


def test_m13_each_event_is_asked_for_with_its_source() -> None:
    """Entries of different sources or buses are decided one by one, equal ones once."""
    bus = "arn:aws:events:us-east-1:123456789012:event-bus"
    entries = [{"Source": "a"}, {"Source": "a"}, {"Source": "b"}, {"Source": "a", "EventBusName": f"{bus}/own"}]
    assert needs_of("events", "PutEvents", {"Entries": entries}, PLACE) == (
        Asked("events:PutEvents", f"{bus}/default", (("events:source", "a"),)),
        Asked("events:PutEvents", f"{bus}/default", (("events:source", "b"),)),
        Asked("events:PutEvents", f"{bus}/own", (("events:source", "a"),)),
    )


@pytest.mark.parametrize(
    ("service", "operation"),
    [("dynamodb", "ListTables"), ("s3", "CopyObject"), ("sqs", "ListQueues"), ("events", "PutRule"), ("sts", "x")],
)
def test_m13_an_unknown_request_needs_nobody_knows_what(service: str, operation: str) -> None:
    """It is told apart from one that needs nothing, so that it can be refused."""
    assert needs_of(service, operation, {"Bucket": "b", "Key": "k"}, PLACE) is None
