"""A real day in its vendor's own files, through the whole path, against the bars that the vendor publishes."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.market import MarketStack

DATA = Path(__file__).parents[2] / "../shared/data"
SYMBOLS = ("SPY", "BAC", "AIG", "IBM")
#: First and last minutes of the session, in which official auction prices stand that no print has.
DIFFERENT = {
    ("SPY", "13:30"), ("SPY", "19:59"), ("BAC", "13:30"), ("BAC", "19:59"),
    ("AIG", "19:59"), ("IBM", "13:30"), ("IBM", "19:59"),
}  # fmt: skip
PRICES = ("open", "high", "low", "close")


def named(symbol: str) -> str:
    """A symbol of this test's own: the stack is shared, and another test has the same day in it."""
    return f"{symbol}.LEAN"


def rows_of(name: str) -> Iterator[dict[str, str]]:
    """The rows of a file of published bars."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@pytest.fixture(scope="module")
def day(market: MarketStack) -> MarketStack:
    """The stack with the four files, each under its vendor's path."""
    folder = DATA / "equity/usa/tick"
    if not folder.is_dir():
        pytest.skip(f"the real trades are not part of the project, they would be in {folder}")
    ids = [
        market.put(
            f"equity/usa/tick/{named(symbol).lower()}/20131007_trade.zip",
            (folder / symbol.lower() / "20131007_trade.zip").read_bytes(),
        )
        for symbol in SYMBOLS
    ]
    statuses = [market.wait_for_state(ingest_id) for ingest_id in ids]
    assert sum(status["ticks"] for status in statuses) == 388_417
    assert {status["feed"] for status in statuses} == {"lean-equity-tick"}
    return market


def bars(stack: MarketStack, symbol: str, **asked: str) -> list[dict[str, Any]]:
    """The bars of that day in New York."""
    window = {"from": "2013-10-07T04:00:00Z", "to": "2013-10-08T04:00:00Z", "limit": "5000", **asked}
    answer = stack.call("GET", f"/bars/{named(symbol)}?{urlencode(window)}")
    assert answer.status == 200, answer
    found: list[dict[str, Any]] = answer.body["bars"]
    return found


def test_m26_minutes_are_those_that_the_vendor_publishes(day: MarketStack) -> None:
    """Open, high, low and close are equal in 1,552 of 1,559 minutes, and the others are the ones that are named."""
    answered = {(symbol, bar["start"]): bar for symbol in SYMBOLS for bar in bars(day, symbol)}
    different, total = set(), 0
    for row in rows_of("published-minutes-20131007.csv"):
        total += 1
        minute = int(row["minute"]) // (60 * 10**9) % 1440
        clock = f"{minute // 60:02}:{minute % 60:02}"
        bar = answered[row["symbol"], f"2013-10-07T{clock}:00Z"]
        if any(bar[price] is None or Decimal(bar[price]) != Decimal(row[price]) for price in PRICES):
            different.add((row["symbol"], clock))
    assert (total, different) == (1_559, DIFFERENT)


def test_m27_the_session_is_that_of_the_published_minutes(day: MarketStack) -> None:
    """High and low of the day by New York's session are those of the vendor, by its own rule on the flags."""
    for row in rows_of("published-20131007.csv"):
        if row["day"] != "2013-10-07":
            continue
        [bar] = bars(day, row["symbol"], interval="1d", session="XNYS")
        assert (bar["session"], bar["start"]) == ("2013-10-07", "2013-10-07T13:30:00Z")
        found = {price: Decimal(bar[price]) for price in PRICES} | {"volume": Decimal(bar["volume"])}
        assert found == {name: Decimal(row[f"filtered_{name}"]) for name in (*PRICES, "volume")}
