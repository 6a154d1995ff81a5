"""The minute bars of a real day, read by the bench's own reader, against those that the vendor publishes."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from bench.ledger.sent import Origin
from bench.market_analytics.oracle import Oracle
from bench.own_file.taking import take_in

DATA: Final = Path(__file__).resolve().parents[5] / "shared" / "data"
SYMBOLS: Final = ("AIG", "BAC", "IBM", "SPY")
#: Symbol, and minutes since the opening, of the bars that differ: official prices of auctions enter there.
DIFFERENT: Final = {
    ("AIG", 389),
    ("BAC", 0),
    ("BAC", 389),
    ("IBM", 0),
    ("IBM", 389),
    ("SPY", 0),
    ("SPY", 389),
}
_OPENING: Final = 23_019_210  # 2013-10-07, 09:30 in New York, in minutes since 1970
_NS_PER_MINUTE: Final = 60_000_000_000


def test_m26_a_real_days_minutes_are_those_that_the_vendor_publishes(tmp_path: Path) -> None:
    """Open, high, low and close of 1,552 of 1,559 bars; the others are first and last minutes, each named."""
    published = DATA / "published-minutes-20131007.csv"
    if not published.is_file():
        pytest.skip(f"the real day is not part of the project, its bars would be {published}")
    origins = []
    for ordinal, symbol in enumerate(SYMBOLS):
        key = f"equity/usa/tick/{symbol.lower()}/20131007_trade.zip"
        taken = take_in(DATA / key, tmp_path, tmp_path, key=key, ordinal=ordinal)
        assert (taken.feed, taken.refusal) == ("lean-equity-tick", "")
        origins.append(Origin(ordinal, key, taken.etag))
    bars = Oracle(tmp_path, origins).bars()
    with published.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    different = set()
    for row in rows:
        minute = int(row["minute"]) // _NS_PER_MINUTE
        bar = bars[row["symbol"]].get(minute)
        prices = [int(Decimal(row[name]).scaleb(9)) for name in ("open", "high", "low", "close")]
        if bar is None or [bar.open_e9, bar.high_e9, bar.low_e9, bar.close_e9] != prices:
            different.add((row["symbol"], minute - _OPENING))
    assert len(rows) == 1_559
    assert different == DIFFERENT
