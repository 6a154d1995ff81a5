"""Benchmarks that are whole, verified runs: each a `python -m bench run` of its own, so that its memory is its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.cost.account import account_of
from bench.errors import BenchError
from bench.perf.figures import Better, Figure, Unit
from bench.report.result import read_result

if TYPE_CHECKING:
    from bench.report.result import Result

_TIMEOUT_S: Final = 1_800.0
_MILLION: Final = 1_000_000
#: The size that the goals are stated for.
REFERENCE_TICKS: Final = 10 * _MILLION
_SMALL_TICKS: Final = _MILLION
_LARGE_TICKS: Final = 50 * _MILLION
_MEMORY_GOAL_BYTES: Final = 1.5 * 10**9


class RunFailedError(Exception):
    """A run that was to be measured gave a wrong answer; the message ends in the last lines of what it said."""


def reference(_repeats: int) -> tuple[Figure, ...]:
    """Run 10 million ticks end to end: speed, requests, dollars, memory."""
    result = run_of("--workload", "reference", "--ticks", str(REFERENCE_TICKS))
    account = account_of(result)
    ticks = result.verdict.counts["attempted"]
    own_requests = sum(row.requests for row in result.own_requests or ())
    return (
        Figure(
            name="reference workload, end to end", unit=Unit.TICKS_PER_S, better=Better.MORE,
            samples=(_ticks_per_s(result),), goal=600_000, about=_about(result),
        ),
        Figure(
            name="requests per million ticks", unit=Unit.REQUESTS, better=Better.LESS,
            samples=(own_requests / ticks * _MILLION,), goal=500, about="the pipeline's own, all services",
        ),
        Figure(
            name="dollars per million ticks", unit=Unit.USD, better=Better.LESS,
            samples=(float(account.million.total("arm64")),), goal=0.01,
            about=f"arm64, list prices as of {account.prices.as_of:%Y-%m-%d}",
        ),
        *_memory(result, "10 million ticks"),
    )  # fmt: skip


def scaling(_repeats: int) -> tuple[Figure, ...]:
    """Run the reference workload at 1, 10 and 50 million ticks, to see whether a tick takes longer among more."""
    small, middle, large = (
        run_of("--workload", "reference", "--ticks", str(ticks))
        for ticks in (_SMALL_TICKS, REFERENCE_TICKS, _LARGE_TICKS)
    )
    speeds = [_ticks_per_s(result) for result in (small, middle, large)]
    about = "1, 10 and 50 million ticks: " + ", ".join(f"{speed:,.0f}" for speed in speeds) + " ticks/s"
    return (
        Figure(
            name="time a tick at 50 million, against 10 million", unit=Unit.RATIO, better=Better.LESS,
            samples=(speeds[1] / speeds[2],), goal=1.0, about=about,
        ),
        Figure(
            name="time a tick at 10 million, against 1 million", unit=Unit.RATIO, better=Better.LESS,
            samples=(speeds[0] / speeds[1],), goal=1.0, about=about,
        ),
        *_memory(large, "50 million ticks"),
    )  # fmt: skip


def streams(_repeats: int) -> tuple[Figure, ...]:
    """Run 2,000 concurrent streams of 500 ticks each, an object each."""
    result = run_of("--workload", "streams")
    return (
        Figure(
            name="2,000 streams", unit=Unit.TICKS_PER_S, better=Better.MORE,
            samples=(_ticks_per_s(result),), goal=10_000, about=_about(result),
        ),
    )  # fmt: skip


def naive(_repeats: int) -> tuple[Figure, ...]:
    """Run the design of the tutorials beside this one, on the same LocalStack and the first of the same ticks."""
    with tempfile.TemporaryDirectory(prefix="tickstream-perf-") as results:
        versus = json.loads(_told("baselines", "--ticks", str(REFERENCE_TICKS), "--json", "--results", results))
    better = {name: float(ratio) for name, ratio in versus["times_better"].items()}
    slow = versus["naive"]
    about = (
        f"of {slow['ticks']:,} ticks at {float(slow['ticks_per_s']):,.0f} a second, of which it lost {slow['lost']:,}"
    )
    goals = {
        "ticks_per_s": ("speed, against the naive design", 10_000),
        "requests_a_million": ("requests of the naive design, against ours", 10_000),
        "dollars_a_million": ("dollars of the naive design, against ours", 400),
    }
    return tuple(
        Figure(name=said, unit=Unit.RATIO, better=Better.MORE, samples=(better[name],), goal=goal, about=about)
        for name, (said, goal) in goals.items()
    )


def run_of(*arguments: str) -> Result:
    """Make one run and return its result. Raises RunFailedError where its verdict failed, BenchError where it broke."""
    with tempfile.TemporaryDirectory(prefix="tickstream-perf-") as results:
        _told("run", *arguments, "--results", results)
        (folder,) = Path(results).iterdir()
        return read_result(folder)


def _told(*arguments: str) -> str:
    """Run a command of the bench and return what it prints. Raises RunFailedError, BenchError."""
    command = [sys.executable, "-m", "bench", *arguments]
    # Killed with this process's interrupt, and by `run` itself when the time is up; LocalStack goes with it.
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{' '.join(command[1:])} did not end within {_TIMEOUT_S:.0f} s") from None
    if done.returncode == 1:
        raise RunFailedError("\n".join([" ".join(command[1:]), *(done.stdout + done.stderr).splitlines()[-40:]]))
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BenchError(f"{' '.join(command[1:])} ended with status {done.returncode}: {last}")
    return done.stdout


def _ticks_per_s(result: Result) -> float:
    if result.ticks_per_s is None:
        raise BenchError("a run of market analytics says how many ticks a second it carried, and this one does not")
    return result.ticks_per_s


def _memory(result: Result, size: str) -> tuple[Figure, ...]:
    return (
        Figure(
            name=f"memory of the bench, {size}", unit=Unit.BYTES, better=Better.LESS,
            samples=(result.peak_memory_bench_bytes,), goal=_MEMORY_GOAL_BYTES,
        ),
        Figure(
            name=f"memory of LocalStack, {size}", unit=Unit.BYTES, better=Better.LESS,
            samples=(result.peak_memory_target_bytes,),
        ),
    )  # fmt: skip


def _about(result: Result) -> str:
    seconds = result.first_upload_to_last_rollup_s or 0.0
    verify_s = result.phases_s.get("verify", 0.0)
    return f"{result.verdict.counts['attempted']:,} ticks in {seconds:.1f} s, verified in {verify_s:.1f} s"
