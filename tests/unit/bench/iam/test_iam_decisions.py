"""Who may do what, in AWS's documented order: any deny, then any allow, else nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.errors import PolicyError
from bench.iam.decisions import Asked, Decision, Outcome, decide, refusal
from bench.iam.policies import Caller, Grant

ROLE = "arn:aws:iam::123456789012:role/Worker-us-east-1-dev"
CALLER = Caller("123456789012", ROLE, "arn:aws:sts::123456789012:assumed-role/Worker-us-east-1-dev/Worker-dev")
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/State-dev"
QUERY = Asked("dynamodb:Query", TABLE)
ALLOW = {"Effect": "Allow", "Action": ["dynamodb:Query", "dynamodb:GetItem"], "Resource": [TABLE]}
DENY = {**ALLOW, "Effect": "Deny"}


def document(*statements: dict[str, Any]) -> str:
    """Write a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def decided(asked: Asked, *statements: dict[str, Any], on_resource: tuple[dict[str, Any], ...] = ()) -> Decision:
    """Decide by one policy of the role, and one of the resource if there are statements for it."""
    return decide(CALLER, (document(*statements),), document(*on_resource) if on_resource else None, asked)


def outcome(asked: Asked, *statements: dict[str, Any], on_resource: tuple[dict[str, Any], ...] = ()) -> Outcome:
    """Decide, and say how."""
    return decided(asked, *statements, on_resource=on_resource).outcome


def test_m13_nothing_is_allowed_by_default() -> None:
    """Without a policy, or with one that speaks of something else, a request is refused implicitly."""
    assert decide(CALLER, (), None, QUERY).outcome is Outcome.NOT_ALLOWED
    assert outcome(QUERY, {**ALLOW, "Action": "dynamodb:PutItem"}) is Outcome.NOT_ALLOWED
    assert outcome(QUERY, {**ALLOW, "Resource": f"{TABLE}-other"}) is Outcome.NOT_ALLOWED


def test_m13_an_allow_says_which_grant_it_was() -> None:
    """What allowed a request is known as the policy writes it, so that unused grants can be told apart."""
    assert decided(QUERY, ALLOW) == Decision(Outcome.ALLOWED, Grant("dynamodb:Query", TABLE))
    wide = {**ALLOW, "Action": "dynamodb:*", "Resource": "arn:aws:dynamodb:*"}
    assert decided(QUERY, wide).grant == Grant("dynamodb:*", "arn:aws:dynamodb:*")


def test_m13_a_deny_wins_wherever_it_stands() -> None:
    """Before or after the allow, in the same policy, another one or the resource's: an explicit deny refuses."""
    assert outcome(QUERY, ALLOW, DENY) is outcome(QUERY, DENY, ALLOW) is Outcome.DENIED
    assert decide(CALLER, (document(ALLOW), document(DENY)), None, QUERY).outcome is Outcome.DENIED
    on_resource = ({**DENY, "Principal": "*"},)
    assert outcome(QUERY, ALLOW, on_resource=on_resource) is Outcome.DENIED_BY_RESOURCE


@pytest.mark.parametrize(
    ("bounds", "wanted"),
    [
        ([{**ALLOW, "Action": "*", "Resource": "*"}], Outcome.ALLOWED),
        ([{**ALLOW, "Action": "s3:*", "Resource": "*"}], Outcome.NOT_WITHIN_BOUNDARY),
        ([{**ALLOW, "Action": "*", "Resource": "*"}, DENY], Outcome.DENIED_BY_BOUNDARY),
        ([], Outcome.NOT_WITHIN_BOUNDARY),
    ],
)
def test_m13_a_boundary_bounds_and_grants_nothing(bounds: list[dict[str, Any]], wanted: Outcome) -> None:
    """Both the role's policies and its permissions boundary have to allow; a boundary alone allows nothing."""
    assert decide(CALLER, (document(ALLOW),), None, QUERY, document(*bounds)).outcome is wanted
    assert not decide(CALLER, (), None, QUERY, document(*bounds)).allowed
    on_resource = document({**ALLOW, "Principal": {"AWS": ROLE}})
    assert decide(CALLER, (), on_resource, QUERY, document(*bounds)).outcome is wanted


def test_m13_a_policy_of_the_resource_may_allow_within_the_account() -> None:
    """Either side's allow is enough; one for a service or for somebody else is none for this role."""
    for principal in ("*", {"AWS": ROLE}, {"AWS": ["x", CALLER.session_arn]}):
        assert decided(QUERY, on_resource=({**ALLOW, "Principal": principal},)) == Decision(Outcome.ALLOWED)
    for principal in ({"Service": "events.amazonaws.com"}, {"AWS": f"{ROLE}-other"}):
        assert outcome(QUERY, on_resource=({**ALLOW, "Principal": principal},)) is Outcome.NOT_ALLOWED


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("dynamodb:query", TABLE, True),
        ("dynamodb:Que*", TABLE, True),
        ("dynamodb:Quer?", TABLE, True),
        ("*", "*", True),
        ("dynamodb:Query", TABLE.lower(), False),
        ("dynamodb:Query", f"{TABLE[:-1]}?", True),
        ("dynamodb:Query", TABLE[:-3], False),
        ("dynamodb:Query", TABLE.replace("State-dev", "[S]tate-dev"), False),
        ("dynamodb:Query", TABLE.replace(":", "."), False),
        ("dynamodb:Quer", TABLE, False),
        ("s3:*", TABLE, False),
    ],
)
def test_m13_wildcards_are_a_star_and_a_question_mark_and_nothing_else(
    action: str, resource: str, *, allowed: bool
) -> None:
    """The case of actions does not count, that of resources does; brackets and dots are characters."""
    stated = {"Effect": "Allow", "Action": action, "Resource": resource}
    assert decided(QUERY, stated).allowed is allowed


