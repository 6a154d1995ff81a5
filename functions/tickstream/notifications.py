"""What S3 says when an object was created: which version of what, and how it stands to other versions of its key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_plus

from tickstream.ingests import Source
from tickstream.strict_fields import MAX_NAME_BYTES, MAX_OBJECT_BYTES, Fields, is_text

#: S3 sends one at a time. Each may cost a function seconds, so that very many would never be done.
MAX_RECORDS_AN_EVENT: Final = 100
_WHAT: Final = "not a record of an S3 event"
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


def records_of(event: object) -> list[Any]:
    """Return the records of an S3 event. Raises MalformedItem."""
    return Fields.of(event, "not an S3 event").items("Records", MAX_RECORDS_AN_EVENT)


def source_of(record: object) -> Source:
    """Return the object version that a record of an S3 event is about. Raises MalformedItem."""
    said = Fields.of(record, _WHAT).fields("s3")
    found = said.fields("object")
    written = found.text("key", most_bytes=3 * MAX_NAME_BYTES)
    try:
        # Keys come form-encoded: a space as `+`, everything else in percent.
        key = unquote_plus(written, errors="strict")
    except UnicodeDecodeError:
        found.refuse("key", "a form-encoded text")
    if not key or not is_text(key, MAX_NAME_BYTES):
        found.refuse("key", f"a key of at most {MAX_NAME_BYTES} bytes")
    return Source(
        bucket=said.fields("bucket").text("name"),
        key=key,
        version_id=found.text("versionId") if found.values.get("versionId") is not None else "",
        etag=found.text("eTag").strip('"'),
        size_bytes=found.whole("size", 0, MAX_OBJECT_BYTES),
    )


def is_folder(source: Source) -> bool:
    """Whether the object is what S3's console puts for a folder: nothing, under a name that ends with a slash."""
    return source.size_bytes == 0 and source.key.endswith("/")


def object_created(record: object) -> ObjectCreated:
    """Read a record of an `ObjectCreated` event. Raises MalformedItem."""
    source = source_of(record)
    fields = Fields.of(record, _WHAT)
    created_ms = _created_ms(fields)
    found = fields.fields("s3").fields("object")
    sequencer = (found.text("sequencer") if found.values.get("sequencer") is not None else "").upper()
    if sequencer and _HEX_DIGITS.issuperset(sequencer) and sequencer not in _SAMPLE_SEQUENCERS:
        return ObjectCreated(
            source, sequencer.ljust(_SEQUENCER_DIGITS, "0"), by_event_time=False, created_ms=created_ms
        )
    # Two versions of one millisecond have no known order, but must not pass for one: the version decides, somehow.
    made = f"{created_ms:0{_MILLISECOND_DIGITS}d}-{source.version_id}"
    return ObjectCreated(source, made, by_event_time=True, created_ms=created_ms)


def _created_ms(fields: Fields) -> int:
    try:
        moment = datetime.fromisoformat(fields.text("eventTime"))
        # A time without an offset is nobody's; one of the year 1 cannot be moved to UTC.
        created_ms = (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // _ONE_MILLISECOND
    except (ValueError, OverflowError):
        fields.refuse("eventTime", "a moment")
    if moment.tzinfo is None or created_ms < 0:
        fields.refuse("eventTime", "a moment with its offset from UTC, since 1970")
    return created_ms


_ONE_MILLISECOND: Final = datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
