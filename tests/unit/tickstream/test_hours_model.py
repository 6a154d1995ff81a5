"""Whatever writers of one symbol's hour do, and however late, the reader's bars are those of the ranges written.

A model of the table with writers that use stale and torn reads, die between any two writes, and redeliver, while
ranges are taken back and take the place of others. Every range has the volume 2^i, so the volume of a bar tells which
ranges are in it, and a range that is in it twice shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tickstream import hours
from tickstream.bar_codec import encode_bars, merge_packed
from tickstream.bars import Bar, bar_of, merge_bars
from tickstream.hours import (
    HourItems,
    Revision,
    Rollup,
    Segment,
    Slice,
    current_bars,
    next_segment,
    rebuilt_segment,
    refreshed_rollup,
)
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Iterable

SYMBOL = "AAPL"
HOUR = 490_000
RANGES = 12
MAX_RANGES_AN_ITEM = 4  # so that items fill up
WAITING = range(9, RANGES)  # of an ingest that takes the place of others


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
    revisions: dict[int, Revision] = field(default_factory=dict)
    aside: dict[int, Slice] = field(default_factory=dict)

    def set_aside(self, range_ids: Iterable[int]) -> None:
        """Put slices aside, then delete them; nobody sees a moment in which one is nowhere."""
        for range_id in range_ids:
            if (piece := self.slices.get(range_id)) is not None:
                self.aside[range_id] = piece
                del self.slices[range_id]

    def completed(self, read: HourItems) -> HourItems:
        """A read with the slices that it misses, from wherever they are by now."""
        found = ({**self.aside, **self.slices}.get(range_id) for range_id in read.missing())
        return read.with_slices(piece for piece in found if piece is not None)


@dataclass
class Query:
    """A Query that goes page by page: others write between its pages."""

    counted_at_start: frozenset[int]
    counted_since: set[int]
    withdrawn_since: set[int] = field(default_factory=set)
    pages: int = 0
    rollup: Rollup | None = None
    slices: tuple[Slice, ...] = ()
    segments: tuple[Segment, ...] = ()
    revisions: tuple[Revision, ...] = ()

    def items(self) -> HourItems:
        """What the reader makes of it."""
        return HourItems(SYMBOL, HOUR, self.rollup, self.slices, self.segments, self.revisions)


class HourMachine(RuleBasedStateMachine):
    """Writers and readers of one hour, interleaved in any order."""

    queries = Bundle("queries")
    reads = Bundle("reads")
    compactions = Bundle("compactions")

    def __init__(self) -> None:
        super().__init__()
        self.table = Table()
        self.written: frozenset[int] = frozenset()
        self.waiting: frozenset[int] = frozenset()
        self.withdrawn: frozenset[int] = frozenset()
        self.queries_at_work: list[Query] = []
        self.limit = mock.patch.object(hours, "MAX_RANGES_AN_ITEM", MAX_RANGES_AN_ITEM)
        self.limit.start()

    def teardown(self) -> None:
        """Give the module its bound back."""
        self.limit.stop()

    @property
    def counted(self) -> frozenset[int]:
        """The ranges that count."""
        return self.written - self.waiting - self.withdrawn

    def _note(self) -> None:
        for query in self.queries_at_work:
            query.counted_since |= self.counted
            query.withdrawn_since |= self.withdrawn

    @rule(indexes=st.sets(st.integers(0, RANGES - 1), min_size=1, max_size=4))
    def write_slices(self, indexes: set[int]) -> None:
        """Ranges are processed, for the first time or again, also long after their compaction or withdrawal."""
        for index in indexes:
            piece = Slice(SYMBOL, HOUR, index + 1, encode_bars(bars_of_range(index)), index in WAITING)
            self.table.slices[index + 1] = piece
            if piece.waits and index not in self.written:
                self.waiting |= {index}
        self.written |= indexes
        self._note()

    @rule()
    def refresh(self) -> None:
        """A writer that nobody disturbs brings the rollup up to date."""
        self.write_rollup(self._read())

    @rule(index=st.integers(0, RANGES - 1))
    def withdraw(self, index: int) -> None:
        """An ingest of a range that was written is taken back."""
        if index in self.written - self.waiting:
            self._revise(100 + index, {index}, set())

    @rule(publish=st.sets(st.sampled_from(WAITING), min_size=1), out=st.sets(st.integers(0, 11)))
    def replace_ranges(self, publish: set[int], out: set[int]) -> None:
        """Ranges that waited take the place of others, once."""
        publish &= self.waiting
        if publish and 100 - min(publish) not in self.table.revisions:
            self._revise(100 - min(publish), (out & self.written) - self.waiting, publish)

    def _revise(self, name: int, withdrawn: set[int], published: set[int]) -> None:
        ids = (frozenset(index + 1 for index in some) for some in (withdrawn, published))
        self.table.revisions[name] = Revision(SYMBOL, HOUR, name, *ids)
        self.withdrawn |= withdrawn
        self.waiting -= published
        self._note()

    @rule(target=queries)
    def begin_query(self) -> Query:
        """Someone begins to read upwards."""
        query = Query(self.counted, set(self.counted), set(self.withdrawn))
        self.queries_at_work.append(query)
        return query

    @rule(query=queries)
    def next_page(self, query: Query) -> None:
        """The reader gets its next page: rollup, lower and upper slices, lower and upper segments, revisions."""
        middle = RANGES // 2
        if query.pages == 0:
            query.rollup = self.table.rollup
        elif query.pages == 1:
            query.slices = tuple(self.table.slices[i] for i in sorted(self.table.slices) if i <= middle)
        elif query.pages == 2:
            query.slices += tuple(self.table.slices[i] for i in sorted(self.table.slices) if i > middle)
        elif query.pages == 3:
            query.segments = tuple(one for number, one in sorted(self.table.segments.items()) if number <= 1)
        elif query.pages == 4:
            query.segments += tuple(one for number, one in sorted(self.table.segments.items()) if number > 1)
        elif query.pages == 5:
            query.revisions = tuple(self.table.revisions.values())
        query.pages += 1

    @rule(query=consumes(queries), target=reads)
    def end_query(self, query: Query) -> HourItems:
        """The reader has all pages: it sees what counted all the time, nothing twice, and no revision in part."""
        while query.pages < 6:
            self.next_page(query)
        read = self.table.completed(query.items())
        bars = current_bars(read)
        seen = {index for index in range(RANGES) if bars and sum(bar.volume_e9 for bar in bars) // 2 >> index & 1}
        assert bars == bars_of_ranges(seen)
        assert query.counted_at_start - query.withdrawn_since <= seen <= query.counted_since
        for revision in self.table.revisions.values():
            withdrawn, published = ({one - 1 for one in ids} for ids in (revision.withdrawn, revision.published))
            if revision in query.revisions:
                assert not seen & withdrawn
                assert published - self.withdrawn <= seen
            else:
                assert not seen & published
        return read

    @rule(target=reads)
    def read_at_once(self) -> HourItems:
        """A reader that nobody disturbs."""
        return self._read()

    @rule(read=reads)
    def write_rollup(self, read: HourItems) -> None:
        """A writer stores the rollup of what it read, however long ago, over whatever is there."""
        if read.segment_counts and not read.missing():
            self.table.rollup = refreshed_rollup(read)

    @rule(read=reads, target=compactions)
    def put_segment(self, read: HourItems) -> Segment:
        """A writer compacts what it read, or puts it together anew; its put is conditional, and it may die after it."""
        if read.segment_counts:
            segment = next_segment(read)
        else:
            wanted = read.compacted - read.withdrawn
            slices = {**self.table.aside, **self.table.slices}
            segment = rebuilt_segment(read, merge_packed(slices[range_id].packed_bars for range_id in wanted))
        return self.table.segments.setdefault(segment.number, segment)

    @rule(segment=compactions, keep=st.sets(st.integers(1, RANGES)))
    def set_slices_aside(self, segment: Segment, keep: set[int]) -> None:
        """A writer sets the slices behind a segment aside that is there, or dies before it has done so with all."""
        self.table.set_aside(segment.ranges - keep)

    @rule(read=reads)
    def set_leftovers_aside(self, read: HourItems) -> None:
        """A writer that finds slices which a segment has, or which are withdrawn, sets them aside."""
        self.table.set_aside(piece.range_id for piece in read.leftover_slices())

    @invariant()
    def reader_sees_all_that_counts(self) -> None:
        """At any moment the reader's bars are those of all ranges that count."""
        assert current_bars(self._read()) == bars_of_ranges(self.counted)

    @invariant()
    def what_is_withdrawn_is_settled_when_nothing_has_it(self) -> None:
        """A rollup that is refreshed as often as it takes settles every range that does not wait."""
        read = self._read()
        if read.segment_counts and len(self.counted) <= MAX_RANGES_AN_ITEM:
            mended = replace(read, rollup=refreshed_rollup(read))
            assert all(mended.has_settled(index + 1) for index in self.written - self.waiting)

    @invariant()
    def items_stay_small(self) -> None:
        """No item names more ranges than one may."""
        rollups = [self.table.rollup] if self.table.rollup else []
        items: list[Rollup | Segment] = [*self.table.segments.values(), *rollups]
        assert all(len(item.ranges) <= MAX_RANGES_AN_ITEM for item in items)

    def _read(self) -> HourItems:
        table = self.table
        slices, segments = tuple(table.slices.values()), tuple(table.segments.values())
        revisions = tuple(table.revisions.values())
        return table.completed(HourItems(SYMBOL, HOUR, table.rollup, slices, segments, revisions))


TestHourMachine = HourMachine.TestCase
TestHourMachine.settings = settings(max_examples=300, stateful_step_count=30)


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
    assert all(alone.has_settled(index + 1) for index in range(RANGES))
