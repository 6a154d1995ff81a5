"""Backfill: put all files of a folder, some side by side, and tell what became of each.

::

    python backfill.py ~/lean/data/equity --prefix equity --match '*_trade.zip' --stack market-analytics-dev

A file's key is its path below the folder, behind the prefix: vendors' feeds are told by it. Whatever stopped it, start
it again: it asks by key what is there already, waits for what is still in work, and puts the rest. A file counts as
there if its key has an ingest of its size that was not taken back. One that was put just before this died, and that
nobody has heard of yet, is put again, which is harmless: the same bytes under the same key are the same ingest.

Exit status: 0 where every file is complete, 1 where one is not, 2 where the call is wrong. AWS_ENDPOINT_URL leads to
LocalStack.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tickstream_client import Client, StackError, TickstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tickstream_client import FileStatus, Ingest

#: States of an ingest whose ticks are in no bar any more: its file is to be put again.
GONE: Final = frozenset({"retracting", "retracted", "replaced"})
POLL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file. did: `put`, `there` (put before) or `failed`. why: in a sentence, where it is not good."""

    key: str
    did: str
    state: str = ""
    ticks: int = 0
    rejected: int = 0
    why: str = ""

    @property
    def is_good(self) -> bool:
        """Whether all of the file is in the bars, but for single rows that were rejected."""
        return self.state == "complete"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--stack", envvar="TICKSTREAM_STACK", required=True, help="The stack's name.")
@click.option("--prefix", default="", help="Of all keys, such as `equity/usa` or `feed=kibot-tick`.")
@click.option("--match", "pattern", default="*", show_default=True, help="Which files, by name.")
@click.option("--at-once", type=click.IntRange(1, 64), default=8, show_default=True, help="Files under way at a time.")
@click.option("--patience", type=click.FloatRange(0), default=1200.0, show_default=True, help="Seconds for a fate.")
def main(*, folder: Path, stack: str, prefix: str, pattern: str, at_once: int, patience: float) -> None:
    """Put all files of FOLDER and tell what became of each."""
    files = {key_of(file, folder, prefix): file for file in sorted(folder.rglob(pattern)) if file.is_file()}
    if not files:
        raise click.UsageError(f"no file {pattern} in {folder}")
    outcomes: list[Outcome] = []
    try:
        with Client.from_stack(stack) as client, ThreadPoolExecutor(at_once) as pool:
            running = {pool.submit(bring, client, file, key, patience) for key, file in files.items()}
            try:
                while running:
                    # Not without end: polars, which the client brings, would have Ctrl-C wait as long.
                    done, running = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                    for one in (future.result() for future in done):
                        outcomes.append(one)
                        click.echo(f"{len(outcomes)}/{len(files)} {one.key}: {one.did} {one.state}", err=True)
            finally:
                # Whoever interrupts this waits for files under way, and not for all the others.
                pool.shutdown(cancel_futures=True)
    except StackError as error:
        raise click.UsageError(str(error)) from error
    show(outcomes)
    sys.exit(0 if all(one.is_good for one in outcomes) else 1)


def key_of(file: Path, folder: Path, prefix: str) -> str:
    """Return the key of a file: the prefix, and its path below the folder."""
    return f"{prefix.strip('/')}/{file.relative_to(folder).as_posix()}".lstrip("/")


def bring(client: Client, file: Path, key: str, patience: float) -> Outcome:
    """Have a file's ticks in the stack, be they there already or not; what goes wrong with one stops no other."""
    try:
        found = there(client, key, file.stat().st_size)
        if found is not None:
            return outcome(key, "there", settled(client, found, patience))
        [upload] = client.upload(file, prefix=key.rpartition("/")[0], wait=patience)
        return outcome(key, "put", upload.fate)
    except (TickstreamError, OSError) as error:
        return Outcome(key, "failed", why=str(error))


def there(client: Client, key: str, size_bytes: int) -> Ingest | None:
    """Return the newest ingest of a file that counts, if any, as far as key and size tell."""
    known = client.ingests(key=key)
    return next((one for one in known if one.size_bytes == size_bytes and one.state not in GONE), None)


def settled(client: Client, ingest: Ingest, patience: float) -> Ingest:
    """Wait for an ingest of an earlier start, and return it as it is then."""
    end = time.monotonic() + patience
    while not ingest.is_final and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
        ingest = client.ingest_status(ingest.ingest_id)
    return ingest


def outcome(key: str, did: str, fate: Ingest | FileStatus | None) -> Outcome:
    """Say what became of a file by its ingest; None: it is not known in time."""
    if fate is None:
        return Outcome(key, did, "unknown", why="nothing was heard of it in time: start this again")
    if not fate.is_final:
        return Outcome(key, did, fate.state, why="it is not done yet: start this again")
    why = "" if fate.reason is None else fate.reason.message
    return Outcome(key, did, fate.state, getattr(fate, "ticks", 0), fate.rejected or 0, why)


def show(outcomes: Iterable[Outcome]) -> None:
    """Print a table of all fates, and the sums."""
    rows = sorted(outcomes, key=lambda one: one.key)
    width = max(len(one.key) for one in rows)
    click.echo(f"{'key':{width}}  {'did':6}  {'state':15}  {'ticks':>12}  {'rejected':>9}  why")
    for one in rows:
        figures = f"{one.ticks:>12,}  {one.rejected:>9,}"
        click.echo(f"{one.key:{width}}  {one.did:6}  {one.state:15}  {figures}  {one.why}".rstrip())
    ticks, good = sum(one.ticks for one in rows), sum(one.is_good for one in rows)
    click.echo(f"{good:,} of {len(rows):,} files complete, {ticks:,} ticks")


if __name__ == "__main__":
    main()
