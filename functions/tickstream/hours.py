"""One symbol's hour: slices are the truth, the rollup is a cache of them, segments are slices made few.

A range writes a **slice**. The aggregator writes the **rollup**: the merged bars and the ids of the ranges in them. An
hour of very many slices is **compacted**: segment 1, 2, 3 ... is put once under its number, each holds the bars of all
that was compacted so far and the ids of the ranges that it added, and then the slices behind those ids are deleted.

What a reader trusts, whatever it happens to see (a Query goes upwards: rollup, slices, segments):

- the bars of the latest segment hold every range that any segment names;
- a rollup counts only if it was made over that latest segment (`segments` is its number). An older one may have
  slices in it that the segment has too, and bars cannot be taken apart again; it is ignored, which costs time only;
- a slice counts unless its range is in the rollup that counts or in any segment. So a slice that a late redelivery
  writes again after its compaction, or one that a dead compaction left behind, changes nothing.

Slices expire 60 days after their ingest and only rollup and segments know their ticks from then on. Nothing is lost by
it: every rollup descends from one that had them (rollups only grow), and a segment is made on top of the rollup that
counts.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """The minute bars that one range has of one symbol's hour."""

    symbol: str
    hour: int
    range_id: int
    packed_bars: bytes


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
    """Merged bars of all that was compacted up to segment `number` (from 1); `ranges`: those that it added."""

    symbol: str
    hour: int
    number: int
    ranges: frozenset[int]
    packed_bars: bytes


@dataclass(frozen=True, slots=True)
class HourItems:
    """What one consistent read found of one symbol's hour."""

    symbol: str
    hour: int
    rollup: Rollup | None = None
    slices: tuple[Slice, ...] = ()
    segments: tuple[Segment, ...] = ()

    def latest_segment(self) -> Segment | None:
        """Return the segment that holds all that was compacted."""
        return max(self.segments, key=lambda segment: segment.number, default=None)

    def compacted(self) -> frozenset[int]:
        """Return the ids of all ranges that any segment names."""
        return frozenset().union(*(segment.ranges for segment in self.segments))

    def counting_rollup(self) -> Rollup | None:
        """Return the rollup if it was made over the latest segment. Raises MalformedItem if it is ahead of it."""
        latest = self.latest_segment()
        latest_number = latest.number if latest else 0
        if self.rollup is None or self.rollup.segments < latest_number:
            return None
        if self.rollup.segments > latest_number:
            raise MalformedItem(
                f"the rollup of {self.symbol}, hour {self.hour}, was made over segment {self.rollup.segments}, "
                f"but the latest that is there is {latest_number}"
            )
        return self.rollup

    def loose_slices(self) -> tuple[Slice, ...]:
        """Return the slices that neither the counting rollup nor any segment includes."""
        rollup = self.counting_rollup()
        included = self.compacted() | (rollup.ranges if rollup else frozenset())
        return tuple(piece for piece in self.slices if piece.range_id not in included)

    def leftover_slices(self) -> tuple[Slice, ...]:
        """Return the slices that a segment includes: to be deleted, harmless until then."""
        compacted = self.compacted()
        return tuple(piece for piece in self.slices if piece.range_id in compacted)

    def includes(self, range_id: int) -> bool:
        """Say whether a range's ticks are in the counting rollup or in a segment."""
        rollup = self.counting_rollup()
        return range_id in self.compacted() or (rollup is not None and range_id in rollup.ranges)

    def _base_bars(self) -> tuple[Bar, ...]:
        base = self.counting_rollup() or self.latest_segment()
        return decode_bars(base.packed_bars) if base else ()


def hour_items(items: Iterable[Rollup | Slice | Segment]) -> dict[tuple[str, int], HourItems]:
    """Group what a read returned by symbol and hour."""
    found: dict[tuple[str, int], tuple[list[Rollup], list[Slice], list[Segment]]] = {}
    for item in items:
        rollups, slices, segments = found.setdefault((item.symbol, item.hour), ([], [], []))
        if isinstance(item, Rollup):
            rollups.append(item)
        elif isinstance(item, Slice):
            slices.append(item)
        else:
            segments.append(item)
    return {
        (symbol, hour): HourItems(symbol, hour, rollups[0] if rollups else None, tuple(slices), tuple(segments))
        for (symbol, hour), (rollups, slices, segments) in found.items()
    }


def current_bars(items: HourItems) -> tuple[Bar, ...]:
    """Return the minute bars of the hour, exact as of the read, however stale the rollup is."""
    return merge_bars(items._base_bars(), *_bars_of(items.loose_slices()))  # noqa: SLF001 - same module


def refreshed_rollup(items: HourItems) -> Rollup:
    """Build the rollup that includes the loose slices too, at most 2,000 ranges in all.

    Writing it twice, or an older one over it, changes no number: readers add the slices that it does not name.
    """
    rollup = items.counting_rollup()
    known = rollup.ranges if rollup else frozenset()
    added = tuple(islice(items.loose_slices(), max(0, MAX_RANGES_AN_ITEM - len(known))))
    latest = items.latest_segment()
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
    return Segment(items.symbol, items.hour, rollup.segments + 1, rollup.ranges, rollup.packed_bars)


def _bars_of(slices: Iterable[Slice]) -> Iterable[tuple[Bar, ...]]:
    return (decode_bars(piece.packed_bars) for piece in slices)
