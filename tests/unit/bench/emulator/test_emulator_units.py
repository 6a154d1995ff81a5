"""What DynamoDB bills, against examples of AWS's own pages and sizes counted by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from bench.emulator.dynamodb import table as dynamodb_table
from bench.emulator.dynamodb import units as dynamodb_units
from bench.emulator.dynamodb.units import Units, metered, units_of
from bench.engine import Request, RequestContext, Response

dynamodb_table.install()

#: Names and keys take 1 + 1 and 1 + 2 bytes, the attribute's name 1.
_BESIDE_BYTES = 6


def _key(sort: int) -> dict[str, Any]:
    return {"p": {"S": "A"}, "s": {"N": str(sort)}}


def _item(sort: int, size_bytes: int) -> dict[str, Any]:
    return _key(sort) | {"v": {"S": "x" * (size_bytes - _BESIDE_BYTES)}}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a table with items 1, 2 and 3 of 500, 1,500 and 6,500 bytes."""
    made = dynamodb_table.PartitionedTable(
        "t",
        "000000000000",
        "us-east-1",
        schema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}],
        attr=[{"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "s", "AttributeType": "N"}],
    )
    for sort, size_bytes in ((1, 500), (2, 1_500), (3, 6_500)):
        made.put_item(_item(sort, size_bytes))
    backend = SimpleNamespace(tables={"t": made})
    monkeypatch.setitem(dynamodb_backends["000000000000"], "us-east-1", backend)
    return made


def _consumed(operation: str, request: dict[str, Any], answer: Response | None = None, serve: Any = None) -> Units:
    context = RequestContext(Request("POST", "/"))
    context.operation = SimpleNamespace(name=operation)
    context.account_id, context.region = "000000000000", "us-east-1"

    def served() -> Response:
        if serve is not None:
            serve()
        return answer or Response("{}")

    metered(context, request, served)
    return units_of(context)


def _batch(*writes: dict[str, Any]) -> dict[str, Any]:
    return {"RequestItems": {"t": list(writes)}}


@pytest.mark.parametrize(
    ("operation", "request_", "write"),
    [
        ("PutItem", {"Item": _item(9, 1_024)}, 1),
        ("PutItem", {"Item": _item(9, 1_025)}, 2),
        # The larger of old and new counts, whichever it is.
        ("PutItem", {"Item": _item(3, 100)}, 7),
        ("DeleteItem", {"Key": _key(2)}, 2),
        ("DeleteItem", {"Key": _key(9)}, 1),
    ],
)
def test_writes_are_billed_by_the_larger_item(table: Any, operation: str, request_: dict[str, Any], write: int) -> None:
    """A begun KB is a unit; what is not there is the smallest item."""
    assert _consumed(operation, {"TableName": "t", **request_}) == Units(write=write)


def test_a_batch_rounds_each_of_its_writes(table: Any) -> None:
    """500 bytes and 3,500 bytes are 5 units, not 4, as AWS's page says of BatchWriteItem; a delete adds its own."""
    puts = [{"PutRequest": {"Item": _item(sort, size)}} for sort, size in ((7, 500), (8, 3_500))]
    assert _consumed("BatchWriteItem", _batch(*puts)) == Units(write=5)
    assert _consumed("BatchWriteItem", _batch(*puts, {"DeleteRequest": {"Key": _key(3)}})) == Units(write=12)


def test_an_update_is_billed_by_what_it_made_of_the_item(table: Any) -> None:
    """An item that grows from 500 to 2,500 bytes is 3 units, one that shrinks what it was."""
    request = {"TableName": "t", "Key": _key(1)}
    grown = _consumed("UpdateItem", request, serve=lambda: table.put_item(_item(1, 2_500)))
    shrunk = _consumed("UpdateItem", request, serve=lambda: table.put_item(_item(1, 100)))
    assert (grown.write, shrunk.write) == (3, 3)


def test_a_failed_condition_is_billed_and_a_refused_request_is_not(table: Any) -> None:
    """AWS's page: by the larger of the item that is there and the one that was to be."""
    request = {"TableName": "t", "Item": _item(2, 3_000)}
    failed = Response('{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}', status=400)
    refused = Response('{"__type": "com.amazon.coral.validate#ValidationException"}', status=400)
    assert _consumed("PutItem", request, failed) == Units(write=3)
    assert _consumed("PutItem", request, refused) == Units()


def test_transactions_take_twice_as_much(table: Any) -> None:
    """Of writes and of reads."""
    put, get = {"TableName": "t", "Item": _item(9, 1_500)}, {"TableName": "t", "Key": _key(3)}
    assert _consumed("TransactWriteItems", {"TransactItems": [{"Put": put}]}) == Units(write=4)
    assert _consumed("TransactGetItems", {"TransactItems": [{"Get": get}]}) == Units(read_halves=8)


@pytest.mark.parametrize(("consistent", "halves"), [(True, 2), (False, 1)])
def test_reads_are_billed_by_begun_4_kb(table: Any, consistent: bool, halves: int) -> None:  # noqa: FBT001 - a parameter
    """Half as much where they need not be consistent; of 6,500 bytes twice as much as of 500, or of nothing."""
    for sort, times in ((1, 1), (3, 2), (9, 1)):
        request = {"TableName": "t", "Key": _key(sort), "ConsistentRead": consistent}
        assert _consumed("GetItem", request) == Units(read_halves=halves * times)


def test_a_batch_rounds_each_item_that_it_reads(table: Any) -> None:
    """1.5 KB and 6.5 KB are 12 KB, as AWS's page says of BatchGetItem; a missing item is one unit more."""
    request = {"RequestItems": {"t": {"Keys": [_key(2), _key(3), _key(9)], "ConsistentRead": True}}}
    assert _consumed("BatchGetItem", request) == Units(read_halves=8)


@pytest.mark.parametrize(("low", "halves"), [(1, 6), (2, 4), (9, 2)])
def test_a_query_adds_up_what_it_looked_at_before_it_rounds(table: Any, low: int, halves: int) -> None:
    """8,500 bytes are 3 units, 8,000 bytes 2; nothing is one unit."""

    def look() -> None:
        bounds = [DynamoType({"N": str(low)}), DynamoType({"N": "20"})]
        table.query(DynamoType({"S": "A"}), "BETWEEN", bounds, None, None, True, None)  # noqa: FBT003 - moto's

    request = {"TableName": "t", "ConsistentRead": True}
    assert _consumed("Query", request, serve=look) == Units(read_halves=halves)


def test_sizes_of_a_request_are_those_of_the_stored_item() -> None:
    """What is measured before moto has the item is what is measured in the table."""
    item = _item(1, 700) | {
        "b": {"B": "QUJD"},
        "d": {"N": "-1.25"},
        "l": {"L": [{"S": "é"}, {"NULL": True}]},
        "m": {"M": {"k": {"NS": ["1", "22"]}}},
    }
    assert dynamodb_table.wire_size_bytes(item) == dynamodb_table.item_size_bytes(Item(None, None, item))


def test_other_operations_consume_nothing() -> None:
    """Such as the control plane's."""
    assert _consumed("DescribeTable", {"TableName": "t"}) == dynamodb_units.NOTHING
