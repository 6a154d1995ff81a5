"""The one statement of bucket policies that a stack's deletion rests on: nobody may write here any more.

LocalStack stores bucket policies and enforces none. The bucket emptier closes a bucket by a denial of `s3:PutObject` to
everybody, without conditions, and deletes until nothing comes any more; where the denial means nothing, an uploader
that goes on keeps it busy for ever. Every other statement stays unenforced (see `NOT_EMULATED`).
"""

import json
from functools import lru_cache
from typing import Any, Final

from bench.engine import CommonServiceException, RequestContext, Response, handlers, s3_stores

#: What `s3:PutObject` authorizes.
_WRITES: Final = frozenset(
    {
        "CompleteMultipartUpload",
        "CopyObject",
        "CreateMultipartUpload",
        "PostObject",
        "PutObject",
        "UploadPart",
        "UploadPartCopy",
    }
)
_ACTIONS: Final = frozenset({"s3:PutObject", "s3:Put*", "s3:*", "*"})


def install() -> None:
    """Put the denial into the request chain; called once, while LocalStack starts."""
    handlers.serve_custom_service_request_handlers.append(_refuse)


def _refuse(_chain: Any, context: RequestContext, _response: Response) -> None:
    if not context.service or context.service.service_name != "s3" or not context.operation:
        return
    if context.operation.name not in _WRITES or not context.service_request:
        return
    name = context.service_request.get("Bucket")
    bucket = s3_stores[context.account_id][context.region].buckets.get(name)
    if bucket is not None and bucket.policy and denies_writes(bucket.policy, name):
        raise CommonServiceException(
            "AccessDenied", "refused with an explicit deny in a resource-based policy", status_code=403
        )


@lru_cache(maxsize=64)
def denies_writes(policy: str, bucket: str) -> bool:
    """Say whether a policy denies writes to all of a bucket to everybody without any condition."""
    stated = json.loads(policy).get("Statement", [])
    return any(
        statement.get("Effect") == "Deny"
        and not statement.get("Condition")
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and _ACTIONS.intersection(_listed(statement.get("Action")))
        and any(str(resource).endswith(f":::{bucket}/*") for resource in _listed(statement.get("Resource")))
        for statement in _listed(stated)
    )


def _listed(value: Any) -> list[Any]:
    """Return a policy element, which may stand alone, as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
