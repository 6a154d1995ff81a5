"""The table of exchanges' sessions that the functions ship: made of exchange_calendars, checked in, checked by a test.

`tickstream.sessions.exchanges` reads it and says what stands where. So no function carries pandas.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from generator.errors import GeneratorError, StaleTableError
from generator.usage import OneLineParser
from tickstream.sessions.exchanges import TABLE, Hours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_COMMAND: Final = "python -m generator.sessions"
_LIBRARY: Final = "exchange_calendars"
#: 1990 to 2035 in every zone, and more than the session before and the one after.
_FIRST: Final = date(1989, 12, 24)
_LAST: Final = date(2036, 1, 7)
_DAY: Final = timedelta(days=1)
#: The library's calendars that are no exchange.
_NO_EXCHANGES: Final = frozenset({"24/5", "24/7", "us_futures"})
#: ISO's codes beside the library's aliases: Globex and CME Group's four exchanges, which share its day.
_MICS: Final = dict.fromkeys(("GLBX", "XCBT", "XCEC", "XCME", "XNYM"), "CMES")


@dataclass(frozen=True, slots=True)
class Calendar:
    """What the library says of one exchange.

    zone: IANA name. first, last: dates between which it knows the sessions. changes: on which usual weekdays or hours
    change. sessions: by date.
    """

    zone: str
    first: date
    last: date
    changes: tuple[date, ...]
    sessions: Mapping[date, Hours]


def names_and_aliases() -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the names of all exchanges, and what each alias means. Raises GeneratorError without the library."""
    calendars = _library().calendar_utils.global_calendar_dispatcher
    names = tuple(sorted({*calendars.get_calendar_names(include_aliases=False)} - _NO_EXCHANGES))
    meant = {name: calendars.resolve_alias(name) for name in calendars.get_calendar_names()} | _MICS
    return names, {alias: name for alias, name in sorted(meant.items()) if alias != name and name in names}


def known_by_the_library(name: str, since: date = _FIRST, until: date = _LAST) -> tuple[Any, date, date]:
    """Return the library's calendar of an exchange, from the first to the last date that it knows of these.

    Raises GeneratorError without the library.
    """
    kind = getattr(_library().calendar_utils, f"{name}ExchangeCalendar")
    lowest, highest = kind.bound_min(), kind.bound_max()
    first = max(since, lowest.date()) if lowest is not None else since
    last = min(until, highest.date()) if highest is not None else until
    return kind(start=first.isoformat(), end=last.isoformat()), first, last


def calendar_of(calendar: Any, first: date, last: date) -> Calendar:
    """Read the library's calendar of an exchange: wall-clock hours by the date of the session."""
    schedule = calendar.schedule
    columns = [
        ((schedule[name].dt.tz_convert(str(calendar.tz)).dt.tz_localize(None) - schedule.index).dt.total_seconds() / 60)
        for name in ("open", "close", "break_start", "break_end")
    ]
    sessions = {
        label.date(): Hours(int(opened), int(closed), None if isnan(paused) else (int(paused), int(resumed)))
        for label, opened, closed, paused, resumed in zip(schedule.index, *columns, strict=True)
    }
    return Calendar(str(calendar.tz), first, last, _changes(calendar), sessions)


def _changes(calendar: Any) -> tuple[date, ...]:
    kinds = ("open_times", "close_times", "break_start_times", "break_end_times")
    of_hours = [since for kind in kinds for since, _ in getattr(calendar, kind) or () if since is not None]
    masks = getattr(calendar, "special_weekmasks", ())  # of two exchanges
    of_weeks = [start for start, _, _ in masks if start is not None]
    back = [until.date() + _DAY for _, until, _ in masks if until is not None]
    return tuple(sorted({*(moment.date() for moment in (*of_hours, *of_weeks)), *back}))


def document_of(calendar: Calendar) -> dict[str, Any]:
    """Return what the table says of one exchange."""
    weeks = _weeks(calendar)
    usual = dict(_usual(calendar, weeks))
    closed = [day for day in usual if day not in calendar.sessions]
    every_year = _every_year(usual, closed)
    other: dict[Hours, list[date]] = {}
    for day, hours in calendar.sessions.items():
        if usual.get(day) != hours:
            other.setdefault(hours, []).append(day)
    return {
        "zone": calendar.zone,
        "first": calendar.first.isoformat(),
        "last": calendar.last.isoformat(),
        "weeks": [[since.isoformat(), _by_hours(week)] for since, week in weeks],
        "closed": {"": _packed(every_year)} | _by_year(day for day in closed if (day.month, day.day) not in every_year),
        "other": {str(hours): _by_year(other[hours]) for hours in sorted(other, key=str)},
    }


def _weeks(calendar: Calendar) -> list[tuple[date, dict[int, Hours]]]:
    """From which date on which weekdays have which hours: what most of them have until the next change."""
    since = sorted({calendar.first, *(day for day in calendar.changes if calendar.first < day <= calendar.last)})
    weeks: list[tuple[date, dict[int, Hours]]] = []
    for start, end in zip(since, [*since[1:], calendar.last + _DAY], strict=True):
        days = Counter(day.isoweekday() for day in _days(start, end))
        found = Counter((day.isoweekday(), calendar.sessions.get(day)) for day in _days(start, end))
        week: dict[int, Hours] = {}
        # The most frequent first; of equally frequent ones the earlier hours.
        for (weekday, hours), _ in sorted(found.items(), key=lambda one: (-one[1], str(one[0]))):
            open_days = days[weekday] - found[weekday, None]
            if hours is not None and 2 * open_days > days[weekday]:
                week.setdefault(weekday, hours)
        if not weeks or weeks[-1][1] != week:
            weeks.append((start, week))
    return weeks


