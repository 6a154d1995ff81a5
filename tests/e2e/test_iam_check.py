"""The embedded target's IAM check: a function may do what its role says, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bench.iam.record import read_access
from tests.e2e.fault_world import CODE, TRUST
from tests.e2e.test_embedded_functions import Function, deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.targets.embedded import EmbeddedTarget

NAME = "iam-check"
TABLE = f"arn:aws:dynamodb:us-east-1:000000000000:table/{NAME}"
MAY: list[dict[str, Any]] = [
    {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:DeleteTable"], "Resource": TABLE},
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{NAME}/*"},
    {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:us-east-1:000000000000:{NAME}"},
    {"Effect": "Deny", "Action": "dynamodb:DeleteTable", "Resource": "*"},
]
GET = ("dynamodb", "get_item", {"TableName": NAME, "Key": {"id": {"S": "1"}}})
READ = ("s3", "get_object", {"Bucket": NAME, "Key": "missing"})


class Checked:
    """A function with a role of its own, a table, a bucket and a queue."""

    def __init__(self, target: EmbeddedTarget) -> None:
        self.target = target
        self.iam, self.sqs = target.client("iam"), target.client("sqs")
        role = self.iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        self.grant(*MAY)
        target.client("dynamodb").create_table(
            TableName=NAME,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        target.client("s3").create_bucket(Bucket=NAME)
        self.queue_url = self.sqs.create_queue(QueueName=NAME)["QueueUrl"]
        self.function: Function = deploy(target, NAME, CODE, Timeout=20, Role=role)

    def grant(self, *statements: dict[str, Any]) -> None:
        """Have the role's policy say this and no more."""
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.iam.put_role_policy(RoleName=NAME, PolicyName=NAME, PolicyDocument=document)

    def ask(self, *requests: tuple[str, str, dict[str, Any]]) -> list[Any]:
        """Have the function send requests; return the answers, of a refused one its code."""
        error, answer, log = self.function.call(requests=requests)
        assert error is None, log
        return list(answer["answers"])

    def refusals(self) -> dict[str, str]:
        """The messages of all refusals so far, by action."""
        access = read_access(self.target)
        assert access is not None
        return {one.action: one.message for one in access.refusals if one.role == NAME}

    def close(self) -> None:
        """Remove all of it."""
        self.target.client("lambda").delete_function(FunctionName=NAME)
        self.target.client("dynamodb").delete_table(TableName=NAME)
        self.target.client("s3").delete_bucket(Bucket=NAME)
        self.sqs.delete_queue(QueueUrl=self.queue_url)
        self.iam.delete_role_policy(RoleName=NAME, PolicyName=NAME)
        self.iam.delete_role(RoleName=NAME)


@pytest.fixture(scope="module")
def checked(target: EmbeddedTarget) -> Iterator[Checked]:
    """Make it once for all tests of this module."""
    world = Checked(target)
    yield world
    world.close()


def test_m13_a_forbidden_call_is_refused_with_the_services_own_error(checked: Checked) -> None:
    """Another action, another table, a denied one, one that nobody knows: each is refused, and the table stands."""
    send = {"QueueUrl": checked.queue_url, "MessageBody": "allowed"}
    answers = checked.ask(
        GET,
        ("dynamodb", "scan", {"TableName": NAME}),
        ("dynamodb", "get_item", {"TableName": "another", "Key": {"id": {"S": "1"}}}),
        ("dynamodb", "delete_table", {"TableName": NAME}),
        ("dynamodb", "list_tables", {}),
        ("sqs", "send_message", send),
        ("sqs", "purge_queue", {"QueueUrl": checked.queue_url}),
        ("s3", "put_object", {"Bucket": NAME, "Key": "k", "Body": "x"}),
        ("s3", "delete_objects", {"Bucket": NAME, "Delete": {"Objects": [{"Key": "k"}]}}),
    )

    assert answers[0] == {}
    assert answers[1:5] == ["AccessDeniedException"] * 4
    assert answers[5]["MessageId"]
    assert answers[6:8] == ["AccessDenied"] * 2
    # As in S3: a success, with an error for each object.
    assert [(error["Key"], error["Code"]) for error in answers[8]["Errors"]] == [("k", "AccessDenied")]
    assert NAME in checked.target.client("dynamodb").list_tables()["TableNames"]
    session = f"arn:aws:sts::000000000000:assumed-role/{NAME}/{NAME}"
    said = checked.refusals()
    assert said["dynamodb:Scan"] == (
        f"User: {session} is not authorized to perform: dynamodb:Scan on resource: {TABLE} "
        "because no identity-based policy allows the dynamodb:Scan action"
    )
    assert said["dynamodb:DeleteTable"].endswith("with an explicit deny in an identity-based policy")
    assert "no request that the bench's IAM check knows" in said["dynamodb:ListTables"]


def test_m13_who_may_not_list_a_bucket_is_not_told_what_is_missing(checked: Checked) -> None:
    """As in S3: a missing object is 403 without s3:ListBucket, and 404 with it; policies count as they are now."""
    assert checked.ask(READ) == ["AccessDenied"]
    checked.grant(*MAY, {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{NAME}"})
    assert checked.ask(READ) == ["NoSuchKey"]
    checked.grant(MAY[-1])
    assert checked.ask(READ, GET) == ["AccessDenied", "AccessDeniedException"]
    checked.grant(*MAY)


def test_m13_a_condition_that_nobody_evaluates_refuses(checked: Checked) -> None:
    """A policy with an operator or a key that the check does not know allows nothing at all."""
    condition = {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}
    checked.grant(*MAY, {**MAY[1], "Condition": condition})
    assert checked.ask(GET) == ["AccessDeniedException"]
    assert any("DateGreaterThan" in message for message in checked.refusals().values())
    checked.grant(*MAY)


def test_m13_a_queues_own_policy_counts(checked: Checked) -> None:
    """What the role may do is refused where the queue's policy denies it."""
    denial = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    checked.sqs.set_queue_attributes(QueueUrl=checked.queue_url, Attributes={"Policy": policy})
    assert checked.ask(("sqs", "send_message", {"QueueUrl": checked.queue_url, "MessageBody": "x"})) == ["AccessDenied"]
    assert checked.refusals()["sqs:SendMessage"].endswith("with an explicit deny in a resource-based policy")
    checked.sqs.set_queue_attributes(QueueUrl=checked.queue_url, Attributes={"Policy": ""})


def test_m13_a_policy_of_awss_own_counts(checked: Checked) -> None:
    """What AWS's managed policy allows is allowed while it is attached, and not a moment longer."""
    receive = ("sqs", "receive_message", {"QueueUrl": checked.queue_url})
    managed = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
    assert checked.ask(receive) == ["AccessDenied"]
    checked.iam.attach_role_policy(RoleName=NAME, PolicyArn=managed)
    assert checked.ask(receive) != ["AccessDenied"]
    checked.iam.detach_role_policy(RoleName=NAME, PolicyArn=managed)
    assert checked.ask(receive) == ["AccessDenied"]
