"""A function that does what it is asked, and what it may use, for tests that inject faults."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from bench.faults import Action, FaultInjector, FaultRule
from tests.e2e.test_embedded_functions import Function, deploy

if TYPE_CHECKING:
    from bench.targets.embedded import EmbeddedTarget

# Waits until so many environments are there, if asked to, and answers what its requests were answered. Clients do not
# retry: a test sees each answer.
CODE = """
import os, time
import boto3
from botocore.config import Config

CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=20)
clients = {name: boto3.client(name, config=CONFIG) for name in ("dynamodb", "sqs", "events", "s3")}

def handler(event, context):
    if meeting := event.get("meet"):
        place = {"TableName": "fault-injection", "Key": {"id": {"S": meeting}}}
        me = {":me": {"SS": [str(os.getpid())]}}
        clients["dynamodb"].update_item(**place, UpdateExpression="ADD pids :me", ExpressionAttributeValues=me)
        while len(clients["dynamodb"].get_item(**place, ConsistentRead=True)["Item"]["pids"]["SS"]) < event["number"]:
            time.sleep(0.05)
    answers = []
    for service, operation, parameters in event.get("requests", ()):
        try:
            answer = getattr(clients[service], operation)(**parameters)
            answers.append({key: value for key, value in answer.items() if key != "ResponseMetadata"})
        except Exception as error:
            answers.append(getattr(error, "response", {}).get("Error", {}).get("Code", repr(error)))
    return {"pid": os.getpid(), "request": context.aws_request_id, "answers": answers}
"""
NAME = "fault-injection"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class World:
    """A function, and a table and a queue that it may use; the rules of a test are gone after it."""

    def __init__(self, target: EmbeddedTarget) -> None:
        self.target, self.faults = target, FaultInjector(target)
        self._iam = target.client("iam")
        role = self._iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        self._iam.put_role_policy(RoleName=NAME, PolicyName=NAME, PolicyDocument=json.dumps(EVERYTHING))
        self.function: Function = deploy(target, NAME, CODE, Timeout=20, Role=role)
        self.dynamodb, self.sqs = target.client("dynamodb"), target.client("sqs")
        self.dynamodb.create_table(
            TableName=NAME,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.queue_url = self.sqs.create_queue(QueueName=NAME)["QueueUrl"]

    def close(self) -> None:
        """Remove all of it."""
        self.target.client("lambda").delete_function(FunctionName=NAME)
        self.dynamodb.delete_table(TableName=NAME)
        self.sqs.delete_queue(QueueUrl=self.queue_url)
        self._iam.delete_role_policy(RoleName=NAME, PolicyName=NAME)
        self._iam.delete_role(RoleName=NAME)

    def fault(self, service: str, operation: str, action: Action, **settings: Any) -> str:
        """Order a fault of this function's requests and return its name."""
        name = uuid.uuid4().hex
        self.faults.add([FaultRule(name, service, operation, NAME, action=action, **settings)])
        return name

    def ask(self, service: str, operation: str, parameters: dict[str, Any] | None = None, **more: Any) -> Any:
        """Have the function send one request and return what it was answered."""
        error, answer, log = self.function.call(requests=[(service, operation, {**(parameters or {}), **more})])
        assert error is None, log
        return answer["answers"][0]

    def put(self, item_id: str, **more: Any) -> tuple[str, str, dict[str, Any]]:
        """A request that puts an item."""
        return "dynamodb", "put_item", {"TableName": NAME, "Item": {"id": {"S": item_id}}, **more}

    def stored(self, item_id: str) -> dict[str, Any] | None:
        """The item as it is stored, if it is."""
        item: dict[str, Any] | None = self.dynamodb.get_item(
            TableName=NAME, Key={"id": {"S": item_id}}, ConsistentRead=True
        ).get("Item")
        return item

    def received(self) -> list[str]:
        """Take every message from the queue; return their bodies."""
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in messages]
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return bodies