def test_m13_not_resource_is_everything_else() -> None:
    """A statement on all but some resources does not speak of those."""
    but = {"Effect": "Deny", "Action": "dynamodb:*", "NotResource": [TABLE]}
    assert outcome(QUERY, ALLOW, but) is Outcome.ALLOWED
    other = Asked("dynamodb:Query", f"{TABLE}-other")
    assert outcome(other, {**ALLOW, "Resource": "*"}, but) is Outcome.DENIED


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"Bool": {"aws:SecureTransport": False}}, False),
        ({"StringEquals": {"events:source": "market"}}, True),
        ({"StringEquals": {"EVENTS:Source": ["other", "market"]}}, True),
        ({"StringEquals": {"events:source": "Market"}}, False),
        ({"StringEquals": {"events:source": "mark*"}}, False),
        ({"StringLike": {"events:source": "mark*"}}, True),
        ({"StringEquals": {"aws:SourceAccount": "market"}}, False),
        ({"StringEqualsIfExists": {"aws:SourceAccount": "market"}}, True),
        ({"StringNotEquals": {"aws:SourceAccount": "market"}}, True),
        ({"StringNotEquals": {"events:source": ["other", "market"]}}, False),
        ({"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}}, False),
        ({"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}, True),
        ({"ArnEquals": {"aws:SourceArn": "*"}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}, "StringEquals": {"events:source": "other"}}, False),
    ],
)
def test_m13_conditions_must_all_hold(condition: dict[str, Any], *, met: bool) -> None:
    """Operators and keys are joined by and, values by or; an absent key meets only negations and IfExists."""
    asked = Asked("events:PutEvents", "bus", (("events:source", "market"),))
    stated = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*", "Condition": condition}
    assert decided(asked, stated).allowed is met


def test_m13_loopback_counts_as_tls_and_the_account_is_no_stranger() -> None:
    """The denials that all queues and buckets carry spare a function of the account, and would hit another's."""
    denials = (
        {**DENY, "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {
            **DENY,
            "Principal": "*",
            "Condition": {
                "StringNotEquals": {"aws:PrincipalAccount": "123456789012"},
                "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
            },
        },
    )
    assert outcome(QUERY, ALLOW, on_resource=denials) is Outcome.ALLOWED
    stranger = Caller("999999999999", ROLE, CALLER.session_arn)
    found = decide(stranger, (document(ALLOW),), document(*denials), QUERY)
    assert found.outcome is Outcome.DENIED_BY_RESOURCE


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"Condition": {"IpAddress": {"aws:SecureTransport": "10.0.0.0/8"}}}, "IpAddress"),
        ({"Condition": {"ForAllValues:StringEquals": {"events:source": "x"}}}, "ForAllValues"),
        ({"Condition": {"StringEquals": {"aws:PrincipalTag/team": "x"}}}, "aws:PrincipalTag/team"),
        ({"Condition": {"StringEquals": {"events:source": "${aws:username}"}}}, "variables"),
        ({"Resource": "arn:aws:s3:::${aws:username}"}, "variables"),
        ({"NotAction": "s3:*"}, "NotAction"),
        ({"NotPrincipal": {"AWS": "x"}}, "NotPrincipal"),
        ({"Principal": {"Federated": "x"}}, "Federated"),
        ({"Effect": "allow"}, "no statement"),
        ({"NotResource": "x"}, "no statement"),
    ],
)
def test_m13_what_is_not_evaluated_is_refused_and_never_passed(change: dict[str, Any], named: str) -> None:
    """A policy with anything unknown in it decides nothing, also where another statement would allow the request."""
    with pytest.raises(PolicyError, match=named.replace("/", ".")):
        decided(QUERY, ALLOW, {**ALLOW, **change})


def test_m13_refusals_are_phrased_as_aws_does() -> None:
    """The message names the session, the action, the resource and which kind of policy is to blame."""
    assert refusal(CALLER, QUERY, Outcome.NOT_ALLOWED) == (
        f"User: {CALLER.session_arn} is not authorized to perform: dynamodb:Query on resource: {TABLE} "
        "because no identity-based policy allows the dynamodb:Query action"
    )
    sent = refusal(CALLER, Asked("sqs:SendMessage", "arn:queue"), Outcome.DENIED_BY_RESOURCE)
    assert sent.endswith(
        "perform: sqs:sendmessage on resource: arn:queue with an explicit deny in a resource-based policy"
    )
    read = refusal(CALLER, Asked("s3:GetObject", "arn:aws:s3:::b/k"), Outcome.DENIED)
    assert read.endswith('on resource: "arn:aws:s3:::b/k" with an explicit deny in an identity-based policy')
