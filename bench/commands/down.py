"""`python -m bench down`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands.options import add_command
from bench.report.console import Reporter

if TYPE_CHECKING:
    import argparse

    from bench.commands.options import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    add_command(
        commands,
        "down",
        _work,
        help="end what up or run --keep left running",
        description="Delete the stacks of the LocalStack that was left running, and end it.",
        examples=("down",),
    )


def _work(_options: argparse.Namespace) -> int:
    from bench.standing import down  # noqa: PLC0415 - see bench.commands

    down(Reporter())
    return 0
