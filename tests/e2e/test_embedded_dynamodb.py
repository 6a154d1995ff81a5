"""DynamoDB on the embedded target: the limits, the order and the exactness that the pipeline relies on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bench.targets.embedded import EmbeddedTarget

TABLE = "embedded-state"
# Epoch milliseconds times 10^20 and a 20-digit suffix: as floats, all of an hour's keys are one number.
HOUR = 1_381_152_600_000 * 10**20


@pytest.fixture(scope="module")
def table(target: EmbeddedTarget) -> Iterator[Any]:
    """A table as the template's: partition key symbol, sort key timestamp."""
    client = target.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "symbol", "AttributeType": "S"},
            {"AttributeName": "timestamp", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "symbol", "KeyType": "HASH"},
            {"AttributeName": "timestamp", "KeyType": "RANGE"},
        ],
    )
    yield client
    client.delete_table(TableName=TABLE)


def item(symbol: str, key: int, **more: Any) -> dict[str, Any]:
    """Return an item in DynamoDB's own notation."""
    return {"symbol": {"S": symbol}, "timestamp": {"N": str(key)}, **more}


def keys(answer: dict[str, Any]) -> list[int]:
    """Return the sort keys of a page."""
    return [int(found["timestamp"]["N"]) for found in answer["Items"]]


def query(table: Any, symbol: str, **settings: Any) -> dict[str, Any]:
    """Query a partition, consistently; settings with a condition on the sort key name their values."""
    values = {":symbol": {"S": symbol}, **settings.pop("values", {})}
    condition = " AND ".join(filter(None, ("symbol = :symbol", settings.pop("and_", ""))))
    return table.query(  # type: ignore[no-any-return] # boto3's answer
        TableName=TABLE,
        KeyConditionExpression=condition,
        ExpressionAttributeValues=values,
        ConsistentRead=True,
        **settings,
    )


def number(value: int) -> dict[str, str]:
    """Return a number in DynamoDB's notation."""
    return {"N": str(value)}


@pytest.fixture(scope="module")
def written(table: Any) -> list[int]:
    """Sort keys of 33 digits that differ in their last, written in no order, in a partition among others."""
    order = [HOUR + suffix for suffix in range(40)]
    shuffled = sorted(order, key=lambda key: (key * 7919) % 41)
    for key in shuffled:
        table.put_item(TableName=TABLE, Item=item("KEYS", key, even={"BOOL": key % 2 == 0}))
    for other in ("KEY", "KEYSS"):
        table.put_item(TableName=TABLE, Item=item(other, HOUR + 3))
    return order


@pytest.mark.parametrize("forward", [True, False], ids=["forward", "backward"])
def test_embedded_query_pages_in_exact_order(table: Any, written: list[int], *, forward: bool) -> None:
    """Pages follow each other without gap or repetition, though as floats all keys are equal."""
    seen: list[int] = []
    start: dict[str, Any] = {}
    for _ in range(len(written) + 1):
        answer = query(table, "KEYS", ScanIndexForward=forward, Limit=7, **start)
        seen += keys(answer)
        if "LastEvaluatedKey" not in answer:
            break
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    assert seen == (written if forward else written[::-1])


@pytest.mark.parametrize(
    ("condition", "low", "high"),
    [
        ("#t BETWEEN :a AND :b", 5, 11),
        ("#t = :a", 5, 6),
        ("#t < :a", 0, 5),
        ("#t <= :a", 0, 6),
        ("#t > :a", 6, 40),
        ("#t >= :a", 5, 40),
    ],
)
def test_embedded_query_conditions_are_exact(
    table: Any, written: list[int], condition: str, low: int, high: int
) -> None:
    """Every comparison of a sort key sees the last of 33 digits."""
    values = {":a": number(HOUR + 5)} | ({":b": number(HOUR + 10)} if ":b" in condition else {})
    answer = query(table, "KEYS", and_=condition, values=values, ExpressionAttributeNames={"#t": "timestamp"})

    assert keys(answer) == written[low:high]


def test_embedded_query_filter_counts_what_it_looked_at(table: Any, written: list[int]) -> None:
    """The limit counts items before the filter, as in DynamoDB, so a page may be short and yet not the last."""
    answer = query(table, "KEYS", FilterExpression="even = :yes", values={":yes": {"BOOL": True}}, Limit=5)

    assert keys(answer) == [key for key in written[:5] if key % 2 == 0]
    assert (answer["ScannedCount"], answer["LastEvaluatedKey"]["timestamp"]) == (5, number(written[4]))


def test_embedded_query_page_is_one_megabyte(table: Any) -> None:
    """A page ends after 1 MB and the next goes on."""
    for suffix in range(5):
        table.put_item(TableName=TABLE, Item=item("LARGE", suffix, body={"B": bytes(300_000)}))
    first = query(table, "LARGE")
    second = query(table, "LARGE", ExclusiveStartKey=first["LastEvaluatedKey"])

    assert (keys(first), keys(second)) == ([0, 1, 2], [3, 4])
    assert "LastEvaluatedKey" not in second


def test_embedded_deleted_items_leave_the_order(table: Any) -> None:
    """A query after deletions and a second write of a key sees each item once."""
    for suffix in (1, 2, 3, 2):
        table.put_item(TableName=TABLE, Item=item("GONE", HOUR + suffix))
    for suffix in (1, 3, 3):
        table.delete_item(TableName=TABLE, Key=item("GONE", HOUR + suffix))

    assert keys(query(table, "GONE")) == [HOUR + 2]


