"""A market in memory for the aggregator's tests: it writes what DataProcessor writes, and knows what bars must be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from market_analytics.data_aggregator import Clock, Settings, on_processed, on_schedule
from market_analytics.data_aggregator_election import PARTITION, ROLLING_UP
from market_analytics.data_aggregator_hours import read_hour
from market_analytics.data_aggregator_rollups import roll_up_pending
from services.memory_table import MemoryTable
from tickstream import keys
from tickstream.bar_codec import encode_bars
from tickstream.bars import Bar, bar_of, merge_bars
from tickstream.hours import Rollup, Segment, Slice, current_bars
from tickstream.ingests import Activity, Pending, Receipt
from tickstream.items import (
    activity_item,
    hour_item_from,
    key_of,
    pending_item,
    receipt_items,
    slice_item,
)
from tickstream.messages import ProcessedRange, event_details
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tickstream.items import Item
    from tickstream.keys import SymbolHour

HOUR = 400_000
RECEIVED_MS = 1_000_000
THRESHOLD = 4
PASS_MS = 300_000
SIXTY_DAYS_MS = 60 * 24 * 3600 * 1000


class Died(Exception):
    """The process was killed here."""


@dataclass
class World:
    """A table, a clock, and what the bars must be: everything that was ever written as a slice, once."""

    table: MemoryTable = field(default_factory=MemoryTable)
    now_ms: int = RECEIVED_MS
    expected: dict[SymbolHour, list[Bar]] = field(default_factory=dict)
    ranges: dict[tuple[str, int], tuple[Receipt, list[Item]]] = field(default_factory=dict)
    threshold: int = THRESHOLD

    def __post_init__(self) -> None:
        """Have items expire by the world's clock."""
        self.table.now_s = lambda: self.now_ms // 1000

    @property
    def settings(self) -> Settings:
        """What the stack would set."""
        return Settings("table", self.threshold, overdue_seconds=900)

    @property
    def clock(self) -> Clock:
        """Plenty of time left."""
        return Clock(lambda: self.now_ms, lambda: 50.0, lambda _: None)

    def write(self, ingest: str, index: int, symbols: Iterable[str], *, hours: int = 1) -> None:
        """What DataProcessor writes of a new range before its receipt: one tick of its own a symbol and hour."""
        ingest_id, range_id = ingest_id_of(ingest), keys.range_id(ingest_id_of(ingest), index)
        items = [pending_item(Pending(ingest_id, index, RECEIVED_MS))]
        touched: dict[str, tuple[int, ...]] = {}
        for symbol in symbols:
            for hour in range(HOUR, HOUR + hours):
                offset = len(self.ranges) * 1_000 + len(items)
                timestamp_ns = hour * keys.NS_PER_HOUR + offset % 60 * keys.NS_PER_MINUTE
                bar = bar_of(Tick(symbol, timestamp_ns, (1 + offset) * 10**9, 10**9), ingest_id, "", offset)
                self.expected.setdefault((symbol, hour), []).append(bar)
                piece = Slice(symbol, hour, range_id, encode_bars([bar]))
                items.append(slice_item(piece, ingest_id, index, RECEIVED_MS))
                touched[symbol] = (*touched.get(symbol, ()), hour)
        self.table.batch_write(items)
        receipt = Receipt(ingest_id, index, len(items) - 1, 1, self.now_ms, touched)
        self.ranges[ingest, index] = (receipt, items)

    def commit(self, ingest: str, index: int) -> None:
        """The receipt; after it the event."""
        self.table.batch_write(receipt_items(self.ranges[ingest, index][0], RECEIVED_MS))

    def process(self, ingest: str, index: int, symbols: Iterable[str], *, hours: int = 1) -> None:
        """A whole range, committed."""
        self.write(ingest, index, symbols, hours=hours)
        self.commit(ingest, index)

    def process_again(self, ingest: str, index: int) -> None:
        """The same range after a redelivery: the same slices, the entry, the receipt."""
        receipt, items = self.ranges[ingest, index]
        self.table.batch_write([*items, *receipt_items(receipt, RECEIVED_MS)])

    def open(self, ingest: str, ranges: int) -> None:
        """The entry in the list of open ingests."""
        self.table.put(activity_item(Activity(ingest_id_of(ingest), RECEIVED_MS, ranges)))

    def event(self, ingest: str, index: int) -> bool:
        """Deliver the event of a range."""
        import json  # noqa: PLC0415 - EventBridge decodes the detail

        (detail,) = event_details([ProcessedRange(ingest_id_of(ingest), index, 1, 0, RECEIVED_MS, RECEIVED_MS)])
        return on_processed(json.loads(detail), self.table, self.settings, self.clock)

    def announce(self, ingest: str, index: int) -> None:
        """Have the event of a range find somebody at work: it counts itself and ends."""
        shard = keys.pending_partition(keys.range_id(ingest_id_of(ingest), index))
        self.table.add(key_of(PARTITION, ROLLING_UP), "count", 1, "shards", [shard])

    def rollups(self) -> dict[tuple[str, int], Item]:
        """All items but the lease."""
        return {key: item for key, item in self.table.contents().items() if key[0] != PARTITION}

    def roll_up(self) -> bool:
        """One aggregator without any lease: what a paused or mistaken one may do."""
        return roll_up_pending(self.table, keys.pending_partitions(), self.threshold, lambda: False)

    def schedule(self) -> dict[str, int]:
        """The scheduled run: its metrics by name."""
        return {metric.name: metric.value for metric in on_schedule(self.table, self.settings, self.clock)}

    def check_readers(self) -> None:
        """Every hour reads as its ticks say, whatever rollups are worth at the moment."""
        for symbol_hour, bars in self.expected.items():
            read = current_bars(read_hour(self.table, symbol_hour, max_slices=10**6))
            assert read == merge_bars(bars), symbol_hour

    def check_confirmed(self) -> None:
        """Rollups and segments alone have everything, and nothing waits."""
        self.check_readers()
        assert self.pending() == 0
        for symbol_hour, bars in self.expected.items():
            hour = read_hour(self.table, symbol_hour, max_slices=10**6)
            assert not hour.loose_slices(), symbol_hour
            assert current_bars(type(hour)(hour.symbol, hour.hour, hour.rollup, (), hour.segments)) == merge_bars(bars)

    def pending(self) -> int:
        """Entries in the work list."""
        return len(self.table.query_each(keys.pending_partitions()))

    def open_ingests(self) -> int:
        """Entries in the list of open ingests."""
        return len(self.table.query_each(keys.activity_partitions()))

    def kinds(self, symbol: str) -> dict[type, int]:
        """How many rollups, slices and segments a symbol has."""
        found = [type(hour_item_from(item)) for item in self.table.query(symbol)]
        return {kind: found.count(kind) for kind in (Rollup, Slice, Segment)}


def ingest_id_of(name: str) -> str:
    """An ingest id for a readable name."""
    return keys.posted_ingest_id("caller", name)


def old_rollup(world: World) -> Item:
    """The rollup of A's hour as it is now, for an aggregator that will write it back when it is old."""
    found = world.table.get(key_of("A", keys.sort_key(HOUR, 0)))
    assert found is not None
    return found


def dying_at(position: int) -> Callable[[object], None]:
    """A hook that dies before the write of that number (from 0)."""
    left = [position]

    def hook(_: object) -> None:
        if left[0] == 0:
            raise Died
        left[0] -= 1

    return hook


def die_everywhere(build: Callable[[], World], run: Callable[[World], object]) -> int:
    """Run, dying before each write in turn; readers are right at once, another run finishes. Returns the writes."""
    for position in range(10_000):
        world = build()
        world.table.before_write = dying_at(position)
        try:
            run(world)
        except Died:
            world.table.before_write = None
            world.check_readers()
            world.roll_up()
            world.check_confirmed()
        else:
            world.table.before_write = None
            world.check_confirmed()
            return position
    pytest.fail("it never stopped writing")
