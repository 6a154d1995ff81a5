"""Tokens of pages: a question and where its next page begins, as text that callers hand back and need not read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from tickstream.errors import BadRequest
from tickstream.promises import MAX_TOKEN_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHECKSUM_BYTES: Final = 8


def pack_token(fields: Sequence[Any]) -> str:
    """Write a token of plain JSON.

    The checksum finds a token that was damaged or put together by hand; it is no secret, because a forged token could
    only ask what its maker may ask anyway.
    """
    payload = json.dumps(fields, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_checksum(payload) + payload).decode().rstrip("=")


def unpack_token(token: Any) -> list[Any]:
    """Read what `pack_token` wrote, or whoever knows this code: nothing in it is to be trusted. Raises BadRequest."""
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
        raise bad_token("it is not one that this API gave")
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise bad_token("it is not one that this API gave") from error
    checksum, payload = packed[:_CHECKSUM_BYTES], packed[_CHECKSUM_BYTES:]
    if checksum != _checksum(payload):
        raise bad_token("it is not one that this API gave")
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise bad_token("it is of another version") from error
    if not isinstance(fields, list):
        raise bad_token("it is of another version")
    return fields


def bad_token(why: str) -> BadRequest:
    """Build the refusal of a token."""
    return BadRequest("bad_token", f"nextToken: {why}")


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(b"tickstream page token" + payload).digest()[:_CHECKSUM_BYTES]
