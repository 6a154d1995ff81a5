"""One symbol's hour: slices are the truth, the rollup is a cache of them, segments are slices made few.

A range writes a **slice**. The aggregator writes the **rollup**: the merged bars and the ids of the ranges in them. An
hour of very many slices is **compacted**: segment 1, 2, 3 ... is put once under its number, each holds the bars of all
that was compacted so far and the ids of the ranges that it added, and then the slices behind those ids leave the hour,
for a partition of their own (`keys.set_aside_partition`), where nobody looks for them but who takes something back.

What is taken back, or takes the place of something else, is said by a **revision**, put once and never changed: ranges
that do not count any more (`withdrawn`), and ranges that count from then on (`published`), whose slices waited.

What a reader trusts, whatever it happens to see (a Query goes upwards: rollup, slices, segments, revisions):

- a range that any revision withdraws does not count, and a waiting slice counts if one publishes its range;
- the bars of the latest segment hold every range that any segment names, but for those that it was made without. It
  counts only if every withdrawn range that a segment names is among those;
- a rollup counts only if it was made over that latest segment (`segments` is its number), that one counts, and none of
  its own ranges is withdrawn. One over an older segment may have slices in it that the segment has too, and bars cannot
  be taken apart again; it is ignored, which costs time only;
- a slice counts unless its range is in the rollup that counts or in any segment that does. So a slice that a late
  redelivery writes again after its compaction, or one that a dead compaction left behind, changes nothing;
- where a rollup or segment counts no more, what it had is put together again from slices, those that were set aside
  among them (`missing`). If they are not there, the hour cannot be read, and says so: no number is better than a wrong
  one. Nothing is withdrawn that could lead there (`market_analytics.data_revision_hours`).

Slices expire 60 days after their ingest and only rollup and segments know their ticks from then on. Nothing is lost by
it: every rollup descends from one that had them (rollups only grow), and a segment is made on top of the rollup that
counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final

from tickstream.bar_codec import decode_bars, merge_packed
from tickstream.bars import Bar, merge_bars
from tickstream.errors import MalformedItem

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The ids of 2,000 ranges are 18 KB; with 60 bars, an item far below 400 KB.
MAX_RANGES_AN_ITEM: Final = 2_000


@dataclass(frozen=True, slots=True)
class Slice:
    """The minute bars that one range has of one symbol's hour. waits: it does not count before it is published."""

    symbol: str
    hour: int
    range_id: int
    packed_bars: bytes
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Rollup:
    """Merged bars of an hour: those of its latest segment (number `segments`, 0 for none) and of `ranges`."""

    symbol: str
    hour: int
    ranges: frozenset[int]
    segments: int
    packed_bars: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    """Merged bars of all that was compacted up to segment `number` (from 1); `ranges`: those that it added.

    without: the ranges that earlier segments name and whose bars it does not hold.
    """

    symbol: str
    hour: int
    number: int
    ranges: frozenset[int]
    packed_bars: bytes
    without: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Revision:
    """Ranges that count no more, and ranges that count from now on, in one step. name: its place among others."""

    symbol: str
    hour: int
    name: int
    withdrawn: frozenset[int]
    published: frozenset[int] = frozenset()


type HourItem = Rollup | Slice | Segment | Revision


@dataclass(frozen=True, slots=True)
class _Basis:
    """What of an hour is merged already, and by which ranges. needed: ranges whose slices must be there."""

    bars: Rollup | Segment | None
    included: frozenset[int]
    needed: frozenset[int]


