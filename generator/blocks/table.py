"""DynamoDB tables: on demand, recoverable, encrypted, gone with the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from troposphere import GetAtt, Ref
from troposphere.dynamodb import (
    AttributeDefinition,
    KeySchema,
    PointInTimeRecoverySpecification,
    SSESpecification,
    TimeToLiveSpecification,
)
from troposphere.dynamodb import Table as DynamoTable

from generator.blocks import policies

if TYPE_CHECKING:
    from awacs.aws import Action, Statement

    from generator.blocks.stack import Stack


class Table:
    """A table with one key, of two parts or of one, and no index.

    Args:
        stack: what it is added to.
        title: logical id; the physical name is `TITLE-ENV`.
        partition_key: name of the text attribute that partitions.
        sort_key: name of the number attribute that sorts; None where the partition key is the whole key.
        expiry: name of the attribute with the epoch seconds, counted from ingestion and never from the time of a
            tick, after which an item is deleted.

    """

    def __init__(
        self, stack: Stack, title: str, *, partition_key: str, sort_key: str | None = None, expiry: str
    ) -> None:
        self.title = title
        self.arn_by_name = stack.arn("dynamodb", f"table/{stack.name(title)}")
        self.name = Ref(title)
        self.arn = GetAtt(title, "Arn")
        keys = [(partition_key, "S", "HASH"), *([] if sort_key is None else [(sort_key, "N", "RANGE")])]
        stack.add(
            DynamoTable(
                title,
                TableName=stack.name(title),
                AttributeDefinitions=[
                    AttributeDefinition(AttributeName=key, AttributeType=kind) for key, kind, _ in keys
                ],
                KeySchema=[KeySchema(AttributeName=key, KeyType=role) for key, _, role in keys],
                BillingMode="PAY_PER_REQUEST",
                PointInTimeRecoverySpecification=PointInTimeRecoverySpecification(PointInTimeRecoveryEnabled=True),
                SSESpecification=SSESpecification(SSEEnabled=True, SSEType="KMS", KMSMasterKeyId=stack.own_key()),
                TimeToLiveSpecification=TimeToLiveSpecification(AttributeName=expiry, Enabled=True),
                DeletionProtectionEnabled=False,
                Tags=stack.tags(),
                DeletionPolicy="Delete",
                UpdateReplacePolicy="Delete",
            )
        )

    def allow(self, *actions: Action) -> Statement:
        """Return the right to do `actions` on this table's items; Scan should never be one of them."""
        return policies.allow(f"Use{self.title}", list(actions), [self.arn_by_name])
