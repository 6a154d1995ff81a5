"""DataQuery on a table in memory: what a caller gets for every question, good and bad."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_analytics import data_query
from market_analytics.data_query import respond
from services.memory_table import MemoryTable
from tests.unit.market_analytics.query_world import (
    CONFIG,
    DAY_NS,
    INGEST,
    NOW_NS,
    get,
    post,
    put_ticks,
    tick,
)
from tickstream import keys
from tickstream.bar_codec import encode_bars
from tickstream.bars import bar_of, merge_bars, resample
from tickstream.errors import BadRequest
from tickstream.hours import Rollup
from tickstream.items import rollup_item
from tickstream.ticks import EARLIEST_NS, LATEST_NS, Tick


@pytest.fixture
def table() -> MemoryTable:
    """A table with three minutes of AAPL in two hours, from two ranges, and one of BTC/USD."""
    table = MemoryTable()
    put_ticks(table, [tick("AAPL", 570, 100), tick("AAPL", 570, 103, 2), tick("AAPL", 599, 99)], 0)
    put_ticks(table, [tick("AAPL", 570, 98), tick("AAPL", 600, 101), tick("BTC/USD", 0, 7)], 1)
    return table


def test_m12_bars_have_every_field_as_exact_text(table: MemoryTable) -> None:
    """A bar of ticks from two ranges: decimals as text, VWAP rounded half to even at nine digits."""
    answer = get(table, "AAPL", **{"from": "2013-10-07T09:30:00Z", "to": "2013-10-07T09:31:00Z"})
    assert answer == {
        "symbol": "AAPL",
        "interval": "1m",
        "from": "2013-10-07T09:30:00Z",
        "to": "2013-10-07T09:31:00Z",
        "bars": [
            {
                "start": "2013-10-07T09:30:00Z",
                "open": "100",
                "high": "103",
                "low": "98",
                "close": "98",
                "volume": "4",
                "ticks": 3,
                "notional": "404",
                "vwap": "101",
                "closed": False,
            }
        ],
    }


def test_a_rollup_and_its_slices_count_once(table: MemoryTable) -> None:
    """What a rollup includes is not added again from the slices that are still there."""
    before = get(table, "AAPL")
    hour = DAY_NS // keys.NS_PER_HOUR + 9
    bars = merge_bars(
        [bar_of(tick("AAPL", 570, 100), INGEST, "", 0)], [bar_of(tick("AAPL", 570, 103, 2), INGEST, "", 1)]
    )
    bars = merge_bars(bars, [bar_of(tick("AAPL", 599, 99), INGEST, "", 2)])
    table.put(rollup_item(Rollup("AAPL", hour, frozenset({keys.range_id(INGEST, 0)}), 0, encode_bars(bars))))
    assert get(table, "AAPL") == before


def test_the_window_is_half_open_and_bars_are_whole(table: MemoryTable) -> None:
    """A bar belongs to the window in which it starts, and has all of its ticks even where the window cuts it."""

    def starts(from_: str, to: str, interval: str) -> list[tuple[str, int]]:
        answer = get(table, "AAPL", **{"from": from_, "to": to, "interval": interval})
        return [(bar["start"][11:16], bar["ticks"]) for bar in answer["bars"]]

    assert starts("2013-10-07T09:00:00Z", "2013-10-07T10:00:00Z", "1h") == [("09:00", 4)]
    assert starts("2013-10-07T09:00:00Z", "2013-10-07T09:00:00.000000001Z", "1h") == [("09:00", 4)]
    assert starts("2013-10-07T09:00:00.000000001Z", "2013-10-07T11:00:00Z", "1h") == [("10:00", 1)]
    assert starts("2013-10-07T09:30:00Z", "2013-10-07T09:59:00Z", "1m") == [("09:30", 3)]
    assert starts("2013-10-07T09:30:00Z", "2013-10-07T09:59:00.5Z", "15m") == [("09:30", 3), ("09:45", 1)]
    assert starts("2013-10-07T00:00:00Z", "2013-10-07T01:00:00Z", "1d") == [("00:00", 5)]
    assert starts("2013-10-07T09:30:00Z", "2013-10-07T09:30:00Z", "1m") == []


def test_the_default_window_is_the_last_24_hours(table: MemoryTable) -> None:
    """Without from and to: 24 hours up to now, and the answer says which."""
    answer = get(table, "AAPL")
    assert (answer["from"], answer["to"]) == ("2013-10-07T00:00:00Z", "2013-10-08T00:00:00Z")
    assert len(answer["bars"]) == 3


@pytest.mark.parametrize("path", ["BTC/USD", "BTC%2FUSD", "BTC%2fUSD"])
def test_a_symbol_with_a_slash_is_decoded_once(table: MemoryTable, path: str) -> None:
    """Both ways of writing it are the same symbol."""
    answer = get(table, path)
    assert answer["symbol"] == "BTC/USD"
    assert len(answer["bars"]) == 1


def test_nanoseconds_and_offsets_name_the_same_window(table: MemoryTable) -> None:
    """Unix nanoseconds, UTC, another offset, and that offset with its plus sign turned into a space."""
    answers = [
        get(table, "AAPL", **{"from": from_, "to": str(NOW_NS)})
        for from_ in (
            str(DAY_NS + 600 * keys.NS_PER_MINUTE),
            "2013-10-07T10:00:00Z",
            "2013-10-07T12:00:00+02:00",
            "2013-10-07T12:00:00 02:00",
            "2013-10-07 12:00:00 02:00",
            "2013-10-07 12:00:00+0200",
            "2013-10-07 12:00:00 02",
            "2013-10-07 10:00:00 UTC",
        )
    ]
    assert all(answer == answers[0] for answer in answers)
    assert [bar["start"] for bar in answers[0]["bars"]] == ["2013-10-07T10:00:00Z"]


def test_a_known_symbol_without_bars_in_the_window_is_an_empty_list(table: MemoryTable) -> None:
    """Quiet is not unknown."""
    window = {"from": "2014-01-01T00:00:00Z", "to": "2014-01-02T00:00:00Z"}
    assert get(table, "AAPL", **window)["bars"] == []
    assert post(table, {"symbols": ["AAPL", "ZZZ"], **window}) | {"x": 1} == {
        "interval": "1m", **window, "bars": {"AAPL": []}, "unknown": ["ZZZ"], "x": 1
    }  # fmt: skip


BAD_GETS: list[tuple[str, dict[str, str], int, str, str]] = [
    ("NOPE", {}, 404, "unknown_symbol", "NOPE"),
    ("ingest#" + INGEST, {}, 400, "bad_symbol", "1 to 64 printable"),
    ("ingest%23" + INGEST, {}, 400, "bad_symbol", "1 to 64 printable"),
    ("a%20b", {}, 400, "bad_symbol", "no blank"),
    ("", {}, 400, "bad_symbol", "1 to 64"),
    ("aapl", {}, 404, "unknown_symbol", "aapl"),
    ("BTC%252FUSD", {}, 404, "unknown_symbol", "BTC%2FUSD"),
    ("AAPL", {"interval": "2m"}, 400, "unknown_interval", "1m, 5m, 15m, 1h, 4h, 1d"),
    ("AAPL", {"from": "2013-10-08T00:00:00Z", "to": "2013-10-07T00:00:00Z"}, 400, "from_after_to", "after"),
    ("AAPL", {"from": "2013-10-07T00:00:00"}, 400, "bad_timestamp", "offset"),
    ("AAPL", {"to": "1381104000"}, 400, "bad_timestamp", "seconds"),
    ("AAPL", {"to": ""}, 400, "bad_timestamp", "to:"),
    ("AAPL", {"limit": "0"}, 400, "bad_limit", "1 to 5000"),
    ("AAPL", {"limit": "5001"}, 400, "bad_limit", "1 to 5000"),
    ("AAPL", {"limit": "1e3"}, 400, "bad_limit", "1 to 5000"),
    ("AAPL", {"limit": "٣"}, 400, "bad_limit", "1 to 5000"),
    ("AAPL", {"form": "x"}, 400, "unknown_parameter", "form"),
    ("AAPL", {"nextToken": "nonsense"}, 400, "bad_token", "not one that this API gave"),
    ("AAPL", {"nextToken": "ü"}, 400, "bad_token", "not one that this API gave"),
    ("AAPL", {"nextToken": ""}, 400, "bad_token", "not one that this API gave"),
]


@pytest.mark.parametrize(("symbol", "parameters", "code", "name", "says"), BAD_GETS)
def test_a_bad_question_is_refused_with_a_clear_answer(  # noqa: PLR0917 - the columns of the table above
    table: MemoryTable, symbol: str, parameters: dict[str, str], code: int, name: str, says: str
) -> None:
    """Each mistake has its status, its code and a message that says what would be right."""
    with pytest.raises(BadRequest) as raised:
        get(table, symbol, **parameters)
    assert (raised.value.status, raised.value.code) == (code, name)
    assert says in raised.value.message


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ("[" * 60_000, "bad_json"),
        ({}, "bad_symbols"),
        ({"symbols": []}, "bad_symbols"),
        ({"symbols": "AAPL"}, "bad_symbols"),
        ({"symbols": ["AAPL", "AAPL"]}, "bad_symbols"),
        ({"symbols": [f"S{number}" for number in range(101)]}, "bad_symbols"),
        ({"symbols": [7]}, "bad_symbol"),
        ({"symbols": ["ingest#" + INGEST]}, "bad_symbol"),
        ({"symbols": ["AAPL"], "from": 1.5e18}, "bad_timestamp"),
        ({"symbols": ["AAPL"], "from": True}, "bad_timestamp"),
        ({"symbols": ["AAPL"], "from": None}, "bad_timestamp"),
        ({"symbols": ["AAPL"], "interval": ["1m"]}, "unknown_interval"),
        ({"symbols": ["AAPL"], "limit": 2.0}, "bad_limit"),
        ({"symbols": ["AAPL"], "limit": True}, "bad_limit"),
        ({"symbols": ["AAPL"], "nextToken": 7}, "bad_token"),
        ('{"symbols":["AAPL"],"limit":5,"limit":6}', "bad_json"),
        ('{"symbols":["AAPL"],"limit":NaN}', "bad_json"),
        ({"symbols": ["AAPL"], "page": 2}, "unknown_parameter"),
        ({"symbols": ["AAPL"], "x" * 70_000: 2}, "body_too_large"),
    ],
)
def test_a_bad_body_is_refused(table: MemoryTable, body: Any, name: str) -> None:
    """Wrong types are refused by name and never read as something near."""
    with pytest.raises(BadRequest) as raised:
        post(table, body)
    assert raised.value.code == name


def test_a_parameter_given_twice_is_refused(table: MemoryTable) -> None:
    """Two values for one name: neither is silently preferred."""
    event = {
        "httpMethod": "GET",
        "resource": "/bars/{symbol+}",
        "pathParameters": {"symbol": "AAPL"},
        "multiValueQueryStringParameters": {"limit": ["1", "2"]},
    }
    with pytest.raises(BadRequest, match="2 times"):
        respond(event, table, CONFIG, NOW_NS)


def pages_of(table: MemoryTable, body: dict[str, Any]) -> list[dict[str, Any]]:
    """All pages of a POST, followed by their tokens."""
    pages = [post(table, body)]
    while "nextToken" in pages[-1]:
        pages.append(post(table, body | {"nextToken": pages[-1]["nextToken"]}))
        assert len(pages) < 1_000
    return pages


@given(
    minutes=st.lists(st.tuples(st.sampled_from(["A", "B/C", "D"]), st.integers(0, 4_000)), max_size=60),
    limit=st.integers(1, 12),
    interval=st.sampled_from(["1m", "5m", "15m", "1h", "4h", "1d"]),
    start=st.integers(-100, 4_100),
    length=st.integers(0, 4_200),
    seed=st.integers(0, 10**6),
)
def test_pages_of_any_size_add_up_to_the_whole_answer(  # noqa: PLR0917 - hypothesis's arguments
    minutes: list[tuple[str, int]], limit: int, interval: str, start: int, length: int, seed: int
) -> None:
    """No bar is lost or repeated between pages, and all of them are what merging the ticks by hand gives."""
    table = MemoryTable()
    ticks = [tick(symbol, minute, 1 + position) for position, (symbol, minute) in enumerate(minutes)]
    by_range = random.Random(seed)  # noqa: S311 - which range a tick is in
    ranges = [by_range.randrange(3) for _ in ticks]
    for index in range(3):
        put_ticks(table, [one for one, of in zip(ticks, ranges, strict=True) if of == index], index)
    from_ns = DAY_NS + start * keys.NS_PER_MINUTE
    to_ns = from_ns + length * keys.NS_PER_MINUTE
    symbols = ["D", "A", "NONE", "B/C"]
    body = {"symbols": symbols, "from": str(from_ns), "to": to_ns, "interval": interval, "limit": limit}

    collected: dict[str, list[dict[str, Any]]] = {}
    unknown: list[str] = []
    for page in pages_of(table, body):
        assert sum(len(bars) for bars in page["bars"].values()) <= limit
        unknown += page["unknown"]
        for symbol, bars in page["bars"].items():
            collected.setdefault(symbol, []).extend(bars)

    step = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}[interval]
    assert sorted(unknown) == sorted(set(symbols) - {symbol for symbol, _ in minutes})
    for symbol in set(symbols) - set(unknown):
        singles = ([bar_of(one, INGEST, "", 0)] for one in ticks if one.symbol == symbol)
        expected = [
            (bar.minute, bar.ticks)
            for bar in resample(merge_bars(*singles), lambda minute: minute - minute % step)
            if from_ns <= bar.minute * keys.NS_PER_MINUTE < to_ns
        ]
        found = [(iso_minute(bar["start"]), bar["ticks"]) for bar in collected[symbol]]
        assert found == expected


def iso_minute(text: str) -> int:
    """Whole minutes since 1970 of a bar's start."""
    from datetime import datetime  # noqa: PLC0415 - used here only

    return int(datetime.fromisoformat(text).timestamp()) // 60


