"""The books of a run: what was attempted, what was acknowledged, when it was meant to be sent and when it was."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.oracle import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Sent:
    """One object or request that was sent. Times are seconds since the run's first send, on a monotonic clock.

    key: object key, or empty for a POST. ingest_id: of an object, computed as the pipeline does; of a POST, as
    answered (empty where nothing of it was accepted). refused: position -> reason of the ticks that a POST's answer
    refused. acknowledged: the service promised to keep it; without that promise nothing is expected of it.
    """

    ordinal: int
    key: str
    etag: str
    version_id: str
    ingest_id: str
    rows: int
    size_bytes: int
    intended_s: float
    sent_s: float
    acknowledged_s: float
    acknowledged: bool
    fault: str = ""
    refused: Mapping[int, str] | None = None

    @property
    def is_post(self) -> bool:
        """Whether it travelled through the API."""
        return not self.key

    @property
    def source(self) -> str:
        """The name under which its ticks are ordered among equal timestamps."""
        return self.key or self.ingest_id


class Ledger:
    """Collects entries from several senders at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Sent] = []

    def record(self, entry: Sent) -> None:
        """Add one entry."""
        with self._lock:
            self._entries.append(entry)

    def entries(self) -> tuple[Sent, ...]:
        """All entries so far, by ordinal."""
        with self._lock:
            return tuple(sorted(self._entries, key=lambda entry: entry.ordinal))

    def acknowledged(self) -> tuple[Sent, ...]:
        """The entries that the service promised to keep."""
        return tuple(entry for entry in self.entries() if entry.acknowledged)

    def origins(self) -> tuple[Origin, ...]:
        """Who the acknowledged sources are to the pipeline; a POST without an accepted tick is still a source."""
        return tuple(Origin(entry.ordinal, entry.source, entry.etag) for entry in self.acknowledged())

    @property
    def rows_acknowledged(self) -> int:
        """Rows in acknowledged entries."""
        with self._lock:
            return sum(entry.rows for entry in self._entries if entry.acknowledged)
