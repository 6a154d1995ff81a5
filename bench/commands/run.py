"""`python -m bench run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import add_command, add_faults, add_pipeline, add_stack, add_workload, run_options, trial_of
from bench.commands.target_options import add_target
from bench.commands.worker_options import add_workers, workers_of
from bench.report.console import Reporter

if TYPE_CHECKING:
    import argparse

    from bench.commands.options import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "run",
        _work,
        help="deploy, push ticks or files, verify every one, destroy",
        description="Generate, deploy, push ticks or files through the whole path, verify every one, destroy, say the "
        "verdict.",
        examples=(
            "run --workload smoke",
            "run --ticks 1000000 --symbols 500",
            "run --workload dirty --faults all",
            "run --input trades.csv.gz --feed massive-us-stocks-trades",
            "run --pipeline file-processing --files 500",
            "run --target endpoint --endpoint-url http://127.0.0.1:4566",
            "run --target endpoint --endpoint-url http://10.0.0.5:4566 --workers tcp://10.0.0.5:8786",
        ),
    )
    add_pipeline(parser)
    add_workload(parser)
    add_faults(parser)
    add_stack(parser)
    add_target(parser)
    add_workers(parser)
    files = parser.add_argument_group("file-processing")
    files.add_argument("--files", type=int, metavar="N", help="(default: 500)")
    files.add_argument("--poison", type=float, metavar="FRACTION", help="files on which a stage fails for good (0.02)")
    files.add_argument("--curable", type=float, metavar="FRACTION", help="files on which a stage fails twice (0.02)")
    own = parser.add_argument_group("a file of your own")
    own.add_argument("--input", type=Path, metavar="FILE", help="what is sent instead of synthetic ticks")
    own.add_argument("--key", help="the object's key (default: ticks/input/ and the path as given)")
    own.add_argument("--feed", metavar="NAME", help="the feed that is to read it, put into the key")
    own.add_argument("--feeds", type=Path, metavar="DIR", help="feeds of your own, which the functions get")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="write what was answered at the end, as JSON")
    parser.add_argument("--keep", action="store_true", help="leave the target and the stack running afterwards")
    parser.add_argument(
        "--rate", type=float, metavar="TICKS", help="ticks a second to send (default: the workload's schedule)"
    )


def _work(options: argparse.Namespace) -> int:
    from bench.run import run  # noqa: PLC0415 - see bench.commands

    with workers_of(options) as fleet:
        return 0 if run(trial_of(options, fleet), run_options(options), Reporter()).passed else 1