def test_a_page_ends_when_its_time_is_up_and_the_next_goes_on(
    table: MemoryTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow table costs more pages, at least one bar each, and no bar."""
    whole = get(table, "AAPL")["bars"]
    monkeypatch.setattr(data_query, "PAGE_SECONDS", 0.0)
    first = get(table, "AAPL")
    second = get(table, "AAPL", nextToken=first["nextToken"])
    third = get(table, "AAPL", nextToken=second["nextToken"])
    assert [len(page["bars"]) for page in (first, second, third)] == [1, 1, 1]
    assert first["bars"] + second["bars"] + third["bars"] == whole
    assert "nextToken" not in third


def test_a_page_without_any_bar_ends_when_its_time_is_up_too(
    table: MemoryTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred symbols of which nothing is found take their time as well: each page gets on by one at least."""
    monkeypatch.setattr(data_query, "PAGE_SECONDS", 0.0)
    names = [*(f"NONE{number}" for number in range(60)), "AAPL", *(f"NO{number}" for number in range(39))]
    question = {"symbols": names, "from": "2013-10-07T00:00:00Z", "to": "2013-10-08T00:00:00Z"}
    page = post(table, question)
    assert (page["bars"], page["unknown"]) == ({}, ["NONE0"])
    unknown, bars = list(page["unknown"]), []
    while "nextToken" in page:
        page = post(table, {"symbols": names, "nextToken": page["nextToken"]})
        unknown += page["unknown"]
        bars += page["bars"].get("AAPL", [])
    assert unknown == [name for name in names if name != "AAPL"]
    assert len(bars) == 3


@pytest.mark.parametrize("end", ["2100-01-01T00:00:00Z", "2100-01-01T01:00:00+01:00", "4102444800000000000"])
def test_the_end_of_all_ticks_may_be_asked_for(end: str) -> None:
    """The first moment that no tick has is the natural end of a window, and the beginning of an empty one."""
    table = MemoryTable()
    put_ticks(table, [Tick("AAPL", LATEST_NS - 1, 10**9, 10**9), Tick("AAPL", EARLIEST_NS, 10**9, 10**9)])
    for interval in ("1m", "1d"):
        window = {"from": "1990-01-01T00:00:00Z", "to": end, "interval": interval}
        first = get(table, "AAPL", limit="1", **window)
        second = get(table, "AAPL", nextToken=first["nextToken"])
        assert [bar["ticks"] for bar in first["bars"] + second["bars"]] == [1, 1]
        assert second["to"] == "2100-01-01T00:00:00Z"
        assert post(table, {"symbols": ["AAPL"], **window})["bars"]["AAPL"] == first["bars"] + second["bars"]
    assert get(table, "AAPL", **{"from": end, "to": end})["bars"] == []
    with pytest.raises(BadRequest, match="1990 to 2100"):
        get(table, "AAPL", to="2100-01-01T00:00:00.000000001Z")


def test_a_token_keeps_the_window_and_interval_of_its_first_page(table: MemoryTable) -> None:
    """The default window moves with the clock; the pages of one answer must not."""
    first = get(table, "AAPL", limit="1", interval="5m")
    event = {
        "httpMethod": "GET",
        "resource": "/bars/{symbol+}",
        "pathParameters": {"symbol": "AAPL"},
        "queryStringParameters": {"nextToken": first["nextToken"]},
    }
    second = respond(event, table, CONFIG, NOW_NS + 10**15)
    assert (second["from"], second["to"], second["interval"]) == (first["from"], first["to"], "5m")
    assert [bar["start"][11:16] for bar in second["bars"]] == ["09:55", "10:00"]


@pytest.mark.parametrize(
    ("symbol", "changes", "says"),
    [
        ("BTC/USD", {}, "other symbols"),
        ("AAPL", {"interval": "1h"}, "another interval"),
        ("AAPL", {"from": "2013-10-07T00:00:01Z"}, "another from"),
        ("AAPL", {"to": "2013-10-07T00:00:01Z"}, "another to"),
    ],
)
def test_a_token_of_another_question_is_refused(
    table: MemoryTable, symbol: str, changes: dict[str, str], says: str
) -> None:
    """A token continues one question only."""
    token = get(table, "AAPL", limit="1")["nextToken"]
    with pytest.raises(BadRequest, match=says):
        get(table, symbol, nextToken=token, **changes)


def test_every_damaged_token_is_refused(table: MemoryTable) -> None:
    """Any single bit that is changed is found."""
    token = get(table, "AAPL", limit="1")["nextToken"]
    packed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for bit in range(len(packed) * 8):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadRequest, match="not one that this API gave"):
            get(table, "AAPL", nextToken=base64.urlsafe_b64encode(bytes(damaged)).decode().rstrip("="))
