"""What S3 says when an object was created: which version of what, and how it stands to other versions of its key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from tickstream.errors import MalformedItem
from tickstream.ingests import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The sequencers of AWS's documentation. Emulators put one of them into every event.
_SAMPLE_SEQUENCERS: Final = frozenset({"0055AED6DCD90281E5", "0062E99A88DC407460", "0A1B2C3D4E5F678901"})
#: Sequencers of different lengths compare as if padded with zeros on the right (S3's rule); real ones have 18 digits.
_SEQUENCER_DIGITS: Final = 32
_MILLISECOND_DIGITS: Final = 20
_HEX_DIGITS: Final = frozenset("0123456789ABCDEF")


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """One version of one object came into being.

    sequencer: orders the versions of one key as text; what comes later is larger.
    by_event_time: the sequencer was made of the event's time, because the event has none of its own.
    created_ms: when, in Unix milliseconds.
    """

    source: Source
    sequencer: str
    by_event_time: bool
    created_ms: int


def source_of(record: Mapping[str, Any]) -> Source:
    """Return the object version that a record of an S3 event is about. Raises MalformedItem."""
    try:
        found = record["s3"]["object"]
        source = Source(
            bucket=record["s3"]["bucket"]["name"],
            # Keys come form-encoded: a space as `+`, everything else in percent.
            key=unquote_plus(found["key"], errors="strict"),
            version_id=found.get("versionId") or "",
            etag=found["eTag"].strip('"'),
            size_bytes=int(found["size"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedItem(f"not a record of an S3 event: {error!r}") from error
    if not isinstance(source.bucket, str) or not isinstance(source.version_id, str):
        raise MalformedItem("not a record of an S3 event: a name that is no text")
    return source


def is_folder(source: Source) -> bool:
    """Whether the object is what S3's console puts for a folder: nothing, under a name that ends with a slash."""
    return source.size_bytes == 0 and source.key.endswith("/")


def object_created(record: Mapping[str, Any]) -> ObjectCreated:
    """Read a record of an `ObjectCreated` event. Raises MalformedItem."""
    source = source_of(record)
    try:
        moment = datetime.fromisoformat(record["eventTime"]).astimezone(UTC)
        sequencer = str(record["s3"]["object"].get("sequencer", "")).upper()
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedItem(f"not a record of an S3 event: {error!r}") from error
    created_ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _ONE_MILLISECOND
    if sequencer and _HEX_DIGITS.issuperset(sequencer) and sequencer not in _SAMPLE_SEQUENCERS:
        return ObjectCreated(
            source, sequencer.ljust(_SEQUENCER_DIGITS, "0"), by_event_time=False, created_ms=created_ms
        )
    # Two versions of one millisecond have no known order, but must not pass for one: the version decides, somehow.
    made = f"{created_ms:0{_MILLISECOND_DIGITS}d}-{source.version_id}"
    return ObjectCreated(source, made, by_event_time=True, created_ms=created_ms)


_ONE_MILLISECOND: Final = datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
