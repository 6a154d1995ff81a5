"""Reading bars: one page of a question, exact as of the read, bounded in bars, bytes and time.

One consistent Query a symbol goes upwards through the hours; each hour is merged when all of its items are there
(rollup, slices, segments, in that order: see `tickstream.hours`). A page ends only between two bars, and its token
names the bar that comes next, so bars that arrive between two pages can neither repeat nor hide others.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from tickstream import keys
from tickstream.bars import Bar, merge_two, resample
from tickstream.hours import current_bars, hour_items
from tickstream.items import hour_item_from, sort_key_of
from tickstream.ticks import format_scaled
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from market_analytics.data_query_request import BarsQuery
    from services.table import Table

#: A page ends when this much time is gone: about half of what API Gateway waits (29 s), so that the read which was
#: under way then, and a cold start before it, still fit.
PAGE_SECONDS: Final = 14.0

# The size of a page is bounded by its bars: 5,000 of at most 480 bytes are 2.4 MB, below Lambda's 6 MB (four prices of
# at most 19 characters, volume and notional of at most 40, the rest is fixed).


@dataclass(frozen=True, slots=True)
class Page:
    """What one page has.

    bars: by symbol, for the symbols that this page reached; a symbol without bars in the window has none.
    unknown: symbols of which the table has nothing at all.
    next_at: the index of the symbol and the minute of the bar with which the next page starts; None at the end.
    """

    bars: Mapping[str, tuple[Bar, ...]]
    unknown: tuple[str, ...]
    next_at: tuple[int, int] | None


def read_page(table: Table, query: BarsQuery, time_is_up: Callable[[], bool]) -> Page:
    """Read one page: at least one bar or one symbol of progress, however slow the table is.

    Raises ServiceIncomplete, ServiceRefused or MalformedItem.
    """
    found: dict[str, tuple[Bar, ...]] = {}
    unknown: list[str] = []
    room = query.limit
    for index in range(query.at_symbol, len(query.symbols)):
        # Symbols without bars take their time too: a page may have none at all, and say where to go on.
        if room == 0 or (index > query.at_symbol and time_is_up()):
            return Page(found, tuple(unknown), (index, query.start_minute(index)))
        symbol, start = query.symbols[index], query.start_minute(index)
        bars, next_minute = _read_symbol(table, query, index, room, time_is_up)
        # Whoever continues in the middle of a symbol has had bars of it: it is known.
        if not bars and start == query.first_minute and not _is_known(table, symbol):
            unknown.append(symbol)
            continue
        found[symbol] = bars
        room -= len(bars)
        if next_minute is not None:
            return Page(found, tuple(unknown), (index, next_minute))
    return Page(found, tuple(unknown), None)


def _read_symbol(
    table: Table, query: BarsQuery, index: int, room: int, time_is_up: Callable[[], bool]
) -> tuple[tuple[Bar, ...], int | None]:
    """Return at most `room` bars of a symbol from where the page starts and, where there are more, the next start."""
    start = query.start_minute(index)
    bars: list[Bar] = []
    for minute_bars in _hours(table, query.symbols[index], start, query.end_minute):
        wanted = (bar for bar in minute_bars if start <= bar.minute < query.end_minute)
        for bar in resample(wanted, query.grid.start_of):
            if bars and bars[-1].minute == bar.minute:
                bars[-1] = merge_two(bars[-1], bar)  # a bar of a day goes on in the next hour
            elif len(bars) == room or (bars and time_is_up()):
                return tuple(bars), bar.minute
            else:
                bars.append(bar)
    return tuple(bars), None


def _hours(table: Table, symbol: str, start: int, end: int) -> Iterator[tuple[Bar, ...]]:
    """Yield the minute bars of each hour that has any, in order, for minutes from `start` to before `end`."""
    if start >= end:
        return
    first = keys.sort_key(start // keys.MINUTES_PER_HOUR, 0)
    last = keys.sort_key((end - 1) // keys.MINUTES_PER_HOUR + 1, 0) - 1
    items = table.query(symbol, first, last)
    # An hour's items stand together, possibly on several pages of the Query: none is merged before all are read.
    for _, group in groupby(items, key=lambda item: keys.hour_and_suffix(sort_key_of(item))[0]):
        for hour in hour_items(hour_item_from(item) for item in group).values():
            yield current_bars(hour)


def _is_known(table: Table, symbol: str) -> bool:
    return next(table.query(symbol, limit=1), None) is not None


def bar_fields(bar: Bar) -> dict[str, Any]:
    """Plain JSON for a bar: decimals as text, because a JSON number would become a float somewhere.

    Prices are None where no tick of the bar may set one.
    """
    return {
        "start": iso_8601(bar.minute * keys.NS_PER_MINUTE),
        "open": _price(bar.open_e9),
        "high": _price(bar.high_e9),
        "low": _price(bar.low_e9),
        "close": _price(bar.close_e9),
        "volume": format_scaled(bar.volume_e9),
        "ticks": bar.ticks,
        "notional": format_scaled(bar.notional_e18, 18),
        "vwap": _price(bar.vwap_e9),
    }


def _price(price_e9: int | None) -> str | None:
    return None if price_e9 is None else format_scaled(price_e9)
