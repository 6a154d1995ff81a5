"""`tickstream upload`: put files, and say what became of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tickstream_client.commands.output import as_json, echo_line, is_table, show_table
from tickstream_client.commands.target import asks_a_stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from tickstream_client.client import Client
    from tickstream_client.records import Upload


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--feed", metavar="NAME", help="The feed that is to read them; by default it is found.")
@click.option("--prefix", default="", metavar="TEXT", help="Of their keys, before the file's name.")
@click.option("--wait", is_flag=True, help="Until it is known what became of each.")
@as_json
@asks_a_stack
def upload(
    *, client: Client, files: tuple[Path, ...], feed: str | None, prefix: str, wait: bool, as_json: bool
) -> None:
    """Put FILES into the stack's bucket.

    Exit status 1: with --wait, one was refused, counts in part only, or is not done after 20 minutes.
    """
    table = is_table(as_json)
    uploads: list[Upload] = []
    with _progress(files) as (told, done):
        for one in client.upload(files, feed=feed, prefix=prefix, wait=wait, progress=told):
            done(one)
            uploads.append(one)
            if not table:
                echo_line(one)
    if table:
        headings = ("file", "state", "ticks", "rejected", "why")
        show_table(headings, [_row(one) for one in uploads], right=("ticks", "rejected"))
    if wait and not all(one.fate is not None and one.fate.is_good for one in uploads):
        raise click.exceptions.Exit(1)


def _row(one: Upload) -> tuple[object, ...]:
    fate: Any = one.fate
    if fate is None:
        return one.key, one.state, None, None, None
    totals = getattr(fate, "totals", None)
    ticks = getattr(fate, "ticks", None) if totals is None else totals.get("ticks")
    return one.key, one.state, ticks, fate.rejected, None if fate.reason is None else fate.reason.message


class _progress:  # noqa: N801 - used as a function
    """Bars of what is sent, on a terminal; nothing elsewhere."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        self._files = files
        self._shown: Any = None

    def __enter__(self) -> tuple[Callable[[Path, int, int], None] | None, Callable[[Upload], None]]:
        if not sys.stderr.isatty():
            return None, lambda _: None
        from rich.console import Console  # noqa: PLC0415 - see `tickstream_client.command`
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

        self._shown = shown = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
            TextColumn("{task.fields[state]}", markup=False), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        tasks = {
            path: shown.add_task(path.name, total=path.stat().st_size, state="", visible=False) for path in self._files
        }
        shown.start()

        def told(path: Path, sent: int, size: int) -> None:
            state = "" if sent < size else "waits"
            shown.update(tasks[path], completed=sent, total=size, state=state, visible=True)

        def done(one: Upload) -> None:
            shown.update(tasks[one.path], state=one.state, visible=False)

        return told, done

    def __exit__(self, *_: object) -> None:
        if self._shown is not None:
            self._shown.stop()
