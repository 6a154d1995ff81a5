"""`tickstream post`: ticks of a small file, or of a pipe, through the API."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import click

from tickstream_client.commands.output import as_json, echo_line, is_table
from tickstream_client.commands.target import asks_a_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream_client.client import Client


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@click.option("--key", metavar="TEXT", help="Under which the same ticks, posted again within 24 hours, count once.")
@as_json
@asks_a_stack
def post(*, client: Client, file: IO[str], key: str | None, as_json: bool) -> None:
    """Post the ticks of a file or a pipe.

    FILE has JSON lines, or CSV with a header; - is standard input.

    Exit status 1: one was refused; the others count.
    """
    posted = client.ingest(_ticks(file), key=key)
    if is_table(as_json):
        click.echo(f"{posted.accepted:,} taken, {posted.rejected:,} refused")
        for one in posted.reasons:
            click.echo(f"  tick {one.position}: {one.detail} ({one.reason})")
    else:
        echo_line(posted)
    if posted.rejected:
        raise click.exceptions.Exit(1)


def _ticks(file: IO[str]) -> Iterator[dict[str, Any]]:
    """Read ticks; figures stay as they are written."""
    lines = _lines(file)
    first = next(lines, None)
    if first is None:
        raise click.ClickException(f"{file.name}: there is nothing in it")
    if first.lstrip().startswith("{"):
        yield from _of_json(file.name, first, lines)
    else:
        yield from _of_csv(file.name, first, lines)


def _lines(file: IO[str]) -> Iterator[str]:
    try:
        yield from (line for line in file if line.strip())
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file.name} is no UTF-8 text: {error.reason}") from error


def _of_json(name: str, first: str, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    from itertools import chain  # noqa: PLC0415 - see `tickstream_client.command`

    for number, line in enumerate(chain([first], lines), 1):
        try:
            tick = json.loads(line, parse_float=str)
        except ValueError as error:
            raise click.ClickException(f"{name}: line {number} is no JSON: {error}") from error
        if not isinstance(tick, dict):
            raise click.ClickException(f"{name}: line {number} is no JSON object")
        yield tick


def _of_csv(name: str, first: str, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    import csv  # noqa: PLC0415 - see `tickstream_client.command`

    columns = [column.strip().lower() for column in next(csv.reader([first]))]
    if missing := [one for one in ("symbol", "price") if one not in columns]:
        raise click.ClickException(f"{name}: its first line has no column {' and no '.join(missing)}")
    for row in csv.DictReader(lines, columns):
        yield {column: value for column, value in row.items() if column is not None and value}
