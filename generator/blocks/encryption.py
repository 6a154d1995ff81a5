"""A KMS key of the customer's own, for who must hold one: an option for all that rests, and what roles need for it.

By default everything is encrypted with the services' own keys, which cost nothing. A key of one's own costs a dollar a
month and three cents for 10,000 requests, and its policy must let the services use it (docs/operations.md): a queue,
a table or a log group whose service may not use the key stops working.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from awacs import kms
from awacs.aws import StringEquals
from troposphere import Ref, Sub

from generator.blocks import policies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from awacs.aws import Action, Statement

PARAMETER = "KmsKeyArn"
CONDITION = "WithOwnKey"
PATTERN = "^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$"
"""A key and no alias: IAM compares a role's resource with the key's own ARN."""

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


def use_of_key(statements: Iterable[Statement]) -> list[Statement]:
    """Return what a role needs of the key beside `statements`, by service: through that service and no other way."""
    needed: dict[str, set[Action]] = {}
    for statement in statements:
        for action in statement.properties["Action"]:
            service = action.JSONrepr().partition(":")[0]
            uses = _USES.get(action.JSONrepr(), ())
            if uses:
                needed.setdefault(service, set()).update(uses)
    return [
        policies.allow(
            f"UseKeyThrough{service.title()}",
            sorted(actions, key=lambda action: str(action.JSONrepr())),
            [Ref(PARAMETER)],
            conditions=[StringEquals({"kms:ViaService": Sub(f"{service}.${{AWS::Region}}.amazonaws.com")})],
        )
        for service, actions in sorted(needed.items())
    ]
