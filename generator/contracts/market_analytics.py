"""Market analytics' API: ticks in, bars out."""

from __future__ import annotations

from generator.contracts import lists
from generator.contracts.market_schemas import (
    ASKED,
    BARS,
    COMPONENTS,
    MOMENT_OR_NUMBER,
    PREFIX,
    QUESTION,
    REFUSED_TICKS,
    SAID,
    STATES,
    TOKEN,
    WINDOW,
)
from generator.contracts.operation import (
    COUNT,
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
from tickstream.ticks import (
    NANOSECONDS_PATTERN,
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
            **REFUSED_TICKS,
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
            REFUSED_TICKS,
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
    (
        "Its counts grow until it is complete. `rows` are all that were read, `ticks` those in bars, `skipped` rows "
        "that are no trades by the object's `feed`, `cancelled` trades that are taken back and the rows that do so. An "
        "object counts as a whole or not at all: of one that is `rejected` nothing counts; where a part of it is "
        "refused late, the others are taken back (`retracting`). Only where that cannot be done any more it is "
        "`partly_rejected`, and the others count. Ingests are forgotten after 60 days."
    ),
    (Parameter("ingestId", "path", refer("IngestId"), "As POST /ingest answered it.", required=True),),
    answer=refer("Ingest"),
    refused={400: Refused(("bad_ingest_id", "unknown_parameter")), 404: Refused(("unknown_ingest",))},
)
DELETE_INGEST = Operation(
    "DELETE",
    "/ingest/{ingestId}",
    "deleteIngest",
    "Take an ingest back: the bars will be as if it had never been.",
    (
        "The answer says `retracting`, and GET /ingest says `retracted` once no bar has it any more. It is refused "
        "where its hours have ticks of other ingests that came more than 58 days ago: their bars are put together "
        "again from what is kept of those for 60 days. That is found out later, and then said by GET /ingest under "
        "`retraction`. Asked again it answers how far it is. The same bytes put again afterwards are a new ingest."
    ),
    (Parameter("ingestId", "path", refer("IngestId"), "Of the ingest that is taken back.", required=True),),
    answer=record({"ingestId": refer("IngestId"), "state": choice_of(STATES), "askedAt": refer("Utc")}),
    refused={
        400: Refused(("bad_ingest_id", "unknown_parameter")),
        404: Refused(("unknown_ingest",)),
        409: Refused(("cannot_be_retracted", "nothing_to_retract", "still_indexing")),
    },
)
_LIST_INGESTS = Operation(
    "GET",
    "/ingests",
    "listIngests",
    "Tell what became of what came in: of a key, of a state, or of all; the newest first.",
    "Of a key all that is known is meant, 60 days; else the last 24 hours, unless `from` and `to` say otherwise. What "
    "nobody knows of is an empty list. A page that takes long ends early, at times without any: go on as long as "
    "there is a `nextToken`.",
    lists.parameters(promises.ASKED_STATES, "Ingests"),
    answer=record(
        {"ingests": {"type": "array", "items": refer("Ingest"), "maxItems": promises.MAX_LISTED}},
        {"nextToken": TOKEN},
    ),
    refused={400: Refused(lists.REFUSED)},
)
_LIST_SYMBOLS = Operation(
    "GET",
    "/symbols",
    "listSymbols",
    "Tell which symbols have bars, in the order of their characters, each with the start of its first and last minute.",
    "A symbol is listed once its first hour is rolled up, seconds after its range is processed, and as long as any bar "
    "of it is there. A page that takes long ends early, at times without any: go on as long as there is a `nextToken`.",
    (
        Parameter("prefix", "query", PREFIX, "Symbols that begin so; by default all. Case matters; a plus is %2B."),
        Parameter(
            "limit",
            "query",
            {"type": "integer", "minimum": 1, "maximum": promises.MAX_LISTED_SYMBOLS},
            f"Symbols a page; by default {promises.DEFAULT_SYMBOLS}.",
        ),
        Parameter("nextToken", "query", TOKEN, "Of the page before, with the same prefix."),
    ),
    answer=record(
        {"symbols": {"type": "array", "items": refer("ListedSymbol"), "maxItems": promises.MAX_LISTED_SYMBOLS}},
        {"nextToken": TOKEN},
    ),
    refused={
        400: Refused(("bad_limit", "bad_prefix", "bad_token", "repeated_parameter", "unknown_parameter")),
    },
)
_GET_BARS = Operation(
    "GET",
    "/bars/{symbol+}",
    "getBars",
    "Read the bars of one symbol that start in [from, to).",
    "A symbol's slashes may stand in the path as they are, a percent sign in it is %25.",
    (
        Parameter("symbol", "path", refer("Symbol"), "Percent-encoded once.", required=True),
        *(Parameter(name, "query", schema, does) for name, (schema, does) in ASKED.items()),
    ),
    answer=record({"symbol": refer("Symbol"), **WINDOW, "bars": BARS}, {**SAID, "nextToken": TOKEN}),
    refused={
        400: Refused((*QUESTION, "repeated_parameter", "unknown_parameter")),
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
                else {**MOMENT_OR_NUMBER, "description": does}
                for name, (schema, does) in ASKED.items()
            },
        ),
        promises.MAX_QUESTION_BYTES,
        {"symbols": ["AAPL", "BTC/USD"], "interval": "5m"},
    ),
    answer=record(
        {
            **WINDOW,
            "bars": {"type": "object", "additionalProperties": BARS},
            "unknown": {"type": "array", "items": refer("Symbol"), "maxItems": promises.MAX_SYMBOLS},
        },
        {**SAID, "nextToken": TOKEN},
    ),
    refused={
        400: Refused((*QUESTION, "bad_json", "bad_symbols", "not_utf8", "unknown_parameter")),
        413: Refused(("body_too_large",)),
    },
)


CONTRACT = Contract(
    "Tickstream market analytics",
    "Ticks in, bars out. Figures are exact: decimals go out as strings.",
    (POST_TICKS, _GET_INGEST, DELETE_INGEST, _LIST_INGESTS, _LIST_SYMBOLS, _POST_BARS, _GET_BARS),
    COMPONENTS,
)
