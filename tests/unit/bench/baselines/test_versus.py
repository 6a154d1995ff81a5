from __future__ import annotations

import json
from argparse import ArgumentParser
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from bench.baselines.versus import Versus, side_of, table
from bench.commands.baselines import add as add_command
from bench.errors import BenchError
from bench.report.console import Reporter
from bench.report.result import FILE_NAME
from tests.unit.bench.report.result_sample import market_result

if TYPE_CHECKING:
    from pathlib import Path


def _requests(caller: str, requests: int) -> dict[str, Any]:
    """SendMessage alone: 0.4 dollars a million."""
    named = {"service": "sqs", "operation": "SendMessage", "caller": caller, "requests": requests, "chunks": requests}
    nothing = ("errors", "items", "request_bytes", "response_bytes", "write_units", "read_half_units", "fifo_chunks")
    return named | dict.fromkeys(nothing, 0)


def _written(folder: Path, pipeline: str, ticks: int, ticks_per_s: float, *, requests: int, lost: int) -> Path:
    """Write a result with figures that divide without a rest."""
    folder.mkdir()
    fields = market_result() | {
        "pipeline": pipeline,
        "ticks_per_s": ticks_per_s,
        "warm_ticks_per_s": 2 * ticks_per_s if pipeline == "naive" else None,
        "requests": [_requests("DataIngestion-bench", requests), _requests("bench", 10**6)],
        "functions": [],
    }
    fields["verdict"] |= {"passed": lost == 0, "counts": {"attempted": ticks, "lost": lost, "ok": ticks - lost}}
    path = folder / FILE_NAME
    path.write_text(json.dumps(fields))
    return path


@pytest.fixture
def versus(tmp_path: Path) -> Versus:
    """A naive run of 1,000 ticks that lost 400, and one of ours of 1,000,000."""
    naive = _written(tmp_path / "naive", "naive", 1_000, 80.0, requests=4_000, lost=400)
    ours = _written(tmp_path / "ours", "market-analytics", 1_000_000, 400_000.0, requests=500, lost=0)
    return Versus(side_of("naive", naive), side_of("ours", ours))


def test_both_are_stated_per_million_ticks_and_as_ratios(versus: Versus) -> None:
    """By hand: 4,000,000 against 500 requests, 1.6 against 0.0002 dollars, 80 against 400,000 ticks a second."""
    assert [versus.naive.requests_a_million, versus.ours.requests_a_million] == [4_000_000, 500]
    assert (versus.naive.dollars_a_million, versus.ours.dollars_a_million) == (Decimal("1.6"), Decimal("0.0002"))
    # The naive design's second half was twice as fast, its functions warm.
    assert versus.ratios == {
        "ticks_per_s": 5_000,
        "ticks_per_s_warm": 2_500,
        "requests_a_million": 8_000,
        "dollars_a_million": 8_000,
    }
    assert [versus.naive.lost_share, versus.ours.lost_share] == [Decimal("0.4"), 0]
    assert (versus.naive.passed, versus.ours.passed) == (False, True)


def test_both_sizes_are_said_beside_the_ratios(versus: Versus) -> None:
    """A ratio of runs of unlike sizes means nothing without them."""
    reporter = Reporter()
    with reporter.console.capture() as said:
        reporter.console.print(table(versus))
    for wanted in ("1,000,000", "1,000", "5,000", "2,500", "400 (40.0%)", "0 (0.0%)"):
        assert wanted in said.get()
    assert versus.facts()["times_better"]["ticks_per_s"] == "5000"


def test_a_run_through_which_nothing_came_is_not_compared(tmp_path: Path) -> None:
    """Nothing divided by nothing is no ratio."""
    path = _written(tmp_path / "naive", "naive", 1_000, 0.0, requests=4_000, lost=1_000)
    with pytest.raises(BenchError, match="not one tick came through"):
        side_of("naive", path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--naive-ticks", "0"], "one tick or more"),
        (["--symbol", "SPY"], "--symbol is of --input"),
        (["--input", "no-such-file"], "there is no file"),
        (["--input", "no-such-file", "--workload", "smoke"], "either --input or --workload"),
        (["--stall", "0"], "above 0"),
    ],
)
def test_usage_errors_are_one_line_before_anything_is_started(words: list[str], said: str) -> None:
    """Each is a BenchError: exit status 2."""
    parser = ArgumentParser(prog="bench")
    add_command(parser.add_subparsers())
    options = parser.parse_args(["baselines", *words])
    with pytest.raises(BenchError, match=said):
        options.command(options)
