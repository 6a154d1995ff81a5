"""One connection of the embedded target's web server: what its clients send, what the application sees and answers."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.emulator.web.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PATIENCE_S = 60


@dataclass
class _Application:
    """Notes what it is asked, and answers each request with the same."""

    status: str = "200 OK"
    headers: list[tuple[str, str]] = field(default_factory=list)
    chunks: Iterable[bytes] = (b"answer",)
    asked: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        self.asked.append(environ)
        self.bodies.append(environ["wsgi.input"].read())
        start(self.status, self.headers)
        return self.chunks


@contextmanager
def _connected(application: _Application) -> Iterator[socket.socket]:
    """Serve one connection; yields the client's end. On leaving, the server's end must have ended by itself."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = stack.enter_context(socket.create_connection(listening.getsockname(), timeout=_PATIENCE_S))
        accepted, address = listening.accept()
        stack.enter_context(accepted)
        connection = Connection(accepted, application, client=address)

        def serve() -> None:
            connection.serve()
            accepted.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield client
        finally:
            client.close()
            thread.join(_PATIENCE_S)
        assert not thread.is_alive()


def _all(client: socket.socket) -> bytes:
    """Read until the server ends the connection."""
    return b"".join(iter(lambda: client.recv(1 << 16), b""))


def _answer(client: socket.socket, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    response = http.client.HTTPResponse(client, method=method)
    response.begin()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def test_requests_of_one_connection_are_answered_in_their_order() -> None:
    """Two that come together, one with a body, are two, and the connection stays for a third."""
    application = _Application(headers=[("Content-Length", "6"), ("X-Kept", "yes")])
    with _connected(application) as client:
        client.sendall(b"POST /a?b=c%20d HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
        client.sendall(b"GET /%41%2Fb HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nx-two: 2\r\n\r\n" * 2)
        client.sendall(b"DELETE http://h:1/c?d HTTP/1.1\r\nConnection: close\r\n\r\n")
        told = _all(client)
    assert told.count(b"HTTP/1.1 200 OK\r\n") == told.count(b"X-Kept: yes") == told.count(b"\r\n\r\nanswer") == 4
    assert told.count(b"Date: ") == 4
    assert told.count(b"Connection: close") == 1
    first, second, third, last = application.asked
    assert application.bodies == [b"body", b"", b"", b""]
    assert [one["REQUEST_METHOD"] for one in application.asked] == ["POST", "GET", "GET", "DELETE"]
    assert (first["PATH_INFO"], first["QUERY_STRING"], first["RAW_URI"]) == ("/a", "b=c%20d", "/a?b=c%20d")
    assert (second["PATH_INFO"], second["RAW_URI"], second["HTTP_X_TWO"]) == ("/A/b", "/%41%2Fb", "1,2")
    assert third["rolo.headers"] == [(b"Host", b"h"), (b"X-Two", b"1"), (b"x-two", b"2")]
    assert (last["PATH_INFO"], last["QUERY_STRING"]) == ("/c", "d")
    assert first["CONTENT_LENGTH"] == "4"


def test_a_client_that_waits_is_told_to_go_on() -> None:
    """A body that is announced with `Expect: 100-continue` comes after the server's word, as boto3 sends objects."""
    application = _Application(headers=[("Content-Length", "6")])
    with _connected(application) as client:
        client.sendall(b"PUT /k HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        assert _answer(client)[2] == b"answer"
    assert application.bodies == [b"abcde"]


@given(st.binary(max_size=400), st.lists(st.integers(1, 60), max_size=12))
def test_a_body_arrives_whole_however_it_is_cut(body: bytes, sizes: list[int]) -> None:
    """Whatever pieces a network makes of it, the application reads what was sent."""
    application = _Application(headers=[("Content-Length", "6")])
    sent = b"PUT /k HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with _connected(application) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for size in sizes:
            client.sendall(sent[:size])
            sent = sent[size:]
        client.sendall(sent)
        assert _answer(client)[0] == 200
    assert application.bodies == [body]


def test_a_large_body_lies_in_a_file_and_is_whole() -> None:
    """A megabyte comes in as it was sent, and goes out so."""
    body = bytes(range(256)) * 4_096
    application = _Application(headers=[("Content-Length", str(len(body)))], chunks=[body[:7], b"", body[7:]])
    with _connected(application) as client:
        client.sendall(b"PUT /k HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        assert _answer(client)[2] == body
    assert application.bodies == [body]


def test_an_answer_of_unknown_length_ends_where_it_ends() -> None:
    """In chunks for HTTP/1.1, with the connection for HTTP/1.0; an empty piece is not its end."""
    application = _Application(chunks=[b"one", b"", b"two"])
    with _connected(application) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        status, headers, body = _answer(client)
        assert (status, headers["transfer-encoding"], body) == (200, "chunked", b"onetwo")
        client.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        told = _all(client)
    assert told.endswith(b"\r\n\r\nonetwo")
    assert b"chunked" not in told


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")]
)
def test_what_has_no_body_has_none(method: str, status: str) -> None:
    """HEAD, 204 and 304 end with their headers, and the next answer begins where it must."""
    application = _Application(status=status, headers=[("ETag", "e")])
    request = b"%b / HTTP/1.1\r\n" % method.encode()
    with _connected(application) as client:
        client.sendall(request + b"\r\n" + request + b"Connection: close\r\n\r\n")
        first, second, after = _all(client).split(b"\r\n\r\n")
    assert after == b""
    for told in (first, second):
        assert told.startswith(b"HTTP/1.1 %b\r\n" % status.encode())
        assert b"ETag: e" in told
        assert b"chunked" not in told


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\x01 nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 300_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200_000, 431),
    ],
)
def test_what_is_no_http_is_refused_in_one_line(sent: bytes, status: int) -> None:
    """Such a client gets a status and its connection ends; the application hears nothing of it."""
    application = _Application()
    with _connected(application) as client:
        threading.Thread(target=_send, args=(client, sent)).start()
        assert client.recv(12) == b"HTTP/1.1 %d" % status
    assert application.asked == []


def _send(client: socket.socket, sent: bytes) -> None:
    """Send what the server may not read to its end."""
    try:
        client.sendall(sent)
    except OSError:
        return


def test_an_offer_of_another_protocol_is_not_taken() -> None:
    """The request is answered as it is, and the connection ends."""
    application = _Application()
    with _connected(application) as client:
        client.sendall(b"GET /w HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        told = _all(client)
    assert b"Connection: close" in told
    assert [one["PATH_INFO"] for one in application.asked] == ["/w"]


def test_a_client_that_goes_away_ends_its_connection_alone() -> None:
    """Its answer is closed, and the thread ends without a word."""
    closed = threading.Event()

    class _Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * 65_536

        def close(self) -> None:
            closed.set()

    application = _Application(chunks=_Endless())
    with _connected(application) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(8) == b"HTTP/1.1"
    assert closed.is_set()
