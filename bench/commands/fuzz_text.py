"""`python -m bench fuzz-text`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.commands.options import add_command
from bench.errors import BenchError
from bench.report.console import Reporter

if TYPE_CHECKING:
    import argparse

    from bench.commands.options import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "fuzz-text",
        _work,
        help="hold the fast paths of CSV, JSON lines and gzip against the strict one",
        description="Make small text objects with something odd in them (line ends, quotes, blanks, NULs, any bytes, "
        "in every place; gzip members and what follows them), read each in ranges and in pieces and row by row, and "
        "compare every bar and every rejected row. The first disagreement is made as small as it goes and shown.",
        examples=("fuzz-text --inputs 20000 --seed 7",),
    )
    parser.add_argument("--inputs", type=int, default=10_000, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="equal seeds make equal inputs (default: %(default)s)")


def _work(options: argparse.Namespace) -> int:
    from bench.fuzz.text_paths import compare_paths  # noqa: PLC0415 - see bench.commands

    if options.inputs < 1:
        raise BenchError("the number of inputs is 1 or more")
    reporter, started_s = Reporter(), time.monotonic()
    compared = compare_paths(options.inputs, options.seed)
    reporter.line(
        f"{compared.inputs:,} inputs in {time.monotonic() - started_s:,.0f} s, seed {options.seed}: {compared.ticks:,} "
        f"ticks, {compared.rejects:,} rejected rows, {compared.refused:,} objects refused"
    )
    if compared.disagreement is None:
        reporter.console.print("[bold green]PASSED[/]")
        return 0
    one = compared.disagreement
    reporter.line(f"input {one.number} is read in two ways; what is left of it: {one.found!r}")
    for line in one.seen.splitlines():
        reporter.line(f"  {line}")
    reporter.console.print("[bold red]FAILED[/]")
    return 1
