"""Bars of sessions through the deployed API, against exchange_calendars and the wall clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import exchange_calendars
import pytest

from tests.e2e.market import MINUTE_NS, Trade, csv, expected_bars

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.market import MarketStack

SYMBOL = "E2E.SESSIONS"
DAY = timedelta(days=1)
#: New York's clocks go forward on 9 March and back on 2 November; 27 November is Thanksgiving, 28 an early close.
SPRING = (date(2025, 3, 6), date(2025, 3, 13))
AUTUMN = (date(2025, 10, 30), date(2025, 11, 6))
NOVEMBER = (date(2025, 11, 20), date(2025, 12, 3))
#: Sessions open and close at full and half hours: the minutes at which they do, and those before.
MINUTES = (0, 29, 30, 59)

#: Of a minute: the date of its session and the minute with which its bar starts; None where it is in none.
type Placing = Callable[[int], tuple[date, int] | None]


def minute_of(moment: datetime) -> int:
    """Minutes since 1970."""
    return int(moment.timestamp()) // 60


def minutes_between(window: tuple[date, date]) -> list[int]:
    """All minutes of a window's days in UTC that have a trade."""
    start, end = (minute_of(datetime.combine(day, time(), UTC)) for day in window)
    return [hour + minute for hour in range(start, end, 60) for minute in MINUTES]


ROWS = {
    minute: Trade(SYMBOL, minute * MINUTE_NS, f"{100 + index * 37 % 97}.{index % 100:02d}", str(1 + index % 13))
    for index, minute in enumerate(
        minute for window in (SPRING, AUTUMN, NOVEMBER) for minute in minutes_between(window)
    )
}


@pytest.fixture(scope="module")
def stack(market: MarketStack) -> MarketStack:
    """The shared stack, with trades around the clock in three weeks of 2025."""
    market.wait_for_state(market.put("sessions.csv", csv(list(ROWS.values()))))
    for first, end in (SPRING, AUTUMN, NOVEMBER):
        market.wait_until_closed(SYMBOL, window=(f"{first}T00:00:00Z", f"{end}T00:00:00Z"))
    return market


def read(stack: MarketStack, window: tuple[date, date], *, limit: int = 4, **asked: str) -> list[dict[str, Any]]:
    """All bars of a window, by small pages; every page says what it answers."""
    bars: list[dict[str, Any]] = []
    question = {"from": f"{window[0]}T00:00:00Z", "to": f"{window[1]}T00:00:00Z", "limit": str(limit), **asked}
    while True:
        answer = stack.call("GET", f"/bars/{SYMBOL}?{urlencode(question)}")
        assert answer.status == 200, answer
        assert {name: answer.body.get(name) for name in asked} == asked
        bars += answer.body["bars"]
        if "nextToken" not in answer.body:
            return bars
        assert len(answer.body["bars"]) == limit
        question |= {"nextToken": answer.body["nextToken"]}


def expected(window: tuple[date, date], placing: Placing) -> list[dict[str, Any]]:
    """Session, start and figures of the bars that start in a window, from the trades."""
    first, end = (minute_of(datetime.combine(day, time(), UTC)) for day in window)
    groups: dict[tuple[date, int], list[Trade]] = {}
    for minute, row in ROWS.items():
        place = placing(minute)
        if place is not None and first <= place[1] < end:
            groups.setdefault(place, []).append(Trade(row.symbol, 0, row.price, row.size))
    return [
        {"session": str(name), "start": f"{datetime.fromtimestamp(start * 60, UTC):%Y-%m-%dT%H:%M:%SZ}"}
        | {field: f"{figure.normalize():f}" if field != "ticks" else figure for field, figure in figures.items()}
        for (name, start), rows in groups.items()
        for figures in expected_bars(rows)
    ]


