"""Moments as vendors write them, as Unix nanoseconds.

Whatever the way, a moment is first seconds and nanoseconds of some clock: of UTC, of the offset that is written beside
it, or of the feed's zone.
"""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tickstream.errors import Reason, RowRejected
from tickstream.ticks import EARLIEST_NS, LATEST_NS

if TYPE_CHECKING:
    from collections.abc import Mapping

NS_PER_UNIT: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
#: The largest unit first: the windows of 1990 to 2100 do not overlap, so at most one fits.
_UNITS: Final = tuple(NS_PER_UNIT)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMBER: Final = re.compile(r"(?P<whole>[0-9]{1,20})(?:\.(?P<fraction>[0-9]{1,20}))?")
_OFFSET: Final = re.compile(r"(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2})?")
ISO: Final = re.compile(
    r"(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"(?:[T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?)?"
    r"(?: ?(?P<z>Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
_DIRECTIVES: Final = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "b": "[A-Za-z]{3}",
    "f": "[0-9]{1,9}",
    "p": "[AaPp][Mm]",
    "j": "[0-9]{3}",
    "z": "(?:Z|[+-][0-9]{2}:?(?:[0-9]{2})?)",
}
_KNOWN: Final = "%Y %y %m %d %b %j %H %I %p %M %S %f %z %%"
#: Two digits, or one where something else than a digit stands on both sides.
_SHORT_DIRECTIVES: Final = "mdHMSI"


def format_pattern(text: str) -> re.Pattern[str]:
    """Make a regular expression of a format; its groups are named as the directives are. Raises ValueError."""
    pieces = re.findall(r"%.|[^%]+|%", text, flags=re.DOTALL)
    pattern, seen = [], set[str]()
    for index, piece in enumerate(pieces):
        if piece[0] != "%" or piece == "%%":
            pattern.append(re.escape(piece.replace("%%", "%")))
            continue
        name = piece[1:]
        if name in seen or (name not in _DIRECTIVES and (len(name) != 1 or name not in _SHORT_DIRECTIVES)):
            raise ValueError(f"{piece!r} is not known, or stands twice; known are {_KNOWN}")
        seen.add(name)
        crowded = any(_is_digits(pieces[at]) for at in (index - 1, index + 1) if 0 <= at < len(pieces))
        pattern.append(f"(?P<{name}>{_DIRECTIVES.get(name, '[0-9]{2}' if crowded else '[0-9]{1,2}')})")
    if not pattern:
        raise ValueError("it is empty")
    return re.compile("".join(pattern))


def _is_digits(piece: str) -> bool:
    return piece[0] == "%" and piece[1:] not in {"%", "b", "p"}


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo:
    """Return a zone by its IANA name or its offset. Raises ValueError."""
    if name in {"UTC", "Z"}:
        return UTC
    fixed = _OFFSET.fullmatch(name)
    if fixed:
        return timezone(_offset(fixed))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"no zone {name[:64]!r}: an IANA name or an offset such as +02:00 is wanted") from error


