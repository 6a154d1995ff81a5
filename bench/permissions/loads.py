"""What makes functions use everything that they may: a small load that takes every path, rare ones too."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from tickstream.ingests import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.targets import Target


class Load(Protocol):
    """One pipeline's load on a stack that is deployed; every call of `send` is new work."""

    def send(self) -> None:
        """Send everything; what is refused on the way shows in the target's record, and raises nothing."""

    def poke(self) -> None:
        """Do what must be done again and again until everything is at rest."""

    def clear_leftovers(self) -> None:
        """Take away what a refusal has left: messages that wait for their next try, leases that nobody gave back."""

    def leave_behind(self) -> None:
        """Leave in each bucket what its emptier must find: a version, and an upload that nobody completes."""


class Sender:
    """What the loads of both pipelines do."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.s3, self.sqs = target.client("s3"), target.client("sqs")

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Put an object."""
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def invoke(self, function: str, event: Mapping[str, Any]) -> None:
        """Invoke a function and wait for it; that it fails is its own affair."""
        self.target.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())

    def leave(self, bucket: str) -> None:
        """Leave a version and an upload in a bucket."""
        self.put(bucket, "left/object", b"left behind")
        self.s3.create_multipart_upload(Bucket=bucket, Key="left/upload")


def new_name() -> str:
    """Return a name that no earlier work has, and that may be a symbol."""
    return uuid.uuid4().hex[:12].upper()


def missing(bucket: str, key: str) -> Source:
    """Return a version that is not there."""
    return Source(bucket, key, "never-there", "0" * 32, 100)


def created(source: Source) -> dict[str, Any]:
    """Return S3's event about an object version, which need not be there."""
    found = {"key": source.key, "versionId": source.version_id, "eTag": source.etag, "size": source.size_bytes}
    record = {"eventTime": "2026-01-05T14:30:00.000Z", "s3": {"bucket": {"name": source.bucket}, "object": found}}
    return {"Records": [record]}
