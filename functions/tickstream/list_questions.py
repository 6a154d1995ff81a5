"""What a caller may ask of the lists of ingests and of files: parameters and page token, read strictly.

Both pipelines have the same question: by a key, by a state, within a window of arrival. Nothing is guessed: an unknown
parameter, a value given twice or a token of another question is a 400 that names it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tickstream.arrival_lists import Stretch
from tickstream.errors import BadRequest, RowRejected
from tickstream.keys import MS_PER_DAY, NS_PER_MS, arrival_bound
from tickstream.page_tokens import bad_token, pack_token, unpack_token
from tickstream.promises import BUCKET_PATTERN, DEFAULT_LISTED, MAX_KEY_BYTES, MAX_LISTED
from tickstream.ticks import parse_bound_ns

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_PARAMETERS: Final = frozenset({"bucket", "key", "state", "from", "to", "limit", "nextToken"})
#: A blank before an offset, which has a time before it and no sign: what a query string makes of a plus.
_LOST_PLUS: Final = re.compile(r"(?<=[0-9]) (?=[0-9]{2}(?::?[0-9]{2})?\Z)")
_BUCKET: Final = re.compile(BUCKET_PATTERN)
_TOKEN_VERSION: Final = 1
#: Clocks of two functions differ: what came just now may have come later.
_SKEW_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class ListQuestion:
    """A question for what came in [from_ms, to_ms), of a key or of all, in a state or in any.

    key: None for all keys. state: None for any. below: the place in lists (`tickstream.arrival_lists`) below which its
    next page begins; None for the first page.
    """

    bucket: str
    key: str | None
    state: str | None
    from_ms: int
    to_ms: int
    limit: int
    below: int | None = None


def question_of(
    parameters: Mapping[str, list[str]], bucket: str, states: Collection[str], now_ms: int, kept_ms: int
) -> ListQuestion:
    """Read the parameters of a list's GET.

    bucket: the one that is meant where none is named. states: the ones that may be asked for. kept_ms: for how long
    what came is known; nobody needs to look further back. Of a key all of that time is meant, else the last 24 hours.
    Raises BadRequest.
    """
    fields = single_values(parameters, _PARAMETERS)
    limit = whole_limit(fields["limit"], MAX_LISTED) if "limit" in fields else DEFAULT_LISTED
    asked = ListQuestion(_bucket(fields, bucket), _key(fields), _state(fields, states), 0, 0, limit)
    said: dict[str, int] = {name: _moment_ms(name, fields[name]) for name in ("from", "to") if name in fields}
    # Nothing is known before or after: there is no need to look, whatever a question or a token says.
    latest_ms, earliest_ms = now_ms + _SKEW_MS, now_ms - kept_ms
    if "nextToken" in fields:
        found = _continued(fields["nextToken"], asked, said)
        return _within(found, max(found.from_ms, earliest_ms), min(found.to_ms, latest_ms), found.below)
    to_ms = said.get("to", latest_ms)
    from_ms = said.get("from", min(to_ms, now_ms) - MS_PER_DAY if asked.key is None else earliest_ms)
    if from_ms > to_ms:
        raise BadRequest("from_after_to", "from is after to")
    return _within(asked, max(from_ms, earliest_ms), min(to_ms, latest_ms), None)


def single_values(parameters: Mapping[str, list[str]], known: Collection[str]) -> dict[str, str]:
    """Return the parameters of a query string, each of which may be given once. Raises BadRequest."""
    fields: dict[str, str] = {}
    for name, values in parameters.items():
        if len(values) != 1:
            raise BadRequest("repeated_parameter", f"{_shown(name)} is given {len(values)} times")
        fields[name] = values[0]
    if unknown := sorted(fields.keys() - known):
        raise BadRequest("unknown_parameter", f"unknown: {_shown(unknown[0])}; known are {', '.join(sorted(known))}")
    return fields


def whole_limit(text: str, most: int) -> int:
    """Return the number of entries that a page may have. Raises BadRequest."""
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= most):
        raise BadRequest("bad_limit", f"limit must be a whole number from 1 to {most}")
    return int(text)


def stretch_of(question: ListQuestion) -> Stretch:
    """Return what of lists a question's page is still to look at."""
    end = arrival_bound(question.to_ms)
    below = end if question.below is None else min(question.below, end)
    return Stretch(arrival_bound(question.from_ms), below)


def token_of(question: ListQuestion, below: int) -> str:
    """Write the token of the page that goes on below a place."""
    return pack_token([_TOKEN_VERSION, _digest_of(question), question.from_ms, question.to_ms, below])


def _continued(token: str, asked: ListQuestion, said: Mapping[str, int]) -> ListQuestion:
    # The token carries the window, because the default one moves with the clock; stated again it must be the same, as
    # far as anything may have come.
    try:
        version, digest, *figures = unpack_token(token)
        from_ms, to_ms, below = figures
    except ValueError as error:
        raise bad_token("it is of another version") from error
    if version != _TOKEN_VERSION or not all(type(one) is int and 0 <= one < 10**38 for one in figures):
        raise bad_token("it is of another version")
    if digest != _digest_of(asked):
        raise bad_token("it belongs to another question")
    if said.get("from", from_ms) > from_ms or said.get("to", to_ms) < to_ms:
        raise bad_token("it belongs to another window")
    return _within(asked, from_ms, to_ms, below)


def _within(asked: ListQuestion, from_ms: int, to_ms: int, below: int | None) -> ListQuestion:
    return ListQuestion(asked.bucket, asked.key, asked.state, from_ms, max(from_ms, to_ms), asked.limit, below)


def _digest_of(question: ListQuestion) -> str:
    asked = json.dumps([question.bucket, question.key, question.state])
    return hashlib.sha256(asked.encode()).hexdigest()[:16]


def _bucket(fields: Mapping[str, str], bucket: str) -> str:
    if "bucket" not in fields:
        return bucket
    if "key" not in fields:
        raise BadRequest("missing_key", "with a bucket goes a key")
    if not _BUCKET.fullmatch(fields["bucket"]):
        raise BadRequest("bad_bucket", "bucket is no name that a bucket may have")
    return fields["bucket"]


def _key(fields: Mapping[str, str]) -> str | None:
    if "key" not in fields:
        return None
    key = fields["key"]
    try:
        length_bytes = len(key.encode())
    except UnicodeError as error:
        raise BadRequest("bad_key", "key is not UTF-8") from error
    if not 0 < length_bytes <= MAX_KEY_BYTES:
        raise BadRequest("bad_key", f"key is the name of an object, of 1 to {MAX_KEY_BYTES} bytes")
    return key


def _state(fields: Mapping[str, str], states: Collection[str]) -> str | None:
    state = fields.get("state")
    if state is not None and state not in states:
        raise BadRequest("unknown_state", f"state must be one of {', '.join(states)}")
    return state


def _moment_ms(name: str, text: str) -> int:
    try:
        # What came is known to the millisecond in which it did: one that has begun counts from its end.
        return -(-parse_bound_ns(_LOST_PLUS.sub("+", text)) // NS_PER_MS)
    except RowRejected as error:
        raise BadRequest("bad_timestamp", f"{name}: {error.detail}") from error


def _shown(name: str) -> str:
    return json.dumps(name[:40])
