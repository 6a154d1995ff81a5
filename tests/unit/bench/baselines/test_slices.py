from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from bench.baselines.slices import colliding_in, of_input, of_workload
from bench.errors import InputError, WorkloadError
from bench.synthetic.plan import Kind, plan
from bench.workloads import load

if TYPE_CHECKING:
    from pathlib import Path

TRADES = """symbol,timestamp,price,size,exchange
SPY,1,1.50,10,P
SPY,1,1.51,20,P
IBM,1,9.00,5,N
SPY,1,1.50,10,P
IBM,2,9.00,5,N
SPY,2,1.50,10,P
"""


@pytest.fixture
def trades(tmp_path: Path) -> Path:
    """Six trades: four of SPY, of which three at one time, two of IBM at two."""
    path = tmp_path / "trades.csv"
    path.write_text(TRADES)
    return path


@pytest.mark.parametrize(
    ("ticks", "symbol", "counted"),
    [(100, None, (6, 2)), (100, "SPY", (4, 2)), (100, "IBM", (2, 0)), (2, None, (2, 1)), (3, "SPY", (3, 2))],
)
def test_the_first_ticks_and_those_that_share_a_key(
    trades: Path, tmp_path: Path, ticks: int, symbol: str | None, counted: tuple[int, int]
) -> None:
    """In the file's order, of all symbols or of one; a key is symbol and timestamp, and its first tick collides not."""
    found = of_input(trades, ticks, tmp_path / "work", symbol=symbol)
    assert (found.ticks, found.colliding) == counted
    with found.path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == counted[0]
    assert {row["symbol"] for row in rows} <= ({symbol} if symbol else {"SPY", "IBM"})
    assert list(rows[0]) == ["symbol", "timestamp", "price", "size"]


def test_the_whole_file_is_counted_without_being_sent(trades: Path, tmp_path: Path) -> None:
    """What the naive design would lose of a day is known from its keys."""
    assert colliding_in(trades, tmp_path / "whole", "SPY") == (4, 2)


def test_a_file_that_the_naive_design_cannot_read_is_refused(trades: Path, tmp_path: Path) -> None:
    """One line: no such symbol, or no CSV."""
    with pytest.raises(InputError, match="no ticks of QQQ"):
        of_input(trades, 1, tmp_path / "none", symbol="QQQ")
    lines = tmp_path / "trades.jsonl"
    lines.write_text('{"symbol": "SPY", "timestamp": 1, "price": "1", "size": "1"}\n')
    with pytest.raises(InputError, match="a header, which the naive design needs"):
        of_input(lines, 1, tmp_path / "lines")


def test_a_workloads_first_ticks_are_those_of_the_run_itself(tmp_path: Path) -> None:
    """Equal seeds cut equal ticks; more than the first object has are refused."""
    day = load("reference", ticks=2_000, symbols=5, seed=7)
    first, second = (of_workload(day, 500, tmp_path / name) for name in ("a", "b"))
    assert first.path.read_bytes() == second.path.read_bytes()
    assert (first.ticks, first.colliding) == (second.ticks, second.colliding)
    with pytest.raises(WorkloadError, match="has only 2,000 ticks"):
        of_workload(day, 2_001, tmp_path / "c")


def test_a_vendors_file_is_nothing_for_the_naive_design(tmp_path: Path) -> None:
    """The first object of the native format is taken, whatever is sent before it."""
    day = load("dirty", ticks=4_000, symbols=5, seed=3)
    first = next(part for part in plan(day) if part.kind is Kind.CSV)
    assert first.feed
    assert of_workload(day, 50, tmp_path / "work").ticks == 50
