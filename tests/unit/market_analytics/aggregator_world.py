"""A market in memory for the aggregator's tests: it writes what DataProcessor writes, and knows what bars must be."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from market_analytics.data_aggregator import Aggregator, Clock, Settings
from market_analytics.data_aggregator_election import PARTITION, ROLLING_UP, Ended
from market_analytics.data_aggregator_lists import roll_up_pending
from market_analytics.data_aggregator_rollups import Rollups
from market_analytics.data_revision import Revision
from market_analytics.hour_reads import completed, read_hour
from services.memory_table import MemoryTable
from tickstream import keys
from tickstream.bar_codec import encode_bars
from tickstream.bars import Bar, bar_of, merge_bars
from tickstream.hours import Rollup, Segment, Slice, current_bars
from tickstream.ingests import Activity, Manifest, Pending, Receipt
from tickstream.items import (
    activity_item,
    hour_item_from,
    key_of,
    manifest_item,
    pending_item,
    receipt_items,
    slice_item,
)
from tickstream.messages import ProcessedRange, event_details
from tickstream.symbol_lists import symbol_items
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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
    """A table, a clock, and what the bars must be: everything that was ever written as a slice, once.

    written: of each range its bars. retracted: ingests that do not count any more.
    """

    table: MemoryTable = field(default_factory=MemoryTable)
    now_ms: int = RECEIVED_MS
    written: dict[tuple[str, int], list[tuple[SymbolHour, Bar]]] = field(default_factory=dict)
    retracted: set[str] = field(default_factory=set)
    ranges: dict[tuple[str, int], tuple[Receipt, list[Item]]] = field(default_factory=dict)
    threshold: int = THRESHOLD
    calls: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Have items expire by the world's clock."""
        self.table.now_s = lambda: self.now_ms // 1000

    @property
    def settings(self) -> Settings:
        """What the stack would set."""
        return Settings("table", "default", self.threshold, overdue_seconds=900)

    @property
    def clock(self) -> Clock:
        """Plenty of time left."""
        return Clock(lambda: self.now_ms, lambda: 50.0, lambda _: None)

    @property
    def expected(self) -> dict[SymbolHour, list[Bar]]:
        """By hour, the bars of what counts; of an hour that had some once there may be none."""
        expected: dict[SymbolHour, list[Bar]] = {}
        for (ingest, _), bars in self.written.items():
            for symbol_hour, bar in bars:
                counting = expected.setdefault(symbol_hour, [])
                counting += [bar] if ingest not in self.retracted else []
        return expected

    def aggregator(self, clock: Clock | None = None) -> Aggregator:
        """One invocation, whose calls are heard."""
        return Aggregator(self.table, self.settings, clock or self.clock, self._heard(self.calls), self.put_orders)

    def revision(self, remaining_s: Callable[[], float] = lambda: 900.0) -> Revision:
        """One invocation of DataRevision, whose calls are heard."""
        return Revision(self.table, lambda: self.now_ms, remaining_s, self.put_orders, self._heard(self.calls))

    @property
    def put_orders(self) -> Callable[[Sequence[str]], dict[int, str]]:
        """Hears what DataRevision is asked for."""
        return self._heard(self.orders)

    @staticmethod
    def _heard(details: list[str]) -> Callable[[Sequence[str]], dict[int, str]]:
        def put(more: Sequence[str]) -> dict[int, str]:
            details.extend(more)
            return {}

        return put

    def serve_orders(self) -> None:
        """Deliver what DataRevision is asked for, and what comes of it."""
        while self.orders:
            self.revision().on_order(json.loads(self.orders.pop(0)))
        self.serve_calls()

    def begin(self, ingest: str, ranges: int) -> None:
        """The manifest of an ingest."""
        self.table.put(manifest_item(Manifest(ingest_id_of(ingest), RECEIVED_MS, ranges)))

    def delete(self, ingest: str) -> str:
        """DELETE /ingest of it; returns the state of the answer."""
        answer = self.revision().on_request({"pathParameters": {"ingestId": ingest_id_of(ingest)}})
        return str(answer["state"])

    def serve_calls(self) -> None:
        """Deliver the calls for help, and those that come of them."""
        while self.calls:
            self.aggregator().on_called(json.loads(self.calls.pop(0)))

    def write(self, ingest: str, index: int, symbols: Iterable[str], *, hours: int = 1) -> None:
        """What DataProcessor writes of a new range before its receipt: one tick of its own a symbol and hour."""
        ingest_id, range_id = ingest_id_of(ingest), keys.range_id(ingest_id_of(ingest), index)
        items: list[Item] = []
        touched: dict[str, tuple[int, ...]] = {}
        for symbol in symbols:
            for hour in range(HOUR, HOUR + hours):
                offset = len(self.ranges) * 1_000 + 1 + len(items)
                timestamp_ns = hour * keys.NS_PER_HOUR + offset % 60 * keys.NS_PER_MINUTE
                bar = bar_of(Tick(symbol, timestamp_ns, (1 + offset) * 10**9, 10**9), ingest_id, "", offset)
                self.written.setdefault((ingest, index), []).append(((symbol, hour), bar))
                piece = Slice(symbol, hour, range_id, encode_bars([bar]))
                items.append(slice_item(piece, ingest_id, index, RECEIVED_MS))
                touched[symbol] = (*touched.get(symbol, ()), hour)
        self.table.batch_write(items)
        receipt = Receipt(ingest_id, index, len(items), 1, self.now_ms, touched)
        self.ranges[ingest, index] = (receipt, items)

    def commit(self, ingest: str, index: int) -> None:
        """The receipt and the entries; after them the event."""
        receipt = self.ranges[ingest, index][0]
        self.table.batch_write([*receipt_items(receipt, RECEIVED_MS), *self.entries(ingest, index)])

    def lanes(self, ingest: str, index: int) -> tuple[int, ...]:
        """The lanes of a range's symbols; of one that nobody wrote, any."""
        if (ingest, index) not in self.ranges:
            return (0,)
        return tuple(sorted({keys.lane_of(symbol) for symbol in self.ranges[ingest, index][0].hours}))

    def entries(self, ingest: str, index: int) -> list[Item]:
        """Its entries in the lists of lanes."""
        return [
            pending_item(Pending(ingest_id_of(ingest), index, RECEIVED_MS, lane)) for lane in self.lanes(ingest, index)
        ]

    def process(self, ingest: str, index: int, symbols: Iterable[str], *, hours: int = 1) -> None:
        """A whole range, committed."""
        self.write(ingest, index, symbols, hours=hours)
        self.commit(ingest, index)

    def process_again(self, ingest: str, index: int) -> None:
        """The same range after a redelivery: the same slices, the entry, the receipt."""
        self.table.batch_write(self.ranges[ingest, index][1])
        self.commit(ingest, index)

    def open(self, ingest: str, ranges: int) -> None:
        """The entry in the list of open ingests."""
        self.table.put(activity_item(Activity(ingest_id_of(ingest), RECEIVED_MS, ranges)))

    def event(self, ingest: str, index: int) -> bool:
        """Deliver the event of a range."""
        lanes = self.lanes(ingest, index)
        (detail,) = event_details([ProcessedRange(ingest_id_of(ingest), index, 1, 0, RECEIVED_MS, RECEIVED_MS, lanes)])
        return self.aggregator().on_processed(json.loads(detail))

    def announce(self, ingest: str, index: int) -> None:
        """Have the event of a range find somebody at work: it names its lanes and ends."""
        self.table.count(key_of(PARTITION, ROLLING_UP), ["v", *(f"w{lane}" for lane in self.lanes(ingest, index))])

    def rollups(self) -> dict[tuple[str, int], Item]:
        """All items but the lease."""
        return {key: item for key, item in self.table.contents().items() if key[0] != PARTITION}

    def roll_up(self) -> bool:
        """One aggregator that claims nothing: what a paused or mistaken one may do."""
        return self.roll_up_until(lambda: False) is Ended.FINISHED

    def roll_up_until(self, time_is_up: Callable[[], bool]) -> Ended:
        """The same, with so much time."""
        lanes = frozenset(range(keys.LANES))
        return roll_up_pending(Rollups(self.table, self.threshold, time_is_up), lanes, lambda: frozenset({0}))

    def schedule(self, clock: Clock | None = None) -> dict[str, int]:
        """The scheduled run, and who is called by it: its metrics by name."""
        metrics = {metric.name: metric.value for metric in self.aggregator(clock).on_schedule()}
        self.serve_calls()
        return metrics

    def check_readers(self) -> None:
        """Every hour reads as its ticks say, whatever rollups are worth at the moment; who has one is listed."""
        for symbol_hour, bars in self.expected.items():
            read = completed(self.table, read_hour(self.table, symbol_hour, max_slices=10**6))
            assert current_bars(read) == merge_bars(bars), symbol_hour
            if read.rollup or read.segments:
                assert all(map(self.table.get, symbol_items(symbol_hour[0])))

    def check_confirmed(self) -> None:
        """Rollups and segments alone have everything, and nothing waits."""
        self.check_readers()
        assert self.pending() == 0
        for symbol_hour, bars in self.expected.items():
            hour = read_hour(self.table, symbol_hour, max_slices=10**6)
            assert not hour.loose_slices(), symbol_hour
            alone = type(hour)(hour.symbol, hour.hour, hour.rollup, (), hour.segments, hour.revisions)
            assert current_bars(alone) == merge_bars(bars)

    def pending(self) -> int:
        """Entries in the lists of lanes."""
        return len(self.table.query_each(map(keys.pending_partition, range(keys.LANES))))

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
