"""What became of what came in, and taking it back; what there is; and how far files are: reads, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tickstream_client.errors import AnswerError, UsageError, WaitError
from tickstream_client.moments import moment_from
from tickstream_client.protocol.retries import answered, fields_of
from tickstream_client.protocol.steps import Found, Pause, Request, path_of
from tickstream_client.records import FileStatus, Ingest, Symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tickstream_client.protocol.retries import Retries
    from tickstream_client.protocol.steps import Call, Stream

#: What the API allows a page of a list.
MAX_PAGE_ENTRIES: Final = 200
MAX_PAGE_SYMBOLS: Final = 500
_FIRST_LOOK_SECONDS: Final = 0.2
_LONGEST_LOOK_SECONDS: Final = 5.0


def ingest(ingest_id: str, retries: Retries) -> Call[Ingest]:
    """Ask how far an ingest is. Raises ApiError, UnansweredError, AnswerError."""
    answer = yield from answered(Request("GET", path_of("ingest", ingest_id)), retries)
    return Ingest.of(fields_of(answer))


def retract(ingest_id: str, retries: Retries, patience: Patience | None) -> Call[Ingest]:
    """Have an ingest taken back and, with patience, wait until it is. Raises as `ingest`, and WaitError.

    Asked twice it is the same: the second answer says how far it is.
    """
    yield from answered(Request("DELETE", path_of("ingest", ingest_id)), retries)
    found = yield from ingest(ingest_id, retries)
    while patience is not None and not _is_taken_back(found):
        if patience.is_over:
            raise WaitError(f"ingest {ingest_id} is {found.state} after {patience.seconds:g} seconds")
        yield from patience.pause()
        found = yield from ingest(ingest_id, retries)
    return found


def _is_taken_back(found: Ingest) -> bool:
    refused = found.retraction is not None and found.retraction.refused is not None
    return found.state == "retracted" or refused or (found.state != "retracting" and found.retraction is None)


def listed[T](
    path: str, entries: str, asked: Mapping[str, str], read: Callable[[Any], T], retries: Retries
) -> Stream[T]:
    """Ask for all pages of a list and find each entry, the newest first. entries: the field that has them."""
    query = dict(asked)
    while True:
        fields = fields_of((yield from answered(Request("GET", path, query), retries)))
        found = fields.get(entries)
        if not isinstance(found, list):
            raise AnswerError(f"the answer of {path} has no list of {entries}")
        for entry in found:
            yield Found(read(entry))
        token = fields.get("nextToken")
        if token is None:
            return
        query = {**query, "nextToken": str(token)}


def list_question(
    key: str | None, state: str | None, start_ns: int | None, end_ns: int | None, bucket: str | None
) -> dict[str, str]:
    """Build the query of a list. Raises UsageError for a bucket without a key."""
    if bucket is not None and key is None:
        raise UsageError("a bucket is of a key: name the key too")
    said = {
        "bucket": bucket,
        "key": key,
        "state": state,
        "from": None if start_ns is None else str(start_ns),
        "to": None if end_ns is None else str(end_ns),
        "limit": str(MAX_PAGE_ENTRIES),
    }
    return {name: value for name, value in said.items() if value is not None}


def ingests(asked: Mapping[str, str], retries: Retries) -> Stream[Ingest]:
    """Find ingests, the newest first."""
    return listed("/ingests", "ingests", asked, Ingest.of, retries)


def files(asked: Mapping[str, str], retries: Retries) -> Stream[FileStatus]:
    """Find files of file processing, the newest first."""
    return listed("/files", "files", asked, FileStatus.of, retries)


def file_status(file_id: str, retries: Retries) -> Call[FileStatus]:
    """Ask how far a file is, by bucket and key. Raises ApiError, UnansweredError, AnswerError."""
    answer = yield from answered(Request("GET", path_of("status", file_id)), retries)
    return FileStatus.of(fields_of(answer))


def symbols(prefix: str, retries: Retries) -> Stream[Symbol]:
    """Find the symbols that begin with a text, in order."""
    asked = {"limit": str(MAX_PAGE_SYMBOLS), **({"prefix": prefix} if prefix else {})}
    return listed("/symbols", "symbols", asked, _symbol, retries)


def _symbol(fields: Any) -> Symbol:
    try:
        return Symbol(
            fields["symbol"],
            *(None if fields.get(name) is None else moment_from(fields[name]) for name in ("firstBar", "lastBar")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnswerError(f"no symbol: {error!r}") from error


class Patience:
    """For how long something is looked at again, and how often: soon at first, each five seconds in the end."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds
        self._next = _FIRST_LOOK_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether there is no time left."""
        return self._clock() >= self._end

    def pause(self) -> Call[None]:
        """Wait until the next look."""
        yield Pause(min(self._next, max(0.0, self._end - self._clock())))
        self._next = min(self._next * 1.5, _LONGEST_LOOK_SECONDS)
