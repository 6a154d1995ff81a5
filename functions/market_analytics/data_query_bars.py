"""Reading bars: one page of a question, exact as of the read, bounded in bars, bytes and time.

One consistent Query a symbol goes upwards through the hours; each hour is merged when all of its items are there
(rollup, slices, segments, revisions, in that order: see `tickstream.hours`). A page ends only between two bars, and
its token names the bar that comes next, so bars that arrive between two pages can neither repeat nor hide others. Where
gaps are filled, it has the close that goes on, too: no page looks back further than its own beginning.

A bar is closed when its end has passed and its hours are settled: no slice is there that is in no rollup. That is known
of what has come to the hour. Which hours a range will come to, nobody knows before it is read; to say of every bar that
it is open as long as anything is being processed would be true, and of no use where something always is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from market_analytics.data_query_hours import hours_from_an_end, read_hours
from market_analytics.data_query_request import NextBar
from tickstream import keys
from tickstream.bars import Bar, merge_two, resample
from tickstream.promises import FILL_REACH_DAYS
from tickstream.ticks import format_scaled
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from market_analytics.data_query_request import BarsQuery
    from services.table import Table

#: A page ends when this much time is gone: about half of what API Gateway waits (29 s), so that the read which was
#: under way then, and a cold start before it, still fit.
PAGE_SECONDS: Final = 14.0
#: Bars of many symbols begin in the same minutes, a week of which is kept as it is written.
_MINUTES_WRITTEN: Final = 7 * 24 * keys.MINUTES_PER_HOUR
#: And their prices, in ticks of the market, are few and stand near each other; what is averaged is not.
_PRICES_WRITTEN: Final = 4_096
_REACH_MINUTES: Final = FILL_REACH_DAYS * 24 * keys.MINUTES_PER_HOUR

# The size of a page is bounded by its bars: 5,000 of at most 520 bytes are 2.6 MB, below Lambda's 6 MB (four prices of
# at most 19 characters, volume and notional of at most 40, the rest is fixed).


@dataclass(frozen=True, slots=True)
class ToldBar:
    """A bar as it is answered. is_filled: nothing was traded, and its prices are the close before it."""

    bar: Bar
    is_closed: bool
    is_filled: bool


@dataclass(frozen=True, slots=True)
class Page:
    """What one page has.

    bars: by symbol, for the symbols that this page reached; a symbol without bars in the window has none.
    unknown: symbols of which the table has nothing at all.
    next_at: None at the end.
    """

    bars: Mapping[str, tuple[ToldBar, ...]]
    unknown: tuple[str, ...]
    next_at: NextBar | None


def read_page(table: Table, query: BarsQuery, now_ns: int, time_is_up: Callable[[], bool]) -> Page:
    """Read one page: at least one bar or one symbol of progress, however slow the table is.

    Raises ServiceIncomplete, ServiceRefused or MalformedItem.
    """
    found: dict[str, tuple[ToldBar, ...]] = {}
    unknown: list[str] = []
    room = query.limit
    for index in range(query.at_symbol, len(query.symbols)):
        # Symbols without bars take their time too: a page may have none at all, and say where to go on.
        if room == 0 or (index > query.at_symbol and time_is_up()):
            return Page(found, tuple(unknown), NextBar(index, query.start_minute(index)))
        symbol, start = query.symbols[index], query.start_minute(index)
        bars, next_at = _read_symbol(_Reading(table, query, index, now_ns), room, time_is_up)
        # Whoever continues in the middle of a symbol has had bars of it: it is known.
        if not bars and start == query.first_minute and not _is_known(table, symbol):
            unknown.append(symbol)
            continue
        found[symbol] = bars
        room -= len(bars)
        if next_at is not None:
            return Page(found, tuple(unknown), next_at)
    return Page(found, tuple(unknown), None)


def _read_symbol(
    reading: _Reading, room: int, time_is_up: Callable[[], bool]
) -> tuple[tuple[ToldBar, ...], NextBar | None]:
    """Return at most `room` bars of a symbol from where the page starts and, where there are more, the next one."""
    told: list[ToldBar] = []
    for bar, close_e9 in reading.filled() if reading.query.fill else ((one, None) for one in reading.traded()):
        if len(told) == room or (told and time_is_up()):
            return tuple(told), NextBar(reading.index, bar.minute, close_e9)
        told.append(reading.told(bar))
    return tuple(told), None


@dataclass(slots=True)
class _Reading:
    """The bars of one symbol on one page. open_hours: those read so far that are not settled."""

    table: Table
    query: BarsQuery
    index: int
    now_ns: int
    open_hours: set[int] = field(default_factory=set)

    @property
    def symbol(self) -> str:
        return self.query.symbols[self.index]

    @property
    def start(self) -> int:
        """The minute in which the page starts, in which no bar is under way."""
        return self.query.start_minute(self.index)

    def traded(self) -> Iterator[Bar]:
        """Yield the bars that have ticks, each when all hours up to its end are read."""
        start, end = self.start, self.query.end_minute
        last: Bar | None = None
        for hour in read_hours(self.table, self.symbol, start // keys.MINUTES_PER_HOUR, _hours_until(end)):
            if not hour.is_settled:
                self.open_hours.add(hour.hour)
            wanted = (bar for bar in hour.bars if start <= bar.minute < end)
            for bar in resample(wanted, self.query.grid.start_of):
                if last is not None and last.minute == bar.minute:
                    last = merge_two(last, bar)  # a bar of a day goes on in the next hour
                    continue
                if last is not None:
                    yield last
                last = bar
        if last is not None:
            yield last

    def filled(self) -> Iterator[tuple[Bar, int | None]]:
        """Yield these bars, and one for each between them that has no ticks, each with the last close before it.

        None before the first close that is known, and none that would start in the future.
        """
        query, at = self.query, self.start
        is_looked_for = at > query.first_minute
        close_e9 = query.close_e9 if is_looked_for else None
        for bar in self.traded():
            if not is_looked_for and (bar.minute > at or bar.close_e9 is None):
                close_e9 = self._close_before()
            is_looked_for = True
            yield from self._gap(at, bar.minute, close_e9)
            yield bar, close_e9
            at = query.grid.end_of(bar.minute)
            close_e9 = bar.close_e9 if bar.close_e9 is not None else close_e9
        yield from self._gap(at, query.end_minute, close_e9 if is_looked_for else self._close_before())

    def _gap(self, first: int, end: int, close_e9: int | None) -> Iterator[tuple[Bar, int | None]]:
        if close_e9 is not None:
            until = min(end, -(-self.now_ns // keys.NS_PER_MINUTE))
            yield from ((_without_ticks(start, close_e9), close_e9) for start in self.query.grid.starts(first, until))

    def _close_before(self) -> int | None:
        """Return the last close of a bar that starts before the window, as far as it is looked for."""
        end, grid = self.query.first_minute, self.query.grid
        first = end - _REACH_MINUTES
        hours = hours_from_an_end(
            self.table, self.symbol, first // keys.MINUTES_PER_HOUR, _hours_until(end), newest_first=True
        )
        for hour in hours:
            closes = [
                bar.close_e9
                for bar in hour.bars
                if first <= bar.minute < end and bar.close_e9 is not None and grid.start_of(bar.minute) is not None
            ]
            if closes:
                return closes[-1]
        return None

    def told(self, bar: Bar) -> ToldBar:
        """Say whether a bar may still change; all hours up to its end must have been read."""
        end = self.query.grid.end_of(bar.minute)
        hours = range(bar.hour, _hours_until(end))
        is_closed = end * keys.NS_PER_MINUTE <= self.now_ns and self.open_hours.isdisjoint(hours)
        return ToldBar(bar, is_closed, is_filled=not bar.ticks)


def _hours_until(minute: int) -> int:
    return -(-minute // keys.MINUTES_PER_HOUR)


def _without_ticks(minute: int, close_e9: int) -> Bar:
    moment_ns = minute * keys.NS_PER_MINUTE
    return Bar(minute, close_e9, close_e9, close_e9, close_e9, 0, 0, 0, None, None, moment_ns, moment_ns)


def _is_known(table: Table, symbol: str) -> bool:
    return next(table.query(symbol, limit=1), None) is not None


def bar_fields(told: ToldBar) -> dict[str, Any]:
    """Plain JSON for a bar: decimals as text, because a JSON number would become a float somewhere.

    Prices are None where no tick of the bar may set one.
    """
    bar = told.bar
    fields = {
        "start": _start_of(bar.minute),
        "open": _price(bar.open_e9),
        "high": _price(bar.high_e9),
        "low": _price(bar.low_e9),
        "close": _price(bar.close_e9),
        "volume": format_scaled(bar.volume_e9),
        "ticks": bar.ticks,
        "notional": format_scaled(bar.notional_e18, 18),
        "vwap": _written(bar.vwap_e9),
        "closed": told.is_closed,
    }
    return {**fields, "filled": True} if told.is_filled else fields


@lru_cache(maxsize=_MINUTES_WRITTEN)
def _start_of(minute: int) -> str:
    return iso_8601(minute * keys.NS_PER_MINUTE)


@lru_cache(maxsize=_PRICES_WRITTEN)
def _price(price_e9: int | None) -> str | None:
    return _written(price_e9)


def _written(price_e9: int | None) -> str | None:
    return None if price_e9 is None else format_scaled(price_e9)
