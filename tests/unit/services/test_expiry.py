"""What has expired is not there: both tables and their twins in memory, whatever DynamoDB has deleted by then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.memory_status_table import MemoryStatusTable
from services.memory_table import MemoryTable
from services.status_table import DynamoStatusTable, make_move
from tickstream.file_status import Move, Outcome, Stage, Status
from tickstream.ingests import Source
from tickstream.items import EXPIRY_ATTRIBUTE, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.status_table import StatusTable
    from services.table import Table
    from tickstream.items import Item

NOW_S = 1_767_623_400
REGION = "us-east-1"


def item(sort_key: int, expires_at_s: int | None, value: str = "old") -> Item:
    """An item that expires then, or never."""
    expiry = {} if expires_at_s is None else {EXPIRY_ATTRIBUTE: {"N": str(expires_at_s)}}
    return {**key_of("A", sort_key), "value": {"S": value}, **expiry}


ITEMS = [item(1, None), item(2, NOW_S), item(3, NOW_S + 1), item(4, NOW_S - 1), item(5, None)]
LIVE = [1, 3, 5]


@pytest.fixture(params=["memory", "dynamodb"])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """A table with items that have expired, in this very second too, and have not."""
    with mock_aws():
        made: Table = MemoryTable(now_s=lambda: NOW_S)
        if request.param == "dynamodb":
            client: Any = boto3.client("dynamodb", REGION, aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106
            client.create_table(
                TableName="table",
                KeySchema=[
                    {"AttributeName": "symbol", "KeyType": "HASH"},
                    {"AttributeName": "timestamp", "KeyType": "RANGE"},
                ],
                AttributeDefinitions=[
                    {"AttributeName": "symbol", "AttributeType": "S"},
                    {"AttributeName": "timestamp", "AttributeType": "N"},
                ],
                BillingMode="PAY_PER_REQUEST",
            )
            made = DynamoTable("table", Deadline.after(10), client, NOW_S)
        for one in ITEMS:
            made.put(one)
        yield made


def found(items: list[Item]) -> list[int]:
    """Their sort keys, in order."""
    return sorted(int(one["timestamp"]["N"]) for one in items)


def test_i4_no_read_shows_what_has_expired(table: Table) -> None:
    """Neither one item, nor a batch, nor a query with a limit or of some attributes."""
    assert [sort_key for sort_key in range(1, 6) if table.get(key_of("A", sort_key))] == LIVE
    assert found(table.batch_get(key_of("A", sort_key) for sort_key in range(1, 6))) == LIVE
    assert found(list(table.query("A"))) == LIVE
    assert found(list(table.query("A", limit=2))) == LIVE[:2]
    assert found(list(table.query("A", 2, 4, limit=5))) == [3]
    assert found(list(table.query("A", attributes=("symbol", "timestamp")))) == LIVE
    assert found(table.query_each(["A", "B"], limit_each=3)) == LIVE


def test_i4_no_condition_sees_what_has_expired(table: Table) -> None:
    """An expired item keeps nobody from putting a new one, and cannot be replaced as if it were there."""
    for sort_key in range(1, 6):
        old = {"S": "old"}
        assert table.put_if_equal(item(sort_key, None, "newer"), "value", old) is (sort_key in LIVE)
        assert table.put_if_absent(item(sort_key, None, "new")) is (sort_key not in LIVE)
    assert {int(one["timestamp"]["N"]): one["value"]["S"] for one in table.query("A")} == {
        1: "newer", 2: "new", 3: "newer", 4: "new", 5: "newer",
    }  # fmt: skip


@pytest.fixture(params=["memory", "dynamodb"])
def statuses(request: pytest.FixtureRequest) -> Iterator[StatusTable]:
    """A table of statuses without any."""
    with mock_aws():
        if request.param == "memory":
            yield MemoryStatusTable(now_s=lambda: NOW_S)
            return
        client: Any = boto3.client("dynamodb", REGION, aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106
        client.create_table(
            TableName="statuses",
            KeySchema=[{"AttributeName": "fileId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "fileId", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield DynamoStatusTable("statuses", client, NOW_S)


@pytest.mark.parametrize("late_ms", [0, 1_000])
def test_i4_a_file_whose_status_has_expired_is_a_new_file(statuses: StatusTable, late_ms: int) -> None:
    """Its old status holds back no upload, even an earlier one, and is no result; one second before it is both."""
    month_ms = 30 * 24 * 3600 * 1000
    source = Source("b", "k", "v", "e", 1)
    old = Move(source, "B", 0, NOW_S * 1000 - month_ms + 1_000 - late_ms, Stage.VALIDATOR, Status.VALIDATED, 0)
    assert make_move(statuses, "b/k", old) is Outcome.ACCEPTED
    new = Move(source, "A", 0, NOW_S * 1000, Stage.VALIDATOR, Status.VALIDATED, 0)
    assert (statuses.get("b/k") is None) is bool(late_ms)
    assert make_move(statuses, "b/k", new) is (Outcome.ACCEPTED if late_ms else Outcome.STALE)
