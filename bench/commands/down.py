"""`python -m bench down`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands.options import add_command, add_pipeline
from bench.commands.target_options import add_target, target_choice
from bench.report.console import Reporter
from generator.environment import Environment

if TYPE_CHECKING:
    import argparse

    from bench.commands.options import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "down",
        _work,
        help="end what up or run --keep left running",
        description="Delete the stacks of the target that was left running, and end it. On endpoint and aws: delete "
        "one stack that the bench has deployed there.",
        examples=("down", "down --target endpoint --endpoint-url http://127.0.0.1:4566 --env bench"),
    )
    add_target(parser)
    parser.add_argument("--env", help="endpoint, aws: the environment whose stack is deleted")
    add_pipeline(parser)


def _work(options: argparse.Namespace) -> int:
    from bench.stack.dev_stack import down  # noqa: PLC0415 - see bench.commands

    stack = None if options.env is None else (options.pipeline, Environment(options.env).name)
    down(Reporter(), target_choice(options), stack)
    return 0
