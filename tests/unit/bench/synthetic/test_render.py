"""Lines of more rows than one core writes at a time."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from bench.synthetic import render
from bench.synthetic.market import MarketDay
from bench.workloads import market_day

ROWS = 25_000


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_rows_keep_their_order_and_their_number_in_any_number_of_pieces(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line is what its tick and its row say, wherever another core begins."""
    monkeypatch.setattr(pl, "thread_pool_size", lambda: cores)
    monkeypatch.setattr(render, "_ROWS_A_PIECE", 1_000)
    market = MarketDay(
        market_day(ticks=ROWS, symbols=40, seed=3, corrupt_fraction=0, single_posts=0, range_bytes=1 << 20)
    )
    ticks = market.draw(ROWS, (0.0, 1.0), np.random.default_rng(1))
    frame = render.frame_of(market, ticks)
    lines = render.csv_lines(frame, render.STANDARD_COLUMNS)
    assert len(lines) == ROWS
    for row in range(ROWS):
        symbol, timestamp, price, size, exchange, conditions = lines[row].split(",", 5)
        assert (symbol, int(timestamp)) == (market.names[ticks.symbol[row]], ticks.timestamp_ns[row])
        assert (_e9(price), _e9(size)) == (ticks.price_e9[row], ticks.size_e9[row])
        assert exchange == "PQNZK"[row % 5]
        assert conditions == ('"@,T"' if row % 701 == 700 else "@")


def _e9(text: str) -> int:
    whole, _, digits = text.partition(".")
    return int(whole + digits.ljust(9, "0"))
