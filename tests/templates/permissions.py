"""Words of IAM policies: what may be granted to whom, and how actions and condition keys are spelt."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import awacs
from awacs.aws import Action

from tests.templates.reading import ENV, arn, sub
from tests.templates.systems import bucket_arn

if TYPE_CHECKING:
    from tests.templates.systems import Grant

WITHOUT_RESOURCES = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
"""Actions for which AWS offers nothing narrower than every resource."""

CONDITION_KEYS = {
    # Global keys: IAM user guide, "AWS global condition context keys".
    "aws:PrincipalAccount",
    "aws:PrincipalIsAWSService",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
    # Service keys: service authorization reference, EventBridge.
    "events:source",
    # KMS developer guide, "AWS KMS condition keys".
    "kms:ViaService",
}
"""Every condition key that the templates use, spelt as AWS does; IAM treats an unknown key as absent, in silence."""


def read_objects(bucket: str) -> list[Grant]:
    """Return the right to read versions of a bucket's objects."""
    return [
        (("s3:GetObjectVersion",), (sub(f"{bucket_arn(bucket)}/*"),)),
        (("s3:ListBucket", "s3:ListBucketVersions"), (sub(bucket_arn(bucket)),)),
    ]


def read_back(bucket: str, prefix: str) -> list[Grant]:
    """Return the right to read the newest versions below a prefix; a missing one is a 404."""
    return [
        (("s3:GetObject",), (sub(f"{bucket_arn(bucket)}/{prefix}*"),)),
        (("s3:ListBucket",), (sub(bucket_arn(bucket)),)),
    ]


def empty_buckets(*buckets: str) -> list[Grant]:
    """Return the rights of the function that empties buckets."""
    return [
        (
            (
                "s3:GetBucketPolicy",
                "s3:ListBucketMultipartUploads",
                "s3:ListBucketVersions",
                "s3:PutBucketPolicy",
                "s3:PutLifecycleConfiguration",
            ),
            tuple(sub(bucket_arn(bucket)) for bucket in buckets),
        ),
        (
            ("s3:AbortMultipartUpload", "s3:DeleteObjectVersion"),
            tuple(sub(f"{bucket_arn(bucket)}/*") for bucket in buckets),
        ),
    ]


def send(queue: str) -> Grant:
    """Return the right to send to a queue of this physical name."""
    return ("sqs:SendMessage",), (arn("sqs", queue),)


def consume(queue: str) -> Grant:
    """Return what Lambda's poller needs for a queue of this physical name."""
    return ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"), (arn("sqs", queue),)


def use_table(name: str, *actions: str) -> Grant:
    """Return the right to some actions, in alphabetical order, on a table of this physical name."""
    return tuple(f"dynamodb:{action}" for action in actions), (arn("dynamodb", f"table/{name}"),)


def common(name: str) -> list[Grant]:
    """Return what every role allows: the log streams of its own function, of this name, and X-Ray."""
    return [
        (("logs:CreateLogStream", "logs:PutLogEvents"), (arn("logs", f"log-group:/aws/lambda/{name}-{ENV}:*"),)),
        (("xray:PutTelemetryRecords", "xray:PutTraceSegments"), ("*",)),
    ]


def known_actions() -> set[str]:
    """Return every action that awacs knows, and each service's wildcard."""
    actions = {"*"}
    for module in pkgutil.iter_modules(awacs.__path__):
        members = vars(importlib.import_module(f"awacs.{module.name}"))
        found = {member.JSONrepr() for member in members.values() if isinstance(member, Action)}
        actions |= found
        if "prefix" in members:
            actions.add(f"{members['prefix']}:*")
    return actions
