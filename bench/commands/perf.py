"""`python -m bench perf`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import add_command
from bench.errors import BenchError
from bench.perf.suite import ALL, BASELINE, chosen
from bench.report.console import Reporter

if TYPE_CHECKING:
    import argparse

    from bench.commands.options import Commands
    from bench.perf.figures import Benchmarks

_MOST_REPEATS = 100


def add(commands: Commands) -> None:
    """Add the command."""
    usual = ", ".join(benchmark.name for benchmark in ALL if benchmark.default)
    more = "; ".join(f"{benchmark.name}: {benchmark.about}" for benchmark in ALL)
    parser = add_command(
        commands,
        "perf",
        _work,
        help="the benchmarks, each beside its goal",
        description=f"Measure, print each figure beside its goal and beside {BASELINE}, and keep all in a file. "
        "A missed goal is told and changes no exit status; a run whose verdict fails ends in 1.",
        examples=("perf", "perf --only decoding,generator --repeats 9", "perf --only all --save"),
    )
    parser.add_argument("--only", metavar="NAME,...", help=f"{more}; all: every one (default: {usual})")
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="samples of a figure (default: %(default)s)"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("bench/results"), metavar="DIR", help="(default: %(default)s)"
    )
    parser.add_argument("--save", action="store_true", help=f"make these figures the ones in {BASELINE}")


def _work(options: argparse.Namespace) -> int:
    from bench.perf.figures import benchmarks_of, write_benchmarks  # noqa: PLC0415 - see bench.commands
    from bench.perf.runs import RunFailedError  # noqa: PLC0415
    from bench.perf.suite import measure, table  # noqa: PLC0415
    from bench.report.result import git_commit, host_facts  # noqa: PLC0415

    if not 1 <= options.repeats <= _MOST_REPEATS:
        raise BenchError(f"the repeats are 1 to {_MOST_REPEATS}")
    benchmarks = chosen(None if options.only is None else [name.strip() for name in options.only.split(",")])
    earlier = _baseline()
    began, host, reporter = datetime.now(UTC), host_facts(), Reporter()
    options.results.mkdir(parents=True, exist_ok=True)
    try:
        found = benchmarks_of(measure(benchmarks, options.repeats, reporter), began, git_commit(), host)
    except RunFailedError as error:
        print(f"bench: a run that was to be measured failed:\n{error}", file=sys.stderr)
        return 1
    reporter.console.print(table(found, earlier))
    path = options.results / f"perf-{began:%Y%m%dT%H%M%SZ}.json"
    write_benchmarks(path, found)
    reporter.line(f"figures: {path}")
    if options.save:
        write_benchmarks(Path(BASELINE), found.with_others_of(earlier))
        reporter.line(f"saved as {BASELINE}")
    return 0


def _baseline() -> Benchmarks | None:
    from bench.perf.figures import read_benchmarks  # noqa: PLC0415

    path = Path(BASELINE)
    return read_benchmarks(path) if path.exists() else None
