from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from bench.errors import TargetError
from bench.targets import canary
from bench.targets.canary import send_canary

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWER = {"machine": "x86_64", "python": "3.13", "has_boto3": True, "endpoint_url": "http://here"}


class Server:
    """A target whose AWS clients are this object: one stack, one bucket, one function, one queue."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.stack_status = "CREATE_COMPLETE"
        self.answer: dict[str, Any] = {"Payload": io.BytesIO(json.dumps(ANSWER).encode())}
        self.is_brought = True
        self.messages = 0
        self.template: dict[str, Any] = {}

    def adapted(self, template: str, parameters: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
        """See Target."""
        return template, parameters

    def client(self, service: str) -> Any:
        """See Target."""
        return self

    def create_bucket(self, **asked: Any) -> None:
        """Of S3."""
        self.there.add("bucket")

    def put_object(self, **asked: Any) -> None:
        """Of S3."""
        self.there.add("object")

    def delete_object(self, **asked: Any) -> None:
        """Of S3."""
        self.there.remove("object")

    def delete_bucket(self, **asked: Any) -> None:
        """Of S3, which deletes no bucket that has objects."""
        assert "object" not in self.there
        self.there.remove("bucket")

    def create_stack(self, **asked: Any) -> None:
        """Of CloudFormation."""
        self.template = json.loads(asked["TemplateBody"])
        self.there.add("stack")

    def describe_stacks(self, **asked: Any) -> dict[str, Any]:
        """Of CloudFormation."""
        if "stack" not in self.there:
            error = {"Error": {"Code": "ValidationError", "Message": f"{asked['StackName']} does not exist"}}
            raise ClientError(error, "DescribeStacks")  # type: ignore[arg-type]
        return {"Stacks": [{"StackStatus": self.stack_status}]}

    def describe_stack_events(self, **asked: Any) -> dict[str, Any]:
        """Of CloudFormation."""
        return {"StackEvents": [{"ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "no such runtime"}]}

    def delete_stack(self, **asked: Any) -> None:
        """Of CloudFormation."""
        self.there.remove("stack")

    def invoke(self, **asked: Any) -> dict[str, Any]:
        """Of Lambda."""
        return self.answer

    def get_queue_url(self, **asked: Any) -> dict[str, str]:
        """Of SQS."""
        return {"QueueUrl": "url"}

    def send_message(self, **asked: Any) -> None:
        """Of SQS."""
        self.messages = 0 if self.is_brought else 1

    def get_queue_attributes(self, **asked: Any) -> dict[str, dict[str, str]]:
        """Of SQS, which says numbers as text."""
        return {"Attributes": dict.fromkeys(asked["AttributeNames"], str(self.messages))}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server on which all goes well, and no patience with one on which it does not."""
    monkeypatch.setattr(canary, "_MESSAGE_PATIENCE_S", 0.0)
    monkeypatch.setattr(canary, "_POLL_S", 0.0)
    return Server()


def test_a_canary_tells_what_functions_run_on_and_leaves_nothing(server: Server) -> None:
    """The function's own words come back; stack, bucket and object are gone."""
    found = send_canary(server)  # type: ignore[arg-type] # a Target as far as it is used
    assert (found.machine, found.python, found.endpoint_url) == ("x86_64", "3.13", "http://here")
    assert server.there == set()


def test_a_canary_asks_for_a_number_that_is_a_parameter(server: Server) -> None:
    """What one server leaves as text, and then brings no message, is part of what is tried."""
    send_canary(server)  # type: ignore[arg-type]
    mapping = server.template["Resources"]["Mapping"]["Properties"]
    assert server.template["Parameters"][mapping["ScalingConfig"]["MaximumConcurrency"]["Ref"]]["Type"] == "Number"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"stack_status": "ROLLBACK_COMPLETE"}, "no such runtime"),
        ({"answer": {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"no Docker")}}, "no Docker"),
        ({"answer": {"Payload": io.BytesIO(b'"mock"')}}, "mock"),
        ({"is_brought": False}, "brings a function no message"),
    ],
)
def test_a_canary_that_is_lost_says_why_and_leaves_nothing(server: Server, wrong: dict[str, Any], named: str) -> None:
    """A stack, a function or a mapping that does not work is named, and what was made for the question is deleted."""
    for name, value in wrong.items():
        setattr(server, name, value)
    with pytest.raises(TargetError, match=named) as said:
        send_canary(server)  # type: ignore[arg-type]
    assert "\n" not in str(said.value)
    assert server.there == set()


def test_an_interrupted_canary_leaves_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the canary's stack is being made deletes it."""
    looks = iter([KeyboardInterrupt()])
    look = server.describe_stacks

    def describe(**asked: Any) -> dict[str, Any]:
        for interrupt in looks:
            raise interrupt
        return look(**asked)

    monkeypatch.setattr(server, "describe_stacks", describe)
    with pytest.raises(KeyboardInterrupt):
        send_canary(server)  # type: ignore[arg-type]
    assert server.there == set()
