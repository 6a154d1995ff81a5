"""What became of one ingest: `GET /ingest/{ingestId}`, from its manifest and receipts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger

from tickstream import keys
from tickstream.errors import BadRequest
from tickstream.ingests import IngestState, Manifest, Refusal, is_forgotten
from tickstream.items import PROGRESS_ATTRIBUTES, commit_from, manifest_from, sort_key_of
from tickstream.promises import INGEST_ID_PATTERN
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from services.table import Table

_INGEST_ID: Final = re.compile(INGEST_ID_PATTERN)

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Progress:
    """What the receipts say: ranges done, their ticks, and why any of it was refused as a whole."""

    done: int
    ticks: int
    refusal: Refusal | None


def ingest_status(table: Table, ingest_id: str, now_ms: int, overdue_seconds: int) -> dict[str, Any]:
    """Return the answer's fields. Raises BadRequest (400 for a bad id, 404 for an unknown one)."""
    if not _INGEST_ID.fullmatch(ingest_id):
        raise BadRequest("bad_ingest_id", "an ingest id is 32 hexadecimal digits in lower case")
    logger.append_keys(ingest_id=ingest_id)
    manifest: Manifest | None = None
    refusal: Refusal | None = None
    done = ticks = rejected = skipped = cancelled = 0
    for item in table.query(keys.ingest_partition(ingest_id), attributes=PROGRESS_ATTRIBUTES):
        if sort_key_of(item) == keys.MANIFEST_SORT_KEY:
            manifest = manifest_from(item)
            if manifest.rejected is not None:
                refusal = Refusal(manifest.rejected, manifest.rejected_detail)
        elif "parts" in item:  # part 0, whose write commits the range; only it carries counts
            commit = commit_from(item)
            done, ticks, rejected = done + 1, ticks + commit.ticks, rejected + commit.rejected
            skipped, cancelled = skipped + commit.skipped, cancelled + commit.cancelled
            refusal = refusal or commit.refusal  # found only in reading it: a truncated gzip, an object deleted since
    if manifest is None or is_forgotten(manifest.received_ms, now_ms):
        # By the clock, as the table has it: of an object's ingest the manifest stays, but its receipts do not.
        raise BadRequest("unknown_ingest", "no such ingest (they are forgotten after 60 days)", status=404)
    fields: dict[str, Any] = {
        "ingestId": ingest_id,
        "state": state_of(manifest, Progress(done, ticks, refusal), now_ms, overdue_seconds).value,
        "ranges": {"total": manifest.ranges, "done": done},
        "ticks": ticks,
        "rejected": rejected + manifest.refused,
        "skipped": skipped,
        "cancelled": cancelled,
        "receivedAt": iso_8601(manifest.received_ms * keys.NS_PER_MS),
    }
    if refusal is not None:
        fields["reason"] = {"code": refusal.reason.value, "message": refusal.detail}
    if manifest.source is not None:
        fields["source"] = manifest.source.key
    if manifest.layout is not None and manifest.layout.feed:
        fields["feed"] = json.loads(manifest.layout.feed)["name"]
    return fields


def state_of(manifest: Manifest, progress: Progress, now_ms: int, overdue_seconds: int) -> IngestState:
    """Decide the state; an ingest without ranges is done at once.

    Once all ranges are done: `rejected` says that nothing of it is in any bar, `partly_rejected` that the ticks of the
    ranges which could be read are, and those of the refused ones are not.
    """
    if manifest.indexing:
        late = now_ms - manifest.received_ms > overdue_seconds * 1000
        return IngestState.OVERDUE if late else IngestState.INDEXING
    if progress.done >= manifest.ranges:
        if progress.refusal is None:
            return IngestState.COMPLETE
        return IngestState.PARTLY_REJECTED if progress.ticks else IngestState.REJECTED
    if now_ms - manifest.received_ms > overdue_seconds * 1000:
        return IngestState.OVERDUE
    return IngestState.PROCESSING
