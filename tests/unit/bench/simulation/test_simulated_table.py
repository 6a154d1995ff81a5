"""The simulation's DynamoDB: its conditions hold where moto's do, and the functions' table works on it as in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import moto.dynamodb.comparisons as moto_conditions
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as some
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.dynamo_type import Item as MotoItem

from bench.simulation.decisions import Decision, Fault, Place, Recorded
from bench.simulation.expressions import ExpressionError, condition, update
from bench.simulation.scheduler import Actor, Scheduler
from bench.simulation.services import Calls
from bench.simulation.table import PAGE_ITEMS, Table, TableClient
from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.memory_table import MemoryTable
from tickstream.items import key_of

if TYPE_CHECKING:
    from tickstream.items import Item

NOW_S = 5
ABSENT = "attribute_not_exists(#a) OR #b <= :now"
EQUAL = "#a = :x AND (attribute_not_exists(#b) OR #b > :now)"
THREE = "#a = :x AND #b = :now AND #c = :y"
GROUPED = "NOT (#a < :x OR #b >= :now) AND attribute_exists(#c)"
VALUES = some.one_of(
    some.integers(-3, 12).map(lambda number: {"N": str(number)}), some.sampled_from("abc").map(lambda text: {"S": text})
)


@given(
    item=some.dictionaries(some.sampled_from("abc"), VALUES),
    asked=some.sampled_from([ABSENT, EQUAL, THREE, GROUPED, "#a BETWEEN :x AND :y"]),
    x=VALUES,
    y=VALUES,
)
def test_a_condition_holds_where_it_holds_for_moto(item: Item, asked: str, x: Item, y: Item) -> None:
    """Two readings of DynamoDB's rules agree, on items that have other types, or nothing, under the names too."""
    # To moto 0 is no value, so that it lies between none.
    assume("BETWEEN" not in asked or item.get("a") != {"N": "0"})
    names = {"#a": "a", "#b": "b", "#c": "c"}
    values = {":x": x, ":y": y, ":now": {"N": str(NOW_S)}}
    one = MotoItem(DynamoType({"S": "key"}), None, item)
    try:
        wanted = bool(moto_conditions.get_filter_expression(asked, names, values).expr(one))
    except TypeError:
        reject()  # moto compares what is of two types, which DynamoDB does not
    assert condition(asked)(item, names, values) == wanted


def test_values_of_two_types_are_neither_equal_nor_in_an_order() -> None:
    """A number and a text with the same digits."""
    names, values = {"#a": "a"}, {":x": {"S": "1"}}
    item = {"a": {"N": "1"}}
    held = [condition(f"#a {sign} :x")(item, names, values) for sign in ("=", "<", "<=", ">", ">=", "<>")]
    assert held == [False, False, False, False, False, True]


@pytest.mark.parametrize("text", ["size(#a) > :x", "#a =", "#a ~ :x", "(#a = :x", "#a = :x #b"])
def test_an_expression_of_another_kind_is_refused(text: str) -> None:
    """What the simulation does not know it must not guess."""
    with pytest.raises(ExpressionError):
        condition(text)
    with pytest.raises(ExpressionError):
        update("DELETE #a :x")


KEYS = some.tuples(some.sampled_from(["p", "q"]), some.integers(1, 4))
STEPS = some.one_of(
    some.tuples(some.just("put"), KEYS, some.integers(0, 3)),
    some.tuples(some.just("put_if_absent"), KEYS, some.integers(0, 3)),
    some.tuples(some.just("put_if_equal"), KEYS, some.integers(0, 3)),
    some.tuples(some.just("count"), KEYS, some.integers(0, 3)),
    some.tuples(some.just("change_if_equal"), KEYS, some.integers(0, 3)),
    some.tuples(some.just("write"), KEYS, some.integers(0, 3)),
    some.tuples(some.just("delete"), KEYS, some.just(0)),
)


