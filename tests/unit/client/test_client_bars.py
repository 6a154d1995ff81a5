from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.client.scripted import bar, bars_server, failed, in_turn, ok
from tickstream_client import AnswerError, ExportError, ServerError, UsageError
from tickstream_client.drivers import threads
from tickstream_client.moments import iso_8601, nanoseconds_of
from tickstream_client.protocol.bars import MAX_SYMBOLS, Question, parts_of
from tickstream_client.tables.decoding import bars_of, decode, schema, typed

if TYPE_CHECKING:
    from pathlib import Path

_MINUTE_NS = 60 * 10**9
_DAY_NS = 1_440 * _MINUTE_NS


@pytest.mark.parametrize(
    "moment",
    [
        "2026-01-05T14:30:00Z",
        "2026-01-05 14:30Z",
        "2026-01-05T09:30:00-05:00",
        "2026-01-05T14:30:00.000000000 UTC",
        1_767_623_400 * 10**9,
        "1767623400000000000",
        datetime(2026, 1, 5, 14, 30, tzinfo=UTC),
        datetime(2026, 1, 5, 9, 30, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_c01_a_moment_may_be_said_in_many_ways(moment: Any) -> None:
    """All of them are the same nanosecond."""
    assert nanoseconds_of(moment, "start") == 1_767_623_400 * 10**9


def test_c01_a_date_is_its_midnight_utc() -> None:
    """As text and as a date."""
    assert nanoseconds_of("2026-01-05", "start") == nanoseconds_of(date(2026, 1, 5), "start") == 1_767_571_200 * 10**9


@pytest.mark.parametrize("moment", [datetime(2026, 1, 5, 14, 30), "2026-01-05T14:30", "2026-01-05T14:30:00.5"])  # noqa: DTZ001
def test_c01_a_naive_moment_is_refused_with_what_to_do(moment: Any) -> None:
    """It says which argument, and how to say it."""
    with pytest.raises(UsageError, match=r"^start: .* has no zone.*14:30Z"):
        nanoseconds_of(moment, "start")


@pytest.mark.parametrize("moment", ["monday", "2026-13-01", "", 1.5, True, None, "2026-01-05T25:00Z"])
def test_c01_no_moment_is_refused(moment: Any) -> None:
    """Neither guessed nor a traceback."""
    with pytest.raises(UsageError, match="start"):
        nanoseconds_of(moment, "start")


@given(st.integers(0, 4_102_444_800 * 10**9))
def test_c01_nanoseconds_stay_exact(at_ns: int) -> None:
    """As text there and back."""
    assert nanoseconds_of(iso_8601(at_ns), "at") == at_ns


questions = st.builds(
    lambda symbols, start, span, interval, fill: Question(
        tuple(f"S{number}" for number in range(symbols)), start, start + span, interval, fill=fill
    ),
    st.integers(1, 130),
    st.integers(0, 10 * _DAY_NS),
    st.integers(0, 200 * _DAY_NS) | st.integers(0, 3 * _DAY_NS),
    st.sampled_from(["1m", "5m", "1h", "1d"]),
    st.sampled_from([None, "previous"]),
)


@given(questions)
def test_c01_the_parts_of_a_question_are_the_question(question: Question) -> None:
    """Every symbol's whole window, once, without gap or overlap, in order; each part is one that the API takes."""
    windows: dict[str, list[tuple[int, int]]] = {}
    for part in parts_of(question):
        assert 1 <= len(part.symbols) <= MAX_SYMBOLS
        for symbol in part.symbols:
            windows.setdefault(symbol, []).append((part.start_ns, part.end_ns))
    assert tuple(windows) == question.symbols
    for some in windows.values():
        assert (some[0][0], some[-1][1]) == (question.start_ns, question.end_ns)
        assert all(before[1] == after[0] for before, after in pairwise(some))


def test_c01_pages_of_many_symbols_come_in_order() -> None:
    """Symbols as asked, times upwards, whatever page ends where and whoever answers first."""
    minutes = {f"S{number}": 900 + 7 * number for number in range(40)}
    server = bars_server(minutes, page=700)
    found = server.client().bars(reversed(minutes), 0, "1970-01-03").to_polars()
    expected = [(symbol, minute + 1) for symbol in reversed(minutes) for minute in range(minutes[symbol])]
    assert found.select("symbol", "ticks").rows() == expected


def test_c01_a_long_window_of_one_symbol_is_asked_side_by_side() -> None:
    """Parts of days; the bars are those of one long question."""
    server = bars_server({"S": 30 * 1_440})
    bars = server.client().bars("S", 90 * 10**9, "1970-01-30T12:00Z")
    assert [one.ticks for one in bars] == list(range(3, 29 * 1_440 + 721))
    assert len({json.loads(one.content)["from"] for one in server.requests}) == 3


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from("ABCDEFGH"), st.integers(0, 40), min_size=1), st.integers(1, 50))
def test_c01_both_clients_read_the_same(minutes: dict[str, int], page: int) -> None:
    """In whatever pages."""
    server = bars_server(minutes, page)

    async def read() -> list[Any]:
        async with server.async_client() as client:
            return [one async for one in client.bars(minutes, 0, "1970-01-02")]

    listed = list(server.client().bars(minutes, 0, "1970-01-02"))
    assert listed == asyncio.run(read())
    assert [(one.symbol, one.ticks) for one in listed] == [
        (symbol, number + 1) for symbol, count in minutes.items() for number in range(count)
    ]


def test_c01_what_is_read_ahead_is_bounded() -> None:
    """While nobody reads no more is asked for: memory is that of a few pages, however many bars there are."""
    server = bars_server({f"S{number}": 1_440 for number in range(400)}, page=100)
    pages = iter(server.client(at_once=4).bars([f"S{number}" for number in range(400)], 0, "1970-01-02").frames())
    next(pages)
    # Four streams of four pages ahead, those that wait for room, and the one that was read.
    threads_before = threading.active_count()
    for _ in range(3):
        next(pages)
    assert len(server.requests) <= 4 * (threads.AHEAD + 1) + 4
    pages.close()  # type: ignore[attr-defined]
    assert threads_before <= threading.active_count() + 4


def test_c01_an_error_in_the_middle_ends_all(tmp_path: Path) -> None:
    """It is raised as it is, also through polars, and what was there before stays."""
    page = {"bars": {"S": [bar()]}, "unknown": [], "nextToken": "x"}
    target = tmp_path / "bars.parquet"
    target.write_text("before")
    for export in ("to_parquet", "to_csv", "to_jsonl"):
        server = in_turn(ok(page), *[failed(500)] * 8)
        with pytest.raises(ServerError):
            getattr(server.client().bars("S", 0, "1970-01-02"), export)(target)
        assert target.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["bars.parquet"]


def test_c01_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With its path."""
    bars = bars_server({"S": 3}).client().bars("S", 0, "1970-01-02")
    for export in (bars.to_parquet, bars.to_csv, bars.to_jsonl):
        with pytest.raises(ExportError, match="nowhere"):
            export(tmp_path / "nowhere" / "bars.x")


@pytest.mark.parametrize(
    "asked",
    [
        {"symbols": []},
        {"symbols": [""]},
        {"interval": "2m"},
        {"hours": "night"},
        {"fill": "next"},
        {"start": "2026-01-06", "end": "2026-01-05"},
    ],
)
def test_c01_what_cannot_be_is_refused_before_anything_is_sent(asked: dict[str, Any]) -> None:
    """One sentence, no request."""
    server = in_turn()
    with pytest.raises(UsageError):
        server.client().bars(**{"symbols": "S", **asked})
    assert server.requests == []


decimals = st.decimals(-(10**18), 10**18, places=9).map(lambda one: format(one, "f"))
products = st.decimals(0, 10**19, places=18).map(lambda one: format(one, "f"))
prices = st.none() | decimals
wire_bars = st.fixed_dictionaries(
    {
        "start": st.integers(0, 60 * 24 * 365 * 60).map(lambda minute: iso_8601(minute * _MINUTE_NS)),
        **dict.fromkeys(("open", "high", "low", "close", "vwap"), prices),
        "volume": decimals,
        "ticks": st.integers(0, 2**53),
        "notional": products,
    },
    optional={
        "session": st.dates(date(1990, 1, 1), date(2100, 1, 1)).map(date.isoformat),
        "closed": st.booleans(),
        "filled": st.just(value=True),
        "ofAnotherVersion": st.dictionaries(st.text(max_size=3), st.integers(0, 2**63)),
    },
)
symbols = st.from_regex(r"[\x21\x24-\x2b\x2d-\x5b\x5d-\x7e]{1,64}", fullmatch=True)


pages = st.dictionaries(symbols, st.lists(wire_bars, max_size=4), min_size=1, max_size=5)


@example({"*": [bar()], "^.*$": [bar(ticks=2)]}, None)
@given(pages, st.none() | st.text("ab", min_size=1))
def test_c01_a_page_is_read_exactly(page: dict[str, list[dict[str, Any]]], token: str | None) -> None:
    """Every figure to its last digit, missing fields as None, unknown ones passed over, whatever a symbol is called."""
    answer = {"interval": "1m", "bars": page, "unknown": ["#"], **({} if token is None else {"nextToken": token})}
    read = decode(json.dumps(answer).encode(), (*page, "#"))
    assert (read.unknown, read.next_token) == (("#",), token)
    expected = [(symbol, {**one, "filled": one.get("filled", False)}) for symbol, some in page.items() for one in some]
    objects = list(bars_of(read.frame))
    columns = typed(read.frame)
    assert dict(columns.schema) == schema()
    for (symbol, wire), one, row in zip(expected, objects, columns.iter_rows(named=True), strict=True):
        assert one.symbol == row["symbol"] == symbol
        assert one.start == row["start"] == datetime.fromisoformat(wire["start"])
        for name in ("open", "high", "low", "close", "vwap", "volume", "notional"):
            text = wire.get(name)
            assert getattr(one, name) == row[name] == (None if text is None else Decimal(text))
        session = wire.get("session")
        assert one.session == row["session"] == (None if session is None else date.fromisoformat(session))
        for name in ("ticks", "closed", "filled"):
            assert getattr(one, name) == row[name] == wire.get(name)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"message": "no"}',
        b'{"bars": {"S": 1}, "unknown": []}',
        b'{"bars": {"S": [{"start": "2026-01-05T14:30:00Z"}]}, "unknown": []}',
        b'{"bars": {"S": [{"ticks": "many"}]}, "unknown": []}',
        b"\xff",
    ],
)
def test_c01_no_page_is_told(body: bytes) -> None:
    """Nothing else is taken for bars, or for none."""
    with pytest.raises(AnswerError):
        decode(body, ("S",))


def test_c01_what_columns_cannot_hold_is_told_and_objects_hold() -> None:
    """A notional of 43 digits is exact as an object, approximate as a float, and no column of decimals."""
    notional = "9" * 25 + "." + "1" * 18
    read = decode(json.dumps({"bars": {"S": [bar(notional=notional)]}, "unknown": []}).encode(), ("S",))
    assert [one.notional for one in bars_of(read.frame)] == [Decimal(notional)]
    assert typed(read.frame, floats=True)["notional"].to_list() == [1e25]
    with pytest.raises(ExportError, match="38 digits"):
        typed(read.frame)
    longer = decode(json.dumps({"bars": {"S": [bar(volume="0.0000000001")]}, "unknown": []}).encode(), ("S",))
    with pytest.raises(ExportError, match="more digits"):
        typed(longer.frame)


def test_c01_no_bars_are_an_empty_table(tmp_path: Path) -> None:
    """With the columns of any other."""
    bars = bars_server({"S": 0}).client().bars("S", 0, "1970-01-02")
    assert dict(bars.to_polars().schema) == schema()
    assert bars.to_parquet(tmp_path / "none.parquet") == 0
    assert dict(pl.read_parquet(tmp_path / "none.parquet").schema) == schema()
    assert bars.to_csv(tmp_path / "none.csv") == 0
    assert (tmp_path / "none.csv").read_text() == ",".join(schema()) + "\n"
    assert bars.to_arrow().num_rows == len(bars.to_pandas()) == 0
