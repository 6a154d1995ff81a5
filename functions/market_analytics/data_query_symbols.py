"""Which symbols have bars: `GET /symbols`, in the order of their characters, page by page.

The lists of symbols (`tickstream.symbol_lists`) say which had any once; the hours say which have any now, and from when
to when: what was taken back is in none of them. Of most symbols that is two reads, of the first hour and of the last.
Where hours were emptied, more of them are looked through, as many as a page has time for: its token says how far it
came, so that each page makes some progress, a symbol or an hour of one.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger

from market_analytics.data_query_hours import hours_from_an_end
from services.clients import PARALLEL_REQUESTS
from services.side_by_side import side_by_side
from tickstream import keys
from tickstream.errors import BadRequest, MalformedItem, RowRejected
from tickstream.list_questions import single_values, whole_limit
from tickstream.page_tokens import bad_token, pack_token, unpack_token
from tickstream.promises import DEFAULT_SYMBOLS, MAX_LISTED_SYMBOLS, PREFIX_PATTERN
from tickstream.symbol_lists import symbols_of
from tickstream.ticks import LATEST_NS, parse_symbol
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from services.table import Table
    from tickstream.items import Item

#: Symbols whose hours are read between two looks at the clock.
SYMBOLS_AT_A_TIME: Final = 50
#: No bar begins in this hour or later.
END_HOUR: Final = LATEST_NS // keys.NS_PER_HOUR
_LEAST_OF_A_LANE: Final = 4

_PARAMETERS: Final = frozenset({"prefix", "limit", "nextToken"})
_PREFIX: Final = re.compile(PREFIX_PATTERN)
_TOKEN_VERSION: Final = 1

logger = Logger(child=True)


@cache
def _threads() -> ThreadPoolExecutor:
    # Not the table's own: whoever waits in a thread of those for another of them might wait for ever.
    return ThreadPoolExecutor(PARALLEL_REQUESTS, thread_name_prefix="symbols")


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Hours of a symbol (whole hours since 1970), from the first to before `end`: before and after it has no bars."""

    first: int = 0
    end: int = END_HOUR


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: with a symbol (or what comes after it), and what of its hours is still to be looked at."""

    start: str
    hours: _Stretch = _Stretch()


@dataclass(frozen=True, slots=True)
class _Question:
    prefix: str
    limit: int
    at: _Place


@dataclass(frozen=True, slots=True)
class _Span:
    """The minutes with which a symbol's first and last bar begin, since 1970."""

    first: int
    last: int


def listed_symbols(table: Table, parameters: Mapping[str, list[str]], time_is_up: Callable[[], bool]) -> dict[str, Any]:
    """Return the answer's fields: one page. Raises BadRequest, ServiceIncomplete or ServiceRefused."""
    asked = _question_of(parameters)
    found: list[dict[str, str]] = []
    next_at = _read_page(table, asked, found, time_is_up)
    fields: dict[str, Any] = {"symbols": found}
    if next_at is not None:
        fields["nextToken"] = pack_token(
            [_TOKEN_VERSION, asked.prefix, next_at.start, next_at.hours.first, next_at.hours.end]
        )
    return fields


def _read_page(
    table: Table, asked: _Question, found: list[dict[str, str]], time_is_up: Callable[[], bool]
) -> _Place | None:
    """Add a page's symbols to those found, and return where the next page begins, if there is one."""
    names = _names(table, asked)
    while some := list(islice(names, min(SYMBOLS_AT_A_TIME, asked.limit - len(found)))):
        places = [asked.at if name == asked.at.start else _Place(name) for name in some]
        spans = side_by_side(_threads(), lambda place: _span_of(table, place, time_is_up), places)
        for place, span in zip(places, spans, strict=True):
            if isinstance(span, _Stretch):
                return replace(place, hours=span)
            if span is not None:
                found.append({"symbol": place.start, "firstBar": _start(span.first), "lastBar": _start(span.last)})
        if len(found) == asked.limit or time_is_up():
            break
    following = next(names, None)
    return None if following is None else _Place(following)


def _names(table: Table, asked: _Question) -> Iterator[str]:
    """Yield the symbols of all lanes from where a page begins, in order.

    As much of each lane is read as gives about a page; what lies beyond the end of a lane that has more is not complete
    yet, and read again.
    """
    of_each = max(_LEAST_OF_A_LANE, 2 * asked.limit // keys.LANES + 1)
    start: str | None = asked.at.start

    def read(partition: str, first: int, last: int, at_most: int) -> Sequence[Item]:
        return list(table.query(partition, first, last, limit=at_most))

    while start is not None:
        after = start

        def of_lane(lane: int, after: str = after) -> list[str]:
            return list(islice(symbols_of(read, lane, asked.prefix, after, of_each), of_each))

        lanes = list(side_by_side(_threads(), of_lane, range(keys.LANES)))
        reached = min((names[-1] for names in lanes if len(names) == of_each), default=None)
        yield from sorted(name for names in lanes for name in names if reached is None or name <= reached)
        # No symbol has this character: nothing lies between.
        start = None if reached is None else f"{reached}\0"


def _span_of(table: Table, place: _Place, time_is_up: Callable[[], bool]) -> _Span | _Stretch | None:
    """Return from when to when a symbol has bars, or which hours are left to look at; None where it has none."""
    symbol, hours = place.start, place.hours
    try:
        for hour in hours_from_an_end(table, symbol, hours.first, hours.end):
            if hour.bars:
                first = hour.bars[0].minute
                break
            if time_is_up():
                return _Stretch(hour.hour + 1, hours.end)
        else:
            return None
        first_hour = first // keys.MINUTES_PER_HOUR
        for hour in hours_from_an_end(table, symbol, first_hour, hours.end, newest_first=True):
            if hour.bars:
                return _Span(first, hour.bars[-1].minute)
            if time_is_up():
                return _Stretch(first_hour, hour.hour)
    except MalformedItem:
        # The others of the list are as good as without it; whoever asks for its bars gets a 500.
        logger.exception("an hour's items cannot be read", symbol=symbol)
    return None  # also where the last hour that had any was emptied in between


def _start(minute: int) -> str:
    return iso_8601(minute * keys.NS_PER_MINUTE)


def _question_of(parameters: Mapping[str, list[str]]) -> _Question:
    fields = single_values(parameters, _PARAMETERS)
    prefix = fields.get("prefix", "")
    if not _PREFIX.fullmatch(prefix):
        raise BadRequest("bad_prefix", "prefix has at most 64 characters of a symbol: no blank, quote, #, comma or \\")
    limit = whole_limit(fields["limit"], MAX_LISTED_SYMBOLS) if "limit" in fields else DEFAULT_SYMBOLS
    return _Question(prefix, limit, _place_of(fields["nextToken"], prefix) if "nextToken" in fields else _Place(prefix))


def _place_of(token: str, prefix: str) -> _Place:
    # Whoever knows this code can write any: nothing in it is trusted.
    try:
        version, of_prefix, start, first, end = unpack_token(token)
    except ValueError as error:
        raise bad_token("it is of another version") from error
    if version != _TOKEN_VERSION or not all(type(one) is int for one in (first, end)):
        raise bad_token("it is of another version")
    if of_prefix != prefix:
        raise bad_token("it belongs to another prefix")
    try:
        is_within = isinstance(start, str) and parse_symbol(start).startswith(prefix) and 0 <= first <= end <= END_HOUR
    except RowRejected:
        is_within = False
    if not is_within:
        raise bad_token("it points at nothing")
    return _Place(start, _Stretch(first, end))
