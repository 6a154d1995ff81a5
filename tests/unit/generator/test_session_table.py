"""The table of sessions against exchange_calendars, in UTC: all days of some exchanges, and these years of all.

Half a second an exchange: all days of all of them are what `python -m generator.sessions --check` looks at.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from generator import sessions
from generator.sessions import (
    Calendar,
    calendar_of,
    document_of,
    known_by_the_library,
    main,
    names_and_aliases,
)
from tickstream.feeds.moments import zone_of
from tickstream.sessions.days import ExchangeDays, Wanted
from tickstream.sessions.exchanges import TABLE, Exchange, Hours, exchange_of

NAMES, ALIASES = names_and_aliases()
DAY = timedelta(days=1)
#: Each kind that there is: lunch breaks, evenings, changed hours and weekdays, holidays by the moon, tables that end.
WHOLE = ("BVMF", "CMES", "IEPA", "XASX", "XBOM", "XHKG", "XLON", "XNYS", "XSHG", "XTAE", "XTKS")
THESE_YEARS = date(2023, 1, 1), date(2027, 12, 31)
#: Each kind that there is: lunch breaks, evenings, changed hours and weekdays, holidays by the moon, tables that end.
WHOLE = ("BVMF", "CMES", "IEPA", "XASX", "XBOM", "XHKG", "XLON", "XNYS", "XSHG", "XTAE", "XTKS")
THESE_YEARS = date(2023, 1, 1), date(2027, 12, 31)

#: The library's calendar, and the first and the last date of which it is asked.
type Known = tuple[Any, date, date]


@pytest.fixture(scope="module")
def known() -> dict[str, Known]:
    """What the library says of all exchanges; made once."""
    return {name: known_by_the_library(name, *(() if name in WHOLE else THESE_YEARS)) for name in NAMES}


@pytest.fixture(scope="module")
def calendars(known: dict[str, Known]) -> dict[str, Calendar]:
    """The same as the command reads it."""
    return {name: calendar_of(*of_one) for name, of_one in known.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_session_of_an_exchange_is_the_librarys(name: str, known: dict[str, Known]) -> None:
    """On each date there is a session or none, and it opens, pauses and closes in the same minutes of UTC."""
    calendar, first, last = known[name]
    exchange = exchange_of(name)
    assert exchange is not None
    assert name not in WHOLE or (exchange.first, exchange.last) == (first, last)
    columns = ("open", "close", "break_start", "break_end")
    schedule = calendar.schedule
    in_minutes = [
        schedule[column].dt.tz_convert(None).to_numpy().astype("datetime64[m]").astype("int64").tolist()
        for column in columns
    ]
    expected = [
        (day, opened, closed, None if paused < 0 else (paused, resumed))
        for day, opened, closed, paused, resumed in zip(schedule.index.date, *in_minutes, strict=True)
    ]
    days = ExchangeDays(exchange, zone_of(exchange.zone), Wanted.REGULAR)
    found = []
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(ordinal)
        hours = exchange.hours_on(day)
        if hours is not None:
            session = days.session(day, hours)
            pause = (session.parts[0][1], session.parts[1][0]) if len(session.parts) == 2 else None
            found.append((day, session.start, session.end, pause))
    assert found == expected


def test_the_table_is_what_the_command_makes(calendars: dict[str, Calendar]) -> None:
    """Its exchanges and aliases are the library's, and what it says of one is what the command makes of it."""
    table = json.loads(TABLE.read_bytes())
    assert (list(table["exchanges"]), table["aliases"]) == (list(NAMES), ALIASES)
    for name in WHOLE:
        made = json.loads(json.dumps(document_of(calendars[name])))
        assert table["exchanges"][name] == made, f"{name}: python -m generator.sessions makes it anew"
    assert TABLE.stat().st_size < 150_000


def test_days_begin_the_evening_before_or_lie_within_their_date(calendars: dict[str, Calendar]) -> None:
    """What trading days take for granted: no session but those of evening exchanges leaves its date, none overlaps."""
    evening = set()
    for name, calendar in calendars.items():
        hours = calendar.sessions.values()
        evening |= {name} if any(one.open < 0 for one in hours) else set()
        assert all(-1440 < one.open < one.close <= 1440 for one in hours), name
    assert evening == {"CMES", "IEPA"}
    exchanges = {name for name in NAMES if (found := exchange_of(name)) is not None and found.evening}
    assert exchanges == evening


