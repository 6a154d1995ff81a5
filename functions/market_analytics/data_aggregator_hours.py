"""One symbol's hour, read and mended as a whole: refreshing its rollup, and compacting it where it has many slices.

Whatever happens twice, at once or halfway here, the numbers stay:

- died after the segment was put: the slices that it names count no more, the next pass deletes them;
- died before the rollup was written: readers start from the segment; the work list still has the range that led
  here, so another pass comes;
- two compactions at once: the segment's number is put once, the loser reads again and finds the other's;
- a slice written again after its compaction (a late redelivery): a segment names it, so it does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tickstream import keys
from tickstream.hours import HourItems, Segment, hour_items, next_segment, refreshed_rollup
from tickstream.items import hour_item_from, key_of, rollup_item, segment_item

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.table import Table
    from tickstream.hours import Slice
    from tickstream.items import Item
    from tickstream.keys import SymbolHour

#: Slices of one hour that are in memory at a time (at some 5 KB each, 25 MB); above what one compaction takes, so
#: that a read which stops here always leads to one.
MAX_SLICES_A_READ: Final = 5_000


def refresh_hour(
    table: Table, symbol_hour: SymbolHour, compaction_threshold: int, time_is_up: Callable[[], bool]
) -> frozenset[int] | None:
    """Bring an hour's rollup up to date from everything that the hour has, compacting as long as it has too much.

    compaction_threshold: a rollup of that many ranges is made a segment.
    Returns the ids of all ranges that rollup and segments include now, or None if time ran out first.
    Raises ServiceIncomplete, ServiceRefused or MalformedItem.
    """
    while not time_is_up():
        hour = read_hour(table, symbol_hour, max_slices=MAX_SLICES_A_READ)
        leftovers = [_slice_key(piece) for piece in hour.leftover_slices()]
        if leftovers:
            # First, so that the next read is short. They count for nothing, whoever reads before or after.
            table.batch_write((), leftovers)
            if len(hour.slices) >= MAX_SLICES_A_READ:
                continue  # they filled the read: what stands behind them was not seen yet
        rollup = refreshed_rollup(hour)
        if len(rollup.ranges) < compaction_threshold:
            # Fewer than a compaction takes, so the read had all slices and the rollup has all that were loose.
            if rollup != hour.rollup and (rollup.ranges or rollup.segments):
                table.put(rollup_item(rollup))
            return hour.compacted() | rollup.ranges
        # Won, lost, or won with the answer lost: the next read finds the segment, deletes the slices that it names
        # and writes the rollup over it.
        table.put_if_absent(segment_item(next_segment(hour)))
    return None


def read_hour(table: Table, symbol_hour: SymbolHour, *, max_slices: int) -> HourItems:
    """Read rollup, slices and segments, upwards; of the slices at most so many.

    Slices that were left out are as good as slices that came later: a rollup or segment made without them is right,
    only not the last. Segments are always read after the slices, so none is missed in both.
    """
    symbol, hour = symbol_hour
    first, last = keys.sort_key(hour, keys.ROLLUP_SUFFIX), keys.sort_key(hour + 1, keys.ROLLUP_SUFFIX) - 1
    # One more than the slices that are wanted: the rollup, where there is one.
    items = [hour_item_from(item) for item in table.query(symbol, first, last, limit=max_slices + 1)]
    if len(items) == max_slices + 1:
        # Cut short, perhaps among the segments: all of these are read from the first one again.
        above = keys.sort_key(hour, keys.FIRST_SEGMENT_SUFFIX)
        items = [item for item in items if not isinstance(item, Segment)]
        items += [hour_item_from(item) for item in table.query(symbol, above, last)]
    return hour_items(items).get(symbol_hour, HourItems(symbol, hour))


def _slice_key(piece: Slice) -> Item:
    return key_of(piece.symbol, keys.sort_key(piece.hour, piece.range_id))
