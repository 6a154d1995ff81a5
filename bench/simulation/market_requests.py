"""What the simulated callers of market analytics' API ask, as the gateway hands it on, and what they are answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bench.simulation.ticks import FIRST_MINUTE

if TYPE_CHECKING:
    from bench.simulation.scheduler import Actor

SYMBOLS_REQUEST: Final[dict[str, Any]] = {"httpMethod": "GET", "resource": "/symbols"}


def bars_request(symbol: str) -> dict[str, Any]:
    """Return the API's event for all bars of a symbol."""
    first_ns, last_ns = FIRST_MINUTE * 60 * 10**9, (FIRST_MINUTE + 240) * 60 * 10**9
    asked = {"from": [str(first_ns)], "to": [str(last_ns)], "limit": ["5000"]}
    return {
        "httpMethod": "GET",
        "resource": "/bars/{symbol+}",
        "pathParameters": {"symbol": symbol},
        "multiValueQueryStringParameters": asked,
    }


def ingest_request(ingest_id: str) -> dict[str, Any]:
    """Return the API's event for the state of an ingest."""
    return {"httpMethod": "GET", "resource": "/ingest/{ingestId}", "pathParameters": {"ingestId": ingest_id}}


def answer_of(actor: Actor) -> tuple[int, dict[str, Any]] | None:
    """Return the status and the fields of an answer; None where there is none to judge."""
    if actor.error is not None or actor.result["statusCode"] >= 500:
        return None
    return actor.result["statusCode"], json.loads(actor.result["body"])
