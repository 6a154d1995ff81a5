"""The ledger of a run: what was attempted, what was acknowledged, when it was meant to be sent and when it was."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Outcome(StrEnum):
    """What the sender knows of a piece."""

    #: The service promised to keep it.
    ACKNOWLEDGED = "acknowledged"
    #: No answer came that says what became of it (timeout, lost connection, 5xx): it may or may not be there.
    INDETERMINATE = "indeterminate"
    #: The service said no, or answered for something else than what was sent.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Sent:
    """One object or request that was sent. Times are seconds since the run's first send, on a monotonic clock.

    key: object key, or empty for a POST. ingest_id: of an object, computed as the pipeline does; of a POST, as
    answered (empty where nothing of it was accepted, or nothing was answered). rows: 0 for a repeat, which brings none.
    sent_s: of the first try; acknowledged_s: when the last try ended. fault: what went wrong, empty where nothing did.
    refused: position -> reason of the ticks that a POST's answer refused. recovered: acknowledged, after a try of the
    same piece had ended indeterminate. repeat: 1 for a second upload of the same bytes under the same key. lost_with:
    the worker that was lost before it told what became of it, empty where the sender told; such a piece may have been
    sent or not, and its times say nothing.
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
    outcome: Outcome
    fault: str = ""
    refused: Mapping[int, str] | None = None
    recovered: bool = False
    repeat: int = 0
    lost_with: str = ""

    @property
    def acknowledged(self) -> bool:
        """Whether the service promised to keep it; without that promise nothing is expected of it."""
        return self.outcome is Outcome.ACKNOWLEDGED

    @property
    def is_post(self) -> bool:
        """Whether it travelled through the API."""
        return not self.key

    @property
    def source(self) -> str:
        """The name under which its ticks are ordered among equal timestamps."""
        return self.key or self.ingest_id


@dataclass(frozen=True, slots=True)
class Origin:
    """Who a source was to the pipeline, which the order of equal timestamps depends on.

    source: object key or ingest id; etag: empty for a POST.
    """

    ordinal: int
    source: str
    etag: str


class Ledger:
    """Collects entries from several senders at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Sent] = []

    def record(self, entry: Sent) -> None:
        """Add one entry."""
        with self._lock:
            self._entries.append(entry)

    def since(self, known: int) -> tuple[Sent, ...]:
        """Entries in the order in which they were recorded, but for so many of the first."""
        with self._lock:
            return tuple(self._entries[known:])

    def entries(self) -> tuple[Sent, ...]:
        """All entries so far, by ordinal, a repeat after what it repeats."""
        with self._lock:
            return tuple(sorted(self._entries, key=lambda entry: (entry.ordinal, entry.repeat)))

    def outcomes(self) -> tuple[Sent, ...]:
        """What became of each piece, one entry an ordinal: a repeat that was acknowledged stands for all of them."""
        return tuple(_together(tries) for _, tries in groupby(self.entries(), key=lambda entry: entry.ordinal))

    def acknowledged(self) -> tuple[Sent, ...]:
        """What the service promised to keep, one entry an ordinal."""
        return tuple(entry for entry in self.outcomes() if entry.acknowledged)

    def origins(self) -> tuple[Origin, ...]:
        """Who the acknowledged sources are to the pipeline; a POST without an accepted tick is still a source."""
        return origins_of(self.acknowledged())

    @property
    def rows_acknowledged(self) -> int:
        """Rows of the acknowledged sources, each source once."""
        return sum(entry.rows for entry in self.acknowledged())


def origins_of(kept: Iterable[Sent]) -> tuple[Origin, ...]:
    """Who these sources are to the pipeline."""
    return tuple(Origin(entry.ordinal, entry.source, entry.etag) for entry in kept)


def _together(tries: Iterable[Sent]) -> Sent:
    entries = tuple(tries)
    if len(entries) == 1:
        return entries[0]  # as nearly all are, and all of them are asked for at every look at a run
    # Promised once is promised, and where nobody promised, one try that may have arrived decides.
    best = min(entries, key=lambda entry: list(Outcome).index(entry.outcome))
    doubted = any(entry.outcome is Outcome.INDETERMINATE for entry in entries if entry.repeat < best.repeat)
    rows = max(entry.rows for entry in entries)
    return replace(best, rows=rows, recovered=best.recovered or (best.acknowledged and doubted))
