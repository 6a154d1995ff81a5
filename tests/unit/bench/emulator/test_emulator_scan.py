"""A Scan of a table of the embedded DynamoDB: everything once, in pages, whatever happens in between."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from bench.emulator.dynamodb.table import PartitionedTable, forget_size, item_size_bytes

KEYS = st.tuples(st.sampled_from("ABCDE"), st.integers(-5, 5))
SCHEMA = [{"AttributeName": "symbol", "KeyType": "HASH"}, {"AttributeName": "timestamp", "KeyType": "RANGE"}]
ATTRIBUTES = [
    {"AttributeName": "symbol", "AttributeType": "S"},
    {"AttributeName": "timestamp", "AttributeType": "N"},
]


def new_table(kind: type[Table] = PartitionedTable) -> Any:
    """Return an empty table as the template's."""
    return kind("t", account_id="1", region="us-east-1", schema=SCHEMA, attr=ATTRIBUTES)


def put(table: Table, key: tuple[str, int], **more: Any) -> None:
    """Put an item under a key."""
    table.put_item({"symbol": {"S": key[0]}, "timestamp": {"N": str(key[1])}, **more})


def key_of(item: Item) -> tuple[str, int]:
    """Return the key under which an item was put."""
    return item.hash_key.value, int(item.range_key.value)


def page(table: Table, limit: int | None, start: Any, **more: Any) -> tuple[list[tuple[str, int]], Any]:
    """Return the keys of one page and the key to go on from."""
    items, _, last = table.scan({}, limit, start, **more)
    return [key_of(item) for item in items], last


def scan(table: Table, limit: int | None = None, **more: Any) -> list[tuple[str, int]]:
    """Return all keys, page by page."""
    found, last = page(table, limit, None, **more)
    while last:
        more_found, last = page(table, limit, last, **more)
        found += more_found
    return found


@given(st.sets(KEYS), st.sets(KEYS), st.integers(1, 9))
def test_emulator_scan_finds_everything_once(
    keys: set[tuple[str, int]], gone: set[tuple[str, int]], limit: int
) -> None:
    """Pages of any size hold together what is in the table, each item once, and moto's own Scan finds the same."""
    table, motos = new_table(), new_table(Table)
    for key in keys | gone:
        put(table, key)
    for key in gone - keys:
        table.delete_item(DynamoType({"S": key[0]}), DynamoType({"N": str(key[1])}))
    for key in keys:
        put(motos, key)

    assert sorted(scan(table, limit)) == sorted(scan(table)) == sorted(scan(motos)) == sorted(keys)


@given(st.sets(KEYS, min_size=3), st.sets(KEYS), st.data())
def test_emulator_scan_goes_on_while_others_write(
    keys: set[tuple[str, int]], new: set[tuple[str, int]], data: st.DataObject
) -> None:
    """What is there all the time is found once, though others are put and deleted between pages, even the last seen."""
    table = new_table()
    for key in keys:
        put(table, key)
    found, last = page(table, 2, None)
    gone = data.draw(st.sets(st.sampled_from(sorted(keys))))
    for key in gone:
        table.delete_item(DynamoType({"S": key[0]}), DynamoType({"N": str(key[1])}))
    for key in new - keys:
        put(table, key)
    while last:
        more, last = page(table, 2, last)
        found += more

    assert len(found) == len(set(found))
    assert keys - gone <= set(found) <= keys | new


@given(st.sets(KEYS), st.integers(1, 4))
def test_emulator_scan_segments_are_a_partition(keys: set[tuple[str, int]], total: int) -> None:
    """The segments of a parallel Scan have each item between them, in one of them."""
    table = new_table()
    for key in keys:
        put(table, key)

    assert sorted(key for one in range(total) for key in scan(table, 2, segments=(one, total))) == sorted(keys)


def test_emulator_scan_page_is_one_megabyte() -> None:
    """A page ends before a megabyte is exceeded, and says where it ended."""
    table = new_table()
    for key in range(5):
        put(table, ("A", key), text={"S": "x" * 300_000})
    keys, last = page(table, None, None)

    assert (len(keys), table.looked_at_bytes) == (3, sum(map(item_size_bytes, table.all_items()[:3])))
    assert {name: value.to_json() for name, value in last.items()} == {"symbol": {"S": "A"}, "timestamp": {"N": "2"}}


def test_emulator_table_is_copied_whole() -> None:
    """What moto keeps of a table before a transaction has each item once, and does not follow the table."""
    table = new_table()
    put(table, ("A", 1))
    before = copy.deepcopy(table)
    put(table, ("A", 2))
    put(before, ("B", 1))

    assert (sorted(scan(before)), sorted(scan(table))) == ([("A", 1), ("B", 1)], [("A", 1), ("A", 2)])
    assert before.query(DynamoType({"S": "A"}), None, [], None, None, True, None)[1] == 1  # noqa: FBT003 - moto's


@pytest.mark.parametrize("changed", ["longer", ""])
def test_emulator_size_is_forgotten_with_a_change(changed: str) -> None:
    """An item that is changed where it stands is counted anew."""
    table = new_table()
    put(table, ("A", 1), text={"S": "short"})
    (item,) = table.all_items()
    before = item_size_bytes(item)
    item.attrs["text"] = DynamoType({"S": changed})
    forget_size(item)

    assert item_size_bytes(item) == before + len(changed) - len("short")
