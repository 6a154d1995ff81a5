"""A stack of four resources, made, used once and deleted: whether functions run on a server, on what, and from a queue.

It asks of a server what every pipeline lives by: CloudFormation with a number from a parameter, a function, and a
message that an event source mapping brings to it.
"""

from __future__ import annotations

import io
import json
import secrets
import zipfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from bench.errors import TargetError
from bench.waiting import Patience, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.targets import Target

RUNTIME: Final = "python3.13"
#: The first function of a server that keeps its runtimes in images waits for a download.
_STACK_PATIENCE_S: Final = 180.0
_MESSAGE_PATIENCE_S: Final = 30.0
_POLL_S: Final = 0.3
_KEY: Final = "canary.zip"
_CODE: Final = """
import importlib.util, os, platform, sys

def handler(event, context):
    return {
        "machine": platform.machine(),
        "python": "%d.%d" % sys.version_info[:2],
        "has_boto3": importlib.util.find_spec("boto3") is not None,
        "endpoint_url": os.environ.get("AWS_ENDPOINT_URL", ""),
    }
"""
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
_RECEIVE: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
        }
    ],
}


@dataclass(frozen=True, slots=True)
class FunctionHost:
    """What functions of a server run on. machine: as `uname -m`; endpoint_url: what they take for AWS."""

    machine: str
    python: str
    has_boto3: bool
    endpoint_url: str

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> FunctionHost:
        """Read what the function answered. Raises KeyError for another answer."""
        return cls(
            str(answer["machine"]), str(answer["python"]), bool(answer["has_boto3"]), str(answer["endpoint_url"])
        )


def send_canary(target: Target) -> FunctionHost:
    """Deploy the canary on an emulator, use it, delete it. Raises TargetError, which says what does not work there."""
    name = f"tickstream-canary-{secrets.token_hex(4)}"
    try:
        with ExitStack() as made:
            _put_code(target.client("s3"), name, made)
            _deploy(target.client("cloudformation"), name, target.adapted(json.dumps(_template(name)), {})[0], made)
            found = _host_of(target.client("lambda").invoke(FunctionName=name, Payload=b"{}"))
            _send_message(target.client("sqs"), name)
    except (ClientError, BotoCoreError) as error:
        raise TargetError(f"a small stack with a function fails there: {error}") from error
    return found


def _put_code(buckets: Any, name: str, made: ExitStack) -> None:
    buckets.create_bucket(Bucket=name)
    made.callback(buckets.delete_bucket, Bucket=name)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        # Readable by all: the function may be another user's process.
        entry = zipfile.ZipInfo(_KEY.replace("zip", "py"))
        entry.external_attr = 0o644 << 16
        files.writestr(entry, _CODE)
    buckets.put_object(Bucket=name, Key=_KEY, Body=archive.getvalue())
    made.callback(buckets.delete_object, Bucket=name, Key=_KEY)


def _deploy(stacks: Any, name: str, template: str, made: ExitStack) -> None:
    def delete() -> None:
        stacks.delete_stack(StackName=name)
        _wait_for_stack(stacks, name, "DELETE_COMPLETE")

    stacks.create_stack(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_NAMED_IAM"])
    try:
        _wait_for_stack(stacks, name, "CREATE_COMPLETE")
    except BaseException:
        # Why it could not be made, or that somebody lost patience, is what matters, even if it cannot be deleted.
        with suppress(TargetError, ClientError, BotoCoreError):
            delete()
        raise
    made.callback(delete)


def _template(name: str) -> dict[str, Any]:
    role = {
        "RoleName": name,
        "AssumeRolePolicyDocument": _TRUST,
        "Policies": [{"PolicyName": "receive", "PolicyDocument": _RECEIVE}],
    }
    function = {
        "FunctionName": name,
        "Runtime": RUNTIME,
        "Handler": "canary.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        # As the pipelines' own code: for code within a template LocalStack needs a program that it may not have.
        "Code": {"S3Bucket": name, "S3Key": _KEY},
        "Timeout": 10,
        "MemorySize": 256,
    }
    mapping = {
        "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
        "FunctionName": {"Ref": "Function"},
        "BatchSize": 1,
        # Parameters travel as text: not every server makes a number of it again.
        "ScalingConfig": {"MaximumConcurrency": {"Ref": "Concurrency"}},
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {"Concurrency": {"Type": "Number", "Default": 2}},
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name, "VisibilityTimeout": 60}},
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping},
        },
    }


def _wait_for_stack(stacks: Any, name: str, wanted: str) -> None:
    def status() -> str | None:
        try:
            found = str(stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
        except ClientError as error:
            # A deleted stack is known no more under its name.
            if "does not exist" not in str(error):
                raise
            found = "DELETE_COMPLETE"
        return None if found.endswith("_IN_PROGRESS") else found

    found = _wait(status, _STACK_PATIENCE_S, f"a small stack with a function is not {wanted}")
    if found != wanted:
        raise TargetError(f"a small stack with a function comes to rest as {found} there: {_reason(stacks, name)}")


def _reason(stacks: Any, name: str) -> str:
    try:
        events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    except ClientError:
        return "no event says why"
    failed = [event for event in reversed(events) if str(event["ResourceStatus"]).endswith("FAILED")]
    return str(failed[0].get("ResourceStatusReason", "no reason given")) if failed else "no event says why"


def _host_of(answer: Mapping[str, Any]) -> FunctionHost:
    payload = answer["Payload"].read().decode(errors="replace")
    if "FunctionError" in answer:
        raise TargetError(f"functions do not run there: {payload[:300]}")
    try:
        return FunctionHost.from_answer(json.loads(payload))
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(f"functions do not run there: one was called and answered {payload[:300]!r}") from error


def _send_message(queues: Any, name: str) -> None:
    url = queues.get_queue_url(QueueName=name)["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody="{}")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def is_taken() -> bool | None:
        counts = queues.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return True if not any(int(counts[one]) for one in names) else None

    _wait(
        is_taken,
        _MESSAGE_PATIENCE_S,
        "an event source mapping whose MaximumConcurrency is a template parameter brings a function no message",
    )


def _wait[T](look: Callable[[], T | None], patience_s: float, failed: str) -> T:
    found = wait_for(look, Patience(patience_s), poll_s=_POLL_S)
    if found is None:
        raise TargetError(f"{failed} ({patience_s:.0f} s)")
    return found
