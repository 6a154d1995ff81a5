"""Granted against used: what is too much, what is missing, and what a withheld permission leaves."""

from __future__ import annotations

import json

from bench.iam.policies import Grant
from bench.iam.record import Access, Refusal, Use
from bench.iam.refusals import NO_REFUSAL, judge_refusals
from bench.permissions.matrix import Standing, compare
from bench.permissions.services import Demand
from bench.permissions.withhold import reduced

TABLE = "arn:aws:dynamodb:us-east-1:1:table/t"
STREAMS = "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/f:*"
QUERY, PUT_LOGS = Grant("dynamodb:Query", TABLE), Grant("logs:PutLogEvents", STREAMS)
DEMAND = Demand("role", "logs:PutLogEvents", STREAMS.replace("*", "log-stream:x"), "logs", "https://page")
USED = Use("role", "f", QUERY.action, QUERY.resource, 3)
REFUSED = Refusal("role", "f", "dynamodb:Scan", TABLE, "User: f is not authorized", 2)
NOTHING = Access((), ())


def test_m13_what_is_granted_is_used_by_the_function_or_by_aws() -> None:
    """A grant that its function used, and one that a service demands, are both in order."""
    found = compare({"role": [QUERY, PUT_LOGS]}, Access((USED,), ()), [DEMAND])
    assert found.faults == ()
    assert [(row.grant, row.standing, row.requests) for row in found.rows] == [
        (QUERY, Standing.USED, 3),
        (PUT_LOGS, Standing.SERVICE, 0),
    ]


def test_m13_a_grant_that_nobody_uses_is_a_fault() -> None:
    """Neither another role's use nor another resource's excuses it."""
    others = Access((Use("other", "g", QUERY.action, TABLE, 1), Use("role", "f", QUERY.action, f"{TABLE}2", 1)), ())
    found = compare({"role": [QUERY]}, others, [])
    assert [row.standing for row in found.rows] == [Standing.UNUSED]
    assert found.faults == (f"role: dynamodb:Query on {TABLE} is granted and nobody uses it",)


def test_m13_a_refused_request_is_a_fault() -> None:
    """What a function asked for and was not granted is missing; other stacks' roles are not looked at."""
    found = compare({"role": [QUERY]}, Access((USED,), (REFUSED,)), [])
    assert found.faults == ("role: User: f is not authorized",)
    assert compare({"role": [QUERY]}, Access((USED,), (Refusal("x", "f", "a", "r", "m", 1),)), []).faults == ()


def test_m13_a_services_demand_that_nothing_grants_is_a_fault() -> None:
    """The table of services cannot name what the roles do not have; the page is part of what is said."""
    found = compare({"role": [QUERY]}, Access((USED,), ()), [DEMAND])
    assert len(found.faults) == 1
    assert "logs:PutLogEvents" in found.faults[0]
    assert "https://page" in found.faults[0]


def test_m13_the_verdict_is_red_for_a_refusal_and_for_silence() -> None:
    """A run passes the check where its roles were allowed something and refused nothing."""
    assert judge_refusals(Access((USED,), ()), {"role"}).passed
    refused = judge_refusals(Access((USED,), (REFUSED,)), {"role"})
    assert (refused.name, refused.passed) == (NO_REFUSAL, False)
    assert REFUSED.message in refused.detail
    assert judge_refusals(Access((USED,), (REFUSED,)), {"another"}).passed is False
    assert judge_refusals(NOTHING, {"role"}).passed is False


def test_m13_a_later_look_counts_what_came_since() -> None:
    """Uses and refusals of an earlier run do not count again, in whatever order they come."""
    before = Access((USED,), (REFUSED,))
    more = Use("role", "f", QUERY.action, QUERY.resource, 5)
    assert Access((more,), (REFUSED,)).since(before) == Access((Use("role", "f", QUERY.action, TABLE, 2),), ())


def test_m13_withholding_takes_one_action_and_no_denial() -> None:
    """Every statement that allows it loses it, one that allows nothing else goes, denials stay as they are."""
    deny = {"Effect": "Deny", "Action": ["dynamodb:Query"], "Resource": "*"}
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["dynamodb:Query", "dynamodb:GetItem"], "Resource": TABLE},
            {"Effect": "Allow", "Action": "dynamodb:Query", "Resource": "*"},
            deny,
        ],
    }
    assert json.loads(reduced(json.dumps(policy), "dynamodb:Query"))["Statement"] == [
        {"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": TABLE},
        deny,
    ]
