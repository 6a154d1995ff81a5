"""`tickstream browse`: look at a stack in the browser."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import click

from tickstream_client.commands.target import asks_a_stack

if TYPE_CHECKING:
    from tickstream_client.client import Client

#: Of the extra `browse`.
_LIBRARIES: Final = ("starlette", "uvicorn", "plotly")


@click.command()
@click.argument("symbol", required=False)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Of 127.0.0.1; by default any that is free.")
@click.option("--no-open", is_flag=True, help="Print the address only.")
@asks_a_stack
def browse(*, client: Client, symbol: str | None, port: int, no_open: bool) -> None:
    """Look at bars and ingests in the browser.

    A page on this machine alone, with your credentials, read-only. Ctrl-C ends it.
    """
    missing = [library for library in _LIBRARIES if find_spec(library) is None]
    if missing:
        raise click.ClickException(f"browse needs {', '.join(missing)}: pip install 'tickstream[browse]'")
    if not client.stack.is_market:
        raise click.ClickException(f"browse shows stacks of market-analytics, and this one is {client.stack.pipeline}")
    from tickstream_client.browse.serving import serve  # noqa: PLC0415 - `--help` is to be quick

    serve(client.stack, port=port, symbol=symbol, is_opened=not no_open)