@dataclass(frozen=True)
class HourItems:
    """What one consistent read found of one symbol's hour."""

    symbol: str
    hour: int
    rollup: Rollup | None = None
    slices: tuple[Slice, ...] = ()
    segments: tuple[Segment, ...] = ()
    revisions: tuple[Revision, ...] = ()

    @cached_property
    def latest_segment(self) -> Segment | None:
        """The segment that holds all that was compacted."""
        return max(self.segments, key=lambda segment: segment.number, default=None)

    @cached_property
    def compacted(self) -> frozenset[int]:
        """The ids of all ranges that any segment names."""
        return frozenset().union(*(segment.ranges for segment in self.segments))

    @cached_property
    def withdrawn(self) -> frozenset[int]:
        """The ids of all ranges that do not count any more."""
        return frozenset().union(*(revision.withdrawn for revision in self.revisions))

    @cached_property
    def published(self) -> frozenset[int]:
        """The ids of all ranges that count though their slices waited."""
        return frozenset().union(*(revision.published for revision in self.revisions))

    @property
    def segment_counts(self) -> bool:
        """Whether the latest segment has no range that is withdrawn; so where there is none."""
        return self.latest_segment is None or self.withdrawn & self.compacted <= self.latest_segment.without

    @cached_property
    def rolled_up(self) -> frozenset[int]:
        """The ids of the ranges that a rollup over the latest segment names, whether it counts or not."""
        number = self.latest_segment.number if self.latest_segment else 0
        return self.rollup.ranges if self.rollup and self.rollup.segments == number else frozenset()

    @cached_property
    def _basis(self) -> _Basis:
        latest, rollup = self.latest_segment, self.rollup
        number = latest.number if latest else 0
        if rollup and rollup.segments > number:
            raise MalformedItem(
                f"the rollup of {self.symbol}, hour {self.hour}, was made over segment {rollup.segments}, "
                f"but the latest that is there is {number}"
            )
        over_latest = self.rolled_up
        published = self.published - self.withdrawn
        if not self.segment_counts:
            return _Basis(None, frozenset(), (self.compacted | over_latest | published) - self.withdrawn)
        if rollup and rollup.segments == number and not over_latest & self.withdrawn:
            included = self.compacted | over_latest
            return _Basis(rollup, included, published - included)
        return _Basis(latest, self.compacted, (over_latest | published) - self.withdrawn - self.compacted)

    def counting_rollup(self) -> Rollup | None:
        """Return the rollup if it is to be believed. Raises MalformedItem if it is ahead of the latest segment."""
        bars = self._basis.bars
        return bars if isinstance(bars, Rollup) else None

    def missing(self) -> frozenset[int]:
        """Return the ranges whose slices are needed and were not read: they are set aside, or were just published."""
        return self._basis.needed - {piece.range_id for piece in self.slices}

    def with_slices(self, more: Iterable[Slice]) -> HourItems:
        """Return the same read with slices that were looked for elsewhere."""
        slices = {piece.range_id: piece for piece in (*more, *self.slices)}
        return replace(self, slices=tuple(slices.values()))

    def loose_slices(self) -> tuple[Slice, ...]:
        """Return the slices that count and that nothing which counts includes."""
        included, withdrawn, published = self._basis.included, self.withdrawn, self.published
        return tuple(
            piece
            for piece in self.slices
            if piece.range_id not in included
            and piece.range_id not in withdrawn
            and (not piece.waits or piece.range_id in published)
        )

    @property
    def is_settled(self) -> bool:
        """Whether every slice that counts, or waits to, is in what counts: the rollup or a segment.

        One that is not is of a range that was just committed, is being written, or waits to take others' place.
        """
        settled = self._basis.included | self.withdrawn
        return all(piece.range_id in settled for piece in self.slices)

    def leftover_slices(self) -> tuple[Slice, ...]:
        """Return the slices that a segment includes or a revision withdraws: to be set aside, harmless until then."""
        settled = self.compacted | self.withdrawn
        return tuple(piece for piece in self.slices if piece.range_id in settled)

    def has_settled(self, range_id: int) -> bool:
        """Say whether a range's ticks are in what counts; of one that is withdrawn, whether they are in nothing."""
        if range_id not in self.withdrawn:
            return range_id in self._basis.included
        return self.segment_counts and not self.rolled_up & self.withdrawn

    def _refuse_missing(self) -> None:
        if missing := self.missing():
            raise MalformedItem(
                f"{len(missing)} slices of {self.symbol}, hour {self.hour}, are needed to read it and not there"
            )

    def _base_bars(self) -> tuple[Bar, ...]:
        base = self._basis.bars
        return decode_bars(base.packed_bars) if base else ()


def hour_items(items: Iterable[HourItem]) -> dict[tuple[str, int], HourItems]:
    """Group what a read returned by symbol and hour."""
    found: dict[tuple[str, int], tuple[list[Rollup], list[Slice], list[Segment], list[Revision]]] = {}
    for item in items:
        rollups, slices, segments, revisions = found.setdefault((item.symbol, item.hour), ([], [], [], []))
        match item:
            case Rollup():
                rollups.append(item)
            case Slice():
                slices.append(item)
            case Segment():
                segments.append(item)
            case Revision():
                revisions.append(item)
    return {
        (symbol, hour): HourItems(
            symbol, hour, rollups[0] if rollups else None, tuple(slices), tuple(segments), tuple(revisions)
        )
        for (symbol, hour), (rollups, slices, segments, revisions) in found.items()
    }


def current_bars(items: HourItems) -> tuple[Bar, ...]:
    """Return the minute bars of the hour, exact as of the read, however stale the rollup is.

    Raises MalformedItem where slices that are needed were not read.
    """
    items._refuse_missing()  # noqa: SLF001 - same module
    return merge_bars(items._base_bars(), *_bars_of(items.loose_slices()))  # noqa: SLF001


def refreshed_rollup(items: HourItems) -> Rollup:
    """Build the rollup that includes the loose slices too, at most 2,000 ranges in all.

    The latest segment must count (`segment_counts`). Writing it twice, or an older one over it, changes no number:
    readers add the slices that it does not name, and do not believe one that names what is withdrawn.
    Raises MalformedItem where slices that are needed were not read.
    """
    items._refuse_missing()  # noqa: SLF001 - same module
    rollup = items.counting_rollup()
    known = rollup.ranges if rollup else frozenset()
    added = tuple(islice(items.loose_slices(), max(0, MAX_RANGES_AN_ITEM - len(known))))
    latest = items.latest_segment
    base = rollup or latest
    return Rollup(
        symbol=items.symbol,
        hour=items.hour,
        ranges=known | {piece.range_id for piece in added},
        segments=latest.number if latest else 0,
        packed_bars=merge_packed([piece.packed_bars for piece in ((base, *added) if base else added)]),
    )


def next_segment(items: HourItems) -> Segment:
    """Build the segment that compacts the hour as read: what the refreshed rollup has, under the next number.

    It must be put with `attribute_not_exists`: of two compactions of one hour the loser reads again. A writer that
    dies after the put leaves slices that count no more (`leftover_slices`), before it nothing at all.
    """
    rollup = refreshed_rollup(items)
    without = items.withdrawn & items.compacted
    return Segment(items.symbol, items.hour, rollup.segments + 1, rollup.ranges, rollup.packed_bars, without)


def rebuilt_segment(items: HourItems, packed_bars: bytes) -> Segment:
    """Build the segment that takes the place of one with withdrawn ranges; it adds none.

    packed_bars: of all ranges that segments name and nobody has withdrawn. To be put as `next_segment`'s is.
    """
    number = items.latest_segment.number if items.latest_segment else 0
    without = items.withdrawn & items.compacted
    return Segment(items.symbol, items.hour, number + 1, frozenset(), packed_bars, without)


def _bars_of(slices: Iterable[Slice]) -> Iterable[tuple[Bar, ...]]:
    return (decode_bars(piece.packed_bars) for piece in slices)
