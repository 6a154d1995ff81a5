"""What became of an ingest, from its manifest and receipts: `GET /ingest/{ingestId}`, and each entry of a list."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger

from tickstream import keys
from tickstream.errors import BadRequest
from tickstream.ingests import IngestState, Manifest, Refusal, is_forgotten
from tickstream.items import PROGRESS_ATTRIBUTES, commit_from, manifest_from, sort_key_of
from tickstream.promises import INGEST_ID_PATTERN
from tickstream.revisions import Retraction, Step, retraction_from, state_of_retraction
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from services.table import Table
    from tickstream.errors import Reason
    from tickstream.items import Item

_INGEST_ID: Final = re.compile(INGEST_ID_PATTERN)

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Progress:
    """What the receipts say.

    done: ranges. rows: that were read of them. reasons: of rejected rows, as far as receipts say. refusal: why any of
    it was refused as a whole. committed_ms: the last range, Unix milliseconds; None where none is.
    retraction, cause: how far the ingest is taken back, and why; empty where nobody asked for it.
    """

    done: int
    ticks: int
    refusal: Refusal | None
    rows: int = 0
    rejected: int = 0
    skipped: int = 0
    cancelled: int = 0
    reasons: Mapping[Reason, int] | None = None
    committed_ms: int | None = None
    retraction: Retraction | None = None
    is_published: bool = False


@dataclass(frozen=True, slots=True)
class Fate:
    """What an ingest's items say of it."""

    manifest: Manifest
    progress: Progress

    def state(self, now_ms: int, overdue_seconds: int) -> IngestState:
        """Return its state at that time."""
        return state_of(self.manifest, self.progress, now_ms, overdue_seconds)


def ingest_status(table: Table, ingest_id: str, now_ms: int, overdue_seconds: int) -> dict[str, Any]:
    """Return the answer's fields. Raises BadRequest (400 for a bad id, 404 for an unknown one)."""
    if not _INGEST_ID.fullmatch(ingest_id):
        raise BadRequest("bad_ingest_id", "an ingest id is 32 hexadecimal digits in lower case")
    logger.append_keys(ingest_id=ingest_id)
    fate = fate_from(table.query(keys.ingest_partition(ingest_id), attributes=PROGRESS_ATTRIBUTES), now_ms)
    if fate is None:
        raise BadRequest("unknown_ingest", "no such ingest (they are forgotten after 60 days)", status=404)
    return fate_fields(fate, fate.state(now_ms, overdue_seconds))


def fate_from(items: Iterable[Item], now_ms: int) -> Fate | None:
    """Read what became of an ingest from the items of its partition; None where it is not known, or forgotten.

    Raises MalformedItem.
    """
    manifest: Manifest | None = None
    refusal: Refusal | None = None
    retraction: Retraction | None = None
    is_published = False
    done = rows = ticks = rejected = skipped = cancelled = committed_ms = 0
    reasons: Counter[Reason] = Counter()
    for item in items:
        if sort_key_of(item) == keys.MANIFEST_SORT_KEY:
            manifest, retraction = manifest_from(item), retraction_from(item)
            is_published = "publishedMs" in item
            if manifest.rejected is not None:
                refusal = Refusal(manifest.rejected, manifest.rejected_detail)
        elif "parts" in item:  # part 0, whose write commits the range; only it carries counts
            commit = commit_from(item)
            done, ticks, rejected = done + 1, ticks + commit.ticks, rejected + commit.rejected
            skipped, cancelled = skipped + commit.skipped, cancelled + commit.cancelled
            committed_ms = max(committed_ms, commit.committed_ms)
            reasons.update(commit.reasons)
            if commit.refusal is None:
                rows += commit.ticks + commit.rejected + commit.skipped + commit.cancelled
            refusal = refusal or commit.refusal  # found only in reading it: a truncated gzip, an object deleted since
    if manifest is None or is_forgotten(manifest.received_ms, now_ms):
        # By the clock, as the table has it: of an object's ingest the manifest stays, but its receipts do not.
        return None
    return Fate(
        manifest,
        Progress(
            done, ticks, refusal, rows + manifest.refused, rejected + manifest.refused, skipped, cancelled, reasons,
            committed_ms if done else None, retraction, is_published,
        ),
    )  # fmt: skip


