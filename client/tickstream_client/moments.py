"""Moments as a caller gives them, as the API takes them: Unix nanoseconds, exact."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from tickstream_client.errors import UsageError

type Moment = str | int | date | datetime
"""An ISO 8601 text with an offset (or a date alone), Unix nanoseconds, a date, or an aware datetime.

A date is the midnight UTC that begins it.
"""

_TEXT: Final = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<time>\d{2}:\d{2}(?::\d{2})?)(?:\.(?P<fraction>\d{1,9}))? ?(?P<offset>Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE: Final = "has no zone: 14:30 of which place? Give an offset (14:30Z, 14:30-05:00) or an aware datetime"


def nanoseconds_of(moment: Moment, name: str) -> int:
    """Return Unix nanoseconds. name: what the moment is of, for the message. Raises UsageError."""
    if isinstance(moment, datetime):
        if moment.tzinfo is None or moment.utcoffset() is None:
            raise UsageError(f"{name}: {moment.isoformat()} {_NAIVE}")
        return _since_epoch(moment)
    if isinstance(moment, date):
        return _since_epoch(datetime(moment.year, moment.month, moment.day, tzinfo=UTC))
    if isinstance(moment, int) and not isinstance(moment, bool):
        return moment
    if isinstance(moment, str):
        return _of_text(moment.strip(), name)
    raise UsageError(f"{name}: {moment!r} is no text, date, datetime or number of nanoseconds")


def _of_text(text: str, name: str) -> int:
    if text.isascii() and text.isdigit() and len(text) > 8:
        return int(text)
    match = _TEXT.fullmatch(text)
    if match is None:
        raise UsageError(f"{name}: {text[:40]!r} is no date (2026-01-05) or moment (2026-01-05T14:30:00Z)")
    if match["time"] and not match["offset"]:
        raise UsageError(f"{name}: {text} {_NAIVE}")
    offset = {None: "+00:00", "Z": "+00:00", "UTC": "+00:00"}.get(match["offset"], match["offset"])
    try:
        whole = datetime.fromisoformat(f"{match['day']}T{match['time'] or '00:00'}{offset}")
    except ValueError as error:
        raise UsageError(f"{name}: {text}: {error}") from error
    return _since_epoch(whole) + int((match["fraction"] or "").ljust(9, "0"))


def _since_epoch(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def iso_8601(timestamp_ns: int) -> str:
    """Write Unix nanoseconds as UTC, with as many digits of the second as it takes."""
    seconds, fraction = divmod(timestamp_ns, 10**9)
    whole = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{fraction:09d}".rstrip("0") + "Z" if fraction else f"{whole}Z"


def moment_from(text: str) -> datetime:
    """Read a moment of the API's (UTC, up to nine digits of the second) to the microsecond."""
    return datetime.fromisoformat(text)
