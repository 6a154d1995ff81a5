"""What the lists of both APIs have in common: the same question (`tickstream.list_questions`), asked alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generator.contracts.operation import Parameter, choice_of, refer, whole
from tickstream import promises
from tickstream.ticks import ISO_8601_PATTERN, NANOSECONDS_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from generator.contracts.operation import Schema

MOMENT: Schema = {
    "type": "string",
    "pattern": whole(f"{NANOSECONDS_PATTERN}|{ISO_8601_PATTERN}"),
    "description": (
        "Unix nanoseconds, or ISO 8601 with an offset (or UTC) and T or a blank between date and time; within 1990 to "
        "2100."
    ),
    "example": "2026-01-05T14:30:00Z",
}
TOKEN: Schema = {
    "type": "string",
    "pattern": whole(r"[A-Za-z0-9_-]+"),
    "minLength": 1,
    "maxLength": promises.MAX_TOKEN_CHARACTERS,
}
_BUCKET: Schema = {"type": "string", "pattern": whole(promises.BUCKET_PATTERN), "example": "market-data-dev"}
_KEY: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": promises.MAX_KEY_BYTES,
    "example": "feeds/2026-01-05.csv",
}
_LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": promises.MAX_LISTED}

REFUSED = (
    "bad_bucket",
    "bad_key",
    "bad_limit",
    "bad_timestamp",
    "bad_token",
    "from_after_to",
    "missing_key",
    "repeated_parameter",
    "unknown_parameter",
    "unknown_state",
)
"""Every code of a 400."""


def parameters(states: Iterable[str], things: str) -> tuple[Parameter, ...]:
    """Return the parameters of a list. things: what is listed, as a caller calls it, such as `Ingests`."""
    return (
        Parameter("bucket", "query", _BUCKET, "Of the key; by default the stack's own."),
        Parameter(
            "key",
            "query",
            _KEY,
            f"{things} of this object, of at most {promises.MAX_KEY_BYTES:,} bytes, percent-encoded: a plus is %2B.",
        ),
        Parameter("state", "query", choice_of(states), f"{things} in this state; by default in any."),
        Parameter("from", "query", refer("Moment"), f"{things} that came then or later."),
        Parameter("to", "query", refer("Moment"), f"{things} that came before; by default now."),
        Parameter("limit", "query", _LIMIT, f"{things} a page; by default {promises.DEFAULT_LISTED}."),
        Parameter("nextToken", "query", TOKEN, "Of the page before, with the same question."),
    )
