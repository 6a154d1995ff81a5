"""What analysts ask the deployed API: which symbols there are, which bars are closed, and gaps that are filled."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from tests.e2e.market import DAY, MINUTE_NS, OPEN_NS, Trade, csv, expected_bars, trades
from tests.patience import wait_until_true
from tickstream import keys
from tickstream.bar_codec import encode_bars
from tickstream.bars import bar_of
from tickstream.hours import Slice
from tickstream.items import primary_key, slice_item
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from tests.e2e.market import MarketStack

PREFIX = "E2E.AN"
#: The longest that a symbol may be, and one that goes on where another ends.
LONG = f"{PREFIX}.{'L' * 57}"
NAMES = (f"{PREFIX}", f"{PREFIX}+1", f"{PREFIX}/USD", f"{PREFIX}/USDT", LONG[:30], LONG)
MINUTES = (0, 1, 4, 9, 70)


@pytest.fixture(scope="module")
def stack(market: MarketStack) -> MarketStack:
    """The shared stack, with some minutes of two hours of each symbol, rolled up."""
    rows = [
        Trade(name, OPEN_NS + minute * MINUTE_NS, f"{100 + minute}.000000001", "3")
        for name in NAMES
        for minute in MINUTES
    ]
    market.wait_for_state(market.put("analysts.csv", csv(rows)))
    market.wait_until_closed(*NAMES)
    return market


def read(stack: MarketStack, symbol: str, **asked: str) -> list[dict[str, Any]]:
    """All bars of a symbol's day, page by page."""
    question = {"from": DAY[0], "to": DAY[1], **asked}
    bars: list[dict[str, Any]] = []
    while True:
        answer = stack.call("GET", f"/bars/{quote(symbol, safe='')}?{urlencode(question)}")
        assert answer.status == 200, answer
        bars += answer.body["bars"]
        if "nextToken" not in answer.body:
            return bars
        question["nextToken"] = answer.body["nextToken"]


def symbols(stack: MarketStack, prefix: str, limit: int = 100) -> list[dict[str, str]]:
    """All symbols with a prefix, page by page."""
    question = {"prefix": prefix, "limit": str(limit)}
    found: list[dict[str, str]] = []
    while True:
        answer = stack.call("GET", f"/symbols?{urlencode(question)}")
        assert answer.status == 200, answer
        found += answer.body["symbols"]
        if "nextToken" not in answer.body:
            return found
        question["nextToken"] = answer.body["nextToken"]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_symbols_are_found_by_a_prefix_in_order(stack: MarketStack, limit: int) -> None:
    """By every page size: each once, with its first and last minute; also with a plus, a slash, 64 characters."""
    found = symbols(stack, PREFIX, limit)
    span = {"firstBar": "2026-01-05T14:30:00Z", "lastBar": "2026-01-05T15:40:00Z"}
    assert found == [{"symbol": name, **span} for name in sorted(NAMES)]
    assert [one["symbol"] for one in symbols(stack, f"{PREFIX}/USD", limit)] == [f"{PREFIX}/USD", f"{PREFIX}/USDT"]
    assert [one["symbol"] for one in symbols(stack, f"{PREFIX}+", limit)] == [f"{PREFIX}+1"]
    assert symbols(stack, PREFIX.lower(), limit) == []


def test_a_symbol_whose_ingest_is_taken_back_is_listed_no_more(stack: MarketStack) -> None:
    """And one of which other bars are left has those at its ends."""
    name = "E2E.UNLISTED"
    early = stack.put("analysts/early.csv", csv(trades(name, 3)))
    late = stack.put("analysts/late.csv", csv(trades(name, 3, start_ns=OPEN_NS + 300 * MINUTE_NS)))
    for ingest_id in (early, late):
        stack.wait_for_state(ingest_id)

    def spans() -> list[tuple[str, str]]:
        return [(one["firstBar"][11:16], one["lastBar"][11:16]) for one in symbols(stack, name)]

    wait_until_true("it to be listed", lambda: spans() == [("14:30", "19:30")])
    for ingest_id, left in ((late, [("14:30", "14:30")]), (early, [])):
        stack.take_back(ingest_id)
        stack.revise()
        stack.wait_for_state(ingest_id, "retracted")
        assert spans() == left


