"""`python -m bench up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands.options import MARKET, add_command, add_pipeline, add_stack, refuse_foreign, stack_parameters
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
        "up",
        _work,
        help="start a target and deploy, then leave it running",
        description="Start LocalStack or another target, deploy the stack, print how to use it, and leave it running.",
        examples=("up --env dev", "up --target docker"),
    )
    add_pipeline(parser)
    add_stack(parser)
    add_target(parser)
    parser.add_argument("--bare", action="store_true", help="the target alone, without the stack")


def _work(options: argparse.Namespace) -> int:
    from bench.stack.dev_stack import up  # noqa: PLC0415 - see bench.commands

    refuse_foreign(options)
    parameters = stack_parameters(options) if options.pipeline == MARKET else {}
    choice = target_choice(options)
    up(options.pipeline, Environment(options.env).name, parameters, Reporter(), bare=options.bare, choice=choice)
    return 0
