"""`tickstream symbols`: of what there are bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from tickstream_client.commands.output import as_json, show
from tickstream_client.commands.target import asks_a_stack

if TYPE_CHECKING:
    from tickstream_client.client import Client

_COLUMNS: Final[dict[str, Any]] = {
    "symbol": lambda one: one.symbol,
    "first bar": lambda one: None if one.first_bar is None else f"{one.first_bar:%Y-%m-%d %H:%M}Z",
    "last bar": lambda one: None if one.last_bar is None else f"{one.last_bar:%Y-%m-%d %H:%M}Z",
}


@click.command()
@click.argument("prefix", default="")
@as_json
@asks_a_stack
def symbols(*, client: Client, prefix: str, as_json: bool) -> None:
    """List symbols of which there are bars.

    Those that begin with PREFIX, with their first and last bar.
    """
    show(client.symbols(prefix), _COLUMNS, as_json=as_json, none="no such symbol")
