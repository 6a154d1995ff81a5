"""One connection of the web server: its requests, one after the other, answered where they were read.

LocalStack's handlers block, so each connection has a thread anyway. That this thread reads, parses and answers spares
each request the four hand-overs between a reactor and its pool, every one of which waits for the interpreter's lock;
and llhttp (httptools) parses in C.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import httptools

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    #: Of WSGI: environment and start_response to the pieces of an answer.
    type Application = Callable[[dict[str, Any], Callable[..., None]], Iterable[bytes]]

LOG = logging.getLogger(__name__)
RECEIVE_BYTES: Final = 1 << 18
#: Larger bodies lie in a file, which is not slower: its pages are the kernel's, and are there already.
_IN_MEMORY_BYTES: Final = 1 << 17
#: Longer lines and headers are nobody's: llhttp has no bound of its own.
_HEAD_BYTES: Final = 1 << 18
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@dataclass(slots=True)
class _Received:
    """A request as it came; target: of the first line, path and query."""

    target: bytes = b""
    method: str = ""
    version: str = "1.1"
    keeps_alive: bool = True
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    head_bytes: int = 0
    body: IO[bytes] | None = None

    def close(self) -> None:
        """Let go of the body."""
        if self.body:
            self.body.close()


class _TooLongError(Exception):
    """A request's line and headers are longer than the server reads."""


class Connection:
    """Serves one accepted socket until its client or its server ends it."""

    def __init__(self, connected: socket.socket, application: Application, *, client: tuple[str, int]) -> None:
        self._socket = connected
        self._application = application
        host, port = connected.getsockname()[:2]
        self._of_connection: dict[str, Any] = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "REMOTE_ADDR": client[0],
            "REMOTE_PORT": str(client[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        self._parser = httptools.HttpRequestParser(self)
        self._coming = _Received()
        self._come: deque[_Received] = deque()
        self._refusal = HTTPStatus.BAD_REQUEST

    def serve(self) -> None:
        """Answer requests until the connection ends; a client that breaks off or sends what is no HTTP ends it."""
        try:
            # One buffer for all of them: a new one of such a size would be new memory each time.
            buffer = memoryview(bytearray(RECEIVE_BYTES))
            while size := self._socket.recv_into(buffer):
                self._feed(buffer[:size])
                while self._come:
                    if not self._answer(self._come.popleft()):
                        return
        except OSError as error:
            LOG.debug("a connection broke off: %s", error)
        except httptools.HttpParserError as error:
            LOG.debug("no HTTP: %s", error)
            self._refuse()
        finally:
            self._coming.close()
            for request in self._come:
                request.close()

    def _feed(self, data: memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # An offer that this server does not take: the request is answered as it is, and its connection ends.
            self._coming.keeps_alive = False

    # What llhttp calls.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._coming = _Received()

    def on_url(self, part: bytes) -> None:
        """Take a part of the request's target."""
        self._coming.target += part
        self._bound(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._coming.headers.append((name, value))
        self._bound(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Tell a client to go on that waits for it before it sends its body."""
        coming = self._coming
        coming.method = self._parser.get_method().decode("ascii")
        coming.version = self._parser.get_http_version()
        if any(name.lower() == b"expect" and value.lower() == b"100-continue" for name, value in coming.headers):
            self._socket.sendall(_CONTINUE)

    def on_body(self, part: bytes) -> None:
        """Take a part of the body."""
        coming = self._coming
        if coming.body is None:
            coming.body = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed with its answer
        coming.body.write(part)

    def on_message_complete(self) -> None:
        """End a request."""
        coming = self._coming
        coming.keeps_alive = self._parser.should_keep_alive()
        self._come.append(coming)

    def _bound(self, size: int) -> None:
        self._coming.head_bytes += size
        if self._coming.head_bytes > _HEAD_BYTES:
            # Which llhttp's error hides.
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise _TooLongError

    def _answer(self, request: _Received) -> bool:
        """Send the application's answer; return whether the connection goes on."""
        body = request.body = request.body or BytesIO()
        try:
            body.seek(0)
            answer = _Answer(self._socket, request)
            chunks = self._application(self._environ(request, body), answer.start)
            try:
                return answer.send(chunks)
            finally:
                if close := getattr(chunks, "close", None):
                    close()
        finally:
            request.close()

    def _environ(self, request: _Received, body: IO[bytes]) -> dict[str, Any]:
        target = request.target.decode("latin-1")
        # In a proxy's form it has scheme and host.
        url = httptools.parse_url(request.target)
        environ = {
            **self._of_connection,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": unquote_to_bytes(url.path or b"/").decode("latin-1"),
            "QUERY_STRING": (url.query or b"").decode("latin-1"),
            "REQUEST_URI": target,
            "RAW_URI": target,
            "SERVER_PROTOCOL": f"HTTP/{request.version}",
            "wsgi.input": body,
            "wsgi.errors": BytesIO(),
            "rolo.headers": request.headers,
        }
        for name, value in request.headers:
            key = _variable(name)
            text = value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ else text
        return environ

    def _refuse(self) -> None:
        status = self._refusal
        try:
            self._socket.sendall(
                f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
        except OSError as error:
            LOG.debug("a connection broke off: %s", error)


class _Answer:
    """An answer as WSGI makes it: first its head, then its body in pieces."""

    def __init__(self, connected: socket.socket, request: _Received) -> None:
        self._socket = connected
        self._request = request
        self._status = ""
        self._headers: list[tuple[str, str]] = []

    def start(self, status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
        """Take status and headers: WSGI's start_response."""
        self._status = status
        self._headers = headers

    def send(self, chunks: Iterable[bytes]) -> bool:
        """Send all of it; return whether the connection goes on."""
        given = {name.lower(): value.lower() for name, value in self._headers}
        lines = [f"HTTP/1.1 {self._status}", *(f"{name}: {value}" for name, value in self._headers)]
        if "date" not in given:
            lines.append(f"Date: {_date(int(time.time()))}")
        has_body = self._request.method != "HEAD" and int(self._status[:3]) not in _BODILESS
        is_chunked = has_body and "content-length" not in given and "transfer-encoding" not in given
        keeps_alive = self._request.keeps_alive and given.get("connection") != "close"
        if is_chunked and self._request.version == "1.0":
            is_chunked = keeps_alive = False
        if is_chunked:
            lines.append("Transfer-Encoding: chunked")
        if not keeps_alive and "connection" not in given:
            lines.append("Connection: close")
        waiting = "\r\n".join([*lines, "", ""]).encode("latin-1")
        for chunk in chunks:
            if not chunk or not has_body:
                continue
            piece = b"%x\r\n%b\r\n" % (len(chunk), chunk) if is_chunked else chunk
            if len(piece) < RECEIVE_BYTES:
                self._socket.sendall(waiting + piece)
            else:
                self._socket.sendall(waiting)
                self._socket.sendall(piece)
            waiting = b""
        if is_chunked:
            waiting += b"0\r\n\r\n"
        if waiting:
            self._socket.sendall(waiting)
        return keeps_alive


@lru_cache(maxsize=1024)
def _variable(name: bytes) -> str:
    """Return a header's name in WSGI's environment."""
    variable = name.decode("latin-1").upper().replace("-", "_")
    return variable if variable in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{variable}"


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
