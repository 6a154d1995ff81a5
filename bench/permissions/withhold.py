"""Takes each permission that functions use away in turn: the load must run into it, or the check means nothing."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from bench.errors import BenchError, DeploymentError
from bench.iam.refusals import judge_refusals
from bench.permissions.granted import inline_policies, resources
from bench.permissions.matrix import Standing, compare
from bench.permissions.survey import access_of
from bench.stack import deployment
from bench.waiting import Patience
from generator.blocks.emptier import TITLE as EMPTIER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.ledger.verdict import Check
    from bench.permissions.survey import Stack
    from bench.targets import Target

#: In the order in which a bucket is emptied: what is withheld later must still be met after what was withheld before.
EMPTYING: Final = (
    "s3:GetBucketPolicy",
    "s3:PutBucketPolicy",
    "s3:PutLifecycleConfiguration",
    "s3:ListBucketVersions",
    "s3:DeleteObjectVersion",
    "s3:ListBucketMultipartUploads",
    "s3:AbortMultipartUpload",
)
_ANSWER: Final = "answer.json"
_PATIENCE_S: Final = 45.0
_LOOK_EVERY_S: Final = 0.2
_POKE_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Withheld:
    """One permission that was taken away. check: the verdict's, which must have failed. noticed: by its own refusal."""

    role: str
    action: str
    check: Check
    noticed: bool
    seconds: float


def withholdable(stack: Stack) -> tuple[tuple[str, str], ...]:
    """Return the roles and actions that functions have used so far, but for the emptier's."""
    rows = compare(stack.granted, stack.used(), stack.demands).rows
    return tuple(
        dict.fromkeys(
            (row.role, row.grant.action) for row in rows if row.standing is Standing.USED and row.role != stack.emptier
        )
    )


def withhold(stack: Stack, role: str, action: str) -> Withheld:
    """Take an action from a role, send the load, and wait until it is refused; then give it back."""
    return _noticed(stack, stack.load, role, action)


def withhold_from_emptier(stack: Stack) -> Iterator[Withheld]:
    """Ask for a bucket's contents to be deleted, as CloudFormation does, without each permission that it takes in turn.

    Not by deleting the stack: on LocalStack one that could not be deleted has lost its emptier, and stays for ever.
    Raises BenchError where the emptier has come to use something that has no place in that order yet.
    """
    granted = {grant.action for grant in stack.granted[stack.emptier]}
    demanded = {demand.action for demand in stack.demands if demand.role == stack.emptier}
    if unknown := sorted(granted - demanded ^ set(EMPTYING)):
        raise BenchError(f"{', '.join(unknown)}: the emptier's permissions are not those of {__name__}.EMPTYING")
    stack.load.leave_behind()
    stack.left_behind = True
    for action in EMPTYING:
        yield _noticed(stack, _Emptying(stack), stack.emptier, action)


class _Work(Protocol):
    def send(self) -> None: ...
    def poke(self) -> None: ...
    def clear_leftovers(self) -> None: ...


class _Emptying:
    """One request of CloudFormation's to empty the first bucket; it is over when the function has answered."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def send(self) -> None:
        """Invoke the emptier. Raises DeploymentError where it says that the bucket is empty."""
        stack = self._stack
        bucket = self._first("AWS::S3::Bucket")
        answers = deployment.code_bucket(stack.target, stack.environment, stack.pipeline)
        event = {
            "RequestType": "Delete",
            "RequestId": "withheld",
            "StackId": stack.pipeline,
            "LogicalResourceId": bucket,
            "PhysicalResourceId": bucket,
            "ResourceProperties": {"BucketName": bucket},
            # An address to put the answer to, as CloudFormation's are.
            "ResponseURL": stack.target.object_url(answers, _ANSWER),
        }
        function = self._first("AWS::Lambda::Function", EMPTIER)
        stack.target.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
        answer = json.load(stack.target.client("s3").get_object(Bucket=answers, Key=_ANSWER)["Body"])
        if answer["Status"] != "FAILED":
            raise DeploymentError(f"{bucket} was emptied, though its emptier may not empty it")

    def _first(self, kind: str, title: str = "") -> str:
        stack = self._stack
        found = resources(stack.target, stack.environment, stack.pipeline, kind)
        return min(str(one["PhysicalResourceId"]) for one in found if title in {"", one["LogicalResourceId"]})

    def poke(self) -> None:
        """Nothing goes on."""

    def clear_leftovers(self) -> None:
        """Nothing is left that could."""


def _noticed(stack: Stack, work: _Work, role: str, action: str) -> Withheld:
    began, before = time.monotonic(), access_of(stack.target)
    poked, patience = began, Patience(_PATIENCE_S)
    with _without(stack.target, role, action):
        work.send()
        while True:
            access = access_of(stack.target).since(before)
            noticed = any((one.role, one.action) == (role, action) for one in access.refusals)
            now = time.monotonic()
            if noticed or patience.is_over:
                break
            if now - poked > _POKE_EVERY_S:
                work.poke()
                poked = now
            time.sleep(_LOOK_EVERY_S)
    work.clear_leftovers()
    return Withheld(role, action, judge_refusals(access, stack.granted), noticed, time.monotonic() - began)


@contextmanager
def _without(target: Target, role: str, action: str) -> Iterator[None]:
    """Have a role's policies not allow an action while the block runs."""
    client, policies = target.client("iam"), inline_policies(target, role)
    for name, document in policies.items():
        client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=reduced(document, action))
    try:
        yield
    finally:
        for name, document in policies.items():
            client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)


def reduced(document: str, action: str) -> str:
    """Return a policy without an action; a statement that allows nothing else goes with it. Denials stay."""
    policy: dict[str, Any] = json.loads(document)
    statements = []
    for statement in policy["Statement"]:
        stated = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        left = [one for one in stated if one != action or statement["Effect"] == "Deny"]
        if left:
            statements.append({**statement, "Action": left})
    return json.dumps({**policy, "Statement": statements})
