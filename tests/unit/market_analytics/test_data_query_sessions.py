"""Bars of sessions from DataQuery on a table in memory: what is asked, answered, paged and refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_analytics.data_query_request import _digest_of
from services.memory_table import MemoryTable
from tests.unit.market_analytics.query_world import DAY_NS, INGEST, get, post, put_ticks, tick
from tickstream import keys
from tickstream.bars import bar_of, merge_bars, resample
from tickstream.errors import BadRequest
from tickstream.page_tokens import _checksum
from tickstream.sessions.spec import grid_of, hours_of

#: Monday, 7 October 2013: New York trades from 13:30 to 20:00 UTC.
MONDAY = {"from": "2013-10-07T00:00:00Z", "to": "2013-10-08T00:00:00Z"}
OPEN, CLOSE = 13 * 60 + 30, 20 * 60
MINUTE = DAY_NS // keys.NS_PER_MINUTE
SPECS = (
    ("XNYS", None), ("XNYS", "extended"), ("XCME", "all"), ("XTKS", "regular"), ("America/New_York", None),
    ("17:00 America/Chicago", None), ("06:00 Asia/Tokyo", None),
)  # fmt: skip


@pytest.fixture
def table() -> MemoryTable:
    """A tick before the open, two in the session, one as it closes; prices say when."""
    table = MemoryTable()
    put_ticks(table, [tick("AAPL", minute, minute) for minute in (OPEN - 1, OPEN, CLOSE - 1, CLOSE)])
    return table


def test_m12_a_session_is_one_bar_with_its_date(table: MemoryTable) -> None:
    """The answer says which session and hours it is of; the bar starts at the open and has its session's date."""
    answer = get(table, "AAPL", interval="1d", session="XNYS", **MONDAY)
    assert (answer["interval"], answer["session"], answer["hours"]) == ("1d", "XNYS", "regular")
    (bar,) = answer["bars"]
    assert (bar["session"], bar["start"]) == ("2013-10-07", "2013-10-07T13:30:00Z")
    assert (bar["open"], bar["close"], bar["ticks"]) == (str(OPEN), str(CLOSE - 1), 2)


@pytest.mark.parametrize(
    ("asked", "ticks"),
    [
        ({"session": "XNYS", "hours": "regular"}, [("2013-10-07", "13:30", 2)]),
        ({"session": "XNYS", "hours": "extended"}, [("2013-10-07", "04:00", 2)]),
        ({"session": "XNYS", "hours": "all"}, [("2013-10-07", "04:00", 4)]),
        ({"session": "America/New_York"}, [("2013-10-07", "04:00", 4)]),
        ({"session": "09:30 America/New_York"}, [("2013-10-07", "13:30", 3)]),
        ({"session": "16:00 America/New_York"}, [("2013-10-08", "20:00", 1)]),
        ({"session": "XNYS", "interval": "4h"}, [("2013-10-07", "13:30", 1), ("2013-10-07", "17:30", 1)]),
        ({"interval": "4h"}, [(None, "12:00", 2), (None, "16:00", 1), (None, "20:00", 1)]),
    ],
)
def test_m12_bars_that_start_in_the_window_are_whole(
    table: MemoryTable, asked: dict[str, str], ticks: list[tuple[str, str, int]]
) -> None:
    """Regular, extended and all hours, zones, rolls, and 4 hours with and without a session; by GET and by POST."""
    question = {"interval": "1d", **MONDAY, **asked}
    answer = get(table, "AAPL", **question)
    assert [(bar.get("session"), bar["start"][11:16], bar["ticks"]) for bar in answer["bars"]] == ticks
    assert {name: value for name, value in answer.items() if name in asked} == asked
    assert ("hours" in answer) == ("X" in asked.get("session", ""))
    many = post(table, {"symbols": ["AAPL", "NONE"], **question})
    assert (many["bars"], many["unknown"]) == ({"AAPL": answer["bars"]}, ["NONE"])
    assert many.get("session") == asked.get("session")


