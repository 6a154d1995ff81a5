"""Which bars are closed: those whose end has passed, and whose hours have nothing that is not rolled up."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.memory_table import MemoryTable
from tests.unit.market_analytics.aggregator_world import HOUR, World
from tests.unit.market_analytics.query_world import DAY_NS, INGEST, post, put_ticks, tick
from tickstream import keys
from tickstream.bar_codec import encode_bars
from tickstream.bars import bar_of
from tickstream.hours import Revision, Rollup, Slice
from tickstream.items import revision_item, rollup_item, slice_item
from tickstream.sessions.spec import grid_of, hours_of

DAY = DAY_NS // keys.NS_PER_MINUTE
LATER_NS = (HOUR + 100) * keys.NS_PER_HOUR
WINDOW = {"from": str(DAY_NS), "to": str(DAY_NS + 24 * keys.NS_PER_HOUR)}


def put_rollup(table: MemoryTable, symbol: str, minute: int) -> None:
    """The hour of one tick, rolled up."""
    one = tick(symbol, minute)
    hour = keys.hour_of(one.timestamp_ns)
    ranges = frozenset({keys.range_id(INGEST, 0)})
    table.put(rollup_item(Rollup(symbol, hour, ranges, 0, encode_bars([bar_of(one, INGEST, "", 0)]))))


def of_world(world: World, hours: int = 1) -> list[dict[str, Any]]:
    """The bars of A's first hours, long after."""
    window = {"from": str(HOUR * keys.NS_PER_HOUR), "to": str((HOUR + hours) * keys.NS_PER_HOUR), "interval": "1h"}
    bars: list[dict[str, Any]] = post(world.table, {"symbols": ["A"], **window}, LATER_NS)["bars"]["A"]
    return bars


def closed(answer: dict[str, Any]) -> list[bool]:
    """What an answer's bars say, of one symbol."""
    (bars,) = answer["bars"].values()
    return [bar["closed"] for bar in bars]


@pytest.mark.parametrize(("interval", "end"), [("1m", 571), ("5m", 575), ("1h", 600), ("4h", 720), ("1d", 1440)])
def test_a_bar_is_closed_when_its_end_has_passed(interval: str, end: int) -> None:
    """To the nanosecond: a bar that ends now is closed, one that ends a moment later is not."""
    table = MemoryTable()
    put_rollup(table, "A", 570)
    body = {"symbols": ["A"], "interval": interval, **WINDOW}
    end_ns = DAY_NS + end * keys.NS_PER_MINUTE
    assert closed(post(table, body, end_ns)) == [True]
    assert closed(post(table, body, end_ns - 1)) == [False]


def test_a_session_is_closed_when_it_has_ended() -> None:
    """New York closes at 20:00 UTC on that day; the last four hours of it are cut short."""
    table = MemoryTable()
    put_rollup(table, "A", 19 * 60)
    close_ns = DAY_NS + 20 * keys.NS_PER_HOUR
    for interval in ("1d", "4h"):
        body = {"symbols": ["A"], "interval": interval, "session": "XNYS", **WINDOW}
        assert closed(post(table, body, close_ns)) == [True]
        assert closed(post(table, body, close_ns - 1)) == [False]


def test_a_bar_is_open_until_what_has_come_is_rolled_up() -> None:
    """Slices that are being written, ranges that were just committed: open; rolled up: closed, and after more, open."""
    world = World()

    def bars() -> list[bool]:
        return [bar["closed"] for bar in of_world(world, 2)]

    world.write("file", 0, ["A"], hours=2)
    assert bars() == [False, False]
    world.commit("file", 0)
    assert bars() == [False, False]
    world.event("file", 0)
    assert bars() == [True, True]
    world.write("file", 1, ["A"])
    assert bars() == [False, True]
    world.commit("file", 1)
    world.event("file", 1)
    assert bars() == [True, True]
    # A redelivery writes the same slices again: they are in the rollup.
    world.process_again("file", 1)
    assert bars() == [True, True]


def test_compacted_hours_are_closed() -> None:
    """Slices that a segment names count no more, whether they were set aside or not."""
    world = World()
    for index in range(9):
        world.process("file", index, ["A"])
    world.roll_up()
    assert [bar["closed"] for bar in of_world(world)] == [True]
    world.process_again("file", 0)
    assert [bar["closed"] for bar in of_world(world)] == [True]


