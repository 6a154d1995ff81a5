"""The client. `async_client.py` is the same for asyncio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

import httpx

from tickstream_client.asked import Asked
from tickstream_client.bars import Bars
from tickstream_client.connection.http import TIMEOUT, answer_from, lost_by, proxied
from tickstream_client.connection.signing import Signer
from tickstream_client.connection.stack import Stack, stack_of_file, stack_of_name, stack_of_url
from tickstream_client.drivers.threads import Threads
from tickstream_client.protocol.posts import together
from tickstream_client.protocol.retries import Retries
from tickstream_client.protocol.uploads import UPLOADS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tickstream_client.moments import Moment
    from tickstream_client.protocol.steps import Answer, Lost, Request
    from tickstream_client.protocol.uploads import Progress
    from tickstream_client.records import FileStatus, Ingest, Posted, Symbol, Tick, Upload


class Client:
    """One stack of Tickstream, market analytics or file processing.

    Make one with `from_stack`, `from_outputs` or `from_url`; it may be used by several threads, and `with` closes it.
    Each method tries again what may pass (lost connections, 429, 5xx) within the bounds of `retries`, and then raises
    one of the errors of `tickstream_client.errors`.
    """

    def __init__(
        self,
        stack: Stack,
        *,
        retries: Retries | None = None,
        at_once: int = 8,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connect nothing yet.

        Args:
            stack: where and as whom.
            retries: how often and how long requests are tried.
            at_once: requests under way at a time.
            transport: httpx's, for tests and proxies of one's own.

        Raises StackError without credentials, or where the environment names a proxy that cannot be one.

        """
        self.stack = stack
        self._asked = Asked(stack, retries or Retries())
        self._at_once = at_once
        self._signer = Signer(stack)
        transport = transport or proxied(httpx.HTTPTransport, stack.api_url)
        self._http = httpx.Client(timeout=TIMEOUT, transport=transport)
        self._threads = Threads(self._send)

    @classmethod
    def from_stack(
        cls,
        name: str,
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        **options: Any,
    ) -> Self:
        """Know a stack by its name in CloudFormation, such as `market-analytics-dev`.

        endpoint_url: LocalStack's, by default AWS_ENDPOINT_URL. options: of the constructor. Raises StackError.
        """
        return cls(stack_of_name(name, region=region, profile=profile, endpoint_url=endpoint_url), **options)

    @classmethod
    def from_outputs(
        cls,
        path: str | Path,
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        **options: Any,
    ) -> Self:
        """Know it by a file of its outputs, as `aws cloudformation describe-stacks` or `bench up` write it.

        Raises StackError.
        """
        return cls(stack_of_file(path, region=region, profile=profile, endpoint_url=endpoint_url), **options)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        **options: Any,
    ) -> Self:
        """Know it by its API's address alone; nothing can be uploaded then. Raises StackError."""
        return cls(stack_of_url(url, region=region, profile=profile, endpoint_url=endpoint_url), **options)

    def bars(
        self,
        symbols: str | Iterable[str],
        start: Moment | None = None,
        end: Moment | None = None,
        interval: str = "1m",
        *,
        session: str | None = None,
        hours: str | None = None,
        fill: str | None = None,
    ) -> Bars:
        """Ask for the bars of one or many symbols that start in [start, end). Nothing is sent before they are read.

        Args:
            symbols: one, or any number; each once.
            start: ISO 8601, a date (its midnight UTC), an aware datetime; by default 24 hours before the end.
            end: by default now.
            interval: `1m`, `5m`, `15m`, `1h`, `4h`, `1d`.
            session: an exchange (`XNYS`), a zone or a roll, for `4h` and `1d` of its sessions.
            hours: `regular`, `extended` or `all`, of an exchange.
            fill: `previous`: bars also where nothing was traded, marked as filled.

        Raises UsageError.

        """
        question = self._asked.question(symbols, start, end, interval, session, hours, fill)
        return Bars(question, lambda: self._threads.side_by_side(self._asked.pages(question), self._at_once))

    def upload(
        self,
        files: str | Path | Iterable[str | Path],
        *,
        feed: str | None = None,
        prefix: str = "",
        wait: bool | float = False,
        progress: Progress | None = None,
    ) -> Iterator[Upload]:
        """Put files, and yield each in the order given, once it is put or, with `wait`, once its fate is known.

        Args:
            files: paths.
            feed: that is to read them; by default it is found by name and content.
            prefix: of their keys.
            wait: for their fates; a number of seconds at most.
            progress: told file, bytes sent and bytes in all, from several threads.

        Raises UsageError, StackError, UploadError. What is refused is no error: `Upload.fate` says it, and why.

        """
        uploads = self._asked.uploads(files, feed, prefix, wait, progress)
        return self._threads.side_by_side(uploads, UPLOADS_AT_ONCE)

    def ingest(self, ticks: Iterable[Tick | Mapping[str, Any]], *, key: str | None = None) -> Posted:
        """Post ticks, as many as there are, and return what became of them: an answer means that they will be counted.

        Args:
            ticks: each a `Tick`, or a mapping of its fields; floats are refused.
            key: under which the same ticks posted again, also by another process, count once within 24 hours.

        Raises UsageError for what is no tick, UnansweredError, ApiError: those before may have been taken by then.

        """
        return together(self.ingest_batches(ticks, key=key))

    def ingest_batches(self, ticks: Iterable[Tick | Mapping[str, Any]], *, key: str | None = None) -> Iterator[Posted]:
        """Post ticks as they come and yield what became of each request, in order: for what never ends."""
        return self._threads.side_by_side(self._asked.posts(ticks, key), self._at_once)

    def ingest_status(self, ingest_id: str) -> Ingest:
        """Tell how far an ingest is. Raises NotFoundError."""
        return self._threads.run(self._asked.ingest_status(ingest_id))

    def ingests(
        self,
        *,
        key: str | None = None,
        state: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        bucket: str | None = None,
    ) -> Iterator[Ingest]:
        """Yield ingests, the newest first: of an object's key, in a state, or all that came in [start, end).

        Without a key, by default those of the last 24 hours. bucket: of the key, by default the stack's.
        """
        return self._threads.each(self._asked.ingests(key, state, start, end, bucket))

    def retract(self, ingest_id: str, *, wait: bool | float = False) -> Ingest:
        """Take an ingest back. Raises NotFoundError, RefusedError where nothing of it counts, and WaitError."""
        return self._threads.run(self._asked.retract(ingest_id, wait))

    def symbols(self, prefix: str = "") -> Iterator[Symbol]:
        """Yield the symbols that begin with a text, with their first and last bar where the server says so."""
        return self._threads.each(self._asked.symbols(prefix))

    def status(self, file: str) -> FileStatus:
        """Tell how far a file of file processing is, by `bucket/key` or the key alone. Raises NotFoundError."""
        return self._threads.run(self._asked.status(file))

    def files(
        self,
        *,
        key: str | None = None,
        state: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        bucket: str | None = None,
    ) -> Iterator[FileStatus]:
        """Yield files of file processing, as `ingests` does ingests."""
        return self._threads.each(self._asked.files(key, state, start, end, bucket))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, request: Request) -> Answer | Lost:
        send = partial(self._http.request, request.method, self._signer.url_of(request))
        try:
            return answer_from(send(content=request.body or None, headers=self._signer.headers_of(request)))
        except httpx.HTTPError as error:
            return lost_by(error)
