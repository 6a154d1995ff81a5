"""`python -m bench agree`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import add_command
from bench.errors import BenchError
from bench.report.console import Reporter
from bench.workloads import names

if TYPE_CHECKING:
    import argparse

    from bench.commands.options import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "agree",
        _work,
        help="the same workload and seed on every engine there is, and what they answered side by side",
        description="Make one run on each engine that is there (LocalStack, LocalEmu, MiniStack), each in its own "
        "environment, and compare bars, statuses, rejected rows and symbols item by item. What differs is explained "
        "(docs/emulators.md) or fails.",
        examples=("agree --workload smoke", "agree --workload dirty --engines localstack,localemu"),
    )
    parser.add_argument("--workload", choices=names(), default="smoke", metavar="NAME", help="(default: %(default)s)")
    parser.add_argument("--ticks", type=int, help="rows to send, corrupt ones among them")
    parser.add_argument("--seed", type=int, help="equal seeds make equal bytes (default: 1)")
    parser.add_argument("--engines", metavar="NAME,...", help="some of localstack, localemu, ministack (default: all)")
    parser.add_argument(
        "--python", action="append", default=[], metavar="ENGINE=PATH", help="its interpreter (default: tox's)"
    )
    parser.add_argument(
        "--most-minutes",
        type=int,
        default=60,
        metavar="N",
        help="after which a run that has not ended is ended (default: %(default)s)",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("bench/results"),
        metavar="DIR",
        help="of the report (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where all differences go, as JSON")


def _work(options: argparse.Namespace) -> int:
    from bench.agreement.comparing import opinions, say  # noqa: PLC0415 - see bench.commands
    from bench.agreement.engines import chosen, pythons_of  # noqa: PLC0415
    from bench.files import write_whole  # noqa: PLC0415

    if options.most_minutes < 1:
        raise BenchError("--most-minutes must be a whole number from 1")
    engines = chosen(options.engines.split(",") if options.engines is not None else None)
    pythons = pythons_of(options.python)
    run = ["--workload", options.workload]
    for name in ("ticks", "seed"):
        if (value := getattr(options, name)) is not None:
            run += [f"--{name}", str(value)]
    reporter = Reporter()
    found = opinions(engines, pythons, run, options.results, reporter, most_s=options.most_minutes * 60.0)
    if options.out is not None:
        write_whole(options.out, json.dumps([one.facts() for one in found], indent=2) + "\n")
    return 0 if say(found, reporter) else 1
