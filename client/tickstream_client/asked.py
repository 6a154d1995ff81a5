"""What both clients make of a caller's arguments: calls and streams, which they drive."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tickstream_client.connection.store import Bucket
from tickstream_client.errors import UsageError
from tickstream_client.moments import nanoseconds_of
from tickstream_client.protocol import bars, ingests, posts, uploads
from tickstream_client.protocol.ingests import Patience
from tickstream_client.tables.decoding import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from tickstream_client.connection.stack import Stack
    from tickstream_client.moments import Moment
    from tickstream_client.protocol.bars import Question
    from tickstream_client.protocol.retries import Retries
    from tickstream_client.protocol.steps import Call, Stream
    from tickstream_client.protocol.uploads import Progress
    from tickstream_client.records import FileStatus, Ingest, Posted, Symbol, Tick, Upload
    from tickstream_client.tables.decoding import Page

#: For how long `wait=True` waits: an ingest that is missing a part is called overdue after 15 minutes.
WAIT_SECONDS: Final = 1_200.0


class Asked:
    """Turns what a stack is asked for into calls and streams; the clients drive them.

    clock: seconds, for what is waited for. now_ns: Unix nanoseconds, for the end that is not given.
    """

    def __init__(
        self,
        stack: Stack,
        retries: Retries,
        *,
        clock: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._stack = stack
        self._retries = retries
        self._clock = clock
        self._now_ns = now_ns
        self._bucket: Bucket | None = None

    def question(  # noqa: PLR0917 - a question has so many parts
        self,
        symbols: str | Iterable[str],
        start: Moment | None,
        end: Moment | None,
        interval: str,
        session: str | None,
        hours: str | None,
        fill: str | None,
    ) -> Question:
        """Build a question for bars. Raises UsageError."""
        self._only(market=True, asked="bars")
        start_ns = None if start is None else nanoseconds_of(start, "start")
        end_ns = self._now_ns() if end is None else nanoseconds_of(end, "end")
        return bars.question_of(symbols, start_ns, end_ns, interval, session, hours, fill)

    def pages(self, question: Question) -> Iterator[Stream[Page]]:
        """Ask for the bars, in streams to be driven side by side."""
        return (bars.pages_of(part, self._retries, decode) for part in bars.parts_of(question))

    def posts(self, ticks: Iterable[Tick | Mapping[str, Any]], key: str | None) -> Iterator[Stream[Posted]]:
        """Post ticks, in streams to be driven side by side. Raises UsageError, also while they are driven."""
        self._only(market=True, asked="posting ticks")
        prefix = posts.new_key() if key is None else posts.checked_key(key)
        return posts.posts_of(ticks, prefix, self._retries)

    def ingest_status(self, ingest_id: str) -> Call[Ingest]:
        """Ask how far an ingest is."""
        self._only(market=True, asked="ingests")
        return ingests.ingest(ingest_id, self._retries)

    def retract(self, ingest_id: str, wait: bool | float) -> Call[Ingest]:  # noqa: FBT001 - as its callers have it
        """Have an ingest taken back."""
        self._only(market=True, asked="taking ingests back")
        return ingests.retract(ingest_id, self._retries, None if wait is False else self._patience(wait))

    def ingests(
        self, key: str | None, state: str | None, start: Moment | None, end: Moment | None, bucket: str | None
    ) -> Stream[Ingest]:
        """List ingests. Raises UsageError."""
        self._only(market=True, asked="ingests")
        return ingests.ingests(self._list(key, state, start, end, bucket), self._retries)

    def files(
        self, key: str | None, state: str | None, start: Moment | None, end: Moment | None, bucket: str | None
    ) -> Stream[FileStatus]:
        """List files of file processing. Raises UsageError."""
        self._only(market=False, asked="files")
        return ingests.files(self._list(key, state, start, end, bucket), self._retries)

    def status(self, file: str) -> Call[FileStatus]:
        """Ask how far a file is. file: `bucket/key`, or a key of the stack's bucket. Raises UsageError."""
        self._only(market=False, asked="the status of files")
        bucket = self._stack.bucket
        file_id = file if bucket is None or file.startswith(f"{bucket}/") else f"{bucket}/{file}"
        return ingests.file_status(file_id, self._retries)

    def symbols(self, prefix: str) -> Stream[Symbol]:
        """List symbols."""
        self._only(market=True, asked="symbols")
        return ingests.symbols(prefix, self._retries)

    def uploads(
        self,
        files: str | Path | Iterable[str | Path],
        feed: str | None,
        prefix: str,
        wait: bool | float,  # noqa: FBT001 - as its callers have it
        progress: Progress | None,
    ) -> Iterator[Stream[Upload]]:
        """Put files, in streams to be driven side by side. Raises UsageError and StackError before anything is sent."""
        keys = {path: uploads.key_of(path, prefix, feed) for path in uploads.checked_files(files)}
        self._bucket = bucket = self._bucket or Bucket(self._stack)
        patience = None if wait is False else partial(self._patience, wait)
        is_market = self._stack.is_market
        return (
            uploads.uploaded(path, key, bucket, self._retries, patience, progress, is_market=is_market)
            for path, key in keys.items()
        )

    def _list(
        self, key: str | None, state: str | None, start: Moment | None, end: Moment | None, bucket: str | None
    ) -> dict[str, str]:
        start_ns = None if start is None else nanoseconds_of(start, "start")
        end_ns = None if end is None else nanoseconds_of(end, "end")
        return ingests.list_question(key, state, start_ns, end_ns, bucket)

    def _patience(self, wait: bool | float) -> Patience:  # noqa: FBT001 - as its callers have it
        return Patience(WAIT_SECONDS if wait is True else float(wait), self._clock)

    def _only(self, *, market: bool, asked: str) -> None:
        if self._stack.pipeline is not None and self._stack.is_market is not market:
            other = "market-analytics" if market else "file-processing"
            raise UsageError(f"{asked}: that is {other}'s, and this stack is {self._stack.pipeline}")
