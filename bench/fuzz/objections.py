"""What may be wrong with an exchange beside what schemathesis checks (status, content type, headers, schema, 5xx)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from openapi_schema_validator import OAS30Validator

from bench.fuzz.exchange import Origin, origin_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from bench.fuzz.exchange import Exchange

#: What only the inside of a function, of Python or of AWS looks like.
_INSIDE: Final = re.compile(
    r"""arn:aws|Traceback|File \\?"|site-packages|/var/|boto|\b[a-z_]+\.py\b|\b[A-Z][A-Za-z]*(?:Error|Exception)\b"""
)
#: Where an answer may name a bucket or a key: what was asked about.
_NAMING: Final = {
    "GET /status/{fileId}": ("fileId", "bucketName", "objectKey"),
    "GET /files": ("fileId", "bucketName", "objectKey"),
    "GET /ingest/{ingestId}": ("source", "bucket"),
    "GET /ingests": ("source", "bucket"),
}

#: Of sessions: there must be such an exchange or zone, hours are an exchange's, and its sessions must be known.
_OF_SESSIONS: Final = {"bad_hours", "bad_session", "sessions_unknown"}
#: Refusals of what a schema cannot say: a token must have been given, a day must exist, from is not after to.
_BEYOND_SCHEMAS: Final = {
    "POST /ingest": {"all_ticks_rejected"},
    "GET /bars/{symbol}": {"bad_timestamp", "bad_token", "from_after_to", *_OF_SESSIONS},
    "POST /bars": {"bad_timestamp", "bad_token", "from_after_to", *_OF_SESSIONS},
    "GET /symbols": {"bad_token"},
    # A key has so many bytes and not characters; a bucket wants a key beside it.
    "GET /ingests": {"bad_key", "bad_timestamp", "bad_token", "from_after_to", "missing_key"},
    "GET /files": {"bad_key", "bad_timestamp", "bad_token", "from_after_to", "missing_key"},
    "GET /status/{fileId}": {"bad_file_id"},
    "GET /status": {"missing_file_id"},
}
_TICK_BEYOND_SCHEMAS: Final = {"bad_timestamp", "timestamp_out_of_range", "bad_price", "bad_size"}


@dataclass(frozen=True, slots=True)
class Objection:
    """What is wrong with an answer: the rule that it breaks, and what was seen."""

    rule: str
    seen: str


class Judge:
    """Objects to answers.

    names: of the stacks' resources, which no answer may tell. description: market analytics' document.
    """

    def __init__(self, names: Collection[str], description: Mapping[str, Any]) -> None:
        self._names = names
        components = _strict(description["components"])
        self._tick = OAS30Validator({"$ref": "#/components/schemas/Tick", "components": components})

    def objections(self, exchange: Exchange) -> Iterator[Objection]:
        """Yield what is wrong with an exchange. LocalStack's own failures are none of these APIs'."""
        origin, _ = origin_of(exchange)
        if origin is Origin.LOCALSTACK:
            return
        if origin is Origin.NOBODY:
            yield Objection(
                "every answer is a function's or a text of the template",
                f"{exchange.status} {exchange.body[:200].decode(errors='replace')!r}",
            )
        yield from self._told(exchange)
        if origin is Origin.FUNCTION:
            yield from _refused_though_allowed(exchange)
            if exchange.operation == "POST /ingest" and exchange.method == "POST":
                yield from self._ticks(exchange)

    def _told(self, exchange: Exchange) -> Iterator[Objection]:
        """No stack trace, ARN, exception or name of a resource in any answer."""
        answer = exchange.answer
        if isinstance(answer, dict) and exchange.status == 200:
            answer = _without(answer, _NAMING.get(exchange.operation, ()))
        text = json.dumps(answer, ensure_ascii=False) if answer is not None else exchange.body.decode(errors="replace")
        # What a caller wrote themselves tells them nothing.
        said = exchange.uri + exchange.request_body.decode(errors="replace")
        found = [match[0] for match in _INSIDE.finditer(text)] + [name for name in self._names if name in text]
        if told := [one for one in found if one not in said]:
            yield Objection("no answer tells of the inside", f"{told[0]!r} in {text[:200]}")

    def _ticks(self, exchange: Exchange) -> Iterator[Objection]:
        """Each tick is judged alone: what the description does not allow is refused by name, nothing gets lost."""
        answer = exchange.answer
        if exchange.status == 400 and exchange.error_code == "all_ticks_rejected":
            answer = {"accepted": 0, **answer["error"]}
            answer["rejected"] = len(answer["reasons"]) + answer["reasonsOmitted"]
        elif exchange.status != 200:
            return
        document = json.loads(exchange.request_body)
        ticks = document.get("ticks", [document])
        if answer["accepted"] + answer["rejected"] != len(ticks):
            seen = f"{len(ticks)} sent, {answer['accepted']} accepted, {answer['rejected']} refused"
            yield Objection("every posted tick is counted", seen)
        reasons = {one["position"]: one["reason"] for one in answer["reasons"]}
        # Beyond the listed ones it is not said which were refused.
        known = len(ticks) if not answer["reasonsOmitted"] else max(reasons) + 1
        for position, tick in enumerate(ticks[:known]):
            valid, reason = self._tick.is_valid(tick), reasons.get(position)
            if not valid and reason is None:
                yield Objection("a tick that the description forbids is refused", f"{position}: {str(tick)[:200]}")
            if valid and reason is not None and reason not in _TICK_BEYOND_SCHEMAS:
                yield Objection("a tick that the description allows is taken", f"{reason}: {str(tick)[:200]}")


def _without(answer: Any, names: Collection[str]) -> Any:
    """Return an answer without the fields of these names, and without those of the records that it lists."""
    if isinstance(answer, list):
        return [_without(one, names) for one in answer]
    if isinstance(answer, dict):
        return {key: _without(value, names) for key, value in answer.items() if key not in names}
    return answer


def _refused_though_allowed(exchange: Exchange) -> Iterator[Objection]:
    """What the description allows is refused only for what no schema can say."""
    if exchange.allowed and exchange.status == 400:
        code = exchange.error_code
        if code not in _BEYOND_SCHEMAS.get(exchange.operation, set()):
            yield Objection("what the description allows is taken", f"{code}: {exchange.body[:200].decode()}")


def _strict(schema: Any) -> Any:
    """Return a schema whose patterns end where the text ends: Python's `$` lets a newline follow, JSON schema's not."""
    if isinstance(schema, dict):
        return {
            key: f"{value[:-1]}\\Z" if key == "pattern" and isinstance(value, str) else _strict(value)
            for key, value in schema.items()
        }
    return [_strict(one) for one in schema] if isinstance(schema, list | tuple) else schema
