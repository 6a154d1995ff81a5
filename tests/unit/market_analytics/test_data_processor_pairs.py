"""Rows that take others back, in ranges that come in any order, more than once, and die."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_analytics.data_ingestion_objects import ingest_object
from market_analytics.data_processor_pairs import has_pairs
from services.memory_table import MemoryTable
from tests.unit.market_analytics.processor_world import NOW_MS, Died, World, commit_range, dying
from tickstream import keys
from tickstream.bars import Bar, bar_of, merge_bars
from tickstream.errors import RangesAwaited
from tickstream.feeds.catalogue import installed
from tickstream.ingests import Source
from tickstream.items import commit_from
from tickstream.messages import RangePointer, decode_message
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADER = b"Date,Timestamp,EventType,Ticker,Price,Quantity,Exchange,Conditions\n"
START_NS = 1_767_623_400 * 10**9  # 2026-01-05, 09:30 in New York
#: Price, and whether the row takes a trade of that price back.
ROWS = st.lists(st.tuples(st.sampled_from((100, 101, 102)), st.booleans()), min_size=1, max_size=14)


def body_of(rows: Iterable[tuple[int, bool]]) -> bytes:
    """Rows of AlgoSeek's, a second apart."""
    lines = [
        b"20260105,09:30:%02d.000000000,%s,ABC,%d,10,NYSE,00000001\n"
        % (at, b"TRADE CANCELLED" if takes_back else b"TRADE", price)
        for at, (price, takes_back) in enumerate(rows)
    ]
    return HEADER + b"".join(lines)


def expected(rows: list[tuple[int, bool]], body: bytes, source: Source) -> tuple[tuple[Bar, ...], int]:
    """The bars that are left, and how many rows are cancelled."""
    open_trades: dict[int, list[int]] = {}
    left = {}
    for at, (price, takes_back) in enumerate(rows):
        if not takes_back:
            open_trades.setdefault(price, []).append(at)
            left[at] = price
        elif open_trades.get(price):
            del left[open_trades[price].pop()]
    lines = body.split(b"\n")
    offsets = [sum(len(line) + 1 for line in lines[: at + 1]) for at in range(len(rows))]
    ticks = {at: Tick("ABC", START_NS + at * 10**9, price * 10**9, 10 * 10**9) for at, price in left.items()}
    bars = merge_bars([bar_of(tick, source.key, source.etag, offsets[at]) for at, tick in ticks.items()])
    return bars, len(rows) - len(left)


def queued(world: World, source: Source) -> list[RangePointer]:
    """The ranges of the object, four rows in each."""
    bodies: list[str] = []

    def send(some: Iterable[str]) -> int:
        bodies.extend(some)
        return len(bodies)

    assert world.body is not None
    ingest_object(
        source,
        received_ms=NOW_MS,
        range_bytes=200,
        read=lambda start, end: (world.body or b"")[start:end],
        table=world.table,
        send=send,
        send_large=send,
        order_index=send,
    )
    messages = [decode_message(one) for one in bodies]
    return [one for one in messages if isinstance(one, RangePointer)]


@settings(max_examples=25)
@given(ROWS, st.data())
def test_m26_a_pair_across_ranges_is_found_in_any_order(rows: list[tuple[int, bool]], data: st.DataObject) -> None:
    """Ranges in any order, some twice, some dying at a write: the trades that are left are in the bars, each once."""
    body = body_of(rows)
    source = Source("bucket", "algoseek/ABC.csv", "v1", "e" * 32, len(body))
    world = World(body)
    pointers = queued(world, source)
    waiting = data.draw(st.permutations(pointers + pointers[:1]))
    deliveries = 0
    while waiting:
        message, *waiting = waiting
        deliveries += 1
        assert deliveries < 20 * len(pointers), "it goes on for ever"
        dies = deliveries <= len(pointers) and data.draw(st.booleans())
        world.table.before_write = dying(data.draw(st.integers(0, 3))) if dies else None
        try:
            commit_range(message, world.stores())
        except (RangesAwaited, Died):
            waiting.append(message)
    world.table.before_write = None
    bars, cancelled = expected(rows, body, source)
    assert tuple(world.bars("ABC")) == bars
    partition = keys.ingest_partition(pointers[0].ingest_id)
    commits = [commit_from(item) for item in world.table.query(partition) if "parts" in item]
    assert sum(commit.cancelled for commit in commits) == cancelled
    assert sum(commit.ticks for commit in commits) == len(rows) - cancelled


def test_m26_a_range_waits_for_what_others_have_to_tell() -> None:
    """Nothing of a range is committed before all have told; then it needs no other to go on."""
    rows = [(100, False), (101, False), (102, False), (100, True), (101, False)]
    world = World(body_of(rows))
    source = Source("bucket", "algoseek/ABC.csv", "v1", "e" * 32, len(world.body or b""))
    first, last = queued(world, source)
    for message in (first, first, last):
        with pytest.raises(RangesAwaited) as waits:
            commit_range(message, world.stores())
        assert world.bars("ABC") == []
    assert "have not told" in str(waits.value)
    for message in (first, last):
        commit_range(message, world.stores())
    (bar,) = world.bars("ABC")
    assert (bar.ticks, bar.low_e9) == (3, 101 * 10**9)


def test_m26_a_range_that_is_refused_holds_nobody_up() -> None:
    """Where one range cannot be read, the others count without it, as they do in every object."""
    world = World(body_of([(100, False)] * 6))
    source = Source("bucket", "algoseek/ABC.csv", "v1", "e" * 32, len(world.body or b""))
    first, second = queued(world, source)
    with pytest.raises(RangesAwaited):
        commit_range(second, world.stores())
    kept, world.body = world.body, None
    assert commit_range(first, world.stores()).rejected == 1
    world.body = kept
    commit_range(second, world.stores())
    assert sum(bar.ticks for bar in world.bars("ABC")) == 2


def test_m26_who_has_pairs_and_who_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object of a feed without pairs is read once, and asks nobody."""
    assert [name for name, feed in installed().built_in.items() if feed.tick.cancel.pair] == [
        "algoseek-trades",
        "b3-negocios",
        "massive-us-options-trades",
        "xetra-posttrade",
    ]
    body = b"symbol,timestamp,price,size\nABC,1767623400000000000,1,1\n"
    world = World(body)
    source = Source("bucket", "ticks.csv", "v1", "e" * 32, len(body))
    (pointer,) = queued(world, source)
    assert not has_pairs(pointer.layout)
    reads: list[Any] = []
    monkeypatch.setattr(MemoryTable, "query", lambda *asked, **_: reads.append(asked))
    commit_range(pointer, world.stores())
    assert not reads
