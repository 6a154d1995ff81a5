"""Market analytics' API: ticks in, bars out. Limits and patterns are the functions' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generator.contracts.operation import (
    COUNT,
    DECIMAL,
    REASON,
    TEXT,
    UTC,
    Body,
    Contract,
    Operation,
    Parameter,
    Refused,
    choice_of,
    record,
    refer,
    whole,
)
from tickstream import promises
from tickstream.errors import Reason
from tickstream.ticks import (
    DECIMAL_PATTERN,
    ISO_8601_PATTERN,
    MAX_DECIMAL_CHARACTERS,
    NANOSECONDS_PATTERN,
    PRICE_BOUND_E9,
    SCALE,
    SIZE_BOUND_E9,
    SYMBOL_PATTERN,
)

if TYPE_CHECKING:
    from generator.contracts.operation import Schema

_SYMBOL: Schema = {
    "type": "string",
    "pattern": whole(SYMBOL_PATTERN),
    "description": "1 to 64 printable ASCII characters: no blank, quote, #, comma or backslash. Its case matters.",
    "example": "AAPL",
}
_INGEST_ID: Schema = {"type": "string", "pattern": whole(promises.INGEST_ID_PATTERN)}
_MOMENT: Schema = {
    "type": "string",
    "pattern": whole(f"{NANOSECONDS_PATTERN}|{ISO_8601_PATTERN}"),
    "description": (
        "Unix nanoseconds, or ISO 8601 with an offset (or UTC) and T or a blank between date and time; within 1990 to "
        "2100."
    ),
    "example": "2026-01-05T14:30:00Z",
}
_MOMENT_OR_NUMBER: Schema = {"anyOf": [refer("Moment"), {"type": "integer", "format": "int64"}]}
_DECIMAL_TEXT: Schema = {
    "type": "string",
    "pattern": whole(DECIMAL_PATTERN),
    "maxLength": MAX_DECIMAL_CHARACTERS,
    "example": "187.50",
}
_EXACT = "at most 9 digits behind the point, beside zeros; an exponent may stand there."
_PRICE: Schema = {
    "description": f"Above -9 x 10^9 and below 9 x 10^9, {_EXACT}",
    "anyOf": [
        _DECIMAL_TEXT,
        {
            "type": "number",
            "minimum": -PRICE_BOUND_E9 // SCALE,
            "exclusiveMinimum": True,
            "maximum": PRICE_BOUND_E9 // SCALE,
            "exclusiveMaximum": True,
        },
    ],
}
_SIZE: Schema = {
    "description": f"0 or more and below 10^15, {_EXACT}",
    "anyOf": [
        _DECIMAL_TEXT,
        {"type": "number", "minimum": 0, "maximum": SIZE_BOUND_E9 // SCALE, "exclusiveMaximum": True},
    ],
}

_TICK: Schema = {
    "type": "object",
    "description": (
        "A trade. `volume` is another name of `size`; only one of them may stand there. Without a timestamp it is the "
        "time of receipt. Other fields are not looked at."
    ),
    "required": ["symbol", "price"],
    "oneOf": [{"required": ["size"]}, {"required": ["volume"]}],
    "properties": {
        "symbol": refer("Symbol"),
        "timestamp": _MOMENT_OR_NUMBER,
        "price": refer("Price"),
        "size": refer("Size"),
        "volume": refer("Size"),
    },
}
#: `tickstream.ingests.IngestState`, which costs too much to import here; a test compares them.
_STATES = ("processing", "complete", "partly_rejected", "rejected", "overdue")
#: What a posted tick may be refused for; the other reasons are about objects and their lines.
_TICK_REASONS = (
    Reason.MALFORMED_ROW,
    Reason.MISSING_FIELD,
    Reason.BAD_SYMBOL,
    Reason.BAD_TIMESTAMP,
    Reason.TIMESTAMP_OUT_OF_RANGE,
    Reason.BAD_PRICE,
    Reason.BAD_SIZE,
)
_DATE: Schema = {
    "type": "string",
    "pattern": whole("[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "description": "The date that names the session.",
    "example": "2025-11-28",
}
_BAR: Schema = record(
    {
        "start": refer("Utc"),
        **{price: {**DECIMAL, "nullable": True} for price in ("open", "high", "low", "close")},
        "volume": refer("Decimal"),
        "ticks": {"type": "integer", "minimum": 1},
        "notional": refer("Decimal"),
        # None where no tick may set them, and where the volume is 0. `nullable` has no effect beside a reference.
        "vwap": {**DECIMAL, "nullable": True},
    },
    {"session": _DATE},
)
_BARS: Schema = {"type": "array", "items": refer("Bar"), "maxItems": promises.MAX_LIMIT}
_INTERVAL: Schema = choice_of(promises.INTERVALS)
_SESSION: Schema = {
    "type": "string",
    "pattern": whole(promises.SESSION_PATTERN),
    "example": "XNYS",
}
_HOURS: Schema = choice_of(promises.SESSION_HOURS)
_LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": promises.MAX_LIMIT}
_TOKEN: Schema = {
    "type": "string",
    "pattern": whole(r"[A-Za-z0-9_-]+"),
    "minLength": 1,
    "maxLength": promises.MAX_TOKEN_CHARACTERS,
}
_WINDOW: dict[str, Schema] = {"interval": _INTERVAL, "from": refer("Utc"), "to": refer("Utc")}
_OF_SESSIONS: dict[str, Schema] = {"session": _SESSION, "hours": _HOURS}
_REFUSED_TICKS: dict[str, Schema] = {
    "reasons": {"type": "array", "items": refer("RefusedTick"), "maxItems": promises.MAX_REASONS},
    "reasonsOmitted": COUNT,
}

_ASKED: dict[str, tuple[Schema, str]] = {
    "from": (refer("Moment"), "Bars that start then or later; by default 24 hours before `to`."),
    "to": (refer("Moment"), "Bars that start before; by default now."),
    "interval": (_INTERVAL, f"Length of a bar, aligned to UTC; by default {promises.DEFAULT_INTERVAL}."),
    "session": (
        _SESSION,
        (
            f"Bars of sessions instead, for {' and '.join(promises.SESSION_INTERVALS)}: of an exchange (XNYS), of the "
            "days of a zone (America/New_York) or of those that roll at some time (17:00 America/Chicago)."
        ),
    ),
    "hours": (_HOURS, "Of an exchange's session: between open and close (default), the others of its day, or both."),
    "limit": (_LIMIT, f"Bars a page; by default {promises.DEFAULT_LIMIT:,}."),
    "nextToken": (_TOKEN, "Of the page before, with the same question."),
}
_QUESTION = (
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

POST_TICKS = Operation(
    "POST",
    "/ingest",
    "postTicks",
    "Take ticks: a 200 means that they are queued and will be counted.",
    (
        f"At most {promises.MAX_TICKS:,} ticks and {promises.MAX_INGEST_BYTES // 1024} KB. Bad ticks are refused one "
        "by one, each with its position (from 0) and reason, of which the first "
        f"{promises.MAX_REASONS} are listed; where all are bad the answer is a 400. Retry a 503 or a lost answer under "
        "the same Idempotency-Key: it counts once within 24 hours."
    ),
    (
        Parameter(
            "Idempotency-Key",
            "header",
            {
                "type": "string",
                "pattern": whole("[ -~]+"),
                "minLength": 1,
                "maxLength": promises.MAX_IDEMPOTENCY_KEY_CHARACTERS,
            },
            "Chosen by the caller, one for each request and its retries.",
        ),
    ),
    Body(
        {"anyOf": [refer("Tick"), refer("Ticks")]},
        promises.MAX_INGEST_BYTES,
        {"ticks": [{"symbol": "AAPL", "timestamp": "2026-01-05T14:30:00Z", "price": "187.50", "size": "100"}]},
    ),
    record(
        {
            "ingestId": refer("IngestId"),
            "accepted": {"type": "integer", "minimum": 1},
            "rejected": COUNT,
            **_REFUSED_TICKS,
            "receivedAt": refer("Utc"),
            "receivedNs": {"type": "string", "pattern": whole(NANOSECONDS_PATTERN)},
        }
    ),
    {
        400: Refused(
            (
                "all_ticks_rejected",
                "bad_idempotency_key",
                "empty_body",
                "no_ticks",
                "not_json",
                "not_ticks",
                "not_utf8",
            ),
            _REFUSED_TICKS,
        ),
        409: Refused(("idempotency_key_reused",)),
        413: Refused(("body_too_large", "too_many_ticks")),
    },
)
_GET_INGEST = Operation(
    "GET",
    "/ingest/{ingestId}",
    "getIngest",
    "Tell how far an ingest is.",
    "Its counts grow until it is complete. `ticks` are those in bars, `skipped` the rows that are no trades by the "
    "object's `feed`, `cancelled` trades that are taken back and the rows that do so. Where it "
    "is `partly_rejected`, the ranges of the object that could be read count and the others do not; of one that is "
    "`rejected` nothing counts. Ingests are forgotten after 60 days.",
    (Parameter("ingestId", "path", refer("IngestId"), "As POST /ingest answered it.", required=True),),
    answer=record(
        {
            "ingestId": refer("IngestId"),
            "state": choice_of(_STATES),
            "ranges": record({"total": COUNT, "done": COUNT}),
            "ticks": COUNT,
            "rejected": COUNT,
            "skipped": COUNT,
            "cancelled": COUNT,
            "receivedAt": refer("Utc"),
        },
        {"reason": REASON, "source": TEXT, "feed": TEXT},
    ),
    refused={400: Refused(("bad_ingest_id", "unknown_parameter")), 404: Refused(("unknown_ingest",))},
)
_GET_BARS = Operation(
    "GET",
    "/bars/{symbol+}",
    "getBars",
    "Read the bars of one symbol that start in [from, to).",
    "A symbol's slashes may stand in the path as they are, a percent sign in it is %25.",
    (
        Parameter("symbol", "path", refer("Symbol"), "Percent-encoded once.", required=True),
        *(Parameter(name, "query", schema, does) for name, (schema, does) in _ASKED.items()),
    ),
    answer=record({"symbol": refer("Symbol"), **_WINDOW, "bars": _BARS}, {**_OF_SESSIONS, "nextToken": _TOKEN}),
    refused={
        400: Refused((*_QUESTION, "repeated_parameter", "unknown_parameter")),
        404: Refused(("unknown_symbol",)),
    },
)
_POST_BARS = Operation(
    "POST",
    "/bars",
    "postBars",
    f"Read the bars of up to {promises.MAX_SYMBOLS} symbols that start in [from, to).",
    "Symbols of which no tick ever came are listed under `unknown`; those that a page has not reached are in neither. "
    "A page that takes long ends early, at times without any bar: go on as long as there is a `nextToken`.",
    body=Body(
        record(
            {
                "symbols": {
                    "type": "array",
                    "items": refer("Symbol"),
                    "minItems": 1,
                    "maxItems": promises.MAX_SYMBOLS,
                    "uniqueItems": True,
                }
            },
            {
                name: {"allOf": [schema], "description": does}
                if name not in {"from", "to"}
                else {**_MOMENT_OR_NUMBER, "description": does}
                for name, (schema, does) in _ASKED.items()
            },
        ),
        promises.MAX_QUESTION_BYTES,
        {"symbols": ["AAPL", "BTC/USD"], "interval": "5m"},
    ),
    answer=record(
        {
            **_WINDOW,
            "bars": {"type": "object", "additionalProperties": _BARS},
            "unknown": {"type": "array", "items": refer("Symbol"), "maxItems": promises.MAX_SYMBOLS},
        },
        {**_OF_SESSIONS, "nextToken": _TOKEN},
    ),
    refused={
        400: Refused((*_QUESTION, "bad_json", "bad_symbols", "not_utf8", "unknown_parameter")),
        413: Refused(("body_too_large",)),
    },
)


CONTRACT = Contract(
    "Tickstream market analytics",
    "Ticks in, bars out. Figures are exact: decimals go out as strings.",
    (POST_TICKS, _GET_INGEST, _POST_BARS, _GET_BARS),
    {
        "Symbol": _SYMBOL,
        "IngestId": _INGEST_ID,
        "Moment": _MOMENT,
        "Utc": UTC,
        "Decimal": DECIMAL,
        "Price": _PRICE,
        "Size": _SIZE,
        "Tick": _TICK,
        "Ticks": record(
            {"ticks": {"type": "array", "items": refer("Tick"), "minItems": 1, "maxItems": promises.MAX_TICKS}}
        ),
        "RefusedTick": record({"position": COUNT, "reason": choice_of(_TICK_REASONS), "detail": TEXT}),
        "Bar": _BAR,
    },
)
