"""What a retraction does to the hours of an ingest: looks whether they can do without it, and withdraws it there.

What a rollup or a segment has cannot be taken out of it: the hour is put together again from the slices of all other
ranges, so all of them must still be there, and stay for long enough that it is done before they expire. A slice expires
60 days after its ingest came. A range that nothing has merged yet counts as one that the rollup has: somebody may be
about to merge it, and write that after it was looked at.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Final

from market_analytics.hour_reads import bounds, read_hour
from services.side_by_side import side_by_side
from tickstream import keys
from tickstream.hours import Revision
from tickstream.items import EXPIRY_ATTRIBUTE, revision_item, sort_key_of
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.table import Table
    from tickstream.ingests import Receipt
    from tickstream.items import Item
    from tickstream.keys import SymbolHour

#: Slices that expire within this are as good as gone: to put an hour together again takes minutes, and may take turns.
MARGIN_S: Final = 2 * 24 * 3600
#: One aggregator merges some 3,600 slices a second, and has half a minute.
MAX_COMPACTED: Final = 50_000
HOURS_AT_A_TIME: Final = 16

#: Which ranges of an ingest have a slice in an hour.
type Wanted = Mapping[SymbolHour, set[int]]


@cache
def _threads() -> ThreadPoolExecutor:
    # Not the table's own: whoever waits in a thread of those for another of them might wait for ever.
    return ThreadPoolExecutor(HOURS_AT_A_TIME, thread_name_prefix="revised-hours")


def why_not(table: Table, wanted: Wanted, now_s: int, *, waiting: bool = False) -> str:
    """Say why these ranges cannot be taken out of their hours; empty if they can.

    now_s: Unix seconds. waiting: whether nobody merges them before they are published.
    Raises ServiceIncomplete, ServiceRefused or MalformedItem.
    """

    def of_one(symbol_hour: SymbolHour) -> str:
        return _why_not(table, symbol_hour, wanted[symbol_hour], now_s, waiting=waiting)

    return next(filter(None, side_by_side(_threads(), of_one, sorted(wanted))), "")


def withdraw(table: Table, wanted: Wanted) -> None:
    """Have these ranges count no more in these hours. Twice: the same items."""
    table.batch_write(
        revision_item(Revision(*symbol_hour, keys.withdrawal_name(range_id), frozenset({range_id})))
        for symbol_hour, range_ids in wanted.items()
        for range_id in range_ids
    )


def still_there(table: Table, wanted: Wanted) -> dict[SymbolHour, set[int]]:
    """Return, by hour, the ranges that a rollup or segment has though they are withdrawn, or that are not withdrawn."""

    def of_one(symbol_hour: SymbolHour) -> set[int]:
        hour = read_hour(table, symbol_hour, max_slices=0)
        return {one for one in wanted[symbol_hour] if one not in hour.withdrawn or not hour.has_settled(one)}

    hours = sorted(wanted)
    found = zip(hours, side_by_side(_threads(), of_one, hours), strict=True)
    return {symbol_hour: range_ids for symbol_hour, range_ids in found if range_ids}


def _why_not(table: Table, symbol_hour: SymbolHour, range_ids: set[int], now_s: int, *, waiting: bool) -> str:
    symbol, number = symbol_hour
    hour = read_hour(table, symbol_hour, max_slices=0)
    name = f"{symbol} at {iso_8601(number * keys.NS_PER_HOUR)}"
    merged = hour.published | hour.rolled_up | hour.compacted if waiting else range_ids
    if range_ids & merged <= hour.withdrawn:
        return ""
    needed = set(hour.rolled_up)
    in_segments = range_ids & hour.compacted - hour.withdrawn
    if in_segments:
        needed |= hour.compacted
        if len(needed) > MAX_COMPACTED:
            return f"{name} has {len(needed)} ranges, more than can be put together again ({MAX_COMPACTED})"
    needed -= hour.withdrawn | range_ids
    if not needed:
        return ""
    first, last = bounds(number)
    # In this order, and both: a compaction after the read above has set aside what stood in the hour.
    for partition in (symbol, keys.set_aside_partition(symbol)):
        items = table.query(partition, first + 1, last, attributes=("symbol", "timestamp"))
        needed -= {keys.hour_and_suffix(sort_key_of(item))[1] for item in items if _lasts(item, now_s)}
        if not needed:
            return ""
    return f"{name} has ticks of {len(needed)} other ranges whose slices have expired, or do so within two days"


def _lasts(item: Item, now_s: int) -> bool:
    return EXPIRY_ATTRIBUTE in item and int(item[EXPIRY_ATTRIBUTE]["N"]) - now_s > MARGIN_S


def range_id_of(receipt: Receipt) -> int:
    """Return the id by which the hours of a range know it."""
    return keys.range_id(receipt.ingest_id, receipt.index)


def wanted_by(hours: Iterable[tuple[int, Mapping[str, Sequence[int]]]]) -> dict[SymbolHour, set[int]]:
    """Gather which ranges are in which hours. hours: of each range its id and, by symbol, its hours."""
    wanted: dict[SymbolHour, set[int]] = {}
    for range_id, by_symbol in hours:
        for symbol, some in by_symbol.items():
            for hour in some:
                wanted.setdefault((symbol, hour), set()).add(range_id)
    return wanted
