"""The check of bars of sessions, with DataQuery itself behind it: green of what is right, red of what is not."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from bench.ledger.api_client import Answer
from bench.market_analytics.days_of_sessions import AskedSession, SessionsNotKnown
from bench.market_analytics.oracle import ExpectedBar
from bench.market_analytics.session_bars import ASKED, judge_sessions
from services.memory_table import MemoryTable
from tests.unit.market_analytics.query_world import get, put_ticks
from tickstream import keys
from tickstream.errors import BadRequest
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Monday, 5 January 2026: New York trades from 14:30 to 21:00 UTC.
OPEN, CLOSE = "2026-01-05T14:30:00Z", "2026-01-05T21:00:00Z"


def minute_of(text: str) -> int:
    """Minutes since 1970."""
    return int(datetime.fromisoformat(text).timestamp()) // 60


class Api:
    """DataQuery over ticks in memory; `spoil` may change an answer."""

    def __init__(self, minutes: Mapping[str, list[int]], spoil: Callable[[dict[str, Any]], None] = lambda _: None):
        self.table = MemoryTable()
        self.spoil = spoil
        self.expected: dict[str, dict[int, ExpectedBar]] = {}
        ticks = []
        for symbol, of_symbol in minutes.items():
            for minute in of_symbol:
                price = (1 + minute % 1000) * 10**9
                ticks.append(Tick(symbol, minute * keys.NS_PER_MINUTE, price, 10**9))
                bar = ExpectedBar(price, price, price, price, 10**9, 1, price * 10**9)
                self.expected.setdefault(symbol, {})[minute] = bar
        put_ticks(self.table, ticks)

    def get(self, path: str, query: dict[str, str]) -> Answer:
        """Answer as the deployed API does."""
        try:
            body = get(self.table, path.removeprefix("/bars/"), **query)
        except BadRequest as error:
            return Answer(error.status, {"error": {"code": error.code, "message": error.message}})
        self.spoil(body)
        return Answer(200, body)


def judged(api: Api) -> tuple[bool | None, str, str]:
    """Whether the check passed (None: there is none), what it says, and what was not shown."""
    found = judge_sessions(api, api.expected)  # type: ignore[arg-type]  # as much of the client as it needs
    (check,) = found.checks or (None,)
    return (check.passed, check.detail, " ".join(found.not_shown)) if check else (None, "", " ".join(found.not_shown))


def around_the_day() -> dict[str, list[int]]:
    """Every ten minutes of three days, and the minutes around open and close."""
    days = range(minute_of("2026-01-04T00:00:00Z"), minute_of("2026-01-07T00:00:00Z"), 10)
    edges = [minute_of(moment) + more for moment in (OPEN, CLOSE) for more in (-1, 0)]
    return {"A": sorted({*days, *edges}), "B": [minute_of(OPEN)], "C": [*edges]}


def test_bars_of_every_kind_of_session_are_compared() -> None:
    """Exchanges, a zone and rolls: all are shown by days around the clock, and right."""
    passed, detail, not_shown = judged(Api(around_the_day()))
    assert (passed, not_shown) == (True, ""), detail
    assert all(f" of {asked}" in detail for asked in ASKED)


def test_an_exchange_without_a_session_is_not_shown() -> None:
    """Where nothing was sent while an exchange was open, nothing is said to have passed of it."""
    passed, detail, not_shown = judged(Api({"A": [minute_of(OPEN), minute_of(CLOSE) - 1]}))
    assert passed
    assert "XNYS regular" in detail
    assert "XTKS" not in detail
    assert "XTKS regular (no minute that was sent is in one)" in not_shown
    assert "XNYS extended" in not_shown


def test_where_nothing_was_sent_nothing_is_shown() -> None:
    """No tick, or none of 1990 to 2035: there is no check that could be green."""
    assert judged(Api({}))[0] is None
    assert judged(Api({"A": [minute_of("2050-01-01T00:00:00Z")]}))[0] is None


def test_what_an_exchange_was_before_its_calendar_is_not_shown() -> None:
    """exchange_calendars knows Tokyo from 1997 on: before, the other sessions are compared all the same."""
    passed, _, not_shown = judged(Api({"A": [minute_of("1995-01-05T01:00:00Z"), minute_of("1995-01-05T15:00:00Z")]}))
    assert passed
    assert "XTKS regular (exchange_calendars does not know 1995-01-05 to 1995-01-05)" in not_shown


def test_without_exchange_calendars_its_sessions_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zones and rolls are compared; what is missing is said with its cure."""
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(SessionsNotKnown):
        AskedSession("XNYS", "regular").placing(0, 0)
    passed, detail, not_shown = judged(Api(around_the_day()))
    assert passed
    assert "XNYS" not in detail
    assert "pip install" in not_shown


def an_hour_late(body: dict[str, Any]) -> None:
    """Move every bar."""
    for bar in body["bars"]:
        later = datetime.fromisoformat(bar["start"]).timestamp() + 3600
        bar["start"] = datetime.fromtimestamp(later, UTC).isoformat()


def another_date(body: dict[str, Any]) -> None:
    """Name a session by the wrong date."""
    for bar in body["bars"]:
        bar["session"] = "2026-01-06"


def without_a_date(body: dict[str, Any]) -> None:
    """Leave the session's date out."""
    for bar in body["bars"]:
        del bar["session"]


def another_question(body: dict[str, Any]) -> None:
    """Answer for other hours."""
    body["hours"] = "all"


def a_tick_less(body: dict[str, Any]) -> None:
    """Miss a tick."""
    for bar in body["bars"]:
        bar["ticks"] -= 1


@pytest.mark.parametrize("spoil", [an_hour_late, another_date, without_a_date, another_question, a_tick_less])
def test_the_check_can_fail(spoil: Callable[[dict[str, Any]], None]) -> None:
    """A session off by an hour, named wrongly, of other hours, or short of a tick: the check is red and says where."""
    passed, detail, _ = judged(Api(around_the_day(), spoil))
    assert passed is False
    assert ";" in detail


def test_the_regular_and_the_extended_hours_of_the_bench_are_apart() -> None:
    """The bench's own sessions: New York's day with its early close, Tokyo's lunch, Globex's evening."""
    at = minute_of("2025-11-28T00:00:00Z")
    regular, extended, whole = (
        AskedSession("XNYS", hours).placing(at, at + 1440) for hours in ("regular", "extended", "all")
    )
    assert regular(at + 14 * 60 + 29) is None
    opened = regular(at + 14 * 60 + 30)
    assert opened is not None
    assert (str(opened[0]), opened[1]) == ("2025-11-28", at + 14 * 60 + 30)
    assert regular(at + 18 * 60) is None
    assert extended(at + 18 * 60) == whole(at + 14 * 60 + 30) == (opened[0], at + 5 * 60)
    tokyo = AskedSession("XTKS", "regular").placing(at, at + 1440)
    assert [tokyo(at + minute) is None for minute in (0, 149, 150, 209, 210, 389, 390)] == [
        False, False, True, True, False, False, True
    ]  # fmt: skip
    globex = AskedSession("XCME", "regular").placing(at - 7 * 1440, at)
    sunday = globex(minute_of("2025-11-23T23:00:00Z"))
    assert sunday is not None
    assert str(sunday[0]) == "2025-11-24"
    assert globex(minute_of("2025-11-23T22:59:00Z")) is None