def test_what_waits_to_take_the_place_of_others_keeps_a_bar_open() -> None:
    """It is not in the bar, and will be: until it is published and rolled up, or withdrawn."""
    table = MemoryTable()
    put_rollup(table, "A", 570)
    range_id = keys.range_id(INGEST, 7)
    hour = keys.hour_of(tick("A", 570).timestamp_ns)
    packed = encode_bars([bar_of(tick("A", 575), INGEST, "", 1)])
    table.put(slice_item(Slice("A", hour, range_id, packed, waits=True), INGEST, 7, 0))
    body = {"symbols": ["A"], "interval": "1h", **WINDOW}
    answer = post(table, body, LATER_NS)
    assert (closed(answer), answer["bars"]["A"][0]["ticks"]) == ([False], 1)
    table.put(revision_item(Revision("A", hour, 3, frozenset({range_id}), frozenset())))
    assert closed(post(table, body, LATER_NS)) == [True]


def test_an_hour_that_is_put_together_again_is_open_until_it_is() -> None:
    """After something was taken back the bars are right at once, and closed when their rollup is made anew."""
    world = World()
    for name in ("stays", "goes"):
        world.begin(name, 1)
        world.process(name, 0, ["A"])
        world.event(name, 0)
    world.delete("goes")
    while world.orders:
        world.revision().on_order(json.loads(world.orders.pop(0)))
    (bar,) = of_world(world)
    assert (bar["ticks"], bar["closed"]) == (1, False)
    world.serve_calls()
    (bar,) = of_world(world)
    assert (bar["ticks"], bar["closed"]) == (1, True)


def test_a_filled_bar_is_closed_like_others() -> None:
    """Its minute has passed, and nothing of its hour is under way; a tick may still come where something is."""
    table = MemoryTable()
    put_rollup(table, "A", 570)
    put_ticks(table, [tick("A", 610)], 1)
    body = {"symbols": ["A"], "from": str(DAY_NS), "to": str(DAY_NS + 700 * keys.NS_PER_MINUTE), "fill": "previous"}
    bars = post(table, body, DAY_NS + 690 * keys.NS_PER_MINUTE + 1)["bars"]["A"]
    assert [bar["closed"] for bar in bars] == [True] * 30 + [False] * 60 + [True] * 30 + [False]


@settings(deadline=None)
@given(
    hours=st.dictionaries(st.integers(-30, 60), st.sampled_from(["settled", "open", "waiting"]), max_size=20),
    asked=st.one_of(
        st.tuples(st.sampled_from(["1m", "15m", "1h", "4h", "1d"]), st.none()),
        st.tuples(st.sampled_from(["4h", "1d"]), st.sampled_from(["XNYS", "America/New_York", "06:00 Asia/Tokyo"])),
    ),
    fill=st.booleans(),
    limit=st.integers(1, 60),
    start=st.integers(-60 * 30, 60 * 30),
    length=st.integers(0, 60 * 30),
    now=st.integers(-60 * 30, 60 * 90),
)
def test_a_bar_is_open_where_any_of_its_hours_is(
    hours: dict[int, str], asked: tuple[str, str | None], *, fill: bool, limit: int, start: int, length: int, now: int
) -> None:
    """Of any interval and session, filled or not, on pages of any size; also by what waits."""
    interval, session = asked
    table = MemoryTable()
    for hour, state in hours.items():
        if state == "settled":
            put_rollup(table, "A", hour * 60 + 7)
        elif state == "open":
            put_ticks(table, [tick("A", hour * 60 + 7)], 1)
        else:
            one = tick("A", hour * 60 + 7)
            piece = Slice("A", keys.hour_of(one.timestamp_ns), 5, encode_bars([bar_of(one, INGEST, "", 0)]), waits=True)
            table.put(slice_item(piece, INGEST, 0, 0))
    now_ns = DAY_NS + now * keys.NS_PER_MINUTE + 1
    body: dict[str, Any] = {
        "symbols": ["A"], "from": str(DAY_NS + start * keys.NS_PER_MINUTE), "interval": interval,
        "to": str(DAY_NS + (start + length) * keys.NS_PER_MINUTE), **({"session": session} if session else {}),
        **({"fill": "previous"} if fill else {}),
    }  # fmt: skip
    pages = [post(table, body | {"limit": limit}, now_ns)]
    while "nextToken" in pages[-1]:
        pages.append(post(table, body | {"limit": limit, "nextToken": pages[-1]["nextToken"]}, now_ns))
    bars = [bar for page in pages for bar in page["bars"].get("A", [])]
    grid = grid_of(interval, session, hours_of(session, None))
    for bar in bars:
        begin = minute_of(bar["start"]) - DAY
        end = grid.end_of(begin + DAY) - DAY
        touched = {hours.get(hour) for hour in range(begin // 60, -(-end // 60))}
        assert bar["closed"] == (end <= now and touched <= {None, "settled"}), bar
    whole = post(table, body | {"limit": 5000}, now_ns)
    assert whole["bars"].get("A", []) == bars


def minute_of(text: str) -> int:
    """Minutes since 1970."""
    return int(datetime.fromisoformat(text).timestamp()) // 60
