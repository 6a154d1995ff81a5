"""`python -m bench permissions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Column, Table

from bench.commands.options import FILES, MARKET, add_command
from bench.report.console import Reporter

if TYPE_CHECKING:
    import argparse

    from bench.commands.options import Commands
    from bench.permissions.matrix import Matrix

_ENVIRONMENT = "perms"


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "permissions",
        _work,
        help="what roles are granted against what their functions use",
        description="Deploy the pipelines on the embedded LocalStack, have them use everything that their roles allow, and "
        "compare. Exit status 1 where a request was refused, where something is granted that neither a function nor AWS's "
        "services use, and where these need what is not granted.",
        examples=("permissions", "permissions --pipeline file-processing"),
    )
    parser.add_argument("--pipeline", choices=(MARKET, FILES), help="one of the two (default: both)")


def _work(options: argparse.Namespace) -> int:
    from bench.permissions.survey import survey  # noqa: PLC0415 - see bench.commands
    from bench.targets.embedded import EmbeddedTarget  # noqa: PLC0415

    reporter = Reporter()
    pipelines = (options.pipeline,) if options.pipeline else (MARKET, FILES)
    with EmbeddedTarget() as target:
        found = {pipeline: survey(target, _ENVIRONMENT, pipeline, reporter) for pipeline in pipelines}
    for pipeline, matrix in found.items():
        reporter.console.print(_table(pipeline, matrix))
    reporter.console.print(_services(found.values()))
    faults = [fault for matrix in found.values() for fault in matrix.faults]
    for fault in faults:
        reporter.line(fault)
    reporter.console.print(f"[bold red]FAILED[/] {len(faults)}" if faults else "[bold green]PASSED[/]")
    return 1 if faults else 0
