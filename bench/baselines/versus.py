"""Both designs on the same LocalStack, one after the other, and their figures side by side."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from bench.baselines.naive_run import run_naive
from bench.cost.account import account_of
from bench.errors import BenchError
from bench.report.console import Reporter
from bench.report.result import read_result
from bench.run import carried_out
from bench.targets import Capability, open_target, require

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.baselines.slices import Slice
    from bench.report.result import Result
    from bench.run import RunOptions, Trial

_MILLION: Final = Decimal(10**6)


@dataclass(frozen=True, slots=True)
class Side:
    """What one design did. `written`: its result file. dollars: of a million ticks on arm64.

    warm_ticks_per_s: of the second half of its ticks, where that was measured.
    """

    name: str
    written: Path
    passed: bool
    ticks: int
    ticks_per_s: Decimal
    warm_ticks_per_s: Decimal | None
    requests_a_million: Decimal
    dollars_a_million: Decimal
    lost: int

    @property
    def lost_share(self) -> Decimal:
        """Of its ticks."""
        return Decimal(self.lost) / self.ticks


@dataclass(frozen=True, slots=True)
class Versus:
    """Both."""

    naive: Side
    ours: Side

    @property
    def ratios(self) -> dict[str, Decimal]:
        """How many times better ours is: in speed ours by the naive design's, else the naive design's by ours."""
        naive, ours = self.naive, self.ours
        # Warm against cold: the naive design's better figure.
        warm = {"ticks_per_s_warm": ours.ticks_per_s / naive.warm_ticks_per_s} if naive.warm_ticks_per_s else {}
        return {
            "ticks_per_s": ours.ticks_per_s / naive.ticks_per_s,
            **warm,
            "requests_a_million": naive.requests_a_million / ours.requests_a_million,
            "dollars_a_million": naive.dollars_a_million / ours.dollars_a_million,
        }

    def facts(self) -> dict[str, Any]:
        """Return all of it in plain JSON, decimals as text."""
        sides = {side.name: _facts(side) for side in (self.naive, self.ours)}
        return {**sides, "times_better": {name: str(ratio) for name, ratio in self.ratios.items()}}


def compare(
    trial: Trial,
    options: RunOptions,
    cut: Callable[[Path], Slice],
    reporter: Reporter,
    folder: Path,
    *,
    stall_s: float,
) -> Versus:
    """Run the naive design, then ours. cut: makes the naive design's ticks in a folder. Raises BenchError.

    The naive design first: what a LocalStack has kept of a first run slows a second one down.
    """
    ticks = cut(folder)
    with open_target(options.target) as target:
        require(target, [(Capability.JOURNAL, "baselines")])
        reporter.line(f"naive: {ticks.ticks:,} ticks ({ticks.about}), of which {ticks.colliding:,} share a key")
        # A reporter each: each result file has its own phases.
        first, second = Reporter(reporter.console), Reporter(reporter.console)
        naive = run_naive(
            target, options.environment, ticks, first, results=options.results, seed=trial.seed, stall_s=stall_s
        )
        ours = carried_out(trial, options, second, on=target)
    return Versus(side_of("naive", naive), side_of("ours", ours.written))


def side_of(name: str, written: Path) -> Side:
    """Return the figures of a result file. Raises BenchError where it does not have them."""
    result = read_result(written)
    ticks, speed = result.verdict.counts["attempted"], result.ticks_per_s
    if not speed:
        raise BenchError(f"{name}: not one tick came through, see {written}")
    return Side(
        name=name,
        written=written,
        passed=result.verdict.passed,
        ticks=ticks,
        ticks_per_s=Decimal(speed),
        warm_ticks_per_s=Decimal(result.warm_ticks_per_s) if result.warm_ticks_per_s else None,
        requests_a_million=_own_requests(result) * _MILLION / ticks,
        dollars_a_million=account_of(result).million.total("arm64"),
        lost=result.verdict.counts["lost"],
    )


def _own_requests(result: Result) -> Decimal:
    return Decimal(sum(row.requests for row in result.own_requests or ()))


def table(versus: Versus) -> Table:
    """Both side by side."""
    naive, ours, ratios = versus.naive, versus.ours, versus.ratios
    shown = Table(title="The naive design and this one", title_justify="left")
    shown.add_column("figure")
    for heading in ("naive", "ours", "times better"):
        shown.add_column(heading, justify="right")
    shown.add_row("ticks of the run", f"{naive.ticks:,}", f"{ours.ticks:,}", "")
    shown.add_row(
        "ticks a second", f"{naive.ticks_per_s:,.1f}", f"{ours.ticks_per_s:,.0f}", f"{ratios['ticks_per_s']:,.0f}"
    )
    if naive.warm_ticks_per_s:
        warm = f"{naive.warm_ticks_per_s:,.1f}"
        shown.add_row(
            "the same, naive by its second half", warm, f"{ours.ticks_per_s:,.0f}", f"{ratios['ticks_per_s_warm']:,.0f}"
        )
    shown.add_row(
        "AWS requests per million ticks",
        f"{naive.requests_a_million:,.0f}",
        f"{ours.requests_a_million:,.0f}",
        f"{ratios['requests_a_million']:,.0f}",
    )
    shown.add_row(
        "dollars per million ticks (arm64)",
        f"{naive.dollars_a_million:,.4f}",
        f"{ours.dollars_a_million:,.4f}",
        f"{ratios['dollars_a_million']:,.0f}",
    )
    shown.add_row("ticks lost", *(f"{side.lost:,} ({side.lost_share:.1%})" for side in (naive, ours)), "")
    return shown


def _facts(side: Side) -> dict[str, Any]:
    return {
        "result": str(side.written),
        "passed": side.passed,
        "ticks": side.ticks,
        "ticks_per_s": str(side.ticks_per_s),
        "warm_ticks_per_s": None if side.warm_ticks_per_s is None else str(side.warm_ticks_per_s),
        "requests_a_million": str(side.requests_a_million),
        "dollars_a_million": str(side.dollars_a_million),
        "lost": side.lost,
    }
