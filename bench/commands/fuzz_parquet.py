"""`python -m bench fuzz-parquet`."""

from __future__ import annotations

import time
from pathlib import Path
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
        "fuzz-parquet",
        _work,
        help="damage Parquet files of every writer and decode them as both pipelines do",
        description="Write small Parquet files by polars, pyarrow and DuckDB (codecs, dictionaries, encodings, page "
        "versions, types), check that each is read right, then damage bits, bytes and slices of them. Whatever is in "
        "one ends in rows or in a reason, within 20 seconds of CPU and 3 GB; the next file is read right. The first "
        "input that does more is shown.",
        examples=("fuzz-parquet --inputs 50000 --seed 7", "fuzz-parquet --seed 7 --only 1234 --keep found.parquet"),
    )
    parser.add_argument("--inputs", type=int, default=10_000, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="equal seeds make equal inputs (default: %(default)s)")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="read this damaged file alone")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where an input is written that did more than it may")


def _work(options: argparse.Namespace) -> int:
    from bench.fuzz.parquet_decoding import fuzz_decoding  # noqa: PLC0415 - see bench.commands

    if options.inputs < 1:
        raise BenchError("the number of inputs is 1 or more")
    reporter, started_s = Reporter(), time.monotonic()
    seen = fuzz_decoding(options.inputs, options.seed, options.only)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(seen.reasons.items()))
    reporter.line(
        f"{seen.inputs:,} damaged files in {time.monotonic() - started_s:,.0f} s, seed {options.seed}: {seen.read:,} "
        f"read, refused: {reasons or 'none'}; {seen.ended:,} ended the child; at most {seen.most_cpu_s:.1f} s of CPU "
        f"and {seen.most_memory_mb:,} MB"
    )
    if seen.finding is None:
        reporter.console.print("[bold green]PASSED[/]")
        return 0
    found = seen.finding
    which = "as it was written" if found.number is None else f"input {found.number}"
    reporter.line(f"{found.file}, {which}: {found.what}")
    if options.keep is not None:
        options.keep.write_bytes(found.data)
    reporter.console.print("[bold red]FAILED[/]")
    return 1
