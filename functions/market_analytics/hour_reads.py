"""One symbol's hour, read as a whole: all that counts of it, wherever its slices stand."""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING, Final

from tickstream import keys
from tickstream.errors import ServiceIncomplete
from tickstream.hours import HourItems, Revision, Segment, Slice, hour_items
from tickstream.items import hour_item_from, key_of, set_aside_from, sort_key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from services.table import Table
    from tickstream.hours import HourItem
    from tickstream.keys import SymbolHour

#: Slices of one hour that are in memory at a time (at some 5 KB each, 25 MB); above what one compaction takes, so
#: that a read which stops here always leads to one.
MAX_SLICES_A_READ: Final = 5_000


def read_hour(table: Table, symbol_hour: SymbolHour, *, max_slices: int) -> HourItems:
    """Read rollup, slices, segments and revisions, upwards; of the slices that need not wait at most so many.

    Slices that were left out are as good as slices that came later: a rollup or segment made without them is right,
    only not the last. Segments and revisions are always read after the slices, so none is missed in both.
    """
    symbol, hour = symbol_hour
    first, last = bounds(hour)
    items: list[HourItem] = []
    # One more than the slices that are wanted: the rollup, where there is one.
    room = max_slices + 1
    while room:
        page = list(table.query(symbol, first, last, limit=room))
        found = [hour_item_from(item) for item in page]
        items += found
        if len(found) < room:
            return hour_items(items).get(symbol_hour, HourItems(symbol, hour))
        first = sort_key_of(page[-1]) + 1
        room = sum(isinstance(item, Slice) and item.waits for item in found) if max_slices else 0
    # Cut short, perhaps among the segments: all that is above the slices is read from the first one again.
    items = [item for item in items if not isinstance(item, Segment | Revision)]
    above = keys.sort_key(hour, keys.FIRST_SEGMENT_SUFFIX)
    items += [hour_item_from(item) for item in table.query(symbol, above, last)]
    return hour_items(items).get(symbol_hour, HourItems(symbol, hour))


def bounds(hour: int) -> tuple[int, int]:
    """Return the first and the last sort key of an hour."""
    return keys.sort_key(hour, keys.ROLLUP_SUFFIX), keys.sort_key(hour + 1, keys.ROLLUP_SUFFIX) - 1


def completed(table: Table, hour: HourItems) -> HourItems:
    """Return an hour with the slices that it needs and that stood, or stand by now, elsewhere.

    Raises ServiceIncomplete where there are so many that only DataAggregator puts them together. Those that are
    nowhere stay missing.
    """
    missing = hour.missing()
    if len(missing) > MAX_SLICES_A_READ:
        raise ServiceIncomplete(f"{hour.symbol}, hour {hour.hour}, is being put together from {len(missing)} slices")
    return hour.with_slices(slices_of(table, hour, missing)) if missing else hour


def slices_of(table: Table, hour: HourItems, range_ids: Collection[int]) -> Iterator[Slice]:
    """Yield the slices of these ranges that are there, in the hour or set aside.

    In this order: what is set aside is put there before it is taken out of the hour.
    """
    for some in batched(sorted(range_ids), MAX_SLICES_A_READ, strict=False):
        found: set[int] = set()
        for item in table.batch_get(key_of(hour.symbol, keys.sort_key(hour.hour, one)) for one in some):
            piece = hour_item_from(item)
            if isinstance(piece, Slice):
                found.add(piece.range_id)
                yield piece
        aside = keys.set_aside_partition(hour.symbol)
        rest = [key_of(aside, keys.sort_key(hour.hour, one)) for one in some if one not in found]
        yield from map(set_aside_from, table.batch_get(rest) if rest else ())