def test_minutes_without_a_trade_are_filled(stack: MarketStack) -> None:
    """From the first bar of the day to its end, on pages of any size, exact to the last digit; by GET and by POST."""
    whole = read(stack, NAMES[0], fill="previous", limit="5000")
    assert whole == read(stack, NAMES[0], fill="previous", limit="97")
    assert len(whole) == 24 * 60 - (14 * 60 + 30)
    traded = [bar for bar in whole if "filled" not in bar]
    assert [Decimal(bar["close"]) for bar in traded] == [
        bar["close"]
        for bar in expected_bars(
            Trade("", OPEN_NS + minute * MINUTE_NS, f"{100 + minute}.000000001", "3") for minute in MINUTES
        )
    ]
    third = whole[2]
    assert third == {
        "start": "2026-01-05T14:32:00Z",
        **dict.fromkeys(("open", "high", "low", "close"), "101.000000001"),
        "volume": "0",
        "ticks": 0,
        "notional": "0",
        "vwap": None,
        "closed": True,
        "filled": True,
    }
    body = {"symbols": [NAMES[0], NAMES[2]], "from": DAY[0], "to": DAY[1], "fill": "previous", "limit": 5000}
    answer = stack.call("POST", "/bars", json.dumps(body).encode())
    assert (answer.status, answer.body["fill"], answer.body["bars"]) == (
        200, "previous", {NAMES[0]: whole, NAMES[2]: whole}
    )  # fmt: skip


def test_a_close_is_carried_into_the_window_and_over_sessions(stack: MarketStack) -> None:
    """The next day begins with the close of the one before; a weekend has no session to fill."""
    next_day = {"from": "2026-01-06T00:00:00Z", "to": "2026-01-06T00:02:00Z"}
    bars = read(stack, NAMES[0], fill="previous", **next_day)
    assert [(bar["close"], bar["filled"]) for bar in bars] == [("170.000000001", True)] * 2
    assert (
        read(stack, NAMES[0], fill="previous", **{"from": "2026-02-06T00:00:00Z", "to": "2026-02-07T00:00:00Z"}) == []
    )
    week = {"from": "2026-01-05T00:00:00Z", "to": "2026-01-13T00:00:00Z", "interval": "1d", "session": "XNYS"}
    sessions = [(bar["session"][-2:], bar["ticks"]) for bar in read(stack, NAMES[0], fill="previous", **week)]
    assert sessions == [("05", 5), ("06", 0), ("07", 0), ("08", 0), ("09", 0), ("12", 0)]


def test_a_bar_is_open_while_something_of_its_hour_is_not_rolled_up(stack: MarketStack) -> None:
    """A slice that no receipt commits, as of a range that is being written: its hour is open, and others are not."""
    name = NAMES[3]
    hour = keys.hour_of(OPEN_NS)
    bar = bar_of(Tick(name, OPEN_NS + 20 * MINUTE_NS, 10**9, 10**9), "e", "", 0)
    piece = Slice(name, hour, keys.range_id("e" * 32, 0), encode_bars([bar]))
    item = slice_item(piece, "e" * 32, 0, time.time_ns() // 10**6)
    table = stack.outputs["tableName"]
    stack.dynamodb.put_item(TableName=table, Item=item)
    try:
        bars = read(stack, name, fill="previous")
        assert [bar["closed"] for bar in bars] == [False] * 30 + [True] * (len(bars) - 30)
        assert [bar["closed"] for bar in read(stack, name, interval="1d")] == [False]
    finally:
        stack.dynamodb.delete_item(TableName=table, Key=primary_key(item))
    assert all(bar["closed"] for bar in read(stack, name))


def test_a_bar_that_goes_on_is_open(stack: MarketStack) -> None:
    """The day of now, with a trade of now: its end lies ahead, whatever is rolled up."""
    name = "E2E.FORMING"
    posted = stack.post({"symbol": name, "price": "1.5", "size": "1"})
    stack.wait_for_state(posted.body["ingestId"])
    bars = stack.call("GET", f"/bars/{name}?interval=1d&from={time.time_ns() - 2 * 24 * keys.NS_PER_HOUR}").body["bars"]
    assert bars[-1]["closed"] is False


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/symbols?prefix=a%20b", "bad_prefix"),
        ("/symbols?limit=501", "bad_limit"),
        ("/symbols?nextToken=x", "bad_token"),
        ("/symbols?prefix=A&prefix=B", "repeated_parameter"),
        ("/symbols?begin=A", "unknown_parameter"),
        (f"/bars/{PREFIX}?fill=next", "bad_fill"),
    ],
)
def test_a_mistake_is_a_400_with_a_code_of_its_own(stack: MarketStack, path: str, code: str) -> None:
    """Through the gateway too."""
    answer = stack.call("GET", path)
    assert (answer.status, answer.body["error"]["code"]) == (400, code)
