"""Which actions on which resources a request needs: the requests of this project's functions, and their neighbours.

After AWS's service authorization reference for
[DynamoDB](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html),
[S3](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html),
[SQS](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html) and
[EventBridge](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench.iam.decisions import Asked

type Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request was sent: what an ARN begins with."""

    partition: str
    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource here; a name that is an ARN already stays."""
        if resource.startswith("arn:"):
            return resource
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


type Needs = tuple[Asked, ...]
type _Read = Callable[[str, Parameters, Place], Needs | None]


def needs_of(service: str, operation: str, request: Parameters, place: Place) -> Needs | None:
    """Return what a request needs, all of it; None for a request that is not known here."""
    read = _SERVICES.get(service)
    return read(operation, request, place) if read else None


# --- DynamoDB -----------------------------------------------------------------------------------------------------


def _dynamodb(operation: str, request: Parameters, place: Place) -> Needs | None:
    # The action is called like the operation. Whoever asks for several tables needs each.
    if operation in {"BatchGetItem", "BatchWriteItem"}:
        tables = tuple(request.get("RequestItems") or ())
    else:
        tables = (request["TableName"],) if request.get("TableName") else ()
    if not tables:
        return None
    index = f"/index/{request['IndexName']}" if request.get("IndexName") else ""
    return tuple(
        Asked(f"dynamodb:{operation}", place.arn("dynamodb", f"table/{_table(name)}") + index) for name in tables
    )


def _table(name: str) -> str:
    return name.rpartition(":table/")[2]


# --- S3 -----------------------------------------------------------------------------------------------------------

_OF_BUCKETS: Final[Mapping[str, str]] = {
    "DeleteBucket": "DeleteBucket",
    "DeleteBucketPolicy": "DeleteBucketPolicy",
    "GetBucketPolicy": "GetBucketPolicy",
    "HeadBucket": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketPolicy": "PutBucketPolicy",
}
_OF_OBJECTS: Final[Mapping[str, str]] = {
    "AbortMultipartUpload": "AbortMultipartUpload",
    "CompleteMultipartUpload": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "ListParts": "ListMultipartUploadParts",
    "PutObject": "PutObject",
    "UploadPart": "PutObject",
}
#: With a version's id another action than without, and never both.
_OF_VERSIONS: Final[Mapping[str, str]] = {
    "DeleteObject": "DeleteObject",
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
}


def _s3(operation: str, request: Parameters, place: Place) -> Needs | None:
    bucket = f"arn:{place.partition}:s3:::{request.get('Bucket')}"
    if action := _OF_BUCKETS.get(operation):
        return (Asked(f"s3:{action}", bucket),)
    if action := _OF_OBJECTS.get(operation):
        return (Asked(f"s3:{action}", f"{bucket}/{request['Key']}"),)
    if action := _OF_VERSIONS.get(operation):
        return (_of_version(action, bucket, request),)
    if operation == "DeleteObjects":
        return tuple(_of_version("DeleteObject", bucket, one) for one in request["Delete"]["Objects"])
    return None


def _of_version(action: str, bucket: str, named: Parameters) -> Asked:
    return Asked(f"s3:{action}{'Version' if named.get('VersionId') else ''}", f"{bucket}/{named['Key']}")


# --- the others ---------------------------------------------------------------------------------------------------


def _sqs(operation: str, request: Parameters, place: Place) -> Needs | None:
    if not request.get("QueueUrl"):
        return None
    # A batch is the same action as one message.
    queue = str(request["QueueUrl"]).rpartition("/")[2]
    return (Asked(f"sqs:{operation.removesuffix('Batch')}", place.arn("sqs", queue)),)


def _events(operation: str, request: Parameters, place: Place) -> Needs | None:
    if operation != "PutEvents":
        return None
    # Each entry for itself: its own bus, its own source.
    return tuple(
        dict.fromkeys(
            Asked(
                "events:PutEvents",
                place.arn("events", f"event-bus/{_bus(entry.get('EventBusName') or 'default')}"),
                (("events:source", str(entry.get("Source", ""))),),
            )
            for entry in request["Entries"]
        )
    )


def _bus(name: str) -> str:
    return name.rpartition(":event-bus/")[2]


_SERVICES: Final[Mapping[str, _Read]] = {
    "dynamodb": _dynamodb,
    "events": _events,
    "s3": _s3,
    "sqs": _sqs,
}