@settings(deadline=None)
@given(steps=some.lists(STEPS, max_size=25))
def test_the_functions_table_on_it_is_their_table_in_memory(steps: list[tuple[str, tuple[str, int], int]]) -> None:
    """Every write says the same and leaves the same, expired items among them; every read finds the same."""
    real, twin = _on_simulated(), MemoryTable(now_s=lambda: NOW_S)
    for what, key, number in steps:
        # Some items have expired already.
        item = {**key_of(*key), "number": {"N": str(number)}, "expiresAt": {"N": str(NOW_S + number - 1)}}
        assert _step(real, what, item) == _step(twin, what, item)
    for partition in ("p", "q"):
        assert list(real.query(partition, 2, 3)) == list(twin.query(partition, 2, 3))
        assert list(real.query(partition, limit=2)) == list(twin.query(partition, limit=2))
        down = list(real.query(partition, 2, 3, newest_first=True))
        assert down == list(twin.query(partition, 2, 3, newest_first=True))
        assert down == list(real.query(partition, 2, 3))[::-1]
        assert list(real.query(partition, limit=1, newest_first=True)) == list(real.query(partition))[-1:]
    begin = {"p": 2}
    for newest_first in (False, True):
        asked: Any = {"last": 3, "attributes": ("timestamp",), "newest_first": newest_first}
        assert real.query_each(["p", "q"], 1, begin, **asked) == twin.query_each(["p", "q"], 1, begin, **asked)
    every = [key_of(partition, number) for partition in "pq" for number in range(1, 5)]
    assert sorted(map(repr, real.batch_get(every))) == sorted(map(repr, twin.batch_get(every)))
    assert [real.get(key) for key in every] == [twin.get(key) for key in every]


def test_a_partition_of_several_pages_is_read_downwards_too() -> None:
    """Page after page each item once, whichever way."""
    table = _on_simulated()
    for number in range(1, 2 * PAGE_ITEMS + 7):
        table.put(key_of("p", number))
    upwards = list(table.query("p"))
    assert len(upwards) == 2 * PAGE_ITEMS + 6
    assert list(table.query("p", newest_first=True)) == upwards[::-1]
    assert list(table.query("p", 5, 2 * PAGE_ITEMS, newest_first=True)) == upwards[4 : 2 * PAGE_ITEMS][::-1]


def _on_simulated() -> DynamoTable:
    calls = Calls(Scheduler(), Recorded())
    client: Any = TableClient({"t": Table("symbol", "timestamp")}, calls)
    return DynamoTable("t", Deadline.after(60), client, NOW_S)


def _step(table: DynamoTable | MemoryTable, what: str, item: Item) -> object:
    if what == "put":
        return table.put(item)
    if what == "put_if_absent":
        return table.put_if_absent(item)
    if what == "put_if_equal":
        return table.put_if_equal(item, "number", {"N": "1"})
    key = key_of(item["symbol"]["S"], 9)  # of items that do not expire
    if what == "count":
        return table.count(key, ["a", *"bc"[: int(item["number"]["N"])]])
    if what == "change_if_equal":
        wanted = {"0": None, "1": {"N": "1"}, "2": {"N": "2"}, "3": {"S": "claimed"}}[item["number"]["N"]]
        return table.change_if_equal(key, {"b": None, "d": {"S": "claimed"}}, {"a": {"N": "1"}, "b": wanted})
    keys = [key_of(item["symbol"]["S"], int(item["timestamp"]["N"]))]
    return table.batch_write([item]) if what == "write" else table.batch_write((), keys)


@pytest.mark.no_cover  # see test_scheduler
@pytest.mark.parametrize("fault", [Fault.KILLED, Fault.KILLED_AFTER, Fault.LOST, Fault.REFUSED, Fault.REPEATED])
def test_a_call_that_goes_wrong_is_done_or_not_as_its_fault_says(fault: Fault) -> None:
    """Killed before or throttled: nothing is written; killed after or answer lost: all of it."""
    scheduler = Scheduler()
    calls = Calls(scheduler, Recorded({Place("actor", 1): Decision(fault, 10, "")}))
    table = Table("symbol", "timestamp")
    client = TableClient({"t": table}, calls)
    item = {**key_of("p", 1), "number": {"N": "1"}}
    ended: list[Actor] = []
    actor = Actor("actor", lambda: client.put_item(TableName="t", Item=item), scheduler.now_ms, 1000)
    scheduler.start(actor, ended.append)
    scheduler.rest()
    assert ended == [actor]
    assert bool(table.items) == (fault in {Fault.KILLED_AFTER, Fault.LOST, Fault.REPEATED})
    assert (actor.error is None) == (fault is Fault.REPEATED)
