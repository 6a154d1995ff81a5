"""A KMS key of the customer's own, for who must hold one: an option for all that rests, and what roles need for it.

By default everything is encrypted with the services' own keys, which cost nothing. A key of one's own costs a dollar a
month and three cents for 10,000 requests, and its policy must let the services use it (docs/operations.md): a queue,
a table or a log group whose service may not use the key stops working.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from awacs import kms
from awacs.aws import StringEquals
from troposphere import Ref, Split, Sub

from generator.blocks import policies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from awacs.aws import Action, Statement

PARAMETER = "KmsKeyArn"
CONDITION = "WithOwnKey"
_KEY = "arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+"
PATTERN = f"^({_KEY})?$"
"""A key and no alias: IAM compares a role's resource with the key's own ARN."""

PREVIOUS = "PreviousKmsKeyArns"
WITH_PREVIOUS = "WithPreviousKeys"
PATTERN_OF_SOME = f"^({_KEY}(,{_KEY})*)?$"
"""A text, which roles split: LocalStack takes a CommaDelimitedList for a text when it deletes a stack."""

_READS = (kms.Decrypt,)
_WRITES = (kms.Decrypt, kms.GenerateDataKey)
# DynamoDB's as aws-cdk grants them to readers and writers of a table (aws-dynamodb/lib/perms.ts).
_READS_ITEMS = (kms.Decrypt, kms.DescribeKey)
_WRITES_ITEMS = (*_READS_ITEMS, kms.Encrypt, kms.GenerateDataKey, kms.ReEncryptFrom, kms.ReEncryptTo)

_USES = {
    "dynamodb:BatchGetItem": _READS_ITEMS,
    "dynamodb:BatchWriteItem": _WRITES_ITEMS,
    "dynamodb:DeleteItem": _WRITES_ITEMS,
    "dynamodb:GetItem": _READS_ITEMS,
    "dynamodb:PutItem": _WRITES_ITEMS,
    "dynamodb:Query": _READS_ITEMS,
    "dynamodb:UpdateItem": _WRITES_ITEMS,
    "s3:GetObject": _READS,
    "s3:GetObjectVersion": _READS,
    # Of an upload in parts S3 decrypts the parts to put them together.
    "s3:PutObject": _WRITES,
    "sqs:ReceiveMessage": _READS,
    # SQS checks the data key that it has got.
    "sqs:SendMessage": _WRITES,
}
"""What an action on encrypted data asks of the key, on the caller's behalf."""

_NEW_ONLY = {"s3:PutObject", "sqs:SendMessage"}
"""Actions that meet nothing that was written before. The rest may, under a key of before.

S3 and SQS never encrypt again: an object keeps its key for as long as it lives, and a message while it is in a queue
and in the dead-letter queue that it is moved to. DynamoDB wraps a table's own key anew, while the table is in use.
"""


def use_of_key(statements: Iterable[Statement]) -> list[Statement]:
    """Return what a role needs of the key beside `statements`, by service: through that service and no other way."""
    needed: dict[str, set[Action]] = {}
    for action in _actions(statements):
        if uses := _USES.get(action, ()):
            needed.setdefault(_service(action), set()).update(uses)
    return [
        policies.allow(
            f"UseKeyThrough{service.title()}",
            sorted(actions, key=lambda action: str(action.JSONrepr())),
            [Ref(PARAMETER)],
            conditions=[_through(service)],
        )
        for service, actions in sorted(needed.items())
    ]


def use_of_previous_keys(statements: Iterable[Statement]) -> list[Statement]:
    """Return what a role needs of keys of before beside `statements`: to decrypt, where it may meet what is old."""
    services = {_service(action) for action in _actions(statements) if action in _USES and action not in _NEW_ONLY}
    return [
        policies.allow(
            f"DecryptOldThrough{service.title()}",
            [kms.Decrypt],
            Split(",", Ref(PREVIOUS)),
            conditions=[_through(service)],
        )
        for service in sorted(services)
    ]


def _actions(statements: Iterable[Statement]) -> list[str]:
    return [str(action.JSONrepr()) for statement in statements for action in statement.properties["Action"]]


def _service(action: str) -> str:
    return action.partition(":")[0]


def _through(service: str) -> StringEquals:
    return StringEquals({"kms:ViaService": Sub(f"{service}.${{AWS::Region}}.amazonaws.com")})
