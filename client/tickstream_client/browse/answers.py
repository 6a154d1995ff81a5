"""What the page is told: bars as columns of texts, ingests, and errors by a word that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tickstream_client.errors import (
    AnswerError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    ServerError,
    StackError,
    ThrottledError,
    TickstreamError,
    UnansweredError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from tickstream_client.records import Bar, Ingest, Symbol

#: What the API, or API Gateway alone, says of a route that it does not have: a server of before `GET /symbols`.
NO_ROUTE: Final = frozenset({"unsigned_or_unknown", "MissingAuthenticationTokenException"})
#: Characters of a sentence; what comes from outside is cut.
_SENTENCE: Final = 300
_FIGURES: Final = ("open", "high", "low", "close", "volume", "notional", "vwap")
#: Kind and status by class, the first that fits.
_KINDS: Final[tuple[tuple[type[TickstreamError], str, int], ...]] = (
    (NotAllowedError, "credentials", 403),
    (StackError, "credentials", 403),
    (ThrottledError, "throttled", 429),
    (NotFoundError, "unknown", 404),
    (RefusedError, "question", 400),
    (UsageError, "question", 400),
    (ServerError, "failing", 502),
    (UnansweredError, "unanswered", 504),
    (AnswerError, "failing", 502),
)


def error_of(error: TickstreamError) -> tuple[int, dict[str, Any]]:
    """Return the status and the body that tell of an error."""
    kind, status = next(((kind, status) for one, kind, status in _KINDS if isinstance(error, one)), ("failing", 502))
    message = " ".join(str(getattr(error, "message", None) or error).split())
    return status, {"error": {"kind": kind, "message": message[:_SENTENCE]}}


def columns_of(bars: Sequence[Bar]) -> dict[str, Any]:
    """Write bars as columns: starts as Unix seconds, figures as the texts of their decimals.

    `session`, `closed` and `filled` are there where any bar has them.
    """
    columns: dict[str, Any] = {
        "start": [int(bar.start.timestamp()) for bar in bars],
        "ticks": [bar.ticks for bar in bars],
        **{name: [_text(getattr(bar, name)) for bar in bars] for name in _FIGURES},
    }
    for name in ("session", "closed", "filled"):
        column = [getattr(bar, name) for bar in bars]
        if any(one is not None for one in column):
            columns[name] = [one.isoformat() if name == "session" and one is not None else one for one in column]
    return columns


def ingest_fields(ingest: Ingest) -> dict[str, Any]:
    """Write an ingest as the page shows it."""
    retraction = ingest.retraction
    why = ingest.reason.message if ingest.reason else None
    if retraction is not None and retraction.refused is not None:
        why = f"not taken back: {retraction.refused}"
    return {
        "id": ingest.ingest_id,
        "state": ingest.state,
        "key": ingest.key,
        "received": ingest.received_at.isoformat(),
        "completed": None if ingest.completed_at is None else ingest.completed_at.isoformat(),
        "ranges": [ingest.ranges_done, ingest.ranges_total],
        "rows": ingest.rows,
        "ticks": ingest.ticks,
        "rejected": ingest.rejected,
        "skipped": ingest.skipped,
        "cancelled": ingest.cancelled,
        "rejectedByReason": dict(ingest.rejected_by_reason),
        "reason": ingest.reason.code if ingest.reason else None,
        "why": None if why is None else why[:_SENTENCE],
        "feed": ingest.feed,
        "sizeBytes": ingest.size_bytes,
        "isFinal": ingest.is_final,
    }


def symbol_fields(symbol: Symbol) -> dict[str, Any]:
    """Write a symbol with the Unix seconds at which its first and last bar start, where they are known."""
    first, last = (None if one is None else int(one.timestamp()) for one in (symbol.first_bar, symbol.last_bar))
    return {"symbol": symbol.symbol, "first": first, "last": last}


def _text(figure: Decimal | None) -> str | None:
    return None if figure is None else format(figure, "f")
