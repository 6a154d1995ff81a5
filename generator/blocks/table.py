"""DynamoDB tables: on demand, recoverable, encrypted, gone with the stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from awacs import dynamodb
from troposphere import Equals, GetAtt, If, Not, NoValue, Ref
from troposphere.dynamodb import (
    AttributeDefinition,
    GlobalSecondaryIndex,
    KeySchema,
    PointInTimeRecoverySpecification,
    Projection,
    SSESpecification,
    TimeToLiveSpecification,
    WarmThroughput,
)
from troposphere.dynamodb import Table as DynamoTable

from generator.blocks import policies

if TYPE_CHECKING:
    from awacs.aws import Action, Statement

    from generator.blocks.stack import Stack

_WARM = "WithWarmThroughput"


@dataclass(frozen=True, slots=True)
class Index:
    """A sparse index of keys alone: of the items that have both its attributes.

    Attributes:
        name: as requests name it.
        partition_key: name of the text attribute that partitions.
        sort_key: name of the number attribute that sorts.

    """

    name: str
    partition_key: str
    sort_key: str


class Table:
    """A table with one key, of two parts or of one.

    Args:
        stack: what it is added to.
        title: logical id; the physical name is `TITLE-ENV`.
        partition_key: name of the text attribute that partitions.
        sort_key: name of the number attribute that sorts; None where the partition key is the whole key.
        index: an index, where there is one.
        warm: whether the stack has parameters for the throughput that the table is warmed to.
        expiry: name of the attribute with the epoch seconds, counted from ingestion and never from the time of a
            tick, after which an item is deleted.

    """

    def __init__(
        self,
        stack: Stack,
        title: str,
        *,
        partition_key: str,
        sort_key: str | None = None,
        expiry: str,
        warm: bool = False,
        index: Index | None = None,
    ) -> None:
        self._stack = stack
        self.title = title
        self.arn_by_name = stack.arn("dynamodb", f"table/{stack.name(title)}")
        self.name = Ref(title)
        self.arn = GetAtt(title, "Arn")
        keys = _keys(partition_key, sort_key)
        of_index = [] if index is None else _keys(index.partition_key, index.sort_key)
        self._index = index
        stack.add(
            DynamoTable(
                title,
                TableName=stack.name(title),
                AttributeDefinitions=[
                    AttributeDefinition(AttributeName=key, AttributeType=kind) for key, kind, _ in keys + of_index
                ],
                KeySchema=[KeySchema(AttributeName=key, KeyType=role) for key, _, role in keys],
                **({} if index is None else {"GlobalSecondaryIndexes": [_secondary(index.name, of_index)]}),
                BillingMode="PAY_PER_REQUEST",
                PointInTimeRecoverySpecification=PointInTimeRecoverySpecification(PointInTimeRecoveryEnabled=True),
                SSESpecification=SSESpecification(SSEEnabled=True, SSEType="KMS", KMSMasterKeyId=stack.own_key()),
                TimeToLiveSpecification=TimeToLiveSpecification(AttributeName=expiry, Enabled=True),
                DeletionProtectionEnabled=False,
                **({"WarmThroughput": _warm_throughput(stack)} if warm else {}),
                Tags=stack.tags(),
                DeletionPolicy="Delete",
                UpdateReplacePolicy="Delete",
            )
        )

    def allow(self, *actions: Action) -> Statement:
        """Return the right to do `actions` on this table's items; Scan should never be one of them."""
        return policies.allow(f"Use{self.title}", list(actions), [self.arn_by_name])

    def query_index(self) -> Statement:
        """Return the right to query the table's index, and nothing else of it."""
        if self._index is None:
            raise ValueError(f"{self.title} has no index")
        index = self._stack.arn("dynamodb", f"table/{self._stack.name(self.title)}/index/{self._index.name}")
        return policies.allow(f"QueryIndexOf{self.title}", [dynamodb.Query], [index])


def _keys(partition_key: str, sort_key: str | None) -> list[tuple[str, str, str]]:
    return [(partition_key, "S", "HASH"), *([] if sort_key is None else [(sort_key, "N", "RANGE")])]


def _secondary(name: str, keys: list[tuple[str, str, str]]) -> GlobalSecondaryIndex:
    return GlobalSecondaryIndex(
        IndexName=name,
        KeySchema=[KeySchema(AttributeName=key, KeyType=role) for key, _, role in keys],
        Projection=Projection(ProjectionType="KEYS_ONLY"),
    )


def _warm_throughput(stack: Stack) -> If:
    """Return the throughput that the table takes at once; none where it is not asked for, as it is by default.

    Without it a new table takes 12,000 read and 4,000 write units a second, and from then on twice its peak of the last
    half hour. It is billed once, for what is above that, and is never taken back: DynamoDB refuses less than there is.
    Both figures belong together.
    """
    writes = stack.number(
        "WarmWriteUnitsPerSecond",
        0,
        minimum=0,
        text="Write units a second that the table is warmed to, billed once; 0: not at all, a new one takes 4000",
    )
    reads = stack.number(
        "WarmReadUnitsPerSecond",
        12_000,
        minimum=12_000,
        text="Read units a second beside WarmWriteUnitsPerSecond; without that they mean nothing",
    )
    stack.template.add_condition(_WARM, Not(Equals(Ref(writes), 0)))
    warm = WarmThroughput(ReadUnitsPerSecond=Ref(reads), WriteUnitsPerSecond=Ref(writes))
    return If(_WARM, warm, NoValue)
