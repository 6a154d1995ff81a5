"""How answers are shown: tables on a terminal, JSON lines with `--json` and wherever there is no terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import RenderableType

as_json = click.option("--json", "as_json", is_flag=True, help="JSON lines, also on a terminal.")


def is_table(as_json: bool) -> bool:  # noqa: FBT001 - the option's value
    """Whether somebody looks at it."""
    return not as_json and sys.stdout.isatty()


def echo_line(record: Any) -> None:
    """Write one JSON line: a dataclass or a mapping. Decimals and moments are text; what is not known is left out."""
    click.echo(json.dumps(plain(record), ensure_ascii=False))


def plain(value: Any) -> Any:
    """What JSON can write of a record."""
    from dataclasses import fields, is_dataclass  # noqa: PLC0415 - see `tickstream_client.command`
    from datetime import date  # noqa: PLC0415

    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    match value:
        case None | bool() | int() | float():
            return value
        case date():  # a datetime is one
            return value.isoformat().replace("+00:00", "Z")
        case dict():
            return {str(name): plain(one) for name, one in value.items() if one is not None}
        case list() | tuple():
            return [plain(one) for one in value]
    return str(value)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()) -> None:
    """Print a table. right: headings of columns of figures."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    figures = set(right)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in figures else "left", overflow="fold")
    for row in rows:
        # Text, so that brackets of a symbol or a key are no markup.
        cells: list[RenderableType] = [Text("" if cell is None else str(cell)) for cell in row]
        table.add_row(*cells)
    Console(highlight=False).print(table)


def show(
    records: Iterable[Any], columns: Mapping[str, Any], *, as_json: bool, right: Iterable[str] = (), none: str = ""
) -> None:
    """Show records. columns: heading, and what a record has under it. none: what is said where there are none."""
    if not is_table(as_json):
        for record in records:
            echo_line(record)
        return
    listed = list(records)
    if listed:
        show_table(list(columns), ([read(one) for read in columns.values()] for one in listed), right=right)
    elif none:
        click.echo(none)
