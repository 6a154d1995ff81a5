"""Benchmarks that are whole, verified runs: each a `python -m bench run` of its own, so that its memory is its own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from bench.cost.account import account_of
from bench.errors import BenchError
from bench.ledger.truth import ObjectFile
from bench.perf.decoding import bare_fold, bare_read, best_s
from bench.perf.figures import Better, Figure, Unit
from bench.report.result import read_result
from bench.synthetic.factory import Factory
from bench.workloads import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.report.result import Result

_TIMEOUT_S: Final = 1_800.0
_MILLION: Final = 1_000_000
#: The size that the goals are stated for.
REFERENCE_TICKS: Final = 10 * _MILLION
_SMALL_TICKS: Final = _MILLION
_LARGE_TICKS: Final = 50 * _MILLION
#: Rows of a group of the Parquet file, as its writers usually have them.
_ROWS_A_GROUP: Final = 1_000_000
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
            samples=(own_requests / ticks * _MILLION,), goal=100, about="the pipeline's own, all services",
        ),
        Figure(
            name="dollars per million ticks", unit=Unit.USD, better=Better.LESS,
            samples=(float(account.million.total("arm64")),), goal=0.0015,
            about=f"arm64, list prices as of {account.prices.as_of:%Y-%m-%d}",
        ),
        _against_bare(result, "reference workload, against bare polars on the same bytes", 0.2, _bare_csv_s()),
        *(
            Figure(
                name=f"{said}, against the run", unit=Unit.RATIO, better=Better.LESS,
                samples=(result.phases_s[phase] / (result.first_upload_to_last_rollup_s or math.inf),), goal=goal,
            )
            for phase, said, goal in (("make ticks", "making ticks", 0.25), ("verify", "verifying them", 0.33))
        ),
        *_memory(result, "10 million ticks"),
    )  # fmt: skip


def parquet(_repeats: int) -> tuple[Figure, ...]:
    """Run the ticks of the reference workload as one Parquet file, as a user's own file comes in."""
    with tempfile.TemporaryDirectory(prefix="tickstream-perf-") as name:
        path = Path(name) / "ticks.parquet"
        exact = pl.Decimal(38, 9)
        ticks = pl.concat(
            pl.read_csv(content, schema_overrides={"timestamp": pl.Int64, "price": exact, "size": exact})
            for content in reference_objects()
        )
        ticks.write_parquet(path, row_group_size=_ROWS_A_GROUP)
        bare_s = best_s(lambda: bare_fold(pl.read_parquet(path).with_columns(pl.col("price", "size").cast(pl.Float64))))
        result = run_of("--input", str(path))
    return (_against_bare(result, "reference ticks as Parquet, against bare polars on the same bytes", 0.3, bare_s),)


def live(_repeats: int) -> tuple[Figure, ...]:
    """Run an object of 200 ticks each fifth of a second for a minute: until each is committed, and seen."""
    result = run_of("--workload", "live")
    stages = result.latency_ms.stages if result.latency_ms else {}
    figures: list[Figure] = []
    for stage, said, goals in (
        ("processed", "committed", (60.0, 300.0)),
        ("visible", "seen in the API", (100.0, 400.0)),
    ):
        found = stages.get(stage)
        if found is None:
            raise BenchError(f"a run on the embedded target says how long until its objects were {said}: not this one")
        figures += (
            Figure(
                name=f"live feed, meant to be sent to {said}, {name}", unit=Unit.MILLISECONDS, better=Better.LESS,
                samples=(value,), goal=goal, about=f"{found.count:,} objects",
            )
            for name, value, goal in zip(("p50", "p99"), (found.p50, found.p99), goals, strict=True)
        )  # fmt: skip
    return tuple(figures)


def _against_bare(result: Result, name: str, goal: float, bare_s: float) -> Figure:
    seconds = result.first_upload_to_last_rollup_s or math.inf
    return Figure(
        name=name, unit=Unit.RATIO, better=Better.MORE, samples=(bare_s / seconds,), goal=goal,
        about=f"bare polars reads and folds them in {bare_s:.2f} s; {_about(result)}",
    )  # fmt: skip


def _bare_csv_s() -> float:
    """Return how long polars alone takes to read and fold the reference objects, once they are in memory."""
    return sum(best_s(partial(_bare, content)) for content in reference_objects())


def _bare(content: bytes) -> pl.DataFrame:
    return bare_fold(bare_read(content))


def reference_objects() -> Iterator[bytes]:
    """Make the objects of the reference workload."""
    with tempfile.TemporaryDirectory(prefix="tickstream-perf-") as name:
        folder = Path(name)
        for piece in Factory(load("reference", ticks=REFERENCE_TICKS), folder, folder).make():
            if isinstance(piece, ObjectFile):
                yield piece.path.read_bytes()


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
