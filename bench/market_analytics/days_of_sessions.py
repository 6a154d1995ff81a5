"""Which bar a minute belongs to, by other means than the functions': for the check of bars of sessions.

The sessions of exchanges are exchange_calendars' own and not those of the table that the functions ship. Days of zones
and rolls follow from each minute's wall clock, where the functions look for the moments between which it lies.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Which bar a minute belongs to: the date of its session and the minute (since 1970) with which it starts.
type Place = tuple[date, int]
type Placing = Callable[[int], Place | None]

#: 1990 to 2035: minutes of which exchange_calendars may know the sessions.
FIRST_MINUTE: Final = int(datetime(1990, 1, 1, tzinfo=UTC).timestamp()) // 60
END_MINUTE: Final = int(datetime(2036, 1, 1, tzinfo=UTC).timestamp()) // 60

_DAY: Final = timedelta(days=1)
#: The name that exchange_calendars has for a MIC.
_CALENDARS: Final = {"XCME": "CMES"}
_MONTH: Final = timedelta(days=31)


class SessionsNotKnown(Exception):
    """What the sessions of an exchange are cannot be said here; the message says why."""


@dataclass(frozen=True, slots=True)
class AskedSession:
    """What the API is asked for. hours: of an exchange, else None. minutes: of the interval; None for whole days."""

    session: str
    hours: str | None = None
    minutes: int | None = None

    def __str__(self) -> str:
        named = " ".join(one for one in (self.session, self.hours) if one)
        return named if self.minutes is None else f"{named} by {self.minutes} minutes"

    def parameters(self) -> dict[str, str]:
        """What the API takes."""
        interval = "1d" if self.minutes is None else f"{self.minutes // 60}h"
        return {"interval": interval, "session": self.session} | ({"hours": self.hours} if self.hours else {})

    def placing(self, first: int, last: int) -> Placing:
        """Return where minutes from `first` to `last` belong. Raises SessionsNotKnown."""
        day_of = _rolled(self.session) if self.hours is None else _of_exchange(self.session, self.hours, first, last)

        def place(minute: int) -> Place | None:
            day = day_of(minute)
            if day is None or self.minutes is None:
                return day
            name, start = day
            return name, minute - (minute - start) % self.minutes

        return place


def _rolled(session: str) -> Placing:
    clock, _, name = session.rpartition(" ")
    roll, zone = time.fromisoformat(clock or "00:00"), ZoneInfo(name)

    def place(minute: int) -> Place:
        wall = datetime.fromtimestamp(minute * 60, zone).replace(tzinfo=None)
        began = datetime.combine(wall.date(), roll)
        if wall < began:
            began -= _DAY
        named = began.date() + _DAY if roll >= time(12) else began.date()
        return named, int(began.replace(tzinfo=zone).timestamp()) // 60

    return place


@dataclass(frozen=True, slots=True)
class _Session:
    name: date
    start: int
    end: int
    open_parts: tuple[tuple[int, int], ...]

    def is_open(self, minute: int) -> bool:
        return any(first <= minute < end for first, end in self.open_parts)


def _of_exchange(session: str, hours: str, first: int, last: int) -> Placing:
    days = _sessions(session, first, last)
    if hours == "regular":
        days = [_Session(one.name, one.open_parts[0][0], one.open_parts[-1][1], one.open_parts) for one in days]
    starts = [one.start for one in days]

    def place(minute: int) -> Place | None:
        day = days[bisect_right(starts, minute) - 1] if starts and minute >= starts[0] else None
        if day is None or minute >= day.end:
            return None
        return (day.name, day.start) if hours == "all" or day.is_open(minute) == (hours == "regular") else None

    return place


def _sessions(session: str, first: int, last: int) -> Sequence[_Session]:
    try:
        # Here, because it brings pandas: only a check of an exchange's sessions pays for it.
        import exchange_calendars  # noqa: PLC0415
    except ImportError as error:
        raise SessionsNotKnown("exchange_calendars is not installed: pip install -e .[sessions]") from error
    start, end = (datetime.fromtimestamp(minute * 60, UTC).date() for minute in (first, last))
    try:
        calendar = exchange_calendars.get_calendar(
            _CALENDARS.get(session, session), start=(start - _MONTH).isoformat(), end=(end + _MONTH).isoformat()
        )
    except ValueError as error:
        raise SessionsNotKnown(f"exchange_calendars does not know {start} to {end}") from error
    zone = ZoneInfo(str(calendar.tz))
    found: list[_Session] = []
    for label, row in calendar.schedule.iterrows():
        name = label.date()
        moments = [row["open"], row["break_start"], row["break_end"], row["close"]]
        minutes = [_minute(moment) for moment in moments if moment == moment]  # noqa: PLR0124 - none is NaT
        opened, closed = minutes[0], minutes[-1]
        began, ended = (_minute(datetime.combine(day, time(), zone)) for day in (name, name + _DAY))
        if opened < began:
            began, ended = found[-1].end if found else opened, closed
        found.append(_Session(name, began, ended, tuple(zip(minutes[::2], minutes[1::2], strict=True))))
    return found


def _minute(moment: Any) -> int:
    return int(moment.timestamp()) // 60
