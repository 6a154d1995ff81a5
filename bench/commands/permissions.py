"""`python -m bench permissions`."""

from __future__ import annotations

from itertools import chain, groupby
from typing import TYPE_CHECKING

from rich.table import Column, Table
from rich.text import Text

from bench.commands.options import FILES, MARKET, add_command
from bench.permissions.matrix import Standing
from bench.report.console import Reporter

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from bench.commands.options import Commands
    from bench.permissions.matrix import Matrix, Row
    from bench.permissions.survey import Stack
    from bench.permissions.withhold import Withheld

_ENVIRONMENT = "perms"


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "permissions",
        _work,
        help="what roles are granted against what their functions use",
        description="Deploy the pipelines on the embedded LocalStack, have them use everything that their roles allow, "
        "and compare. Exit status 1 where a request was refused, where something is granted that neither a function "
        "nor AWS's services use, and where these need what is not granted.",
        examples=("permissions", "permissions --withhold", "permissions --pipeline file-processing"),
    )
    parser.add_argument(
        "--withhold", action="store_true", help="also take each permission away in turn: the load must run into it"
    )
    parser.add_argument("--pipeline", choices=(MARKET, FILES), help="one of the two (default: both)")


def _work(options: argparse.Namespace) -> int:
    from bench.permissions.survey import survey  # noqa: PLC0415 - see bench.commands
    from bench.targets.embedded import EmbeddedTarget  # noqa: PLC0415

    reporter = Reporter()
    pipelines = (options.pipeline,) if options.pipeline else (MARKET, FILES)
    tried: list[Withheld] = []

    def between(stack: Stack) -> None:
        if options.withhold:
            tried.extend(_withhold_all(stack, reporter))

    with EmbeddedTarget() as target:
        found = {pipeline: survey(target, _ENVIRONMENT, pipeline, reporter, between) for pipeline in pipelines}
    for pipeline, matrix in found.items():
        reporter.console.print(_table(pipeline, matrix))
    reporter.console.print(_services(found.values()))
    faults = [fault for matrix in found.values() for fault in matrix.faults]
    unnoticed = [one for one in tried if one.check.passed or not one.noticed]
    faults += [f"{one.role}: nobody noticed that {one.action} was withheld" for one in unnoticed]
    for fault in faults:
        reporter.line(fault)
    grants = sum(len(matrix.rows) for matrix in found.values())
    said = f"{grants} grants" + (f", {len(tried)} withheld, each noticed" if tried and not faults else "")
    reporter.console.print(f"[bold red]FAILED[/] {len(faults)}" if faults else f"[bold green]PASSED[/] {said}")
    return 1 if faults else 0


def _withhold_all(stack: Stack, reporter: Reporter) -> Iterator[Withheld]:
    """Withhold everything that a stack's functions have used, and say how each ended."""
    from bench.permissions.withhold import withhold, withhold_from_emptier, withholdable  # noqa: PLC0415

    def of_functions() -> Iterator[Withheld]:
        done: set[tuple[str, str]] = set()
        # Again, for what was used for the first time meanwhile.
        while left := [one for one in withholdable(stack) if one not in done]:
            for role, action in left:
                yield withhold(stack, role, action)
            done.update(left)

    for one in chain(of_functions(), withhold_from_emptier(stack)):
        fate = "refused, run red" if one.noticed and not one.check.passed else "NOT NOTICED"
        reporter.line(f"{fate:<18} {one.role:<44} {one.action:<32} {one.seconds:5.1f} s")
        yield one


def _table(pipeline: str, matrix: Matrix) -> Table:
    """Each role's resources, and who uses which action there; actions that nobody uses are red."""
    table = Table("role", Column("resource", overflow="fold"), "used by the function", "used by AWS")
    table.title, table.title_justify = f"Granted, {pipeline}", "left"
    last = ""
    for (role, resource), rows in groupby(sorted(matrix.rows, key=_place), key=_place):
        columns: dict[Standing, list[Text]] = {standing: [] for standing in Standing}
        for row in rows:
            count = f" {row.requests:,}" if row.requests else ""
            style = "bold red" if row.standing is Standing.UNUSED else ""
            columns[row.standing].append(Text(f"{row.grant.action}{count}", style))
        used = Text("\n").join([*columns[Standing.USED], *columns[Standing.UNUSED]])
        table.add_row(role if role != last else "", resource, used, Text("\n").join(columns[Standing.SERVICE]))
        last = role
    return table


def _place(row: Row) -> tuple[str, str]:
    return row.role, row.grant.resource


def _services(matrices: Iterable[Matrix]) -> Table:
    """What AWS's services use in the roles' names, and the pages that say so."""
    table = Table("what for", "actions", "roles", Column("page", overflow="fold"))
    table.title, table.title_justify = "Used by AWS's services, never asked for by LocalStack", "left"
    demands = {demand for matrix in matrices for row in matrix.rows for demand in row.demands}
    for what_for, page in sorted({(demand.what_for, demand.page) for demand in demands}):
        of = [demand for demand in demands if demand.what_for == what_for]
        actions, roles = sorted({demand.action for demand in of}), {demand.role for demand in of}
        table.add_row(what_for, "\n".join(actions), str(len(roles)), page)
    return table
