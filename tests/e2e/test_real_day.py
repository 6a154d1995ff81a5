"""A real trading day through the whole path, against bars that were computed outside this project."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.ledger.api_client import ApiClient
from bench.market_analytics.api_reader import Window, read_by_get
from bench.market_analytics.compare import compare_bars
from bench.market_analytics.oracle import ExpectedBar
from bench.market_analytics.table_reader import read_table

if TYPE_CHECKING:
    from tests.e2e.market import MarketStack

DATA = Path(__file__).parents[2] / "../shared/data"
MINUTE_NS = 60 * 10**9


def scaled(text: str, digits: int = 9) -> int:
    """Read a decimal as an integer of 10^-digits."""
    return int(Decimal(text).scaleb(digits))


def test_real_day_equals_the_given_bars_in_every_field(market: MarketStack) -> None:
    """388,417 trades of 7 October 2013: all 2,310 bars, through DynamoDB and through `GET /bars`."""
    trades, given = DATA / "trades-20131007.csv.gz", DATA / "bars-20131007.csv"
    if not trades.is_file():
        pytest.skip(f"the real trades are not part of the project, they would be {trades}")
    expected: dict[str, dict[int, ExpectedBar]] = {}
    with given.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            expected.setdefault(row["symbol"], {})[int(row["minute"]) // MINUTE_NS] = ExpectedBar(
                open_e9=scaled(row["open"]),
                high_e9=scaled(row["high"]),
                low_e9=scaled(row["low"]),
                close_e9=scaled(row["close"]),
                volume_e9=scaled(row["volume"]),
                ticks=int(row["ticks"]),
                notional_e18=scaled(row["notional"], 18),
            )
    assert sum(map(len, expected.values())) == 2_310
    status = market.wait_for_state(market.put("real/trades-20131007.csv.gz", trades.read_bytes()))
    assert (status["ticks"], status["rejected"]) == (388_417, 0)
    # The stack is shared, and other tests trade the same symbols on days of their own.
    minutes = [minute for bars in expected.values() for minute in bars]
    day = Window(min(minutes), max(minutes) + 1)
    stored = read_table(market.target, market.outputs["tableName"]).bars
    found = {
        symbol: {minute: bar for minute, bar in stored.get(symbol, {}).items() if day.first <= minute < day.end}
        for symbol in expected
    }
    by_table = compare_bars(expected, found)
    assert by_table.passed, by_table
    api = ApiClient(market.target, market.target.api_url(market.outputs["restApiId"], "e2e"))
    answered = read_by_get(api, sorted(expected), day, bars_a_page=1_000)
    by_api = compare_bars(expected, answered)
    assert by_api.passed, by_api
