"""The steps of which everything is made, and what comes back for each.

A `Call` is a generator that yields steps, is sent what came of each, and returns its result. A `Stream` yields
`Found` steps beside them: its results, one after the other. `drivers` send requests, sleep and run what
blocks; what is decided is decided here, once for both clients.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

type Query = Mapping[str, str]


#: Whatever stands between two slashes and means a folder, to whoever has a path on the way.
_FOLDERS: Final = {".": "%2E", "..": "%2E%2E"}


def path_of(*parts: str) -> str:
    """Write a path of these parts, percent-encoded: what is in one of them, slashes and lone dots too, stays in it."""
    return "".join(f"/{_FOLDERS.get(part) or quote(part, safe='')}" for part in parts)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Sent is an `Answer` or a `Lost`.

    Attributes:
        method: of HTTP.
        path: below the API's address, percent-encoded as it is to be sent.
        query: by name, not encoded.
        body: JSON, or nothing.
        headers: beside those that every request has.

    """

    method: str
    path: str
    query: Query = field(default_factory=dict)
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. headers: their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came. was_reached: False where no connection was made, so that nothing can have been done."""

    why: str
    was_reached: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait. Sent is None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Do something that blocks or takes a processor: the async client has a thread do it. Sent is what it returns."""

    do: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Found[T]:
    """One result of a stream. Sent is None."""

    item: T


type Call[T] = Generator[Request | Pause | Work, Any, T]
type Stream[T] = Generator[Request | Pause | Work | Found[T], Any]