def test_m12_a_bar_of_a_session_belongs_to_the_window_in_which_it_starts(table: MemoryTable) -> None:
    """The open is included and the end of the window is not; a session that goes on at `to` is whole."""

    def ticks(from_: str, to: str) -> list[int]:
        window = {"from": f"2013-10-07T{from_}Z", "to": f"2013-10-07T{to}Z"}
        return [bar["ticks"] for bar in get(table, "AAPL", interval="1d", session="XNYS", **window)["bars"]]

    assert ticks("13:30:00", "13:30:00.000000001") == [2]
    assert ticks("13:30:00.000000001", "23:00:00") == []
    assert ticks("00:00:00", "13:30:00") == []
    assert ticks("13:30:00", "13:30:00") == []


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"session": "XNYS"}, "bad_session", "4h, 1d"),
    ({"session": "XNYS", "interval": "1h"}, "bad_session", "4h, 1d"),
    ({"session": "XXXX", "interval": "1d"}, "bad_session", "no exchange or zone XXXX"),
    ({"session": "xnys", "interval": "1d"}, "bad_session", "17:00 America/Chicago"),
    ({"session": "", "interval": "1d"}, "bad_session", "XNYS"),
    ({"session": "Mars/Olympus", "interval": "1d"}, "bad_session", "Mars/Olympus"),
    ({"session": "America", "interval": "1d"}, "bad_session", "America"),
    ({"session": "../../etc/passwd", "interval": "1d"}, "bad_session", "is wanted"),
    ({"session": "+02:00", "interval": "1d"}, "bad_session", "is wanted"),
    ({"session": "right/UTC", "interval": "1d"}, "bad_session", "is wanted"),
    ({"session": "24:00 UTC", "interval": "1d"}, "bad_session", "is wanted"),
    ({"session": "17:00  UTC", "interval": "1d"}, "bad_session", "is wanted"),
    ({"session": "17:00 XNYS", "interval": "1d"}, "bad_session", "XNYS"),
    ({"session": "UTC\n", "interval": "1d"}, "bad_session", "is wanted"),
    ({"session": "X" * 5000, "interval": "1d"}, "bad_session", "is wanted"),
    ({"session": "UTC", "interval": "1d", "hours": "all"}, "bad_hours", "exchange"),
    ({"interval": "1d", "hours": "all"}, "bad_hours", "exchange"),
    ({"session": "XNYS", "interval": "1d", "hours": "night"}, "bad_hours", "regular, extended, all"),
    ({"session": "XNYS", "interval": "1d", "to": "2036-03-01T00:00:00Z"}, "sessions_unknown", "known from 1989-12-24"),
    ({"session": "XCME", "interval": "1d", "to": "2036-01-08T00:00:00Z"}, "sessions_unknown", "to 2036-01-07T23:00"),
    (
        {"session": "XTKS", "interval": "1d", "from": "1996-12-31T00:00:00Z"},
        "sessions_unknown",
        "from 1996-12-31T15:00",
    ),
    ({"session": "XBOM", "interval": "4h", "to": "2027-01-02T00:00:00Z"}, "sessions_unknown", "to 2026-12-31T18:30"),
]


@pytest.mark.parametrize(("asked", "code", "says"), BAD)
def test_m12_a_bad_session_is_refused_with_a_clear_answer(
    table: MemoryTable, asked: dict[str, str], code: str, says: str
) -> None:
    """Each mistake has its code and a message that says what would be right, by GET and by POST."""
    question = {"from": MONDAY["from"], "to": MONDAY["to"], **asked}
    with pytest.raises(BadRequest) as by_get:
        get(table, "AAPL", **question)
    with pytest.raises(BadRequest) as by_post:
        post(table, {"symbols": ["AAPL"], **question})
    for refused in (by_get.value, by_post.value):
        assert (refused.status, refused.code) == (400, code)
        assert says in refused.message


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"session": None}, "bad_session"),
        ({"session": 7}, "bad_session"),
        ({"session": ["XNYS"]}, "bad_session"),
        ({"session": "XNYS", "hours": None}, "bad_hours"),
        ({"session": "XNYS", "hours": 1.5}, "bad_hours"),
    ],
)
def test_m12_a_session_is_a_string(table: MemoryTable, fields: dict[str, Any], code: str) -> None:
    """Nothing else in a body is read as one."""
    with pytest.raises(BadRequest) as raised:
        post(table, {"symbols": ["AAPL"], "interval": "1d", **fields})
    assert raised.value.code == code


def test_m12_the_whole_range_of_an_exchange_may_be_asked_for(table: MemoryTable) -> None:
    """1990 to 2035 in one question: it costs what there is, not what there might be."""
    window = {"from": "1990-01-01T00:00:00Z", "to": "2036-01-01T00:00:00Z"}
    for session in ("XNYS", "XCME", "XLON"):
        assert sum(bar["ticks"] for bar in get(table, "AAPL", interval="4h", session=session, **window)["bars"]) >= 2
    whole = {"from": "1990-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
    bars = get(table, "AAPL", interval="1d", session="Asia/Tokyo", **whole)["bars"]
    assert [(bar["session"], bar["ticks"]) for bar in bars] == [("2013-10-07", 2), ("2013-10-08", 2)]


@settings(deadline=None, max_examples=60)
@given(
    minutes=st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(-4_000, 9_000)), max_size=40),
    limit=st.integers(1, 5),
    interval=st.sampled_from(["4h", "1d"]),
    spec=st.sampled_from(SPECS),
    start=st.integers(-4_100, 9_100),
    length=st.integers(0, 9_000),
)
def test_m12_pages_of_sessions_add_up_to_the_whole_answer(  # noqa: PLR0917 - hypothesis's arguments
    minutes: list[tuple[str, int]], limit: int, interval: str, spec: tuple[str, str | None], start: int, length: int
) -> None:
    """Bars of small pages are those of one page, and what merging the minutes by hand gives."""
    table = MemoryTable()
    ticks = [tick(symbol, minute, 1 + position) for position, (symbol, minute) in enumerate(minutes)]
    put_ticks(table, ticks[::2], 0)
    put_ticks(table, ticks[1::2], 1)
    session, hours = spec
    from_ns = DAY_NS + start * keys.NS_PER_MINUTE + 7 * (start % 2)
    to_ns = from_ns + length * keys.NS_PER_MINUTE
    body: dict[str, Any] = {
        "symbols": ["B", "A"], "from": str(from_ns), "to": str(to_ns), "interval": interval, "session": session
    }  # fmt: skip
    body |= {} if hours is None else {"hours": hours}
    whole = post(table, body)
    pages = [post(table, body | {"limit": limit})]
    while "nextToken" in pages[-1]:
        # A token is enough: session, hours and interval are in it.
        pages.append(post(table, {"symbols": ["B", "A"], "limit": limit, "nextToken": pages[-1]["nextToken"]}))
        assert pages[-1]["session"] == session
        assert len(pages) < 200
    grid = grid_of(interval, session, hours_of(session, hours))
    for symbol in whole["bars"]:
        paged = [bar for page in pages for bar in page["bars"].get(symbol, [])]
        assert paged == whole["bars"][symbol]
        singles = ([bar_of(one, INGEST, "", 0)] for one in ticks if one.symbol == symbol)
        by_hand = [
            (bar.minute, str(grid.session_of(bar.minute)), bar.ticks)
            for bar in resample(merge_bars(*singles), grid.start_of)
            if from_ns <= bar.minute * keys.NS_PER_MINUTE < to_ns
        ]
        assert [(minute_of(bar["start"]), bar["session"], bar["ticks"]) for bar in paged] == by_hand


