"""The sessions of exchanges, from the table that `python -m generator.sessions` makes of exchange_calendars.

The table (`exchanges.json`) says of each exchange, in wall-clock time of its zone:

- `weeks`: from which date on which weekdays (Monday is 1) have which hours.
- `closed`: dates without a session on a weekday that has one; under an empty name those of every year.
- `other`: sessions with other hours than their weekday's.

Hours are `09:00-11:30,12:30-15:00`, in which the comma is a break; `<17:00-17:00` begins the evening before. Dates
stand by year, a letter a month and two digits a day: `A0120B17` is January 1 and 20 and February 17. Years are unpacked
when they are asked for: a question about a week costs no more in a table of 46 years.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE: Final = Path(__file__).parent / "exchanges.json"
MINUTES_PER_DAY: Final = 1440

_EVENING_BEFORE: Final = "<"


class Hours(NamedTuple):
    """One session's hours, in minutes after the midnight with which its date begins.

    open: below 0 where the session begins the evening before. pause: start and end of the break, if there is one.
    """

    open: int
    close: int
    pause: tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `09:00-11:30,12:30-15:00`."""
        moments = [_minute(one) for part in text.split(",") for one in part.split("-")]
        return cls(moments[0], moments[-1], (moments[1], moments[2]) if len(moments) == 4 else None)

    def __str__(self) -> str:
        moments = (self.open, *(self.pause or ()), self.close)
        clocks = [_clock(moment) for moment in moments]
        return ",".join("-".join(clocks[at : at + 2]) for at in range(0, len(clocks), 2))


def _clock(minute: int) -> str:
    of_day = minute + MINUTES_PER_DAY * (minute < 0)
    return f"{_EVENING_BEFORE * (minute < 0)}{of_day // 60:02}:{of_day % 60:02}"


def _minute(clock: str) -> int:
    hour, minute = clock.removeprefix(_EVENING_BEFORE).split(":")
    return int(hour) * 60 + int(minute) - MINUTES_PER_DAY * clock.startswith(_EVENING_BEFORE)


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """One exchange as the table has it. zone: IANA name; first, last: between them its sessions are known.

    evening: whether its days begin the evening before.
    """

    zone: str
    first: date
    last: date
    evening: bool
    _weeks: tuple[tuple[date, Mapping[int, Hours]], ...]
    _closed: Mapping[str, str]
    _other: Mapping[Hours, Mapping[str, str]]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what the table says of one exchange."""
        weeks = tuple(
            (
                date.fromisoformat(since),
                {int(day): Hours.parse(text) for days, text in of_days.items() for day in days},
            )
            for since, of_days in document["weeks"]
        )
        return cls(
            document["zone"],
            date.fromisoformat(document["first"]),
            date.fromisoformat(document["last"]),
            any(hours.open < 0 for _, week in weeks for hours in week.values()),
            weeks,
            document["closed"],
            {Hours.parse(text): years for text, years in document["other"].items()},
        )

    def hours_on(self, day: date) -> Hours | None:
        """Return the hours of the session of a date; None where there is none, or the date is not known."""
        if not self.first <= day <= self.last:
            return None
        special = _specials(self, day.year)
        if day in special:
            return special[day]
        since = bisect_right(self._weeks, day, key=lambda week: week[0]) - 1
        return self._weeks[since][1].get(day.isoweekday())

    def specials_of(self, year: int) -> dict[date, Hours | None]:
        """Return the dates of a year that are not as their weekday; None where there is no session."""
        closed = self._closed.get("", ""), self._closed.get(str(year), "")
        found: dict[date, Hours | None] = dict.fromkeys(day for text in closed for day in _unpacked(text, year))
        for hours, years in self._other.items():
            found |= dict.fromkeys(_unpacked(years.get(str(year), ""), year), hours)
        return found


@lru_cache(maxsize=64)
def _specials(exchange: Exchange, year: int) -> Mapping[date, Hours | None]:
    return exchange.specials_of(year)


def _unpacked(text: str, year: int) -> list[date]:
    found, month, at = list[date](), 0, 0
    while at < len(text):
        if text[at].isalpha():
            month, at = ord(text[at]) - ord("A") + 1, at + 1
        found.append(date(year, month, int(text[at : at + 2])))
        at += 2
    return found


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    document: dict[str, Any] = json.loads(TABLE.read_bytes())
    return document


@lru_cache(maxsize=16)
def exchange_of(code: str) -> Exchange | None:
    """Return an exchange by its MIC or an alias (`XNYS`, `XNAS`, `XCME`); None where the table has none."""
    table = _table()
    document = table["exchanges"].get(table["aliases"].get(code, code))
    return None if document is None else Exchange.from_document(document)
