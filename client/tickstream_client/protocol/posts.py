"""Posting ticks: any number of them, cut into requests that the API takes, each under a key by which it counts once.

The key of a request is `PREFIX-NUMBER`. A try that gets no answer is repeated under it; a caller that died and posts
the same ticks again under the same prefix within 24 hours repeats the same requests, which count once too.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tickstream_client.errors import RefusedError, UsageError
from tickstream_client.moments import iso_8601, nanoseconds_of
from tickstream_client.protocol.retries import answered, fields_of
from tickstream_client.protocol.steps import Found, Request
from tickstream_client.records import Posted, RefusedTick, Tick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream_client.protocol.retries import Retries
    from tickstream_client.protocol.steps import Call, Stream

#: What the API allows a request. It takes 900 KiB; what it makes of a tick without a timestamp is longer than the tick.
MAX_TICKS: Final = 10_000
MAX_BODY_BYTES: Final = 900 * 1024
#: Of refused ticks so many are told, of all requests together.
MAX_REASONS: Final = 100
_KEY: Final = re.compile(r"[ -~]{1,200}")
_ENVELOPE_BYTES: Final = len(b'{"ticks":[]}')
_TOO_LONG: Final = frozenset({"body_too_large", "too_many_ticks"})

type Batch = list[bytes]
"""Ticks as JSON, of one request."""


def new_key() -> str:
    """Make a prefix that nobody else has."""
    return uuid.uuid4().hex


def checked_key(key: str) -> str:
    """Return a caller's prefix. Raises UsageError for one that no header may have."""
    if not _KEY.fullmatch(key):
        raise UsageError("an idempotency key is 1 to 200 printable ASCII characters")
    return key


def posts_of(ticks: Iterable[Tick | Mapping[str, Any]], key: str, retries: Retries) -> Iterator[Stream[Posted]]:
    """Yield one stream a request. Ticks are taken one by one, as requests are sent. Raises UsageError in between."""
    first = 0
    for number, batch in enumerate(_batches(ticks)):
        yield _found(batch, f"{key}-{number}", first, retries)
        first += len(batch)


def _found(batch: Batch, key: str, first: int, retries: Retries) -> Stream[Posted]:
    yield Found((yield from post(batch, key, first, retries)))


def post(batch: Batch, key: str, first: int, retries: Retries) -> Call[Posted]:
    """Post ticks that fit a request. first: the position of the first one among all.

    What the API finds too long all the same, before it takes any of it, is cut in two. Raises ApiError and
    UnansweredError; ticks that are refused are no error.
    """
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    body = b'{"ticks":[' + b",".join(batch) + b"]}"
    try:
        answer = yield from answered(Request("POST", "/ingest", body=body, headers=headers), retries)
    except RefusedError as error:
        if error.code == "all_ticks_rejected":
            return _posted({**error.details, "accepted": 0, "rejected": len(batch)}, first)
        if error.code in _TOO_LONG and len(batch) > 1:
            half = len(batch) // 2
            one = yield from post(batch[:half], f"{key}.0", first, retries)
            other = yield from post(batch[half:], f"{key}.1", first + half, retries)
            return together([one, other])
        raise
    return _posted(fields_of(answer), first)


def together(some: Iterable[Posted]) -> Posted:
    """Sum up; of the reasons the first ones."""
    result = Posted()
    for one in some:
        room = max(0, MAX_REASONS - len(result.reasons))
        result = Posted(
            result.ingest_ids + one.ingest_ids,
            result.accepted + one.accepted,
            result.rejected + one.rejected,
            result.reasons + one.reasons[:room],
            result.reasons_omitted + one.reasons_omitted + len(one.reasons[room:]),
        )
    return result


def _posted(fields: Mapping[str, Any], first: int) -> Posted:
    reasons = tuple(
        RefusedTick(first + one["position"], one["reason"], one["detail"]) for one in fields.get("reasons", ())
    )
    ids = (fields["ingestId"],) if "ingestId" in fields else ()
    omitted = fields.get("reasonsOmitted", 0)
    return replace(Posted(ids, fields["accepted"], fields["rejected"], reasons), reasons_omitted=omitted)


def _batches(ticks: Iterable[Tick | Mapping[str, Any]]) -> Iterator[Batch]:
    batch: Batch = []
    size = _ENVELOPE_BYTES
    for position, tick in enumerate(ticks):
        encoded = encoded_tick(tick, position)
        if batch and (len(batch) == MAX_TICKS or size + len(encoded) + 1 > MAX_BODY_BYTES):
            yield batch
            batch, size = [], _ENVELOPE_BYTES
        batch.append(encoded)
        size += len(encoded) + 1
    if batch:
        yield batch


def encoded_tick(tick: Tick | Mapping[str, Any], position: int) -> bytes:
    """Write a tick as JSON, its decimals as text. Raises UsageError for what cannot be exact, or is no tick at all.

    A mapping's `volume` is its size by another name; fields of other names are left out. What the API refuses of a tick
    it says itself.
    """
    fields = _fields_of(tick, position)
    written = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(written, separators=(",", ":")).encode()


def _fields_of(tick: Tick | Mapping[str, Any], position: int) -> dict[str, Any]:
    where = f"tick {position}"
    if isinstance(tick, Tick):
        symbol, price, size, at = tick.symbol, tick.price, tick.size, tick.timestamp
        return {
            "symbol": symbol,
            "timestamp": None if at is None else _moment(at, where),
            "price": _decimal(price, f"{where}: price"),
            "size": _decimal(size, f"{where}: size"),
        }
    if isinstance(tick, Mapping):
        at = tick.get("timestamp")
        figures = {name: tick[name] for name in ("price", "size", "volume") if name in tick}
        return {
            "symbol": tick.get("symbol"),
            "timestamp": None if at is None else _moment(at, where),
            **{name: _decimal(value, f"{where}: {name}") for name, value in figures.items()},
        }
    raise UsageError(f"{where} is a {type(tick).__name__}: give a Tick, or a mapping of symbol, timestamp, price, size")


def _decimal(value: Any, where: str) -> str | None:
    match value:
        case str() | None:
            return value
        case Decimal() if value.is_finite():
            return format(value, "f")
        case int() if not isinstance(value, bool):
            return str(value)
        case float():
            raise UsageError(f'{where} {value!r} is a float, which is not exact: give Decimal("{value!r}") or a text')
    raise UsageError(f"{where} {value!r} is no decimal")


def _moment(at: Any, where: str) -> str:
    """As text; what a text says is the API's to judge, beside its neighbours."""
    if isinstance(at, str):
        return at
    if not isinstance(at, int | datetime):
        raise UsageError(f"{where}: timestamp {at!r} is no datetime, text or number of nanoseconds")
    moment_ns = nanoseconds_of(at, where)
    return str(moment_ns) if isinstance(at, int) else iso_8601(moment_ns)
