"""What market analytics' API takes and answers, as schemas. Limits and patterns are the functions' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generator.contracts import lists
from generator.contracts.operation import (
    COUNT,
    DECIMAL,
    REASON,
    TEXT,
    UTC,
    choice_of,
    record,
    refer,
    whole,
)
from tickstream import promises
from tickstream.errors import Reason
from tickstream.ticks import (
    DECIMAL_PATTERN,
    MAX_DECIMAL_CHARACTERS,
    PRICE_BOUND_E9,
    SCALE,
    SIZE_BOUND_E9,
    SYMBOL_PATTERN,
)

if TYPE_CHECKING:
    from generator.contracts.operation import Schema

SYMBOL: Schema = {
    "type": "string",
    "pattern": whole(SYMBOL_PATTERN),
    "description": "1 to 64 printable ASCII characters: no blank, quote, #, comma or backslash. Its case matters.",
    "example": "AAPL",
}
INGEST_ID: Schema = {"type": "string", "pattern": whole(promises.INGEST_ID_PATTERN)}
MOMENT_OR_NUMBER: Schema = {"anyOf": [refer("Moment"), {"type": "integer", "format": "int64"}]}
DECIMAL_TEXT: Schema = {
    "type": "string",
    "pattern": whole(DECIMAL_PATTERN),
    "maxLength": MAX_DECIMAL_CHARACTERS,
    "example": "187.50",
}
EXACT = "at most 9 digits behind the point, beside zeros; an exponent may stand there."
PRICE: Schema = {
    "description": f"Above -9 x 10^9 and below 9 x 10^9, {EXACT}",
    "anyOf": [
        DECIMAL_TEXT,
        {
            "type": "number",
            "minimum": -PRICE_BOUND_E9 // SCALE,
            "exclusiveMinimum": True,
            "maximum": PRICE_BOUND_E9 // SCALE,
            "exclusiveMaximum": True,
        },
    ],
}
SIZE: Schema = {
    "description": f"0 or more and below 10^15, {EXACT}",
    "anyOf": [
        DECIMAL_TEXT,
        {"type": "number", "minimum": 0, "maximum": SIZE_BOUND_E9 // SCALE, "exclusiveMaximum": True},
    ],
}

TICK: Schema = {
    "type": "object",
    "description": (
        "A trade. `volume` is another name of `size`; only one of them may stand there. Without a timestamp it is the "
        "time of receipt. Other fields are not looked at."
    ),
    "required": ["symbol", "price"],
    "oneOf": [{"required": ["size"]}, {"required": ["volume"]}],
    "properties": {
        "symbol": refer("Symbol"),
        "timestamp": MOMENT_OR_NUMBER,
        "price": refer("Price"),
        "size": refer("Size"),
        "volume": refer("Size"),
    },
}
#: `tickstream.ingests.IngestState`, which costs too much to import here; a test compares them.
STATES = (
    "indexing", "processing", "complete", "partly_rejected", "rejected", "overdue",
    "retracting", "retracted", "replaced",
)  # fmt: skip
#: `tickstream.ingests.FeedChoice`, likewise.
FEED_CHOICES = ("named", "own", "built_in", "native")
#: `tickstream.revisions.Cause`, likewise.
CAUSES = ("asked", "refused", "replaced")
#: What a posted tick may be refused for; the other reasons are about objects and their lines.
TICK_REASONS = (
    Reason.MALFORMED_ROW,
    Reason.MISSING_FIELD,
    Reason.BAD_SYMBOL,
    Reason.BAD_TIMESTAMP,
    Reason.TIMESTAMP_OUT_OF_RANGE,
    Reason.BAD_PRICE,
    Reason.BAD_SIZE,
)
DATE: Schema = {
    "type": "string",
    "pattern": whole("[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "description": "The date that names the session.",
    "example": "2025-11-28",
}
PREFIX: Schema = {"type": "string", "pattern": whole(promises.PREFIX_PATTERN), "maxLength": 64, "example": "BTC/"}
BAR: Schema = record(
    {
        "start": refer("Utc"),
        **{price: {**DECIMAL, "nullable": True} for price in ("open", "high", "low", "close")},
        "volume": refer("Decimal"),
        "ticks": {**COUNT, "description": "0 where it is `filled`, and nowhere else."},
        "notional": refer("Decimal"),
        # None where no tick may set them, and where the volume is 0. `nullable` has no effect beside a reference.
        "vwap": {**DECIMAL, "nullable": True},
        "closed": {
            "type": "boolean",
            "description": (
                "False: it may still change, because its end lies ahead, or because an ingest is at work in its hours "
                "of UTC: ticks of it have come there and are not rolled up, or wait to take the place of others. True: "
                "its end has passed, and whatever has come to its hours is settled in them. What an ingest will still "
                "bring is not known before it is read: GET /ingest says when one is complete."
            ),
        },
    },
    {
        "session": DATE,
        "filled": {
            "type": "boolean",
            "enum": [True],
            "description": "Nothing was traded: its prices are the close of the bar before. No other bar has it.",
        },
    },
)
LISTED_SYMBOL: Schema = record(
    {"symbol": refer("Symbol"), **dict.fromkeys(("firstBar", "lastBar"), refer("Utc"))},
)
BARS: Schema = {"type": "array", "items": refer("Bar"), "maxItems": promises.MAX_LIMIT}
INTERVAL: Schema = choice_of(promises.INTERVALS)
SESSION: Schema = {
    "type": "string",
    "pattern": whole(promises.SESSION_PATTERN),
    "example": "XNYS",
}
HOURS: Schema = choice_of(promises.SESSION_HOURS)
FILL: Schema = choice_of(promises.FILLS)
LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": promises.MAX_LIMIT}
TOKEN = lists.TOKEN
INGEST: Schema = record(
    {
        "ingestId": refer("IngestId"),
        "state": choice_of(STATES),
        "ranges": record({"total": COUNT, "done": COUNT}),
        **dict.fromkeys(("rows", "ticks", "rejected", "skipped", "cancelled"), COUNT),
        "receivedAt": refer("Utc"),
    },
    {
        "completedAt": refer("Utc"),
        "rejectedByReason": {"type": "object", "additionalProperties": COUNT},
        "reason": REASON,
        **dict.fromkeys(("source", "bucket", "versionId"), TEXT),
        "sizeBytes": COUNT,
        "feed": TEXT,
        "feedChosenBy": choice_of(FEED_CHOICES),
        "retraction": record(
            {"cause": choice_of(CAUSES), "askedAt": refer("Utc")}, {"doneAt": refer("Utc"), "refused": TEXT}
        ),
    },
)
WINDOW: dict[str, Schema] = {"interval": INTERVAL, "from": refer("Utc"), "to": refer("Utc")}
SAID: dict[str, Schema] = {"session": SESSION, "hours": HOURS, "fill": FILL}
REFUSED_TICKS: dict[str, Schema] = {
    "reasons": {"type": "array", "items": refer("RefusedTick"), "maxItems": promises.MAX_REASONS},
    "reasonsOmitted": COUNT,
}

ASKED: dict[str, tuple[Schema, str]] = {
    "from": (refer("Moment"), "Bars that start then or later; by default 24 hours before `to`."),
    "to": (refer("Moment"), "Bars that start before; by default now."),
    "interval": (INTERVAL, f"Length of a bar, aligned to UTC; by default {promises.DEFAULT_INTERVAL}."),
    "session": (
        SESSION,
        (
            f"Bars of sessions instead, for {' and '.join(promises.SESSION_INTERVALS)}: of an exchange (XNYS), of the "
            "days of a zone (America/New_York) or of those that roll at some time (17:00 America/Chicago)."
        ),
    ),
    "hours": (HOURS, "Of an exchange's session: between open and close (default), the others of its day, or both."),
    "fill": (
        FILL,
        (
            "`previous`: also a bar for each interval without a trade, `filled`, whose prices are the close before it. "
            f"None before the symbol's first close within `from` and the {promises.FILL_REACH_DAYS} days before it, "
            "none that would start in the future, none outside of the session's hours."
        ),
    ),
    "limit": (LIMIT, f"Bars a page; by default {promises.DEFAULT_LIMIT:,}."),
    "nextToken": (TOKEN, "Of the page before, with the same question."),
}
QUESTION = (
    "bad_fill",
    "bad_hours",
    "bad_limit",
    "bad_session",
    "bad_symbol",
    "bad_timestamp",
    "bad_token",
    "from_after_to",
    "sessions_unknown",
    "unknown_interval",
)

COMPONENTS: dict[str, Schema] = {
    "Symbol": SYMBOL,
    "IngestId": INGEST_ID,
    "Ingest": INGEST,
    "Moment": lists.MOMENT,
    "Utc": UTC,
    "Decimal": DECIMAL,
    "Price": PRICE,
    "Size": SIZE,
    "Tick": TICK,
    "Ticks": record(
        {"ticks": {"type": "array", "items": refer("Tick"), "minItems": 1, "maxItems": promises.MAX_TICKS}}
    ),
    "RefusedTick": record({"position": COUNT, "reason": choice_of(TICK_REASONS), "detail": TEXT}),
    "Bar": BAR,
    "ListedSymbol": LISTED_SYMBOL,
}
"""By the names that they are referred to by."""
