"""Post ticks as they come, so that each counts once, whatever is lost or dies in between.

::

    my-feed | python producer.py - --outbox feed.outbox --stack market-analytics-dev
    python producer.py day.jsonl --outbox day.outbox --stack market-analytics-dev
    python producer.py --walk DEMO --ticks 100000 --per-second 500 --outbox demo.outbox --stack market-analytics-dev

Ticks are JSON lines, `{"symbol": "SPY", "price": 601.17, "size": 100, "timestamp": 1767623400000000000}`; without a
timestamp it is now. What is read is written into the outbox (outbox.py) first, and posted from there, each batch under
an Idempotency-Key of its own, until it is known to count: lost answers, 429 and 5xx are tried again by the client, and
after a crash the next start goes on with the same batch under the same key. Started again with a FILE or a walk it also
skips what the outbox had of it already. A pipe cannot be read again: of it what was read is safe, and no more.

The outbox holds `--backlog` ticks at most. When the stack is away for longer, nothing more is read: a pipe's writer
then waits. A key is good for 24 hours; a batch that may have been sent, and then had no answer for longer, is set aside
and named, because nobody knows whether it counts: what came in then, and what is in the bars, says it.

Exit status: 0 where every tick counts, 1 where some were refused or are not posted yet (start it again), 2 where the
call is wrong. AWS_ENDPOINT_URL leads to LocalStack.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import threading
import time
from io import FileIO
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from outbox import Outbox
from tickstream_client import Client, RefusedError, Retries, StackError, TickstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from outbox import Batch, Fields

#: What an Idempotency-Key is good for, less what clocks may differ by.
KEY_SECONDS: Final = 23 * 3600.0
MAX_LINE_BYTES: Final = 64 * 1024


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True), required=False)
@click.option("--walk", metavar="SYMBOL", help="Instead of a file: a random walk of this symbol.")
@click.option("--ticks", type=click.IntRange(1), default=1000, show_default=True, help="Of the walk.")
@click.option("--per-second", type=click.IntRange(1), help="Of the walk; by default as many as the outbox takes.")
@click.option("--stack", envvar="TICKSTREAM_STACK", required=True, help="The stack's name.")
@click.option("--outbox", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Kept file.")
@click.option("--batch", "size", type=click.IntRange(1, 10_000), default=5000, show_default=True, help="Ticks a post.")
@click.option("--linger", type=click.FloatRange(0), default=1.0, show_default=True, help="Seconds to fill a batch.")
@click.option("--backlog", type=click.IntRange(1), default=1_000_000, show_default=True, help="Ticks that may wait.")
@click.option(
    "--patience",
    type=click.FloatRange(0, KEY_SECONDS),
    default=3600.0,
    show_default=True,
    help="Seconds for an answer.",
)
def main(
    *,
    file: str | None,
    walk: str | None,
    ticks: int,
    per_second: int | None,
    stack: str,
    path: Path,
    size: int,
    linger: float,
    backlog: int,
    patience: float,
) -> None:
    """Post the ticks of FILE (- is standard input), or of a random walk."""
    if (file is None) == (walk is None):
        raise click.UsageError("give either FILE or --walk SYMBOL")
    # Until patience ends, however often that is.
    retries = Retries(attempts=1_000_000, unreached_attempts=1_000_000, total_seconds=patience)
    try:
        with Client.from_stack(stack, retries=retries) as client:
            outbox = Outbox(path, backlog)
            source = f"walk {walk}" if walk else str(file)
            lines = walked(walk, ticks, per_second) if walk else lines_of(open_input(str(file)))
            skipped = 0 if file == "-" else outbox.lines_of(source)
            reader = Reader(outbox, source, lines, skipped)
            reader.start()
            posted, refused = send(client, outbox, size, linger)
    except StackError as error:
        raise click.UsageError(str(error)) from error
    except sqlite3.Error as error:
        raise click.UsageError(f"{path}: {error}: is another producer at it?") from error
    except TickstreamError as error:
        raise click.ClickException(f"{error}: what is not posted is in {path}; start this again") from error
    click.echo(f"{posted:,} ticks posted, {refused + reader.refused:,} refused, {skipped:,} lines posted before")
    if reader.error is not None:
        raise click.ClickException(f"{source}: {reader.error}")
    sys.exit(1 if refused or reader.refused else 0)


class Reader(threading.Thread):
    """Reads a source into the outbox. A daemon: nobody waits for a pipe that says nothing.

    refused: how many lines were no ticks. error: what ended it too early.
    """

    def __init__(self, outbox: Outbox, source: str, lines: Iterator[list[bytes]], skipped: int) -> None:
        super().__init__(daemon=True)
        self._outbox, self._source = outbox, source
        self._lines = lines
        self._skipped = skipped
        self.refused = 0
        self.error: Exception | None = None

    def run(self) -> None:
        """Read to the end."""
        place = 0
        try:
            for some in self._lines:
                new = some[max(0, self._skipped - place) :]
                place += len(some)
                if new:
                    first = place - len(new) + 1
                    self._outbox.add(self._source, len(new), list(self._ticks(new, first)))
        except (OSError, ValueError, sqlite3.Error) as error:
            self.error = error
        finally:
            self._outbox.end()

    def _ticks(self, lines: Iterable[bytes], first: int) -> Iterator[Fields]:
        for place, line in enumerate(lines, first):
            if not line.strip():
                continue
            try:
                yield tick_of(line)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                self.refused += 1
                click.echo(f"{self._source}, line {place} is no tick: {error!r}"[:500], err=True)


def send(client: Client, outbox: Outbox, size: int, linger: float) -> tuple[int, int]:
    """Post all that is in the outbox and comes into it; return how many ticks were taken, and refused."""
    posted = refused = 0
    while (batch := outbox.batch(size, linger)) is not None:
        if time.time() - batch.begun > KEY_SECONDS:
            began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(batch.begun))
            set_aside(outbox, batch, f"it may have been sent, at {began} or later, and may count: its key is too old")
            refused += len(batch.ticks)
            continue
        try:
            result = client.ingest(batch.ticks, key=batch.key)
        except RefusedError as error:
            set_aside(outbox, batch, str(error))
            refused += len(batch.ticks)
            continue
        # Died here: the next start posts it once more, and is told the same.
        outbox.done(batch)
        posted += result.accepted
        refused += result.rejected
        for one in result.reasons:
            click.echo(f"refused: {batch.ticks[one.position]}: {one.reason}: {one.detail}", err=True)
    return posted, refused


def set_aside(outbox: Outbox, batch: Batch, why: str) -> None:
    """Go on without a batch, aloud."""
    outbox.set_aside(batch, why)
    click.echo(f"batch {batch.key} of {len(batch.ticks)} ticks is set aside: {why}", err=True)


def tick_of(line: bytes) -> Fields:
    """Read a tick. Numbers stay texts, digit by digit: no float comes between. Raises ValueError and its like."""
    fields = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    tick: Fields = {name: str(fields[name]) for name in ("symbol", "price", "size")}
    return {**tick, "timestamp": str(fields.get("timestamp", time.time_ns()))}


def open_input(file: str) -> FileIO:
    """Open a file, or standard input. Without a buffer: at Ctrl-C its lock would be in the hands of the reader."""
    return FileIO(0, closefd=False) if file == "-" else FileIO(file)


def lines_of(file: FileIO) -> Iterator[list[bytes]]:
    """Yield the lines that are there, as soon as they are. Raises ValueError for one that does not end."""
    rest = b""
    while some := file.read(1 << 16):
        *lines, rest = (rest + some).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise ValueError(f"a line of more than {MAX_LINE_BYTES} bytes")
        yield lines
    if rest:
        yield [rest]


def walked(symbol: str, ticks: int, per_second: int | None) -> Iterator[list[bytes]]:
    """Yield a random walk in cents, the same each time but for when its ticks are."""
    draw = random.Random(symbol)  # noqa: S311 - a walk, not a secret
    price_cents = 10_000
    for some in batched(range(ticks), per_second or 1000, strict=False):
        lines = []
        for _ in some:
            price_cents = max(1, price_cents + draw.randint(-3, 3))
            price = f"{price_cents // 100}.{price_cents % 100:02}"
            lines.append(json.dumps({"symbol": symbol, "price": price, "size": draw.randint(1, 500)}).encode())
        yield lines
        if per_second:
            time.sleep(1.0)


if __name__ == "__main__":
    main()
