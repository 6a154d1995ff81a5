"""Days between wall-clock moments: of a zone, of a roll, of an exchange.

Minutes are whole minutes since 1970, in UTC. A wall-clock moment that comes twice, when clocks go back, is the first of
the two; one that is left out, when clocks go forward, is as much later as they went. So a day has 23 or 25 hours where
the zone has such days, and no minute is in two days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from tickstream.sessions.exchanges import MINUTES_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream.sessions.exchanges import Exchange, Hours

_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOON: Final = MINUTES_PER_DAY // 2


class Wanted(StrEnum):
    """Which hours of an exchange are wanted: those between open and close, the others of its trading day, or both."""

    REGULAR = "regular"
    EXTENDED = "extended"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Day:
    """One day or session, from the minute `start` to before `end`, named by a date.

    parts: which of its minutes belong to it, each from the first to before the second, in order.
    """

    name: date
    start: int
    end: int
    parts: tuple[tuple[int, int], ...]

    def has(self, minute: int) -> bool:
        """Whether a minute belongs to it."""
        return any(first <= minute < end for first, end in self.parts)

    def has_any(self, start: int, end: int) -> bool:
        """Whether any minute from one to before another belongs to it."""
        return any(max(first, start) < min(last, end) for first, last in self.parts)


class Days(Protocol):
    """Days one after the other: none overlaps another."""

    @property
    def known(self) -> tuple[int, int] | None:
        """From which minute to before which one all days are known; None where there is no limit."""

    def ending_after(self, minute: int) -> Day | None:
        """Return the first day that ends after a minute, which may also begin after it; None where none is known."""


@dataclass(frozen=True, slots=True)
class RolledDays:
    """Days from a time of day to the same on the next date: every minute is in one of them.

    roll: minutes after midnight. From noon on a day is named by the date on which it ends, before noon by the one on
    which it begins: `17:00` is the day of futures, which begins the evening before, and `00:00` is the date itself.
    """

    zone: tzinfo
    roll: int = 0

    @property
    def known(self) -> None:
        """See Days."""
        return

    def ending_after(self, minute: int) -> Day:
        """See Days."""
        day = _date_at(self.zone, minute) - _DAY
        # A few steps. A date that a zone left out (Samoa has no 30 December 2011) is a day without minutes.
        while (end := self._start(day + _DAY)) <= minute:
            day += _DAY
        start = self._start(day)
        return Day(day, start, end, ((start, end),))

    def _start(self, day: date) -> int:
        return minute_at(self.zone, day, self.roll - MINUTES_PER_DAY * (self.roll >= _NOON))


@dataclass(frozen=True, slots=True)
class ExchangeDays:
    """The sessions of an exchange (regular hours), or its trading days with the other hours.

    A trading day is the session's date from midnight to midnight; at exchanges whose days begin the evening before it
    is the time from the end of the session before to the end of its own. What lies between is in none.
    """

    exchange: Exchange
    zone: tzinfo
    wanted: Wanted

    @property
    def known(self) -> tuple[int, int]:
        """See Days."""
        first, last = self.exchange.first, self.exchange.last
        if not self.exchange.evening:
            return minute_at(self.zone, first, 0), minute_at(self.zone, last + _DAY, 0)
        # What follows the last session belongs to one that is not known.
        (opening, earliest), (closing, latest) = next(self._sessions(first, _DAY)), next(self._sessions(last, -_DAY))
        return self._moment(opening, earliest.open), self._moment(closing, latest.close)

    def ending_after(self, minute: int) -> Day | None:
        """See Days."""
        days = (self.session(*one) for one in self._sessions(_date_at(self.zone, minute) - _DAY, _DAY))
        return next((day for day in days if day.end > minute), None)

    def session(self, name: date, hours: Hours) -> Day:
        """Return the session of a date that has these hours, with those of its minutes that are wanted."""
        minutes = [self._moment(name, moment) for moment in (hours.open, *(hours.pause or ()), hours.close)]
        open_parts = tuple(zip(minutes[::2], minutes[1::2], strict=True))
        if self.wanted is Wanted.REGULAR:
            return Day(name, minutes[0], minutes[-1], open_parts)
        if self.exchange.evening:
            before = next(self._sessions(name - _DAY, -_DAY), None)
            start, end = minutes[0] if before is None else self._moment(before[0], before[1].close), minutes[-1]
        else:
            start, end = self._moment(name, 0), self._moment(name, MINUTES_PER_DAY)
        if self.wanted is Wanted.ALL:
            return Day(name, start, end, ((start, end),))
        edges = (start, *minutes, end)
        return Day(name, start, end, tuple(zip(edges[::2], edges[1::2], strict=True)))

    def _sessions(self, day: date, step: timedelta) -> Iterator[tuple[date, Hours]]:
        """Yield dates and hours of sessions, from a date on, upwards or downwards."""
        while self.exchange.first <= day <= self.exchange.last:
            if (hours := self.exchange.hours_on(day)) is not None:
                yield day, hours
            day += step

    def _moment(self, day: date, minute_of_day: int) -> int:
        return minute_at(self.zone, day, minute_of_day)


def minute_at(zone: tzinfo, day: date, minute_of_day: int) -> int:
    """Return the minute in UTC of a wall-clock moment: minutes after the midnight of a date, also below 0."""
    wall = datetime(day.year, day.month, day.day, tzinfo=UTC) + minute_of_day * _MINUTE
    # `fold` is 0: the first of two such moments, and one that is left out counted on from before it.
    offset = wall.replace(tzinfo=zone).utcoffset()
    assert offset is not None, "a zone has offsets"  # noqa: S101 - for the type checker
    return (wall - offset - _EPOCH) // _MINUTE


def _date_at(zone: tzinfo, minute: int) -> date:
    return (_EPOCH + minute * _MINUTE).astimezone(zone).date()
