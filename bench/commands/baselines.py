"""`python -m bench baselines`."""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from bench.commands.options import MARKET, add_command, trial_of
from bench.errors import BenchError
from bench.report.console import Reporter
from bench.targets import TargetChoice
from bench.workloads import load, names
from generator.environment import Environment

if TYPE_CHECKING:
    import argparse

    from bench.baselines.slices import Slice
    from bench.commands.options import Commands

_WORKLOAD: Final = "reference"
_TICKS: Final = 1_000_000
_NAIVE_TICKS: Final = 2_000


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "baselines",
        _work,
        help="the naive design beside this one: speed, requests, dollars, ticks lost",
        description="Deploy the design that tutorials teach (one tick a message, an item and an event) and this one to "
        "the same LocalStack, send both the same ticks, and print what each did. The naive design carries about a "
        "hundred ticks a second, so it gets the first few thousand. Status 0 where ours is exact, whatever the naive "
        "design lost, else 1.",
        examples=("baselines", "baselines --ticks 10000000", "baselines --input my-trades.csv.gz --symbol SPY"),
    )
    parser.add_argument("--workload", choices=names(), metavar="NAME", help=f"what is sent (default: {_WORKLOAD})")
    parser.add_argument("--ticks", type=int, metavar="N", help=f"through this design (default: {_TICKS:,})")
    parser.add_argument(
        "--naive-ticks", type=int, default=_NAIVE_TICKS, metavar="N", help="through the naive one (default: 2,000)"
    )
    parser.add_argument("--symbols", type=int, help="of the ticks")
    parser.add_argument("--seed", type=int, help="equal seeds make equal bytes (default: 1)")
    parser.add_argument("--input", type=Path, metavar="FILE", help="a CSV tick file of your own")
    parser.add_argument("--symbol", metavar="NAME", help="--input: the naive design gets the ticks of this one alone")
    parser.add_argument("--env", default="bench", help="environment, part of every name (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=Path("bench/results"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--stall", type=float, default=60.0, metavar="SECONDS", help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="the figures as JSON; what goes on is told on stderr")
    # What `run` may be told besides, for the trial that both make.
    others = ("corrupt", "posts", "range_bytes", "compaction_threshold", "rate")
    parser.set_defaults(pipeline=MARKET, **dict.fromkeys(others))


def _work(options: argparse.Namespace) -> int:
    if options.naive_ticks < 1:
        raise BenchError("the naive design gets one tick or more")
    if options.symbol is not None and options.input is None:
        raise BenchError("--symbol is of --input")
    if options.input is None:
        options.workload = options.workload or _WORKLOAD
        options.ticks = _TICKS if options.ticks is None else options.ticks
    from bench.baselines.versus import compare, table  # noqa: PLC0415 - see bench.commands
    from bench.run import RunOptions  # noqa: PLC0415

    trial = trial_of(options)
    run_options = RunOptions(Environment(options.env).name, options.results, keep=False, target=TargetChoice())
    console = Console(file=sys.stderr if options.json else sys.stdout, highlight=False, soft_wrap=True)
    reporter = Reporter(console)
    with tempfile.TemporaryDirectory(prefix="tickstream-baselines-") as name:
        cut = partial(_cut, options)
        versus = compare(trial, run_options, cut, reporter, Path(name), stall_s=options.stall)
        whole = _whole(options, Path(name) / "whole")
    if options.json:
        print(json.dumps({**versus.facts(), **whole}, indent=2))
    else:
        console.print(table(versus))
        for said in whole.values():
            reporter.line(f"by its keys the naive design would lose {said['lost']:,} of all {said['ticks']:,} ticks")
    return 0 if versus.ours.passed else 1


def _cut(options: argparse.Namespace, folder: Path) -> Slice:
    from bench.baselines.slices import of_input, of_workload  # noqa: PLC0415

    if options.input is not None:
        return of_input(options.input, options.naive_ticks, folder, symbol=options.symbol)
    figures = {"ticks": options.ticks, "symbols": options.symbols, "seed": options.seed}
    given = {name: figure for name, figure in figures.items() if figure is not None}
    return of_workload(load(options.workload, **given), options.naive_ticks, folder)


def _whole(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, int]]:
    """What the naive design would make of the whole input file: counted, because it would take hours."""
    if options.input is None:
        return {}
    from bench.baselines.slices import colliding_in  # noqa: PLC0415

    ticks, lost = colliding_in(options.input, folder, options.symbol)
    return {"naive_on_the_whole_file": {"ticks": ticks, "lost": lost}}
