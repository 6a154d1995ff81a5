"""Allowed or not: AWS's order of evaluation for a role's session within its own account.

Any matching Deny refuses, wherever it stands. Otherwise any matching Allow is enough, of the role's policies or of the
resource's, if the role's permissions boundary, where it has one, allows it too. (A resource's policy that names a
session, and not its role, may grant beyond the boundary on AWS; none here does.) Otherwise the request is refused.
[Evaluation logic](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html),
[within one account](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html).
There are no organizations or session policies here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bench.iam.policies import statements_of

if TYPE_CHECKING:
    from bench.iam.policies import Caller, Grant

_REMEMBERED: Final = 16_384


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request needs: one action on one resource. `facts`: condition keys of the request, in lower case."""

    action: str
    resource: str
    facts: tuple[tuple[str, str], ...] = ()


class Outcome(StrEnum):
    """How a request was decided, in the words of AWS's own refusals."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "because no identity-based policy allows the {action} action"
    DENIED = "with an explicit deny in an identity-based policy"
    NOT_WITHIN_BOUNDARY = "because no permissions boundary allows the {action} action"
    DENIED_BY_BOUNDARY = "with an explicit deny in a permissions boundary"
    DENIED_BY_RESOURCE = "with an explicit deny in a resource-based policy"


@dataclass(frozen=True, slots=True)
class Decision:
    """`grant`: what allowed it, as the role's own policy writes it; None where it was refused or the resource did."""

    outcome: Outcome
    grant: Grant | None = None

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.outcome is Outcome.ALLOWED


@lru_cache(maxsize=_REMEMBERED)
def decide(
    caller: Caller, identity: tuple[str, ...], resource_policy: str | None, asked: Asked, boundary: str | None = None
) -> Decision:
    """Decide on one request. Raises PolicyError where a policy holds what is not evaluated.

    identity: the documents of the role's policies. They are the key that a decision is remembered by, so that a policy
    that changes is asked anew, and nobody has to be told. Comparing them costs next to nothing: they are the same
    objects each time. boundary: the document of the role's permissions boundary, where it has one.
    """
    facts = {
        # The endpoint is on this machine's loopback interface, which nobody can listen to: as good as TLS.
        "aws:securetransport": "true",
        "aws:principalaccount": caller.account,
        "aws:principalisawsservice": "false",
        **dict(asked.facts),
    }
    own = [statement for document in identity for statement in statements_of(document)]
    others = [
        statement
        for statement in (statements_of(resource_policy) if resource_policy else ())
        if statement.concerns(caller)
    ]
    bounds = statements_of(boundary) if boundary is not None else ()
    for statements, outcome in (
        (own, Outcome.DENIED),
        (bounds, Outcome.DENIED_BY_BOUNDARY),
        (others, Outcome.DENIED_BY_RESOURCE),
    ):
        if any(one.denies and one.matching(asked.action, asked.resource, facts) for one in statements):
            return Decision(outcome)
    if boundary is not None and not any(one.matching(asked.action, asked.resource, facts) for one in bounds):
        return Decision(Outcome.NOT_WITHIN_BOUNDARY)
    for statements in (own, others):
        for statement in statements:
            found = None if statement.denies else statement.matching(asked.action, asked.resource, facts)
            if found is not None:
                return Decision(Outcome.ALLOWED, found if statements is own else None)
    return Decision(Outcome.NOT_ALLOWED)


def refusal(caller: Caller, asked: Asked, outcome: Outcome) -> str:
    """Phrase a refusal as AWS does.

    [Messages](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html). S3 quotes the
    resource, SQS writes actions in lower case.
    """
    service = asked.action.partition(":")[0]
    action = asked.action.lower() if service == "sqs" else asked.action
    resource = f'"{asked.resource}"' if service == "s3" else asked.resource
    why = outcome.value.format(action=action)
    return f"User: {caller.session_arn} is not authorized to perform: {action} on resource: {resource} {why}"
