"""A partition's order against the plain definition of what a query returns."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from bench.emulator.dynamodb import table as dynamodb_table
from bench.emulator.dynamodb.partition import Partition
from bench.emulator.dynamodb.table import item_size_bytes

dynamodb_table.install()

KEYS = st.integers(0, 30).map(lambda last: 10**32 + last)
OPERATIONS = st.lists(st.tuples(st.booleans(), KEYS), max_size=60)


def number(value: int) -> DynamoType:
    """Return a sort key."""
    return DynamoType({"N": str(value)})


def filled(operations: list[tuple[bool, int]]) -> tuple[Partition, list[int]]:
    """Apply puts (True) and deletes to a partition and to a plain set; return both, the latter in order."""
    partition, plain = Partition(), set()
    for is_put, key in operations:
        if is_put:
            partition[number(key)] = Item(DynamoType({"S": "A"}), number(key), {"timestamp": {"N": str(key)}})
            plain.add(key)
        elif key in plain:
            partition.pop(number(key))
            plain.discard(key)
        else:
            with pytest.raises(KeyError):
                partition.pop(number(key))
    return partition, sorted(plain)


def found(partition: Partition, comparison: str | None, *values: int, forward: bool = True) -> list[int]:
    """Return the sort keys that a condition finds."""
    low, high = partition.positions(comparison, list(values))
    return [int(item.range_key.value) for item in partition.between(low, high, forward=forward)]


@given(OPERATIONS, KEYS, KEYS)
def test_emulator_partition_finds_what_is_there(operations: list[tuple[bool, int]], low: int, high: int) -> None:
    """Whatever was put and deleted, each condition finds exactly the keys that meet it, in order, both ways."""
    partition, plain = filled(operations)

    assert found(partition, None) == plain
    assert found(partition, None, forward=False) == plain[::-1]
    assert found(partition, "BETWEEN", low, high) == [key for key in plain if low <= key <= high]
    assert found(partition, "=", low) == [key for key in plain if key == low]
    assert found(partition, "<", low) == [key for key in plain if key < low]
    assert found(partition, "<=", low) == [key for key in plain if key <= low]
    assert found(partition, ">", low) == [key for key in plain if key > low]
    assert found(partition, ">=", low) == [key for key in plain if key >= low]


@given(st.sets(st.text("abc", max_size=4)), st.text("abc", max_size=3))
def test_emulator_partition_begins_with(names: set[str], prefix: str) -> None:
    """begins_with finds the strings with the prefix, in order."""
    partition = Partition()
    for name in names:
        key = DynamoType({"S": name})
        partition[key] = Item(DynamoType({"S": "A"}), key, {})
    low, high = partition.positions("BEGINS_WITH", [prefix])
    seen = [item.range_key.value for item in partition.between(low, high, forward=True)]

    assert seen == sorted(name for name in names if name.startswith(prefix))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**9), max_value=10**9))
def test_emulator_numbers_are_exact(value: Decimal) -> None:
    """A number with a fraction is compared as the decimal that it is."""
    text = f"{value:f}"

    assert DynamoType({"N": text}).cast_value == value


@pytest.mark.parametrize(
    ("attributes", "size_bytes"),
    [
        ({"a": {"S": "é"}}, 1 + 2),
        ({"ab": {"B": "AAAA"}}, 2 + 3),
        ({"ab": {"B": b"12345"}}, 2 + 5),
        ({"a": {"B": "AA=="}}, 1 + 1),
        ({"n": {"N": "-12345"}}, 1 + 3 + 1 + 1),
        ({"t": {"BOOL": True}}, 1 + 1),
        ({"l": {"L": [{"S": "ab"}, {"S": "c"}]}}, 1 + 3 + 2 + 3),
        ({"m": {"M": {"k": {"S": "ab"}}}}, 1 + 3 + 1 + 1 + 2),
        ({"s": {"SS": ["ab", "c"]}}, 1 + 3),
    ],
)
def test_emulator_item_sizes(attributes: dict[str, Any], size_bytes: int) -> None:
    """Sizes are counted as DynamoDB documents them, binaries without their encoding."""
    assert item_size_bytes(Item(None, None, attributes)) == size_bytes