def _usual(calendar: Calendar, weeks: Sequence[tuple[date, Mapping[int, Hours]]]) -> Iterable[tuple[date, Hours]]:
    ends = [start for start, _ in weeks[1:]] + [calendar.last + _DAY]
    for (start, week), end in zip(weeks, ends, strict=True):
        yield from ((day, week[day.isoweekday()]) for day in _days(start, end) if day.isoweekday() in week)


def _days(start: date, end: date) -> Iterable[date]:
    return (date.fromordinal(ordinal) for ordinal in range(start.toordinal(), end.toordinal()))


def _by_hours(week: Mapping[int, Hours]) -> dict[str, str]:
    days: dict[str, str] = {}
    for weekday, hours in sorted(week.items()):
        days[str(hours)] = days.get(str(hours), "") + str(weekday)
    return {those: hours for hours, those in days.items()}


def _every_year(usual: Iterable[date], closed: Iterable[date]) -> set[tuple[int, int]]:
    """Months and days that are closed whenever they are a usual weekday: a third of the table, said once."""
    shut = Counter((day.month, day.day) for day in closed)
    seen = Counter((day.month, day.day) for day in usual)
    return {one for one, times in shut.items() if times == seen[one] and times > 1 and one != (2, 29)}


def _by_year(days: Iterable[date]) -> dict[str, str]:
    years: dict[str, set[tuple[int, int]]] = {}
    for day in days:
        years.setdefault(str(day.year), set()).add((day.month, day.day))
    return {year: _packed(years[year]) for year in sorted(years)}


def _packed(days: Iterable[tuple[int, int]]) -> str:
    """Months and days as the table has them: `A0120B17` is January 1 and 20 and February 17."""
    text, known = "", 0
    for month, day in sorted(days):
        text += "" if month == known else chr(ord("A") + month - 1)
        text, known = f"{text}{day:02}", month
    return text


def render(calendars: Mapping[str, Calendar], aliases: Mapping[str, str], made_on: date) -> str:
    """Return the table."""
    head = {
        "about": f"made by {_COMMAND}; read by tickstream.sessions.exchanges, which says what stands where",
        "source": f"{_LIBRARY} {version(_LIBRARY)}",
        "madeOn": made_on.isoformat(),
        "aliases": aliases,
    }
    # A line for each thing that is known of an exchange: small, and a change shows where it is.
    lines = [f'"{key}": {json.dumps(value)},' for key, value in head.items()]
    exchanges = [
        f'"{name}": {{\n' + ",\n".join(f'  "{key}": {json.dumps(value, separators=(",", ":"))}' for key, value in facts)
        + "\n}"
        for name, calendar in calendars.items()
        for facts in [document_of(calendar).items()]
    ]  # fmt: skip
    return "{\n" + "\n".join(lines) + '\n"exchanges": {\n' + ",\n".join(exchanges) + "\n}\n}\n"


def made_on(table: Path) -> date | None:
    """Return the date that a table says it was made on; None where there is no table."""
    try:
        return date.fromisoformat(json.loads(table.read_bytes())["madeOn"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GeneratorError(f"{table} is no table of sessions: {error}") from error


def _library() -> Any:
    try:
        import exchange_calendars  # noqa: PLC0415 - it brings pandas, which takes a second
    except ImportError as error:
        raise GeneratorError(f"{_LIBRARY} is not installed; install it with: pip install -e .[sessions]") from error
    return exchange_calendars


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the table; return the exit status: 0, 1 for a stale table, 2 for a mistake of the user's."""
    parser = OneLineParser(
        prog=_COMMAND,
        description=f"Make the table of exchanges' sessions of {_LIBRARY}.",
        epilog=f"example: {_COMMAND} --check",
    )
    parser.add_argument("--check", action="store_true", help="fail where the table is not what would be written")
    parser.add_argument("--table", type=Path, default=TABLE, help="(default: the one that the functions ship)")
    options = parser.parse_args(arguments)
    table: Path = options.table
    today = datetime.now(UTC).date()
    try:
        known = made_on(table)
        # The date alone is no news: a table that is otherwise the same keeps its own.
        names, aliases = names_and_aliases()
        calendars = {name: calendar_of(*known_by_the_library(name)) for name in names}
        text = render(calendars, aliases, known or today)
        same = known is not None and table.read_text(encoding="utf-8") == text
        if options.check and not same:
            raise StaleTableError(f"{table} is not what {_LIBRARY} {version(_LIBRARY)} says; to make it: {_COMMAND}")
        if not same:
            table.write_text(render(calendars, aliases, today), encoding="utf-8")
            print(table)
    except GeneratorError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        print(f"{parser.prog}: {table}: {error.strerror}", file=sys.stderr)
        return GeneratorError.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
