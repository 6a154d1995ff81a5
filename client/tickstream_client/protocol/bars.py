"""Asking for bars: one question becomes streams of pages, which run side by side and are read in order.

Symbols come as they were asked for, and each one's bars upwards in time. A stream is of several symbols where all
their bars of the window make about a page, or of one symbol and a part of the window: a page ends only between two
bars, and a window's bars are those that start in it, so that two windows that meet share none and miss none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from tickstream_client.errors import UsageError
from tickstream_client.moments import iso_8601
from tickstream_client.protocol.retries import answered
from tickstream_client.protocol.steps import Found, Request, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tickstream_client.protocol.retries import Retries
    from tickstream_client.protocol.steps import Stream

#: Minutes by the name of the interval.
INTERVALS: Final = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1_440}
HOURS: Final = ("regular", "extended", "all")
FILLS: Final = ("previous",)
#: What the API allows a page, and a request.
MAX_PAGE_BARS: Final = 5_000
MAX_SYMBOLS: Final = 100
#: Bars that a stream has at most, if there is one in each interval: twelve symbols of a day of minutes. Where an
#: exchange trades in 390 of its 1,440 minutes that is a little less than a page.
_STREAM_BARS: Final = 18_000
_NS_PER_MINUTE: Final = 60 * 10**9
_NS_PER_DAY: Final = 1_440 * _NS_PER_MINUTE


@dataclass(frozen=True, slots=True)
class Question:
    """Which bars are wanted: those that start in [start_ns, end_ns).

    Attributes:
        symbols: each once, in the order of the answer.
        start_ns, end_ns: Unix nanoseconds.
        interval: one of `INTERVALS`.
        session: an exchange, a zone or a roll; None for UTC.
        hours: one of `HOURS`, of an exchange.
        fill: `previous`, to have bars also where nothing was traded.

    """

    symbols: tuple[str, ...]
    start_ns: int
    end_ns: int
    interval: str = "1m"
    session: str | None = None
    hours: str | None = None
    fill: str | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for what the API would refuse, and for what would be found out only in the middle."""
        if not self.symbols:
            raise UsageError("no symbol: name at least one")
        if self.interval not in INTERVALS:
            raise UsageError(f"interval {self.interval!r} is none of {', '.join(INTERVALS)}")
        if self.hours is not None and self.hours not in HOURS:
            raise UsageError(f"hours {self.hours!r} is none of {', '.join(HOURS)}")
        if self.fill is not None and self.fill not in FILLS:
            raise UsageError(f"fill {self.fill!r} is none of {', '.join(FILLS)}")
        if self.start_ns > self.end_ns:
            raise UsageError(f"start {iso_8601(self.start_ns)} is after end {iso_8601(self.end_ns)}")

    def body(self, token: str | None) -> bytes:
        """Write the body of `POST /bars` for the page that a token begins, or for the first one."""
        said = {"session": self.session, "hours": self.hours, "fill": self.fill, "nextToken": token}
        fields: dict[str, Any] = {
            "symbols": list(self.symbols),
            "from": str(self.start_ns),
            "to": str(self.end_ns),
            "interval": self.interval,
            "limit": MAX_PAGE_BARS,
            **{name: value for name, value in said.items() if value is not None},
        }
        return json.dumps(fields).encode()


def question_of(  # noqa: PLR0917 - a question has so many parts
    symbols: str | Iterable[str],
    start_ns: int | None,
    end_ns: int,
    interval: str,
    session: str | None,
    hours: str | None,
    fill: str | None,
) -> Question:
    """Build a question. start_ns: None for 24 hours before the end. Raises UsageError."""
    listed = (symbols,) if isinstance(symbols, str) else tuple(dict.fromkeys(symbols))
    if not all(isinstance(one, str) and one for one in listed):
        raise UsageError("symbols are texts, and not empty")
    start_ns = end_ns - _NS_PER_DAY if start_ns is None else start_ns
    return Question(listed, start_ns, end_ns, interval, session, hours, fill)


def parts_of(question: Question) -> Iterator[Question]:
    """Cut a question into those that are asked side by side; their answers, one after the other, are its answer."""
    step_ns = INTERVALS[question.interval] * _NS_PER_MINUTE
    possible = max(1, -(-(question.end_ns - question.start_ns) // step_ns))
    together = min(MAX_SYMBOLS, max(1, _STREAM_BARS // possible))
    if together > 1 or question.fill is not None:
        # What is filled goes on from the bar before, which a window of its own might not know.
        for first in range(0, len(question.symbols), together):
            yield replace(question, symbols=question.symbols[first : first + together])
        return
    # On whole days of UTC, so that the same bars are asked for in the same parts, whenever the window begins.
    span_ns = max(1, _STREAM_BARS * step_ns // _NS_PER_DAY) * _NS_PER_DAY
    for symbol in question.symbols:
        start_ns = question.start_ns
        while True:
            end_ns = min((start_ns // span_ns + 1) * span_ns, question.end_ns)
            yield replace(question, symbols=(symbol,), start_ns=start_ns, end_ns=end_ns)
            start_ns = end_ns
            if start_ns >= question.end_ns:
                break


class Page(Protocol):
    """A page that was read, whatever it is read into."""

    @property
    def next_token(self) -> str | None:
        """Of the page after it; None at the end."""


def pages_of[P: Page](question: Question, retries: Retries, decode: Callable[[bytes, tuple[str, ...]], P]) -> Stream[P]:
    """Ask for all pages of a question, one after the other. Raises what `answered` and `decode` do."""
    token: str | None = None
    while True:
        headers = {"Content-Type": "application/json"}
        answer = yield from answered(Request("POST", "/bars", body=question.body(token), headers=headers), retries)
        page: P = yield Work(partial(decode, answer.body, question.symbols))
        yield Found(page)
        token = page.next_token
        if token is None:
            return
