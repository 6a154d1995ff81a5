"""A real day: 388,417 trades whose 2,310 bars were computed outside this project."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tickstream.decoding import decode_span
from tickstream.errors import Reason
from tickstream.ingests import Source
from tickstream.keys import NS_PER_MINUTE
from tickstream.layouts import sniff
from tickstream.ranges import plan_spans
from tickstream.ticks import parse_decimal_e9

DATA = Path(__file__).parents[4] / "shared" / "data"
TRADES = DATA / "trades-20131007.csv.gz"
BARS = DATA / "bars-20131007.csv"


@pytest.mark.skipif(not TRADES.exists(), reason=f"the real day's trades are not at {TRADES}")
def test_the_bars_of_a_real_day_are_equal_in_every_field() -> None:
    """More than half of these ticks share their time with another: all count, and open and close are the feed's."""
    data = TRADES.read_bytes()
    source = Source("bucket", TRADES.name, "v1", "etag", len(data))

    def read(start: int, end: int) -> bytes:
        return data[start:end]

    layout = sniff(source, read)
    [span] = plan_spans(source, layout, 8 << 20, read)
    decoded = decode_span(source, layout, span, read)
    assert (decoded.ticks, decoded.rejects) == (388_417, ())
    found = {
        (symbol, bar.minute * NS_PER_MINUTE): (
            bar.open_e9,
            bar.high_e9,
            bar.low_e9,
            bar.close_e9,
            bar.volume_e9,
            bar.ticks,
            bar.notional_e18,
        )
        for (symbol, _), bars in decoded.bars.items()
        for bar in bars
    }
    with BARS.open(newline="") as file:
        expected = {
            (row["symbol"], int(row["minute"])): (
                *(parse_decimal_e9(row[name], Reason.BAD_PRICE) for name in ("open", "high", "low", "close", "volume")),
                int(row["ticks"]),
                _e18(row["notional"]),
            )
            for row in csv.DictReader(file)
        }
    assert len(expected) == 2_310
    assert found == expected


def _e18(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole) * 10**18 + int(fraction.ljust(18, "0"))