@pytest.mark.parametrize("count", [25, 26])
def test_embedded_batch_write_limit(table: Any, count: int) -> None:
    """25 items a batch are written, 26 are refused and none of them is."""
    symbol = f"BATCH{count}"
    requests = {TABLE: [{"PutRequest": {"Item": item(symbol, suffix)}} for suffix in range(count)]}
    if count > 25:
        with pytest.raises(ClientError, match="less than or equal to 25"):
            table.batch_write_item(RequestItems=requests)
        assert keys(query(table, symbol)) == []
    else:
        assert table.batch_write_item(RequestItems=requests)["UnprocessedItems"] == {}
        assert keys(query(table, symbol)) == list(range(25))


def test_embedded_batch_write_refuses_a_key_twice(table: Any) -> None:
    """Two writes of one key in one batch are refused, whatever they hold."""
    requests = [{"PutRequest": {"Item": item("TWICE", 1, body={"S": body})}} for body in ("a", "b")]
    with pytest.raises(ClientError, match="contains duplicates"):
        table.batch_write_item(RequestItems={TABLE: requests})


def test_embedded_batch_get_limit(table: Any, written: list[int]) -> None:
    """100 keys a batch are read, 101 are refused."""
    wanted = [item("KEYS", HOUR + suffix) for suffix in range(101)]
    with pytest.raises(ClientError, match="100"):
        table.batch_get_item(RequestItems={TABLE: {"Keys": wanted}})

    found = table.batch_get_item(RequestItems={TABLE: {"Keys": wanted[:100]}})["Responses"][TABLE]
    assert sorted(int(one["timestamp"]["N"]) for one in found) == written


def test_embedded_item_size_limit(table: Any) -> None:
    """400 KB is an item's limit: exactly that much is written, a byte more is refused by every kind of write."""
    names = len("symbol") + len("SIZE") + len("timestamp") + 2 + len("body")
    largest = item("SIZE", 1, body={"B": bytes(400 * 1024 - names)})
    larger = item("SIZE", 1, body={"B": bytes(400 * 1024 - names + 1)})

    table.put_item(TableName=TABLE, Item=largest)
    with pytest.raises(ClientError, match="exceeded the maximum allowed size"):
        table.put_item(TableName=TABLE, Item=larger)
    with pytest.raises(ClientError, match="exceeded the maximum allowed size"):
        table.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": larger}}]})
    with pytest.raises(ClientError, match="exceeded the maximum allowed size"):
        table.update_item(
            TableName=TABLE,
            Key=item("SIZE", 1),
            UpdateExpression="SET more = :more",
            ExpressionAttributeValues={":more": {"S": "x"}},
        )
    assert query(table, "SIZE")["Items"] == [largest]


def test_embedded_conditional_writes_have_one_winner(table: Any) -> None:
    """Of simultaneous conditional puts of one key exactly one succeeds, key after key.

    The items have many elements, so that the time between a condition and its write is long enough to meet in.
    """
    elements = {"L": [number(element) for element in range(3000)]}

    def put(writer: int, key: int) -> bool:
        try:
            table.put_item(
                TableName=TABLE,
                Item=item("RACE", key, writer=number(writer), elements=elements),
                ConditionExpression="attribute_not_exists(symbol)",
            )
        except table.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        for key in range(20):
            assert sum(pool.map(put, range(8), [key] * 8)) == 1


def test_embedded_counters_lose_nothing(table: Any) -> None:
    """Additions from many threads all count, exactly."""

    def add(_: int) -> None:
        table.update_item(
            TableName=TABLE,
            Key=item("COUNTER", 1),
            UpdateExpression="ADD amount :one",
            ExpressionAttributeValues={":one": {"N": "0.1"}},
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(80)))

    assert query(table, "COUNTER")["Items"][0]["amount"]["N"] in ("8", "8.0")


def test_embedded_fractions_are_compared_exactly(table: Any) -> None:
    """A condition on decimals sees digits that a float does not hold."""
    table.put_item(TableName=TABLE, Item=item("FRACTION", 1, price={"N": "123456789.123456789"}))
    with pytest.raises(table.exceptions.ConditionalCheckFailedException):
        table.put_item(
            TableName=TABLE,
            Item=item("FRACTION", 1),
            ConditionExpression="price < :limit",
            ExpressionAttributeValues={":limit": {"N": "123456789.123456789"}},
        )
    table.put_item(
        TableName=TABLE,
        Item=item("FRACTION", 1),
        ConditionExpression="price < :limit",
        ExpressionAttributeValues={":limit": {"N": "123456789.123456790"}},
    )


def test_embedded_query_does_not_grow_with_the_table(table: Any) -> None:
    """A query touches its own partition: with thousands of items elsewhere it examines only its own."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda batch: fill(table, batch), range(40)))
    answer = query(table, "FILL0", Limit=3)

    assert (keys(answer), answer["ScannedCount"]) == ([0, 40, 80], 3)


def fill(table: Any, batch: int) -> None:
    """Write 25 items, one in each of 25 partitions."""
    requests = [{"PutRequest": {"Item": item(f"FILL{n}", batch * 40)}} for n in range(25)]
    table.batch_write_item(RequestItems={TABLE: requests})
