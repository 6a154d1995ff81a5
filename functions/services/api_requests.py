"""Requests of the REST APIs as proxy integrations hand them over."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from tickstream.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping


def body_of(event: Mapping[str, Any], max_bytes: int, advice: str = "") -> str:
    """Return the body, empty where there is none. `advice`: what to do with a body that is too large.

    Raises BadRequest (413 body_too_large, 400 not_utf8).
    """
    sent = event.get("body") or ""
    try:
        body: bytes = base64.b64decode(sent, validate=True) if event.get("isBase64Encoded") else sent.encode()
        if len(body) > max_bytes:
            message = f"the body has {len(body)} bytes, at most {max_bytes} are taken{advice and f': {advice}'}"
            raise BadRequest("body_too_large", message, status=413)
        return body.decode()
    except (binascii.Error, ValueError) as error:  # UnicodeError is a ValueError
        raise BadRequest("not_utf8", "the body is not text in UTF-8") from error


def parameters_of(event: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the query string's parameters with all their values: a repeated one must not pass for its last value."""
    repeated = event.get("multiValueQueryStringParameters")
    if repeated is not None:
        return dict(repeated)
    return {name: [value] for name, value in (event.get("queryStringParameters") or {}).items()}