def assert_bars(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """Compare what the tests' own oracle knows of a bar."""
    assert wanted
    assert [{name: bar[name] for name in wanted[0]} for bar in found] == wanted


def regular(code: str) -> Placing:
    """The minutes in which exchange_calendars says that an exchange trades."""
    calendar = exchange_calendars.get_calendar(code, start="2025-01-01", end="2025-12-31", side="left")
    places = {
        int(minute.timestamp()) // 60: (label.date(), int(calendar.session_open(label).timestamp()) // 60)
        for window in (SPRING, AUTUMN, NOVEMBER)
        for label in calendar.sessions_in_range(str(window[0] - DAY), str(window[1] + DAY))
        for minute in calendar.session_minutes(label)
    }
    return places.get


def whole_days(code: str) -> Placing:
    """The local dates of an exchange that have a session."""
    calendar = exchange_calendars.get_calendar(code, start="2025-01-01", end="2025-12-31")
    return lambda minute: (
        place if (place := day_of(str(calendar.tz))(minute)) and calendar.is_session(str(place[0])) else None
    )


def day_of(zone: str) -> Placing:
    """The local date, from its midnight on."""

    def place(minute: int) -> tuple[date, int]:
        day = datetime.fromtimestamp(minute * 60, ZoneInfo(zone)).date()
        return day, minute_of(datetime.combine(day, time(), ZoneInfo(zone)))

    return place


@pytest.mark.parametrize(
    ("session", "calendar", "window", "sessions"),
    [
        ("XNYS", "XNYS", SPRING, 5),
        ("XNYS", "XNYS", AUTUMN, 5),
        ("XNAS", "XNYS", NOVEMBER, 8),
        ("XCME", "CMES", NOVEMBER, 9),
        ("XCME", "CMES", AUTUMN, 5),
        ("XTKS", "XTKS", NOVEMBER, 8),
        ("BVMF", "BVMF", NOVEMBER, 8),
        ("XHKG", "XHKG", NOVEMBER, 9),
    ],
)
def test_m12_regular_hours_are_those_of_exchange_calendars(
    stack: MarketStack, session: str, calendar: str, window: tuple[date, date], sessions: int
) -> None:
    """Changes of clocks, a holiday, an early close, evening begins and lunch breaks: one exact bar a session."""
    bars = read(stack, window, interval="1d", session=session)
    assert_bars(bars, expected(window, regular(calendar)))
    assert len(bars) == sessions
    assert bars == read(stack, window, limit=5000, interval="1d", session=session, hours="regular")


def test_m12_an_early_close_and_an_evening_begin_are_where_they_were(stack: MarketStack) -> None:
    """28 November 2025: New York from 09:30 to 13:00; Globex's Monday from Sunday 17:00 in Chicago."""
    friday = {bar["session"]: bar for bar in read(stack, NOVEMBER, interval="1d", session="XNYS")}
    assert "2025-11-27" not in friday
    # 09:30, 09:59, then four an hour to before 13:00.
    assert (friday["2025-11-28"]["start"], friday["2025-11-28"]["ticks"]) == ("2025-11-28T14:30:00Z", 2 + 3 * 4)
    globex = {bar["session"]: bar["start"] for bar in read(stack, NOVEMBER, interval="1d", session="XCME")}
    assert globex["2025-11-24"] == "2025-11-23T23:00:00Z"


@pytest.mark.parametrize(("code", "window"), [("XNYS", SPRING), ("XNYS", NOVEMBER), ("XTKS", NOVEMBER)])
def test_m12_regular_and_extended_hours_are_apart(stack: MarketStack, code: str, window: tuple[date, date]) -> None:
    """Extended hours are what the local day has beside the session, the lunch break included; all hours are both."""
    trading, day = regular(code), whole_days(code)
    extended = read(stack, window, interval="1d", session=code, hours="extended")
    assert_bars(extended, expected(window, lambda minute: None if trading(minute) else day(minute)))
    whole = read(stack, window, interval="1d", session=code, hours="all")
    assert_bars(whole, expected(window, day))


@pytest.mark.parametrize("window", [SPRING, AUTUMN])
def test_m12_days_of_a_zone_have_23_to_25_hours(stack: MarketStack, window: tuple[date, date]) -> None:
    """A day is from midnight to midnight of the wall clock, also where clocks change."""
    bars = read(stack, window, interval="1d", session="America/New_York")
    assert_bars(bars, expected(window, day_of("America/New_York")))
    ticks = {bar["session"]: bar["ticks"] for bar in bars}
    assert (ticks.get("2025-03-09"), ticks.get("2025-11-02")) == ((92, None) if window == SPRING else (None, 100))


@pytest.mark.parametrize(("roll", "to_its_date"), [("17:00 America/Chicago", 7), ("06:00 Europe/London", -6)])
def test_m12_a_roll_names_the_day_that_it_ends_or_begins(stack: MarketStack, roll: str, to_its_date: int) -> None:
    """From noon on a roll ends the day that it names, before noon it begins it."""
    zone = ZoneInfo(roll.split(" ")[1])

    def place(minute: int) -> tuple[date, int]:
        wall = datetime.fromtimestamp(minute * 60, zone).replace(tzinfo=None)
        name = (wall + timedelta(hours=to_its_date)).date()
        began = datetime.combine(name - DAY if to_its_date > 0 else name, time.fromisoformat(roll[:5]), zone)
        return name, minute_of(began)

    assert_bars(read(stack, AUTUMN, interval="1d", session=roll), expected(AUTUMN, place))


@pytest.mark.parametrize("session", ["XNYS", "XTKS", "America/New_York"])
def test_m12_four_hours_are_counted_from_the_sessions_start(stack: MarketStack, session: str) -> None:
    """In time that went by: the session's last bar is cut short at its end."""
    of_day = regular(session) if session.startswith("X") else day_of(session)

    def place(minute: int) -> tuple[date, int] | None:
        day = of_day(minute)
        return day and (day[0], minute - (minute - day[1]) % 240)

    assert_bars(read(stack, AUTUMN, interval="4h", session=session), expected(AUTUMN, place))


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"interval": "1h", "session": "XNYS"}, "bad_session"),
        ({"interval": "1d", "session": "XXXX"}, "bad_session"),
        ({"interval": "1d", "session": "25:00 UTC"}, "bad_session"),
        ({"interval": "1d", "session": "UTC", "hours": "regular"}, "bad_hours"),
        ({"interval": "1d", "session": "XNYS", "to": "2036-02-01T00:00:00Z"}, "sessions_unknown"),
    ],
)
def test_m12_what_is_no_session_is_a_400(stack: MarketStack, asked: dict[str, str], code: str) -> None:
    """A mistake has a code of its own, through the gateway too."""
    answer = stack.call("GET", f"/bars/{SYMBOL}?{urlencode({'from': '2025-11-28T00:00:00Z', **asked})}")
    assert (answer.status, answer.body["error"]["code"]) == (400, code)
