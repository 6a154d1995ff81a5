"""`python -m bench perf`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands.options import MARKET, add_command, add_stack, add_workload, run_options, trial_of
from bench.commands.target_options import add_target
from bench.report.console import Reporter

if TYPE_CHECKING:
    import argparse

    from bench.commands.options import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "perf",
        _work,
        help="the benchmarks: decoding against bare polars, and a whole run",
        description="Measure decoding alone and a whole run; both go into one result file.",
        examples=("perf --ticks 1000000 --symbols 500",),
    )
    add_workload(parser)
    add_stack(parser)
    add_target(parser)
    parser.set_defaults(pipeline=MARKET, ticks=1_000_000, symbols=500, input=None, keep=False, rate=None)


def _work(options: argparse.Namespace) -> int:
    from bench.performance import measure  # noqa: PLC0415 - see bench.commands

    return 0 if measure(trial_of(options), run_options(options), Reporter()).passed else 1
