"""What a `POST /ingest` says: its body and its idempotency key, checked as far as they can be without a table."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from services.api_requests import body_of
from tickstream.errors import BadRequest, RowRejected
from tickstream.promises import MAX_IDEMPOTENCY_KEY_CHARACTERS, MAX_INGEST_BYTES, MAX_REASONS, MAX_TICKS
from tickstream.rows import Ambiguous, load_json, tick_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tickstream.errors import Reason
    from tickstream.ticks import Tick


@dataclass(frozen=True, slots=True)
class PostedTicks:
    """A request that may hold ticks.

    caller: who sent it, as IAM knows them, without the name of their session.
    entries: the ticks as the JSON has them, numbers as text, in order; not validated.
    idempotency_key: None where there is none.
    body_digest: SHA-256 of the body's bytes.
    """

    caller: str
    entries: tuple[Any, ...]
    idempotency_key: str | None
    body_digest: bytes


@dataclass(frozen=True, slots=True)
class RefusedTick:
    """A tick of a request that is none. `position` counts from 0."""

    position: int
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class CheckedTicks:
    """The ticks of a request, each with its position, and those that are none."""

    accepted: tuple[tuple[int, Tick], ...]
    refused: tuple[RefusedTick, ...]


def read_request(event: Mapping[str, Any]) -> PostedTicks:
    """Read an API Gateway proxy event. Raises BadRequest."""
    body = body_of(event, MAX_INGEST_BYTES, "send more in an object through S3")
    return PostedTicks(
        caller=_caller(event.get("requestContext") or {}),
        entries=_entries(body),
        idempotency_key=_idempotency_key(event),
        body_digest=hashlib.sha256(body.encode()).digest(),
    )


def check_ticks(entries: tuple[Any, ...], received_ns: int) -> CheckedTicks:
    """Parse each entry; one without a timestamp gets the time of receipt (Unix nanoseconds)."""
    accepted: list[tuple[int, Tick]] = []
    refused: list[RefusedTick] = []
    for position, entry in enumerate(entries):
        try:
            accepted.append((position, _tick(entry, received_ns)))
        except RowRejected as error:
            refused.append(RefusedTick(position, error.reason, error.detail))
    return CheckedTicks(tuple(accepted), tuple(refused))


def refusal_fields(refused: Sequence[RefusedTick]) -> dict[str, Any]:
    """Return what an answer says of refused ticks: the first hundred one by one, the others as a number."""
    return {
        "reasons": [asdict(tick) for tick in refused[:MAX_REASONS]],
        "reasonsOmitted": max(0, len(refused) - MAX_REASONS),
    }


def _tick(entry: Any, received_ns: int) -> Tick:
    if isinstance(entry, dict) and "timestamp" not in entry:
        entry = {**entry, "timestamp": str(received_ns)}
    return tick_from_json(entry)


def _entries(body: str) -> tuple[Any, ...]:
    if not body:
        raise BadRequest("empty_body", "the body must be a tick or an object with a list of ticks")
    document = _parse(body)
    if isinstance(document, Ambiguous):
        return (document,)
    if not isinstance(document, dict):
        raise BadRequest("not_ticks", "the body must be a tick or an object with a list of ticks")
    if "ticks" not in document:
        return (document,)
    entries = document["ticks"]
    if len(document) > 1 or not isinstance(entries, list):
        raise BadRequest("not_ticks", "beside a list of ticks under `ticks` nothing else may stand in the body")
    if not entries:
        raise BadRequest("no_ticks", "the list of ticks is empty")
    if len(entries) > MAX_TICKS:
        raise BadRequest(
            "too_many_ticks",
            f"the body has {len(entries)} ticks, at most {MAX_TICKS} are taken: send more in an object through S3",
            status=413,
        )
    return tuple(entries)


def _parse(body: str) -> Any:
    try:
        return load_json(body)
    except json.JSONDecodeError as error:
        raise BadRequest("not_json", f"the body is not JSON: {error.msg} at character {error.pos}") from error
    except ValueError as error:
        raise BadRequest("not_json", f"the body is not JSON: {error}") from error


def _caller(context: Mapping[str, Any]) -> str:
    identity = context.get("identity") or {}
    arn = identity.get("userArn") or ""
    if ":assumed-role/" in arn:
        # arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION: a session's name changes whenever credentials do, and the
        # retry of a request must count as the same caller's.
        arn = arn.rsplit("/", 1)[0]
    return arn or identity.get("accountId") or context.get("accountId") or "unknown"


def _idempotency_key(event: Mapping[str, Any]) -> str | None:
    values = [
        value
        for name, sent in (event.get("multiValueHeaders") or {}).items()
        if name.lower() == "idempotency-key"
        for value in sent
    ] or [value for name, value in (event.get("headers") or {}).items() if name.lower() == "idempotency-key"]
    if not values:
        return None
    key = values[0]
    printable = key.isascii() and key.isprintable()
    if len(values) > 1 or not printable or not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY_CHARACTERS:
        raise BadRequest(
            "bad_idempotency_key",
            f"Idempotency-Key must be one value of 1 to {MAX_IDEMPOTENCY_KEY_CHARACTERS} printable ASCII characters",
        )
    return str(key)
