"""What a caller says of sessions, read strictly: an exchange, a zone or a roll, and which hours of an exchange."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tickstream.errors import BadRequest
from tickstream.feeds.moments import zone_of
from tickstream.promises import INTERVALS, SESSION_INTERVALS, SESSION_PATTERN
from tickstream.sessions.days import ExchangeDays, RolledDays, Wanted
from tickstream.sessions.exchanges import exchange_of
from tickstream.sessions.grids import SessionGrid, UtcGrid

if TYPE_CHECKING:
    from tickstream.sessions.days import Days
    from tickstream.sessions.grids import Grid

_SPEC: Final = re.compile(SESSION_PATTERN)
_EXPECTED: Final = "an exchange (XNYS), an IANA zone (America/New_York) or a roll (17:00 America/Chicago) is wanted"


def hours_of(session: str | None, hours: str | None) -> str | None:
    """Return which hours are meant: those said, the regular ones of an exchange, None where there are none.

    Raises BadRequest.
    """
    if hours is not None and hours not in [*Wanted]:
        raise BadRequest("bad_hours", f"hours must be one of {', '.join(Wanted)}")
    if session is not None and exchange_of(session) is not None:
        return hours or Wanted.REGULAR.value
    if hours is not None:
        raise BadRequest("bad_hours", "hours are of an exchange's session (session=XNYS)")
    return None


def grid_of(interval: str, session: str | None, hours: str | None) -> Grid:
    """Return the bars of an interval, of UTC or of a session; `hours` as `hours_of` gives them. Raises BadRequest."""
    if session is None:
        return UtcGrid(INTERVALS[interval])
    if interval not in SESSION_INTERVALS:
        raise BadRequest("bad_session", f"session is for intervals above an hour: {', '.join(SESSION_INTERVALS)}")
    return SessionGrid(_days_of(session, hours), INTERVALS[interval])


def _days_of(session: str, hours: str | None) -> Days:
    if _SPEC.fullmatch(session) is None:
        raise BadRequest("bad_session", f"session: {_EXPECTED}")
    exchange = exchange_of(session)
    if exchange is not None:
        return ExchangeDays(exchange, zone_of(exchange.zone), Wanted(hours or Wanted.REGULAR))
    roll, _, name = session.rpartition(" ")
    try:
        zone = zone_of(name)
    except ValueError as error:
        raise BadRequest("bad_session", f"session: no exchange or zone {name}; {_EXPECTED}") from error
    hour, minute = (int(part) for part in (roll or "00:00").split(":"))
    return RolledDays(zone, hour * 60 + minute)
