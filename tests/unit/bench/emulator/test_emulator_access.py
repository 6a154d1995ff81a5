"""The IAM check in the emulator: whose requests it decides on, by which policies, and what it keeps of them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bench.emulator.access import check as access
from bench.emulator.access.check import AccessCheck, AccessRecord
from bench.engine import CommonServiceException, IamProvider, StsProvider, iam_stores

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "000000000000"
NAME = "unit-access"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/t"


def allow(action: str) -> str:
    """Write a policy that allows one action on the table."""
    return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": TABLE}})


class World:
    """A role with a session, made by LocalStack's own providers, and a check that is asked directly."""

    def __init__(self) -> None:
        self.iam, self.sts = IamProvider(), StsProvider()
        self.context: Any = SimpleNamespace(
            account_id=ACCOUNT, region="us-east-1", partition="aws", request=SimpleNamespace(headers={})
        )
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        created = self.iam.create_role(self.context, NAME, trust, path="/unit/")
        self.arn = str(created["Role"]["Arn"])
        self.grant(allow("dynamodb:Query"))
        self.key = self.session()
        self.record = AccessRecord()
        self.check = AccessCheck(self.record)

    def grant(self, policy: str) -> None:
        """Put the role's inline policy."""
        self.iam.put_role_policy(self.context, NAME, "own", policy)

    def session(self) -> str:
        """Assume the role as LocalStack does for a function; return the access key."""
        assumed = self.sts.assume_role(self.context, self.arn, "f-dev")
        return str(assumed["Credentials"]["AccessKeyId"])

    def delete(self) -> None:
        """Delete the role, if it is still there."""
        if NAME in iam_stores[ACCOUNT]["us-east-1"].ROLES:
            self.iam.delete_role_policy(self.context, NAME, "own")
            self.iam.delete_role(self.context, NAME)

    def ask(self, operation: str, request: dict[str, Any], **more: Any) -> str:
        """Ask DynamoDB with the session's key; return the code of the refusal, empty where there is none."""
        key = more.pop("key", self.key)
        signed = f"AWS4-HMAC-SHA256 Credential={key}/20260105/us-east-1/dynamodb/aws4_request, Signature=x"
        fields: dict[str, Any] = {
            "service": SimpleNamespace(service_name="dynamodb"),
            "operation": SimpleNamespace(name=operation),
            "is_internal_call": False,
            "partition": "aws",
            "region": "us-east-1",
            "account_id": ACCOUNT,
            "request": SimpleNamespace(headers={"Authorization": signed}),
            "service_request": request,
        }
        context: Any = SimpleNamespace(**{**fields, **more})
        nothing: Any = None
        try:
            self.check(nothing, context, nothing)
        except CommonServiceException as error:
            return str(error.code)
        return ""


@pytest.fixture
def world() -> Iterator[World]:
    """Make a role and remove it."""
    made = World()
    yield made
    made.delete()


def test_m13_a_session_may_do_what_its_role_says(world: World) -> None:
    """What is allowed passes and counts as a use of the grant; what is not is refused and counts as that."""
    assert world.ask("Query", {"TableName": "t"}) == ""
    assert world.ask("Query", {"TableName": "t"}) == ""
    assert world.ask("Scan", {"TableName": "t"}) == "AccessDeniedException"
    facts = world.record.facts()
    assert facts["uses"] == [
        {"role": NAME, "function": "f-dev", "action": "dynamodb:Query", "resource": TABLE, "requests": 2}
    ]
    assert [(one["action"], one["requests"]) for one in facts["refusals"]] == [("dynamodb:Scan", 1)]


def test_m13_others_are_not_decided_on(world: World) -> None:
    """The bench's own requests, LocalStack's internal ones and those that are none of AWS's pass, and count nowhere."""
    assert world.ask("Scan", {"TableName": "t"}, key="test") == ""
    assert world.ask("Scan", {"TableName": "t"}, is_internal_call=True) == ""
    assert world.ask("Scan", {"TableName": "t"}, service=None) == ""
    assert world.record.facts() == {"checked": True, "uses": [], "refusals": []}


def test_m13_policies_count_as_they_are_now(world: World) -> None:
    """Inline and attached policies, changed ones at once; a role that is gone may do nothing."""
    assert world.ask("GetItem", {"TableName": "t"}) == "AccessDeniedException"
    managed = world.iam.create_policy(world.context, "unit-access-managed", allow("dynamodb:GetItem"))["Policy"]["Arn"]
    world.iam.attach_role_policy(world.context, NAME, managed)
    assert world.ask("GetItem", {"TableName": "t"}) == ""
    world.grant(allow("dynamodb:Scan"))
    assert world.ask("Query", {"TableName": "t"}) == "AccessDeniedException"
    world.iam.detach_role_policy(world.context, NAME, managed)
    assert world.ask("GetItem", {"TableName": "t"}) == "AccessDeniedException"
    world.iam.delete_policy(world.context, managed)
    world.delete()
    assert world.ask("Scan", {"TableName": "t"}) == "AccessDeniedException"


def test_m13_a_boundary_counts_as_it_is_now(world: World) -> None:
    """What a role's permissions boundary leaves out is refused; of one that is gone everything."""
    world.grant(allow("dynamodb:*"))
    arn = world.iam.create_policy(world.context, "unit-access-bounds", allow("dynamodb:Query"))["Policy"]["Arn"]
    world.iam.put_role_permissions_boundary(world.context, NAME, arn)
    assert world.ask("Query", {"TableName": "t"}) == ""
    assert world.ask("GetItem", {"TableName": "t"}) == "AccessDeniedException"
    world.iam.delete_policy(world.context, arn)
    assert world.ask("Query", {"TableName": "t"}) == "AccessDeniedException"
    world.iam.delete_role_permissions_boundary(world.context, NAME)
    assert world.ask("GetItem", {"TableName": "t"}) == ""


def test_m13_each_table_of_a_batch_is_asked_for(world: World) -> None:
    """One forbidden table refuses the whole request."""
    world.grant(allow("dynamodb:BatchWriteItem"))
    assert world.ask("BatchWriteItem", {"RequestItems": {"t": []}}) == ""
    assert world.ask("BatchWriteItem", {"RequestItems": {"t": [], "u": []}}) == "AccessDeniedException"


def test_m13_refusals_are_kept_in_bounded_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that is refused everything does not fill LocalStack's memory; the number of refusals stays right."""
    monkeypatch.setattr(access, "_MAX_REFUSALS", 3)
    for number in range(10):
        world.ask("Scan", {"TableName": f"t{number}"})
    refusals = world.record.facts()["refusals"]
    assert len(refusals) == 4
    assert sum(one["requests"] for one in refusals) == 10