def _offset(match: re.Match[str]) -> timedelta:
    hours, minutes = int(match["hours"]), int(match["minutes"] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError("no such offset")
    return timedelta(hours=hours, minutes=minutes) * (-1 if match["sign"] == "-" else 1)


@dataclass(frozen=True, slots=True)
class Clock:
    """Which clock times without an offset are of. `ambiguous`: reject, earlier or later. zone: None if nobody says."""

    zone: str
    ambiguous: str

    def utc_s(self, local_s: int) -> int:
        """Unix seconds of seconds since 1970 on this clock. Raises RowRejected (bad_timestamp)."""
        offset_s = offset_seconds(self, local_s // 60)
        if isinstance(offset_s, str):
            raise RowRejected(Reason.BAD_TIMESTAMP, offset_s)
        return local_s - offset_s


@lru_cache(maxsize=100_000)
def offset_seconds(clock: Clock, local_minute: int) -> int | str:
    """Return what a clock is ahead of UTC by in a minute of its own, in seconds; or why that cannot be said."""
    if not clock.zone:
        return "neither the text nor the feed names a zone (tick.timestamp.zone)"
    naive = datetime(1970, 1, 1) + timedelta(minutes=local_minute)  # noqa: DTZ001 # of the clock's own zone
    zone = zone_of(clock.zone)
    first, second = (naive.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first is None or second is None:
        return f"{clock.zone} has no offset then"
    if first != second:
        back = naive.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None)
        if back != naive:
            return f"no such time of day in {clock.zone}: clocks went forward"
        if clock.ambiguous == "reject":
            return f"it was that time twice in {clock.zone}: clocks went back (tick.timestamp.ambiguous)"
    return int((second if clock.ambiguous == "later" else first).total_seconds())


def within(timestamp_ns: int) -> int:
    """Return a timestamp that is within bounds. Raises RowRejected."""
    if not EARLIEST_NS <= timestamp_ns < LATEST_NS:
        raise RowRejected(Reason.TIMESTAMP_OUT_OF_RANGE, "not within 1990 to 2100")
    return timestamp_ns


def number_ns(text: str, unit: str) -> int | None:
    """Nanoseconds of a number of units, exact; None where it is no such number. Raises RowRejected.

    unit: `auto` is whichever makes it a moment within 1990 to 2100; nanoseconds where none does.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    whole, fraction = int(match["whole"]), match["fraction"] or ""
    if unit == "auto":
        unit = next((one for one in _UNITS if EARLIEST_NS <= whole * NS_PER_UNIT[one] < LATEST_NS), "ns")
    ns_per_unit = NS_PER_UNIT[unit]
    part_ns, rest = divmod(int(fraction or "0") * ns_per_unit, int("1" + "0" * len(fraction)))
    if rest:
        raise RowRejected(Reason.BAD_TIMESTAMP, "a part of a nanosecond")
    return whole * ns_per_unit + part_ns


def matched_ns(groups: Mapping[str, str | None], clock: Clock) -> int:
    """Unix nanoseconds of what a format's groups hold. Raises RowRejected (bad_timestamp)."""
    local_s, fraction_ns = local_moment(groups)
    written = groups.get("z")
    if written is None:
        return clock.utc_s(local_s) * 10**9 + fraction_ns
    if written in {"Z", "UTC"}:
        return local_s * 10**9 + fraction_ns
    match = _OFFSET.fullmatch(written)
    try:
        offset = _offset(match) if match else timedelta()
    except ValueError as error:
        raise RowRejected(Reason.BAD_TIMESTAMP, str(error)) from error
    return (local_s - int(offset.total_seconds())) * 10**9 + fraction_ns


def local_moment(groups: Mapping[str, str | None]) -> tuple[int, int]:
    """Seconds since 1970 and nanoseconds on the clock that the text is of. Raises RowRejected (bad_timestamp)."""
    year = int(groups.get("Y") or 0) or _full_year(groups.get("y"))
    name = groups.get("b")
    hour = int(groups.get("H") or groups.get("I") or 0)
    half = (groups.get("p") or "").lower()
    if half:
        hour = hour % 12 + 12 * (half == "pm") if 1 <= hour <= 12 else 99
    try:
        month = _MONTHS.index(name.lower()) + 1 if name else int(groups.get("m") or 1)
        day = datetime(year, month, int(groups.get("d") or 1))  # noqa: DTZ001 # a calendar day
        if groups.get("j"):
            day = _day_of_year(year, groups["j"] or "")
        moment = day.replace(hour=hour, minute=int(groups.get("M") or 0), second=int(groups.get("S") or 0))
    except ValueError as error:
        raise RowRejected(Reason.BAD_TIMESTAMP, "no such date or time of day") from error
    return timegm(moment.timetuple()), int((groups.get("f") or "").ljust(9, "0"))


def _day_of_year(year: int, number: str) -> datetime:
    """Return a day by its number in the year. Raises ValueError."""
    day = datetime.strptime(f"{year} {number}", "%Y %j")  # noqa: DTZ007 # a calendar day
    if day.year != year:
        raise ValueError("day 366 of a year of 365")
    return day


def _full_year(two_digits: str | None) -> int:
    if two_digits is None:
        return 1970
    year = int(two_digits)
    return year + (1900 if year >= 69 else 2000)
