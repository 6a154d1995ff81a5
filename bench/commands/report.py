"""`python -m bench report`."""

from __future__ import annotations

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
        "report",
        _work,
        help="make report.html from a result file",
        description="Make report.html beside a result file, from that file and nothing else. A run does it by itself.",
        examples=("report bench/results/20260105T143000Z-1",),
    )
    parser.add_argument("result", type=Path, metavar="RESULT", help="a result.json, or the folder that it is in")


def _work(options: argparse.Namespace) -> int:
    from bench.report.html import write_report  # noqa: PLC0415 - see bench.commands

    Reporter().line(f"report: {write_report(options.result)}")
    return 0
