"""What statements of IAM policies have in common: allow narrowly, deny what nobody may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from awacs import (
    awslambda,
    dynamodb,
    events,
    iam,
    logs,
    s3,
    sqs,
    xray,
)
from awacs.aws import (
    Action,
    Allow,
    Bool,
    BoolIfExists,
    Condition,
    Deny,
    PolicyDocument,
    Principal,
    Statement,
    StringNotEquals,
)
from awacs.sts import AssumeRole
from troposphere import AccountId, Split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awacs.aws import ConditionElement

VERSION = "2012-10-17"

ANY_ACTION = Action("*")

_DESTRUCTIVE = (
    dynamodb.DeleteTable,
    dynamodb.UpdateTable,
    dynamodb.UpdateTimeToLive,
    dynamodb.UpdateContinuousBackups,
    s3.DeleteBucket,
    s3.DeleteBucketPolicy,
    s3.PutBucketVersioning,
    s3.PutEncryptionConfiguration,
    s3.PutLifecycleConfiguration,
    s3.PutBucketPublicAccessBlock,
    sqs.DeleteQueue,
    sqs.PurgeQueue,
    sqs.SetQueueAttributes,
    events.DeleteRule,
    events.DisableRule,
    events.RemoveTargets,
    awslambda.DeleteFunction,
    awslambda.UpdateFunctionCode,
    awslambda.UpdateFunctionConfiguration,
    logs.CreateLogGroup,
    logs.DeleteLogGroup,
    logs.DeleteLogStream,
    iam.Action("*"),
)


def document(statements: Sequence[Statement]) -> PolicyDocument:
    """Return a policy document of the current version."""
    return PolicyDocument(Version=VERSION, Statement=list(statements))


def allow(
    sid: str,
    actions: Sequence[Action],
    resources: Sequence[Any] | Split,
    *,
    principal: Principal | None = None,
    conditions: Sequence[ConditionElement] = (),
) -> Statement:
    """Return an Allow statement; `principal` only in policies of resources.

    resources: a text of several that is split may stand for them.
    """
    optional: dict[str, Any] = {}
    if principal is not None:
        optional["Principal"] = principal
    if conditions:
        optional["Condition"] = Condition(list(conditions))
    named = resources if isinstance(resources, Split) else list(resources)
    return Statement(Sid=sid, Effect=Allow, Action=list(actions), Resource=named, **optional)


def deny_insecure_transport(
    actions: Sequence[Action], resources: Sequence[Any], *, principal: Principal | None = None
) -> Statement:
    """Return the statement that refuses everything outside TLS, whatever else allows it."""
    optional = {} if principal is None else {"Principal": principal}
    return Statement(
        Sid="DenyInsecureTransport",
        Effect=Deny,
        Action=list(actions),
        Resource=list(resources),
        Condition=Condition(Bool({"aws:SecureTransport": "false"})),
        **optional,
    )


def deny_strangers(actions: Sequence[Action], resources: Sequence[Any]) -> Statement:
    """Return the statement of a resource's policy that refuses who is neither of this account nor an AWS service.

    Whatever else may come to allow them. Services are spared because some call as themselves and not with a role of
    the account (EventBridge, to a dead-letter queue); the policy's other statements say which of them may do what.
    An unsigned call has neither key: it counts as not equal, and IfExists makes it no service.
    """
    return Statement(
        Sid="DenyStrangers",
        Effect=Deny,
        Principal=Principal("*"),
        Action=list(actions),
        Resource=list(resources),
        Condition=Condition(
            [
                StringNotEquals({"aws:PrincipalAccount": AccountId}),
                BoolIfExists({"aws:PrincipalIsAWSService": "false"}),
            ]
        ),
    )


def deny_destruction(*, but: Sequence[Action] = ()) -> Statement:
    """Return the statement that keeps a function from undoing the stack, even if some policy allowed it.

    The control plane belongs to CloudFormation. Deleting objects is not in it: the bucket emptier does that, and
    no other role is allowed to. but: what a role is there for all the same.
    """
    denied = [action for action in _DESTRUCTIVE if action not in but]
    return Statement(Sid="DenyDestruction", Effect=Deny, Action=denied, Resource=["*"])


def trace() -> Statement:
    """Return what active tracing needs; X-Ray has no resources to narrow it to."""
    return allow("Trace", [xray.PutTraceSegments, xray.PutTelemetryRecords], ["*"])


def assumed_by(service: str) -> PolicyDocument:
    """Return the trust policy of a role that one AWS service assumes."""
    return document([Statement(Effect=Allow, Action=[AssumeRole], Principal=Principal("Service", service))])
