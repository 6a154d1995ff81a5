"""One symbol's hour mended as a whole: its rollup refreshed, and compacted where it has many slices.

Whatever happens twice, at once or halfway here, the numbers stay:

- died after the segment was put: the slices that it names count no more, the next pass sets them aside;
- died while slices are set aside: each is put there before it is deleted, and counts in neither place;
- died before the rollup was written: readers start from the segment; the work list still has the range that led
  here, so another pass comes;
- two compactions at once: the segment's number is put once, the loser reads again and finds the other's;
- a slice written again after its compaction (a late redelivery): a segment names it, so it does not count;
- a range withdrawn in the middle of it: what is written here names it, so nobody believes it; whoever withdrew it has
  listed the hour, which is mended in the next pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import batched, chain
from typing import TYPE_CHECKING, Final

from market_analytics.hour_reads import MAX_SLICES_A_READ, bounds, completed, read_hour, slices_of
from tickstream import keys
from tickstream.bar_codec import merge_packed
from tickstream.errors import MalformedItem
from tickstream.hours import next_segment, rebuilt_segment, refreshed_rollup
from tickstream.items import rollup_item, segment_item, set_aside, set_aside_from, slice_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.table import Table
    from tickstream.hours import HourItems, Segment, Slice
    from tickstream.keys import SymbolHour

#: Slices that are merged between two looks at the clock: a quarter of a second.
SLICES_A_MERGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of an hour.

    settled: the ids of all ranges that its rollup and segments include now, or that do not count any more; None if
    time ran out first. has_written: whether anything changed.
    """

    settled: frozenset[int] | None
    has_written: bool


def refresh_hour(
    table: Table, symbol_hour: SymbolHour, compaction_threshold: int, time_is_up: Callable[[], bool]
) -> Refreshed:
    """Bring an hour's rollup up to date from everything that the hour has, compacting as long as it has too much.

    compaction_threshold: a rollup of that many ranges is made a segment.
    Raises ServiceIncomplete, ServiceRefused or MalformedItem.
    """
    has_written = False
    while not time_is_up():
        hour = read_hour(table, symbol_hour, max_slices=MAX_SLICES_A_READ)
        if leftovers := hour.leftover_slices():
            # First, so that the next read is short. They count for nothing, whoever reads before or after.
            _set_aside(table, leftovers)
            has_written = True
            if len(hour.slices) >= MAX_SLICES_A_READ:
                continue  # they filled the read: what stands behind them was not seen yet
        if not hour.segment_counts:
            rebuilt = _rebuilt(table, hour, time_is_up)
            has_written |= rebuilt is not None and table.put_if_absent(segment_item(rebuilt))
            continue
        hour = completed(table, hour)
        rollup = refreshed_rollup(hour)
        if len(rollup.ranges) < compaction_threshold:
            # Fewer than a compaction takes, so the read had all slices and the rollup has all that were loose.
            if rollup != hour.rollup and (rollup.ranges or rollup.segments or hour.rollup):
                table.put(rollup_item(rollup))
                has_written = True
            return Refreshed(hour.compacted | rollup.ranges | hour.withdrawn, has_written)
        # Won, lost, or won with the answer lost: the next read finds the segment, sets the slices aside that it names
        # and writes the rollup over it.
        has_written |= table.put_if_absent(segment_item(next_segment(hour)))
    return Refreshed(None, has_written)


def _set_aside(table: Table, slices: Sequence[Slice]) -> None:
    """Take slices out of the hour that count there no more: an hour may be put together again from them.

    Died in between, or done twice: the same items under the same keys. One that expired meanwhile is not there.
    """
    table.batch_write(map(set_aside, table.batch_get(map(slice_key, slices))))
    table.batch_write((), map(slice_key, slices))


def _rebuilt(table: Table, hour: HourItems, time_is_up: Callable[[], bool]) -> Segment | None:
    """Put together what segments have and nobody has withdrawn, from its slices; None if time ran out.

    Raises MalformedItem where one of them is nowhere any more.
    """
    wanted = hour.compacted - hour.withdrawn
    left = set(wanted)
    packed = merge_packed(())
    aside = map(set_aside_from, table.query(keys.set_aside_partition(hour.symbol), *bounds(hour.hour)))
    # What was written again, or not set aside yet, stands in the hour: looked for when all that is aside was seen.
    for some in batched(chain(aside, slices_of(table, hour, left)), SLICES_A_MERGE, strict=False):
        if time_is_up():
            return None
        pieces = {piece.range_id: piece.packed_bars for piece in some if piece.range_id in left}
        left -= pieces.keys()
        packed = merge_packed((packed, *pieces.values()))
    if left:
        raise MalformedItem(f"{len(left)} slices of {hour.symbol}, hour {hour.hour}, are needed and not there")
    return rebuilt_segment(hour, packed)
