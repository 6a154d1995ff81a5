"""Answers of the REST APIs in the form that proxy integrations want, the errors too: one form for all functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tickstream.errors import BadRequest, ServiceIncomplete

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools import Logger

# Decimals go out as text and numbers as of now: nothing on the way may keep an answer or guess its type.
HEADERS: Final[Mapping[str, str]] = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def answer(status: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Build an answer with a JSON body."""
    return {"statusCode": status, "headers": dict(HEADERS), "body": json.dumps(fields, separators=(",", ":"))}


def error_answer(status: int, code: str, message: str, **details: Any) -> dict[str, Any]:
    """Build the answer to what went wrong: a stable code, a sentence, and details where there are any."""
    return answer(status, {"error": {"code": code, "message": message, **details}})


def answer_with(respond: Callable[[], Mapping[str, Any]], logger: Logger, request_id: str) -> dict[str, Any]:
    """Answer with what `respond` returns, or with what it raises; never raises.

    A BadRequest is told as it is. Of everything else the log gets all and the caller nothing but the request's id.
    """
    try:
        return answer(200, respond())
    except BadRequest as error:
        logger.info("refused", extra={"code": error.code, "status": error.status, "reason": error.message})
        return error_answer(error.status, error.code, error.message, **error.details)
    except ServiceIncomplete:
        logger.exception("a service did not answer in time")
        return error_answer(503, "try_again", f"the service is busy, try again (request {request_id})")
    except Exception:
        logger.exception("unexpected failure")
        return error_answer(500, "internal_error", f"unexpected failure (request {request_id})")
