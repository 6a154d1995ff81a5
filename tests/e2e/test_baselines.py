"""The naive design on the same LocalStack: what it loses is what it must lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.baselines.naive_run import run_naive
from bench.baselines.slices import of_file
from bench.cost.account import account_of
from bench.report.console import Reporter
from bench.report.result import read_result
from bench.stack.leftovers import inventory
from tests.e2e.market import csv, trades

if TYPE_CHECKING:
    from pathlib import Path

    from bench.targets.embedded import EmbeddedTarget

TICKS = 100
SHARING = 30


def test_the_naive_design_loses_the_ticks_that_share_a_key(target: EmbeddedTarget, tmp_path: Path) -> None:
    """Of 100 ticks 30 have the time of another: they are overwritten, counted, priced, and nothing is left behind."""
    made = trades("NAIVE", TICKS - SHARING)
    path = tmp_path / "ticks.csv"
    path.write_bytes(csv([*made, *made[:SHARING]]))
    ticks = of_file(path, TICKS, tmp_path, about="planted")
    before = inventory(target)
    written = run_naive(target, "e2e", ticks, Reporter(), results=tmp_path / "results", seed=1, stall_s=60.0)
    result = read_result(written)
    counts = result.verdict.counts
    assert counts["attempted"] == TICKS
    assert counts["lost"] == ticks.colliding == SHARING
    assert counts["aggregated"] >= TICKS
    assert {check.name: check.passed for check in result.verdict.checks} == {
        "every tick is stored": False,
        "what is lost is what shares a key": True,
        "every tick is in a bar": counts["aggregated"] == TICKS,
        "no request was refused": True,
    }
    # One item, one event and two requests to a bar each: 2.5 dollars and more, whatever the machine.
    bill = account_of(result).million
    by_unit = {line.price.unit: line.quantity * TICKS / 10**6 for line in bill.lines}
    assert by_unit["write request units"] >= 2 * TICKS
    assert by_unit["custom events of 64 KB"] >= TICKS
    assert bill.total("arm64") > 2
    assert inventory(target) == before
