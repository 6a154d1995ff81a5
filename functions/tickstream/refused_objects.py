"""What lies in the bucket of rejects of an object that was refused as a whole: one line, beside those of its rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tickstream.keys import NS_PER_MS
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from tickstream.ingests import Refusal, Source


def refusal_key(ingest_id: str) -> str:
    """Return the key of the object that says that, and why, an ingest's object was refused."""
    return f"rejected/{ingest_id}/object.jsonl"


def refusal_line(ingest_id: str, source: Source, refusal: Refusal, at_ms: int) -> bytes:
    """Write that line. at_ms: Unix milliseconds; written again, by another delivery, the line may say a later time."""
    fields = {
        "ingestId": ingest_id,
        "bucket": source.bucket,
        "key": source.key,
        "versionId": source.version_id,
        "reason": refusal.reason.value,
        "detail": refusal.detail,
        "refusedAt": iso_8601(at_ms * NS_PER_MS),
    }
    # Half a surrogate, which is no text in UTF-8, becomes what JSON calls it.
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace")
