"""One request with its answer, and who gave the answer.

A function's answers carry headers that nothing else sets. The gateway's refusals are texts of the template. Everything
else is LocalStack's own failure or a bug: what LocalStack breaks is known case by case, by what was sent *and* what was
answered, and the calls show that no function was called (see `bench.fuzz.run`).
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from generator.blocks.api import REFUSALS
from services.api_answers import HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was sent and what came back.

    operation: as the description calls it, such as `POST /ingest`. method: what was really sent. allowed: the
    description allows the request. headers: names in lower case, one value each.
    """

    operation: str
    method: str
    uri: str
    request_headers: Mapping[str, str]
    request_body: bytes
    allowed: bool
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def command(self) -> str:
        """A line for a shell that sends the request again, to the byte."""
        return command(self.method, self.uri, self.request_headers, self.request_body)

    @property
    def answer(self) -> Any:
        """The answer's JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def error_code(self) -> str | None:
        """The code of an answer that is an error in the APIs' form."""
        answer = self.answer
        error = answer.get("error") if isinstance(answer, dict) else None
        return error.get("code") if isinstance(error, dict) else None


#: What an HTTP client adds by itself.
_NOT_SHOWN: Final = frozenset({"accept", "accept-encoding", "connection", "content-length", "user-agent"})


def command(method: str, uri: str, headers: Mapping[str, str], body: bytes) -> str:
    """Return a line for a shell that sends a request to the byte."""
    shown = [
        f"-H {shlex.quote(f'{name}: {value}')}"
        for name, value in headers.items()
        if name not in _NOT_SHOWN and not name.startswith("x-schemathesis")
    ]
    sent = ["curl", "--path-as-is", "-X", method, *shown]
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = None
    if text is None or "\0" in text:
        # No shell carries such bytes in a word.
        packed = base64.b64encode(body).decode()
        return " ".join(["echo", packed, "|", "base64 -d", "|", *sent, "--data-binary", "@-", shlex.quote(uri)])
    data = ["--data-raw", shlex.quote(text)] if text else []
    return " ".join([*sent, *data, shlex.quote(uri)])


class Origin(StrEnum):
    """Who gave an answer."""

    FUNCTION = "function"
    GATEWAY = "gateway"
    LOCALSTACK = "LocalStack itself"
    NOBODY = "nobody that should"


@dataclass(frozen=True, slots=True)
class OwnFailure:
    """A way in which LocalStack itself fails, before any function is called.

    answered: fits the whole body. sent: says whether the request is one that this happens to.
    """

    name: str
    status: int
    answered: re.Pattern[str]
    sent: Callable[[Exchange], bool]


def _is_not_utf8(exchange: Exchange) -> bool:
    try:
        exchange.request_body.decode()
    except UnicodeDecodeError:
        return True
    return False


def _is_form_without_boundary(exchange: Exchange) -> bool:
    content_type = exchange.request_headers.get("content-type", "")
    return content_type.startswith("multipart/form-data") and "boundary=" not in content_type


#: The first is `json.loads` in MethodRequestHandler._is_body_valid, which expects text only to be no JSON, never no
#: text; the second is rolo's restore_payload, which wants a boundary. Both are raised while the request is read.
OWN_FAILURES: Final = (
    OwnFailure(
        "a body that is not UTF-8, read by its validator of request models",
        500,
        re.compile(
            r"Error in apigateway invocation: '(utf-8|utf-16-[bl]e|utf-32-[bl]e)' codec can't decode "
            r"(byte 0x[0-9a-f]{2} in position [0-9]+|bytes in position [0-9]+-[0-9]+): "
            r"(invalid (start|continuation) byte|unexpected end of data|truncated data|illegal encoding"
            r"|illegal UTF-16 surrogate|code point not in range\(0x110000\))"
        ),
        _is_not_utf8,
    ),
    OwnFailure(
        "multipart/form-data without a boundary, when it reads the request",
        500,
        re.compile("Error in apigateway invocation: list index out of range"),
        _is_form_without_boundary,
    ),
)

_REFUSED: Final = {
    (refusal.status, json.dumps({"error": {"code": refusal.code, "message": refusal.message}}))
    for refusal in REFUSALS
    if refusal.status is not None
}


def origin_of(exchange: Exchange) -> tuple[Origin, str]:
    """Say who gave the answer, and for LocalStack's own failures which one it is."""
    if all(exchange.headers.get(name.lower()) == value for name, value in HEADERS.items()):
        return Origin.FUNCTION, ""
    text = exchange.body.decode(errors="replace")
    if (exchange.status, text) in _REFUSED and "x-amzn-errortype" in exchange.headers:
        return Origin.GATEWAY, ""
    for own in OWN_FAILURES:
        if exchange.status == own.status and own.answered.fullmatch(text) and own.sent(exchange):
            return Origin.LOCALSTACK, own.name
    return Origin.NOBODY, ""
