"""Which answers are asked for again, when, and when no more.

Every request of this client may be sent twice: reads change nothing, `DELETE /ingest` asked again answers how far it
is, and a `POST /ingest` has an `Idempotency-Key`, under which the server counts it once. So a lost answer, a 429 and a
5xx are tried again; what the server has understood and refused is not.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from tickstream_client.errors import (
    AnswerError,
    ApiError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    ServerError,
    ThrottledError,
    UnansweredError,
)
from tickstream_client.protocol.steps import Answer, Lost, Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tickstream_client.protocol.steps import Call, Request

_SAID_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and for how long a request is tried.

    Attributes:
        attempts: at most so many times in all.
        unreached_attempts: at most so many where no connection is made: an address that is wrong stays so.
        total_seconds: no try begins later than so long after the first.
        first_pause_seconds: the longest pause before the second try; it doubles with each try.
        longest_pause_seconds: beyond which it does not grow.

    """

    attempts: int = 8
    unreached_attempts: int = 4
    total_seconds: float = 120.0
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 20.0


def pause_before(
    attempt: int, elapsed_seconds: float, reply: Answer | Lost, retries: Retries, draw: Callable[[], float]
) -> float | None:
    """Return for how many seconds to wait before the next try, or None where there is to be none.

    attempt: how many tries there were, from 1. draw: a number in [0, 1), so that many clients do not come back at once.
    """
    is_unreached = isinstance(reply, Lost) and not reply.was_reached
    attempts = retries.unreached_attempts if is_unreached else retries.attempts
    if attempt >= attempts or not _is_passing(reply):
        return None
    bound = min(retries.longest_pause_seconds, retries.first_pause_seconds * 2.0 ** (attempt - 1))
    pause = max(bound * draw(), _retry_after_seconds(reply))
    return pause if elapsed_seconds + pause <= retries.total_seconds else None


def answered(
    request: Request,
    retries: Retries,
    *,
    clock: Callable[[], float] = time.monotonic,
    draw: Callable[[], float] = random.random,
) -> Call[Answer]:
    """Send a request until it is answered with a 200. Raises ApiError or UnansweredError."""
    began, attempt = clock(), 0
    while True:
        reply: Answer | Lost = yield request
        attempt += 1
        if isinstance(reply, Answer) and reply.status == 200:
            return reply
        pause = pause_before(attempt, clock() - began, reply, retries, draw)
        if pause is None:
            raise _error_of(request, reply, attempt)
        yield Pause(pause)


def fields_of(answer: Answer) -> dict[str, Any]:
    """Read a 200's JSON object. Raises AnswerError."""
    try:
        fields = json.loads(answer.body)
    except ValueError as error:
        raise AnswerError(f"the answer is no JSON: {_shown(answer.body)}") from error
    if not isinstance(fields, dict):
        raise AnswerError(f"the answer is no JSON object: {_shown(answer.body)}")
    return fields


def _is_passing(reply: Answer | Lost) -> bool:
    return isinstance(reply, Lost) or reply.status == 429 or reply.status >= 500


def _retry_after_seconds(reply: Answer | Lost) -> float:
    text = reply.headers.get("retry-after", "") if isinstance(reply, Answer) else ""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _error_of(request: Request, reply: Answer | Lost, attempts: int) -> ApiError | UnansweredError:
    tries = f" after {attempts} tries" if attempts > 1 else ""
    if isinstance(reply, Lost):
        return UnansweredError(f"{request.method} {request.path} was not answered{tries}: {reply.why}")
    code, message, details = _said(reply)
    request_id = reply.headers.get("x-amzn-requestid", "")
    return _kind_of(reply.status)(reply.status, code, f"{message}{tries}", request_id=request_id, details=details)


def _kind_of(status: int) -> type[ApiError]:
    if status >= 500:
        return ServerError
    return {401: NotAllowedError, 403: NotAllowedError, 404: NotFoundError, 429: ThrottledError}.get(
        status, RefusedError
    )


def _said(reply: Answer) -> tuple[str, str, Mapping[str, Any]]:
    """Code, sentence and details of an error. What is none of this API's is shown as it came, cut."""
    try:
        fields = json.loads(reply.body)
    except ValueError:
        return "no_json", _shown(reply.body), {}
    error = fields.get("error") if isinstance(fields, dict) else None
    if isinstance(error, dict):
        details = {name: value for name, value in error.items() if name not in {"code", "message"}}
        return str(error.get("code", "unknown")), str(error.get("message", "")), details
    kind = reply.headers.get("x-amzn-errortype", "unknown").partition(":")[0]
    return kind, _shown(reply.body), {}


def _shown(body: bytes) -> str:
    return repr(body[:_SAID_CHARACTERS].decode(errors="replace"))
