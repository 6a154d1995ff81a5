"""The producer's outbox: what is to be posted lies in one SQLite file until it is known to count.

Each method is one transaction, on the disk when it returns. So whatever dies at whatever moment, the file says which
lines of a source were taken, which ticks wait, and which of them were sent last, under which key. Where it dies

- before a transaction: the lines are read from their source again;
- between `add` and `batch`: the ticks are sent by the next start;
- between `batch` and `done`: they are sent again, the same ones under the same key, and count once.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TABLES: Final = """
BEGIN EXCLUSIVE;
CREATE TABLE IF NOT EXISTS source (name TEXT PRIMARY KEY, lines INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS batch (key TEXT PRIMARY KEY, begun REAL NOT NULL, set_aside TEXT);
CREATE TABLE IF NOT EXISTS tick (number INTEGER PRIMARY KEY, fields TEXT NOT NULL, key TEXT REFERENCES batch (key));
CREATE INDEX IF NOT EXISTS tick_of_batch ON tick (key);
COMMIT;
"""
#: polars, which the client brings, has signals restart what they interrupt: a wait without end hears of no Ctrl-C.
_LOOK_UP_SECONDS: Final = 0.5

type Fields = dict[str, Any]
"""A tick as `Client.ingest` takes it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Ticks that are posted together. begun: when they may have been sent for the first time, in Unix seconds."""

    key: str
    begun: float
    ticks: list[Fields]


class Outbox:
    """One file, of one producer at a time: a second one is refused (sqlite3.OperationalError).

    Safe for the thread that adds and the one that sends. room: so many ticks at most wait in it.
    """

    def __init__(self, path: Path, room: int) -> None:
        self._file = sqlite3.connect(path, timeout=0, check_same_thread=False)
        # The lock is kept from here on, until this process ends, however it ends.
        self._file.executescript(f"PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; {_TABLES}")
        self._changed = threading.Condition()
        self._room = room
        self._is_whole = False
        [self._waiting] = self._file.execute(
            "SELECT count(*) FROM tick LEFT JOIN batch USING (key) WHERE set_aside IS NULL"
        ).fetchone()

    def lines_of(self, source: str) -> int:
        """Return how many lines of a source were taken, by all producers that had this file."""
        found = self._file.execute("SELECT lines FROM source WHERE name = ?", (source,)).fetchone()
        return 0 if found is None else int(found[0])

    def add(self, source: str, lines: int, ticks: Sequence[Fields]) -> None:
        """Take the ticks of so many more lines of a source, once there is room for more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting or self._waiting + len(ticks) <= self._room)
            with self._file as file:
                rows = [(json.dumps(one),) for one in ticks]
                file.executemany("INSERT INTO tick (fields) VALUES (?)", rows)
                file.execute(
                    "INSERT INTO source VALUES (?, ?) ON CONFLICT DO UPDATE SET lines = lines + excluded.lines",
                    (source, lines),
                )
            self._waiting += len(ticks)
            self._changed.notify_all()

    def end(self) -> None:
        """Say that nothing will be added any more."""
        with self._changed:
            self._is_whole = True
            self._changed.notify_all()

    def batch(self, ticks: int, linger_seconds: float) -> Batch | None:
        """Return what is to be posted next, at most so many ticks; None once all is.

        A batch that is not known to count comes again as it was. A new one waits for so many ticks, or so long.
        """
        with self._changed:
            open_batch = self._file.execute("SELECT key, begun FROM batch WHERE set_aside IS NULL").fetchone()
            if open_batch is None:
                while not self._changed.wait_for(lambda: self._waiting or self._is_whole, _LOOK_UP_SECONDS):
                    pass
                self._changed.wait_for(lambda: self._waiting >= ticks or self._is_whole, linger_seconds)
                if not self._waiting:
                    return None
                open_batch = self._begin(ticks)
            key, begun = open_batch
            rows = self._file.execute("SELECT fields FROM tick WHERE key = ? ORDER BY number", (key,))
            return Batch(key, begun, [json.loads(fields) for (fields,) in rows])

    def _begin(self, ticks: int) -> tuple[str, float]:
        key, begun = uuid.uuid4().hex, time.time()
        with self._file as file:
            file.execute("INSERT INTO batch (key, begun) VALUES (?, ?)", (key, begun))
            oldest = "SELECT number FROM tick WHERE key IS NULL ORDER BY number LIMIT ?"
            file.execute(f"UPDATE tick SET key = ? WHERE number IN ({oldest})", (key, ticks))  # noqa: S608 - no input
        return key, begun

    def done(self, batch: Batch) -> None:
        """Forget a batch that counts."""
        with self._changed:
            with self._file as file:
                file.execute("DELETE FROM tick WHERE key = ?", (batch.key,))
                file.execute("DELETE FROM batch WHERE key = ?", (batch.key,))
            self._waiting -= len(batch.ticks)
            self._changed.notify_all()

    def set_aside(self, batch: Batch, why: str) -> None:
        """Keep a batch that cannot be posted, for somebody to look at, and go on with the others."""
        with self._changed:
            with self._file as file:
                file.execute("UPDATE batch SET set_aside = ? WHERE key = ?", (why, batch.key))
            self._waiting -= len(batch.ticks)
            self._changed.notify_all()

    def close(self) -> None:
        """Let another producer have the file."""
        with self._changed:
            self._file.close()
