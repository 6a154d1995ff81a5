"""`tickstream ingests`, `status`, `retract`: what became of what came in, and taking it back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import click

from tickstream_client.commands.output import as_json, show
from tickstream_client.commands.target import asks_a_stack

if TYPE_CHECKING:
    from tickstream_client.client import Client

_INGEST_ID: Final = re.compile("[0-9a-f]{32}")


def _why(one: Any) -> str | None:
    if one.retraction is not None and one.retraction.refused is not None:
        return str(one.retraction.refused)
    return None if one.reason is None else str(one.reason.message)


_INGEST_COLUMNS: Final[dict[str, Any]] = {
    "ingest": lambda one: one.ingest_id,
    "state": lambda one: one.state,
    "ranges": lambda one: f"{one.ranges_done}/{one.ranges_total}",
    "ticks": lambda one: one.ticks,
    "rejected": lambda one: one.rejected,
    "received": lambda one: f"{one.received_at:%Y-%m-%d %H:%M:%S}Z",
    "key": lambda one: one.key or "(posted)",
    "why": _why,
}
_FILE_COLUMNS: Final[dict[str, Any]] = {
    "file": lambda one: one.file_id,
    "status": lambda one: one.status,
    "stage": lambda one: one.stage,
    "ticks": lambda one: None if one.totals is None else one.totals.get("ticks"),
    "rejected": lambda one: one.rejected,
    "updated": lambda one: f"{one.last_updated:%Y-%m-%d %H:%M:%S}Z",
    "why": lambda one: None if one.reason is None else one.reason.message,
}
_FIGURES: Final = ("ticks", "rejected")


@click.command()
@click.option("--key", help="Those of this object.")
@click.option("--state", help="Those in this state: complete, rejected, overdue, ...")
@click.option("--from", "start", metavar="TIME", help="Those that came then or later; by default 24 hours before --to.")
@click.option("--to", "end", metavar="TIME", help="Those that came before; by default now.")
@as_json
@asks_a_stack
def ingests(
    *, client: Client, key: str | None, state: str | None, start: str | None, end: str | None, as_json: bool
) -> None:
    """List what came in, the newest first.

    Of a stack of file processing its files.
    """
    asked: dict[str, Any] = {"key": key, "state": state, "start": start, "end": end}
    if client.stack.is_market:
        show(client.ingests(**asked), _INGEST_COLUMNS, as_json=as_json, right=_FIGURES, none="nothing came in")
    else:
        show(client.files(**asked), _FILE_COLUMNS, as_json=as_json, right=_FIGURES, none="nothing came in")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="FILE|INGEST...")
@as_json
@asks_a_stack
def status(*, client: Client, names: tuple[str, ...], as_json: bool) -> None:
    """Say what became of files or ingests.

    Files are named by their keys, ingests by their ids.

    Exit status 1: one is unknown, or was refused.
    """
    found: list[Any] = []
    for name in names:
        if not client.stack.is_market:
            found.append(client.status(name))
        elif _INGEST_ID.fullmatch(name):
            found.append(client.ingest_status(name))
        else:
            listed = list(client.ingests(key=name))
            if not listed:
                click.echo(f"tickstream: {name}: no event of that key has come within 60 days", err=True)
                raise click.exceptions.Exit(1)
            found += listed
    columns = _INGEST_COLUMNS if client.stack.is_market else _FILE_COLUMNS
    show(found, columns, as_json=as_json, right=_FIGURES)
    if any(one.state in {"rejected", "partly_rejected", "failed", "overdue"} for one in found):
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("ingest_ids", nargs=-1, required=True, metavar="INGEST...")
@click.option("--wait", is_flag=True, help="Until no bar has them any more.")
@as_json
@asks_a_stack
def retract(*, client: Client, ingest_ids: tuple[str, ...], wait: bool, as_json: bool) -> None:
    """Take ingests back.

    By their ids: the bars will be as if they had never been.

    Exit status 1: one could not be taken back.
    """
    taken = [client.retract(ingest_id) for ingest_id in ingest_ids]
    if wait:
        taken = [client.retract(one.ingest_id, wait=True) if one.state == "retracting" else one for one in taken]
    show(taken, _INGEST_COLUMNS, as_json=as_json, right=_FIGURES)
    if any(one.retraction is not None and one.retraction.refused is not None for one in taken):
        raise click.exceptions.Exit(1)