def fate_fields(fate: Fate, state: IngestState) -> dict[str, Any]:
    """Return what a caller is told of an ingest in a state."""
    manifest, progress = fate.manifest, fate.progress
    fields: dict[str, Any] = {
        "ingestId": manifest.ingest_id,
        "state": state.value,
        "ranges": {"total": manifest.ranges, "done": progress.done},
        "rows": progress.rows,
        "ticks": progress.ticks,
        "rejected": progress.rejected,
        "skipped": progress.skipped,
        "cancelled": progress.cancelled,
        "receivedAt": iso_8601(manifest.received_ms * keys.NS_PER_MS),
    }
    if progress.reasons:
        fields["rejectedByReason"] = {reason.value: rows for reason, rows in sorted(progress.reasons.items())}
    if progress.committed_ms is not None and progress.done >= manifest.ranges:
        fields["completedAt"] = iso_8601(progress.committed_ms * keys.NS_PER_MS)
    if progress.refusal is not None:
        fields["reason"] = {"code": progress.refusal.reason.value, "message": progress.refusal.detail}
    if progress.retraction is not None:
        fields["retraction"] = _retraction_fields(progress.retraction)
    if manifest.source is not None:
        fields["source"] = manifest.source.key
        fields["bucket"] = manifest.source.bucket
        fields["versionId"] = manifest.source.version_id
        fields["sizeBytes"] = manifest.source.size_bytes
    if manifest.layout is not None and manifest.layout.feed:
        fields["feed"] = json.loads(manifest.layout.feed)["name"]
    if manifest.feed_choice is not None:
        fields["feedChosenBy"] = manifest.feed_choice.value
    return fields


def state_of(manifest: Manifest, progress: Progress, now_ms: int, overdue_seconds: int) -> IngestState:
    """Decide the state; an ingest without ranges is done at once.

    Once all ranges are done: `rejected` says that nothing of it is in any bar. An object of which a range was refused
    counts as a whole or not at all: its other ranges are being taken back, or, where that could not be done, it is
    `partly_rejected`: they are in bars, and those of the refused ones are not. What is taken back is so, whatever.
    """
    if progress.retraction is not None and (state := state_of_retraction(progress.retraction)) is not None:
        return state
    late = now_ms - manifest.received_ms > overdue_seconds * 1000
    if manifest.indexing:
        return IngestState.OVERDUE if late else IngestState.INDEXING
    waits = manifest.replaces and not progress.is_published and progress.refusal is None
    if progress.done < manifest.ranges or (waits and manifest.ranges):
        return IngestState.OVERDUE if late else IngestState.PROCESSING
    return _state_at_end(progress, late)


def _state_at_end(progress: Progress, late: bool) -> IngestState:  # noqa: FBT001 - of `state_of` alone
    if progress.refusal is None:
        return IngestState.COMPLETE
    if progress.ticks:
        return IngestState.PARTLY_REJECTED if late or progress.retraction else IngestState.RETRACTING
    return IngestState.REJECTED


def _retraction_fields(retraction: Retraction) -> dict[str, str]:
    fields = {"cause": retraction.cause.value, "askedAt": iso_8601(retraction.asked_ms * keys.NS_PER_MS)}
    if retraction.step is Step.DONE:
        fields["doneAt"] = iso_8601(retraction.done_ms * keys.NS_PER_MS)
    if retraction.why:
        fields["refused" if retraction.step is Step.REFUSED else "why"] = retraction.why
    if retraction.by:
        fields["replacedBy"] = retraction.by
    return fields
