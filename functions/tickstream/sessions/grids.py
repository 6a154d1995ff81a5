"""Where bars begin and end: every width a number of minutes of UTC, or a part of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from tickstream.sessions.exchanges import MINUTES_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from tickstream.sessions.days import Day, Days


class Grid(Protocol):
    """Bars of one width that do not overlap; a bar is known by the minute (since 1970, in UTC) with which it starts."""

    def start_of(self, minute: int) -> int | None:
        """Return the start of the bar that a minute belongs to; None where it belongs to none."""

    def end_of(self, start: int) -> int:
        """Return the minute before which the bar ends that starts there."""

    def starts(self, first: int, end: int) -> Iterator[int]:
        """Yield the start of each bar that starts from one minute to before another, and that minutes belong to."""

    def settled(self, minute: int) -> int:
        """Return the first minute from this one on at which no bar is under way that started before."""

    def session_of(self, start: int) -> date | None:
        """Return the date of the session of the bar that starts there; None where bars have none."""

    @property
    def known(self) -> tuple[int, int] | None:
        """From which minute to before which one all bars are known; None where there is no limit."""


class UtcGrid:
    """Bars of an interval that is aligned to 1970, so that days are UTC days. `minutes`: the interval."""

    known: Final = None

    def __init__(self, minutes: int) -> None:
        self._minutes = minutes

    def start_of(self, minute: int) -> int:
        """See Grid."""
        return minute - minute % self._minutes

    def end_of(self, start: int) -> int:
        """See Grid."""
        return start + self._minutes

    def starts(self, first: int, end: int) -> Iterator[int]:
        """See Grid."""
        yield from range(self.settled(first), end, self._minutes)

    def settled(self, minute: int) -> int:
        """See Grid."""
        return -(-minute // self._minutes) * self._minutes

    def session_of(self, start: int) -> None:  # noqa: ARG002 - see Grid
        """See Grid."""
        return


class SessionGrid:
    """Bars of sessions: one each, or one each so many minutes from its start, of which the last is cut short.

    Minutes are asked for in order, mostly: the day of the last one is kept.
    """

    def __init__(self, days: Days, minutes: int) -> None:
        self._days = days
        #: A session of 25 hours is one bar of a day too.
        self._minutes = minutes if minutes < MINUTES_PER_DAY else None
        self._from = 0
        self._day: Day | None = None

    @property
    def known(self) -> tuple[int, int] | None:
        """See Grid."""
        return self._days.known

    def start_of(self, minute: int) -> int | None:
        """See Grid."""
        day = self._under_way(minute)
        return self._bar(day, minute)[0] if day is not None and day.has(minute) else None

    def end_of(self, start: int) -> int:
        """See Grid."""
        day = self._under_way(start)
        return start if day is None else self._bar(day, start)[1]

    def starts(self, first: int, end: int) -> Iterator[int]:
        """See Grid."""
        minute = first
        while minute < end and (day := self._days.ending_after(minute)) is not None:
            for start in range(day.start, min(day.end, end), self._minutes or max(1, day.end - day.start)):
                if start >= first and day.has_any(start, self._bar(day, start)[1]):
                    yield start
            minute = day.end

    def settled(self, minute: int) -> int:
        """See Grid."""
        day = self._under_way(minute)
        if day is None:
            return minute
        start, end = self._bar(day, minute)
        return minute if minute == start else end

    def session_of(self, start: int) -> date | None:
        """See Grid."""
        day = self._under_way(start)
        return None if day is None else day.name

    def _bar(self, day: Day, minute: int) -> tuple[int, int]:
        if self._minutes is None:
            return day.start, day.end
        start = minute - (minute - day.start) % self._minutes
        return start, min(start + self._minutes, day.end)

    def _under_way(self, minute: int) -> Day | None:
        if self._day is None or not self._from <= minute < self._day.end:
            self._from, self._day = minute, self._days.ending_after(minute)
        return self._day if self._day is not None and self._day.start <= minute else None