def test_the_table_says_what_made_it_and_when() -> None:
    """Dated: the library with its version, and the day; for every exchange the dates that are known."""
    table = json.loads(TABLE.read_bytes())
    assert table["source"].startswith("exchange_calendars 4.")
    assert date(2026, 1, 1) < date.fromisoformat(table["madeOn"])
    whole = [
        name for name, of_one in table["exchanges"].items() if of_one["first"] < "1990" and of_one["last"] > "2036"
    ]
    assert len(whole) > 50
    assert {"CMES", "XNYS", "XLON", "XHKG", "BVMF"} <= set(whole)


SMALL = Calendar(
    "Europe/Berlin",
    date(2025, 1, 1),
    date(2026, 12, 31),
    (date(2026, 1, 1),),
    {
        day: Hours(540, 1020 if day.year == 2025 else 1050, (720, 780) if day.day == 10 else None)
        for day in (date(2025, 1, 1) + number * DAY for number in range(730))
        if day.isoweekday() < 6 and (day.month, day.day) not in {(1, 1), (5, 1)} and day != date(2025, 4, 18)
    },
)


def test_a_calendar_is_packed_without_loss() -> None:
    """Weeks, days that are closed every year, other closed days and other hours: all come back as they were."""
    document = document_of(SMALL)
    assert document["weeks"] == [["2025-01-01", {"12345": "09:00-17:00"}], ["2026-01-01", {"12345": "09:00-17:30"}]]
    assert document["closed"] == {"": "A01E01", "2025": "D18"}
    exchange = Exchange.from_document(document)
    every = (date(2025, 1, 1) + number * DAY for number in range(-3, 735))
    assert {day: hours for day in every if (hours := exchange.hours_on(day)) is not None} == SMALL.sessions


@pytest.mark.parametrize("text", ["09:00-11:30,12:30-15:00", "<17:00-17:00", "00:00-24:00", "09:59-14:15"])
def test_hours_are_read_as_they_are_written(text: str) -> None:
    """Breaks and evenings before survive writing and reading."""
    assert str(Hours.parse(text)) == text


def few_exchanges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command make a table of one small exchange."""
    monkeypatch.setattr(sessions, "names_and_aliases", lambda: (("XXXX",), {"XALI": "XXXX"}))
    monkeypatch.setattr(sessions, "known_by_the_library", lambda _: (None, None, None))
    monkeypatch.setattr(sessions, "calendar_of", lambda *_: SMALL)


def test_the_command_writes_checks_and_keeps_a_date(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table that is current is left as it is, dates included; one that is not fails the check, and is written."""
    few_exchanges(monkeypatch)
    table = tmp_path / "table.json"
    assert main(["--check", "--table", str(table)]) == 1
    assert "to make it: python -m generator.sessions" in capsys.readouterr().err
    assert main(["--table", str(table)]) == 0
    old = table.read_text().replace(json.loads(table.read_bytes())["madeOn"], "2025-02-03")
    table.write_text(old)
    assert main(["--check", "--table", str(table)]) == 0
    assert main(["--table", str(table)]) == 0
    assert table.read_text() == old
    table.write_text(old.replace("17:30", "17:45"))
    assert main(["--check", "--table", str(table)]) == 1
    assert main(["--table", str(table)]) == 0
    assert table.read_text().replace(json.loads(table.read_bytes())["madeOn"], "2025-02-03") == old


def test_the_command_says_in_one_line_what_is_wrong(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No table but something else, or no library: one line and exit status 2."""
    few_exchanges(monkeypatch)
    table = tmp_path / "table.json"
    table.write_text("{}")
    assert main(["--table", str(table)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.undo()
    monkeypatch.setitem(__import__("sys").modules, "exchange_calendars", None)
    assert main(["--table", str(tmp_path / "new.json")]) == 2
    assert "pip install" in capsys.readouterr().err
