"""Whatever writers of one symbol's hour do, and however late, the reader's bars are those of the ranges written.

A model of the table with writers that use stale and torn reads, die between any two writes, and redeliver. Every range
has the volume 2^i, so the volume of a bar tells which ranges are in it, and a range that is in it twice shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tickstream import hours
from tickstream.bar_codec import encode_bars
from tickstream.bars import Bar, bar_of, merge_bars
from tickstream.hours import HourItems, Rollup, Segment, Slice, current_bars, next_segment, refreshed_rollup
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Iterable

SYMBOL = "AAPL"
HOUR = 490_000
RANGES = 12
MAX_RANGES_AN_ITEM = 4  # so that items fill up


def bars_of_range(index: int) -> tuple[Bar, ...]:
    """One tick in a minute that all ranges share and one in a minute of every third range."""
    start_ns = HOUR * 3_600 * 10**9
    shared = Tick(SYMBOL, start_ns + index % 3, 10**9 * (1 + index * 7 % 5), 2**index)
    other = Tick(SYMBOL, start_ns + (1 + index % 3) * 60 * 10**9, 10**9, 2**index)
    return merge_bars([bar_of(shared, f"key{index}", "etag", 0), bar_of(other, f"key{index}", "etag", 1)])


def bars_of_ranges(indexes: Iterable[int]) -> tuple[Bar, ...]:
    """What the reader must see if these ranges are in."""
    return merge_bars(*(bars_of_range(index) for index in indexes))


@dataclass
class Table:
    """The items of the hour, by their suffix, as DynamoDB would hold them."""

    rollup: Rollup | None = None
    slices: dict[int, Slice] = field(default_factory=dict)
    segments: dict[int, Segment] = field(default_factory=dict)


@dataclass
class Query:
    """A Query that goes page by page: others write between its pages."""

    written_at_start: frozenset[int]
    pages: int = 0
    rollup: Rollup | None = None
    slices: tuple[Slice, ...] = ()
    segments: tuple[Segment, ...] = ()

    def items(self) -> HourItems:
        """What the reader makes of it."""
        return HourItems(SYMBOL, HOUR, self.rollup, self.slices, self.segments)


class HourMachine(RuleBasedStateMachine):
    """Writers and readers of one hour, interleaved in any order."""

    queries = Bundle("queries")
    reads = Bundle("reads")
    compactions = Bundle("compactions")

    def __init__(self) -> None:
        super().__init__()
        self.table = Table()
        self.written: frozenset[int] = frozenset()
        self.limit = mock.patch.object(hours, "MAX_RANGES_AN_ITEM", MAX_RANGES_AN_ITEM)
        self.limit.start()

    def teardown(self) -> None:
        """Give the module its bound back."""
        self.limit.stop()

    @rule(index=st.integers(0, RANGES - 1))
    def write_slice(self, index: int) -> None:
        """A range is processed, for the first time or again, also long after its compaction."""
        self.table.slices[index + 1] = Slice(SYMBOL, HOUR, index + 1, encode_bars(bars_of_range(index)))
        self.written |= {index}

    @rule(target=queries)
    def begin_query(self) -> Query:
        """Someone begins to read upwards."""
        return Query(self.written)

    @rule(query=queries)
    def next_page(self, query: Query) -> None:
        """The reader gets its next page: the rollup, lower slices, upper slices, segments."""
        middle = RANGES // 2
        if query.pages == 0:
            query.rollup = self.table.rollup
        elif query.pages == 1:
            query.slices = tuple(self.table.slices[i] for i in sorted(self.table.slices) if i <= middle)
        elif query.pages == 2:
            query.slices += tuple(self.table.slices[i] for i in sorted(self.table.slices) if i > middle)
        elif query.pages == 3:
            query.segments = tuple(self.table.segments.values())
        query.pages += 1

    @rule(query=consumes(queries), target=reads)
    def end_query(self, query: Query) -> HourItems:
        """The reader has all pages: it sees all that was written before it began, and nothing twice."""
        while query.pages < 4:
            self.next_page(query)
        bars = current_bars(query.items())
        seen = {index for index in range(RANGES) if bars and sum(bar.volume_e9 for bar in bars) // 2 >> index & 1}
        assert bars == bars_of_ranges(seen)
        assert query.written_at_start <= seen <= self.written
        return query.items()

    @rule(target=reads)
    def read_at_once(self) -> HourItems:
        """A reader that nobody disturbs."""
        return self._read()

    @rule(read=reads)
    def write_rollup(self, read: HourItems) -> None:
        """A writer stores the rollup of what it read, however long ago, over whatever is there."""
        self.table.rollup = refreshed_rollup(read)

    @rule(read=reads, target=compactions)
    def put_segment(self, read: HourItems) -> Segment:
        """A writer compacts what it read; its put is conditional, and it may die right after it."""
        segment = next_segment(read)
        return self.table.segments.setdefault(segment.number, segment)

    @rule(segment=compactions, keep=st.sets(st.integers(1, RANGES)))
    def delete_slices(self, segment: Segment, keep: set[int]) -> None:
        """A writer deletes the slices behind a segment that is there, or dies before it has deleted all."""
        for range_id in segment.ranges - keep:
            self.table.slices.pop(range_id, None)

    @rule(read=reads)
    def delete_leftovers(self, read: HourItems) -> None:
        """A writer that finds slices which a segment has deletes them."""
        for piece in read.leftover_slices():
            self.table.slices.pop(piece.range_id, None)

    @invariant()
    def reader_sees_all_ranges(self) -> None:
        """At any moment the reader's bars are those of all ranges written so far."""
        assert current_bars(self._read()) == bars_of_ranges(self.written)

    @invariant()
    def items_stay_small(self) -> None:
        """No item names more ranges than one may."""
        rollups = [self.table.rollup] if self.table.rollup else []
        items: list[Rollup | Segment] = [*self.table.segments.values(), *rollups]
        assert all(len(item.ranges) <= MAX_RANGES_AN_ITEM for item in items)

    def _read(self) -> HourItems:
        return HourItems(
            SYMBOL, HOUR, self.table.rollup, tuple(self.table.slices.values()), tuple(self.table.segments.values())
        )


TestHourMachine = HourMachine.TestCase
TestHourMachine.settings = settings(max_examples=150, stateful_step_count=40)


def test_repeated_compaction_ends_with_one_item_and_no_slice() -> None:
    """Compacting until nothing is left over keeps every range, the oldest too, in the latest segment's bars."""
    table = Table()
    machine_limit = mock.patch.object(hours, "MAX_RANGES_AN_ITEM", MAX_RANGES_AN_ITEM)
    with machine_limit:
        for index in range(RANGES):
            table.slices[index + 1] = Slice(SYMBOL, HOUR, index + 1, encode_bars(bars_of_range(index)))
        while table.slices:
            read = HourItems(SYMBOL, HOUR, None, tuple(table.slices.values()), tuple(table.segments.values()))
            segment = next_segment(read)
            assert segment.number not in table.segments
            table.segments[segment.number] = segment
            for range_id in segment.ranges:
                del table.slices[range_id]
    assert len(table.segments) == RANGES // MAX_RANGES_AN_ITEM
    alone = HourItems(SYMBOL, HOUR, None, (), tuple(table.segments.values()))
    assert current_bars(alone) == bars_of_ranges(range(RANGES))
    assert all(alone.includes(index + 1) for index in range(RANGES))
