"""The hours of a symbol as readers see them: upwards through a stretch of time, or from one of its ends on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from market_analytics.hour_reads import completed
from tickstream import keys
from tickstream.hours import current_bars, hour_items
from tickstream.items import hour_item_from, sort_key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from services.table import Table
    from tickstream.bars import Bar
    from tickstream.items import Item

#: Hours that are read together where the first one at an end has no bars: a week of them, at some 5 KB each.
HOURS_A_LOOK: Final = 168


@dataclass(frozen=True, slots=True)
class HourRead:
    """What one consistent read found of an hour (whole hours since 1970): its minute bars, in order.

    is_settled: whether all that has come to it is rolled up; of what has not, more may be on its way.
    """

    hour: int
    bars: tuple[Bar, ...]
    is_settled: bool


def read_hours(table: Table, symbol: str, first: int, end: int) -> Iterator[HourRead]:
    """Yield each hour that has any items, from one to before another, upwards, by one Query.

    Raises ServiceIncomplete, ServiceRefused or MalformedItem, as do the others here.
    """
    if first >= end:
        return
    items = table.query(symbol, keys.sort_key(first, 0), keys.sort_key(end, 0) - 1)
    # An hour's items stand together, possibly on several pages of the Query: none is merged before all are read.
    for _, group in groupby(items, key=_hour_of):
        yield from _merged(table, group)


def hours_from_an_end(
    table: Table, symbol: str, first: int, end: int, *, newest_first: bool = False
) -> Iterator[HourRead]:
    """Yield the same hours from the first one on, or from the last one: cheaply, where one of them is enough."""
    hours = 1
    while first < end:
        # Two upwards and one downwards tell whether there is more of the hour than a rollup.
        items = list(
            table.query(
                symbol,
                keys.sort_key(first, 0),
                keys.sort_key(end, 0) - 1,
                limit=1 if newest_first else 2,
                newest_first=newest_first,
            )
        )
        if not items:
            return
        hour = _hour_of(items[0])
        start, stop = (max(first, hour + 1 - hours), hour + 1) if newest_first else (hour, min(end, hour + hours))
        if hours == 1 and _is_one_rollup(items):
            yield from _merged(table, items[:1])
        else:
            # Always upwards: only so does a reader miss nothing of what is compacted meanwhile.
            found = read_hours(table, symbol, start, stop)
            yield from reversed(list(found)) if newest_first else found
        first, end = (first, start) if newest_first else (stop, end)
        hours = HOURS_A_LOOK


def _merged(table: Table, items: Iterable[Item]) -> Iterator[HourRead]:
    for items_of_one in hour_items(hour_item_from(item) for item in items).values():
        whole = completed(table, items_of_one)
        yield HourRead(whole.hour, current_bars(whole), whole.is_settled)


def _is_one_rollup(items: Sequence[Item]) -> bool:
    (hour, suffix), *more = (keys.hour_and_suffix(sort_key_of(item)) for item in items)
    return suffix == keys.ROLLUP_SUFFIX and all(other != hour for other, _ in more)


def _hour_of(item: Item) -> int:
    return keys.hour_and_suffix(sort_key_of(item))[0]