def minute_of(text: str) -> int:
    """Whole minutes since 1970 of a bar's start."""
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) // 60


def forged(*fields: Any) -> str:
    """A token with a right checksum."""
    payload = json.dumps([*fields[:1], _digest_of(("AAPL",)), *fields[1:]]).encode()
    return base64.urlsafe_b64encode(_checksum(payload) + payload).decode().rstrip("=")


WINDOW = (DAY_NS, DAY_NS + 24 * keys.NS_PER_HOUR)


def test_m12_a_token_of_the_release_before_is_of_another_version(table: MemoryTable) -> None:
    """Tokens of version 2 knew no gaps that are filled: they are refused, and never guessed around."""
    with pytest.raises(BadRequest, match="another version"):
        get(table, "AAPL", nextToken=forged(2, "1d", None, None, *WINDOW, 0, MINUTE))
    with pytest.raises(BadRequest, match="another version"):
        get(table, "AAPL", nextToken=forged(2, "1d", None, None, None, *WINDOW, 0, MINUTE, None))
    assert len(get(table, "AAPL", nextToken=forged(3, "1d", None, None, None, *WINDOW, 0, MINUTE, None))["bars"]) == 1


@pytest.mark.parametrize(
    "fields",
    [
        ("1h", "XNYS", "regular", *WINDOW, 0, MINUTE + OPEN),  # too short
        ("1d", "XXXX", None, *WINDOW, 0, MINUTE + OPEN),
        ("1d", "UTC", "regular", *WINDOW, 0, MINUTE),
        ("1d", None, "regular", *WINDOW, 0, MINUTE),
        ("1d", 7, None, *WINDOW, 0, MINUTE),
        ("1d", ["XNYS"], None, *WINDOW, 0, MINUTE),
        ("1d", "XNYS", "night", *WINDOW, 0, MINUTE + OPEN),
        ("1d", "XNYS", "regular", *WINDOW, 0, MINUTE + OPEN + 1),  # within a bar
        ("4h", "XNYS", "regular", *WINDOW, 0, MINUTE + OPEN + 60),
        ("1d", "XNYS", "regular", DAY_NS, 2_300_000_000 * 10**9, 0, MINUTE + OPEN),  # beyond what is known
    ],
)
def test_m12_a_forged_token_of_a_session_is_refused(table: MemoryTable, fields: tuple[Any, ...]) -> None:
    """What no page of a question could have had is a 400, never a 500."""
    with pytest.raises(BadRequest) as refused:
        get(table, "AAPL", nextToken=forged(3, *fields[:3], None, *fields[3:], None))
    assert refused.value.code == "bad_token"


@pytest.mark.parametrize("changes", [{"session": "XNAS"}, {"session": "UTC"}, {"hours": "all"}, {"interval": "4h"}])
def test_m12_a_token_belongs_to_its_session(table: MemoryTable, changes: dict[str, str]) -> None:
    """A token continues the question that it came from: stated again, session and hours must be the same."""
    asked = {"interval": "1d", "session": "XNYS", "hours": "regular", **MONDAY}
    put_ticks(table, [tick("AAPL", OPEN + 1440)], 1)
    asked["to"] = "2013-10-09T00:00:00Z"
    token = get(table, "AAPL", limit="1", **asked)["nextToken"]
    assert len(get(table, "AAPL", nextToken=token, **asked)["bars"]) == 1
    with pytest.raises(BadRequest, match="it belongs to another"):
        get(table, "AAPL", nextToken=token, **asked | changes)
    plain = get(table, "AAPL", limit="1", **MONDAY)["nextToken"]
    with pytest.raises(BadRequest, match="it belongs to another session"):
        get(table, "AAPL", nextToken=plain, session="XNYS")
