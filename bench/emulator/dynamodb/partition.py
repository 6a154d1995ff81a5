"""A table's items as moto keeps them, dictionaries of dictionaries, with their keys in order beside them."""

import bisect
import copy
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item

# A sort key as Python compares it: a number, or the bytes of a string or a binary.
type SortKey = int | Decimal | bytes | str


class Partition(dict[DynamoType, Item]):
    """The items under one partition key, by sort key, with the sort keys in order."""

    def __init__(self) -> None:
        super().__init__()
        self._order: list[tuple[SortKey, DynamoType]] = []

    def __setitem__(self, key: DynamoType, item: Item) -> None:
        if key not in self:
            bisect.insort(self._order, (key.cast_value, key), key=_first)
        super().__setitem__(key, item)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Partition":
        # For moto, which keeps a table as it was before a transaction.
        twin = Partition()
        for key, item in self.items():
            twin[key] = copy.deepcopy(item, memo)
        return twin

    def pop(self, key: DynamoType, *default: Item) -> Item:
        """Remove and return the item under ``key``; raises KeyError where there is none."""
        item = super().pop(key, *default)
        at = bisect.bisect_left(self._order, key.cast_value, key=_first)
        if at < len(self._order) and self._order[at][1] == key:
            del self._order[at]
        return item

    def between(self, low: int, high: int, *, forward: bool) -> Iterator[Item]:
        """Yield the items at positions ``low`` to ``high`` (exclusive) of the order, or in reverse."""
        positions = range(low, high) if forward else range(high - 1, low - 1, -1)
        return (self[self._order[position][1]] for position in positions)

    def positions(self, comparison: str | None, values: list[SortKey]) -> tuple[int, int]:
        """Return the range of positions whose sort keys meet a key condition."""
        low, high = 0, len(self._order)
        if comparison is None:
            return low, high
        first, last = values[0], values[-1]
        if comparison in {"BETWEEN", "=", "EQ", ">=", "GE"}:
            low = self.before(first)
        if comparison in {"BETWEEN", "=", "EQ", "<=", "LE"}:
            high = self.after(last)
        if comparison in {"<", "LT"}:
            high = self.before(first)
        if comparison in {">", "GT"}:
            low = self.after(first)
        if comparison == "BEGINS_WITH":
            low = high = self.before(first)
            while high < len(self._order) and _starts_with(self._order[high][0], first):
                high += 1
        return low, high

    def before(self, key: SortKey) -> int:
        """Return how many sort keys are less than ``key``."""
        return bisect.bisect_left(self._order, key, key=_first)

    def after(self, key: SortKey) -> int:
        """Return how many sort keys are at most ``key``."""
        return bisect.bisect_right(self._order, key, key=_first)


def _first(entry: tuple[SortKey, DynamoType]) -> Any:
    return entry[0]


def _starts_with(key: SortKey, prefix: SortKey) -> bool:
    return isinstance(key, str) and isinstance(prefix, str) and key.startswith(prefix)


class Partitions(dict[DynamoType, Partition]):
    """A table's partitions by partition key, made when they are asked for, in an order that a Scan can go on in.

    As in DynamoDB it is the order of hashes: where a key stands depends on no other key, and none ever moves.
    """

    def __init__(self) -> None:
        super().__init__()
        self._order: list[tuple[int, str, DynamoType]] = []

    def __missing__(self, key: DynamoType) -> Partition:
        partition = self[key] = Partition()
        return partition

    def __setitem__(self, key: DynamoType, partition: Partition) -> None:
        if key not in self:
            # moto removes none: one without items stays.
            bisect.insort(self._order, _place(key), key=_hash_first)
        super().__setitem__(key, partition)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Partitions":
        twin = Partitions()
        for key, partition in self.items():
            twin[key] = copy.deepcopy(partition, memo)
        return twin

    def from_key(self, key: DynamoType | None) -> Iterator[Partition]:
        """Yield all partitions in order, or those from the one under ``key``, or from where it would stand."""
        first = 0 if key is None else bisect.bisect_left(self._order, _hash_first(_place(key)), key=_hash_first)
        return (self[self._order[position][2]] for position in range(first, len(self._order)))


def _place(key: DynamoType) -> tuple[int, str, DynamoType]:
    return hash(key), str(key.value), key


def _hash_first(entry: tuple[int, str, DynamoType]) -> tuple[int, str]:
    return entry[:2]
