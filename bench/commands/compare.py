"""`python -m bench compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import add_command
from bench.report.console import Reporter

if TYPE_CHECKING:
    import argparse

    from bench.commands.options import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "compare",
        _work,
        help="two runs side by side, if they may be compared",
        description="Compare speed, latencies, requests and memory of two runs. Runs of unlike workloads, targets, "
        "faults or machines, and runs that failed, are not compared: the command says why, and its status is 2. "
        "Two files of benchmarks are compared figure by figure.",
        examples=(
            "compare bench/results/20260105T143000Z-1 bench/results/20260105T150000Z-1",
            "compare bench/results/baseline.json bench/results/perf-20260105T143000Z.json",
        ),
    )
    parser.add_argument("first", type=Path, metavar="A", help="a result.json, or the folder that it is in")
    parser.add_argument("second", type=Path, metavar="B", help="the result that is compared with it")


def _work(options: argparse.Namespace) -> int:
    from bench.perf import suite  # noqa: PLC0415
    from bench.perf.figures import are_benchmarks, read_benchmarks  # noqa: PLC0415
    from bench.report.compare import compared, obstacles, table  # noqa: PLC0415 - see bench.commands
    from bench.report.result import read_result  # noqa: PLC0415

    if are_benchmarks(options.first) and are_benchmarks(options.second):
        earlier, now = read_benchmarks(options.first), read_benchmarks(options.second)
        Reporter().console.print(suite.table(now, earlier))
        return 0
    first, second = read_result(options.first), read_result(options.second)
    found = obstacles(first, second)
    if found:
        for obstacle in found:
            print(f"bench: not comparable: {obstacle}", file=sys.stderr)
        return 2
    Reporter().console.print(table(first, second, compared(first, second)))
    return 0
