"""Empties versioned buckets when their stack is deleted, so that one deletion needs no hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awacs import s3 as s3_actions
from troposphere.cloudformation import AWSCustomObject

from generator.blocks import policies
from generator.blocks.function import Function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from generator.blocks.bucket import Bucket
    from generator.blocks.function import Runtime
    from generator.blocks.stack import Stack

TITLE = "BucketEmptier"
HANDLER = "operations.bucket_emptier.handler"
TIMEOUT_S = 900
ANSWER_MARGIN_S = 60
LET_EXPIRE = s3_actions.PutLifecycleConfiguration
"""What it does not get to delete in its time is to expire; no other role may change when data expires."""


class BucketContents(AWSCustomObject):  # type: ignore[misc] # troposphere ships no types
    """The contents of a bucket as a resource: nothing to create, emptied on deletion; its physical id is the bucket."""

    resource_type = "Custom::BucketContents"
    props = {  # noqa: RUF012 - troposphere reads the property table from this class attribute
        "BucketName": (str, True),
        "ServiceTimeout": (int, False),
        "ServiceToken": (str, True),
    }


class Emptier:
    """The function that empties buckets, and the order in which that is safe.

    CloudFormation deletes in the reverse order of dependencies. So whoever writes to a bucket depends on its contents
    and dies first; then the contents go, with a policy that stops all other writers; then the bucket. The bucket's
    own policy depends on the contents too: deleted later, it would take the emptier's stop sign with it.

    Args:
        stack: what it is added to.
        runtime: what all functions share.
        buckets: the buckets it may empty.

    """

    def __init__(self, stack: Stack, runtime: Runtime, *, buckets: Sequence[Bucket]) -> None:
        self.function = Function(
            stack,
            TITLE,
            runtime,
            handler=HANDLER,
            does="Empties the stack's buckets when the stack is deleted.",
            timeout_s=TIMEOUT_S,
            may=[
                policies.allow(
                    "EmptyBuckets",
                    [
                        s3_actions.ListBucketVersions,
                        s3_actions.ListBucketMultipartUploads,
                        s3_actions.GetBucketPolicy,
                        s3_actions.PutBucketPolicy,
                        LET_EXPIRE,
                    ],
                    [bucket.arn_by_name for bucket in buckets],
                ),
                policies.allow(
                    "DeleteContents",
                    [s3_actions.DeleteObjectVersion, s3_actions.AbortMultipartUpload],
                    [bucket.objects() for bucket in buckets],
                ),
            ],
            variables={},
            destroys=[LET_EXPIRE],
        )
        self._titles = {bucket.title: f"{bucket.title}Contents" for bucket in buckets}
        for bucket in buckets:
            contents = stack.add(
                BucketContents(
                    self._titles[bucket.title],
                    ServiceToken=self.function.arn,
                    ServiceTimeout=TIMEOUT_S + ANSWER_MARGIN_S,
                    BucketName=bucket.name,
                )
            )
            bucket.policy.DependsOn = contents.title

    def contents(self, bucket: Bucket) -> str:
        """Return the logical id that whoever writes to `bucket` must depend on."""
        return self._titles[bucket.title]
