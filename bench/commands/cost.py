"""`python -m bench cost`."""

from __future__ import annotations

import json
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
        "cost",
        _work,
        help="what a run's requests would cost on AWS",
        description="Price what a run used, as its journal counted it: dollars per million ticks by service, for a day "
        "of 10 million and of 1 billion ticks, and for an idle day; list prices of us-east-1.",
        examples=(
            "cost bench/results/20260105T143000Z-1",
            "cost bench/results/20260105T143000Z-1 --json",
            "cost bench/results/20260105T143000Z-1 --actual",
        ),
    )
    parser.add_argument("result", type=Path, metavar="RESULT", help="a result.json, or the folder that it is in")
    parser.add_argument("--json", action="store_true", help="all figures as JSON, decimals as text")
    parser.add_argument(
        "--actual",
        action="store_true",
        help="of a run on AWS: ask Cost Explorer what was billed, and keep it beside what was predicted (costs a cent)",
    )


def _work(options: argparse.Namespace) -> int:
    from bench.cost.account import account_of  # noqa: PLC0415 - see bench.commands
    from bench.cost.tables import show  # noqa: PLC0415
    from bench.report.result import read_result  # noqa: PLC0415

    if options.actual:
        return _actual(options)
    account = account_of(read_result(options.result))
    if options.json:
        print(json.dumps(account.facts(), indent=2))
    else:
        show(account, Reporter())
    return 0


def _actual(options: argparse.Namespace) -> int:
    from bench.cost.actual import actual_of, keep  # noqa: PLC0415
    from bench.cost.tables import show_actual  # noqa: PLC0415
    from bench.report.result import read_result  # noqa: PLC0415

    actual = actual_of(read_result(options.result))
    keep(options.result, actual)
    if options.json:
        print(json.dumps(actual.facts(), indent=2))
    else:
        show_actual(actual, Reporter())
    return 0
