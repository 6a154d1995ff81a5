"""The embedded target's web server: plain HTTP, and what does not end it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bench.emulator.web.loopback import LoopbackRuntimeServer
from bench.engine import config

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_S = 60


class _Gateway:
    """Answers with the scheme and the body that it was sent; raises where it is asked to."""

    def process(self, request: Any, response: Any) -> None:
        if request.path == "/raise":
            raise RuntimeError("as asked")
        response.data = request.scheme.encode() + b" " + request.data


@dataclass(frozen=True)
class _Served:
    server: LoopbackRuntimeServer
    running: threading.Thread
    port: int

    def put(self, body: bytes, *, path: str = "/") -> bytes:
        """Send a request on a connection of its own and return the answer's body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)
        try:
            connection.request("PUT", path, body)
            return connection.getresponse().read()
        finally:
            connection.close()


@contextlib.contextmanager
def _running(server: LoopbackRuntimeServer) -> Iterator[threading.Thread]:
    interval_s = sys.getswitchinterval()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield thread
    finally:
        server.shutdown()
        thread.join(_PATIENCE_S)
        sys.setswitchinterval(interval_s)
    assert not thread.is_alive()


@pytest.fixture
def served() -> Iterator[_Served]:
    """Serve on a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = LoopbackRuntimeServer()
    server.register(_Gateway(), [config.HostAndPort("127.0.0.1", port)], ("", ""))
    with _running(server) as running:
        yield _Served(server, running, port)


def test_a_large_body_comes_back_whole(served: _Served) -> None:
    """A megabyte there and back, and the application is told by which scheme."""
    body = bytes(range(256)) * 4_096
    assert served.put(body) == b"http " + body


def test_what_breaks_one_connection_leaves_the_others(served: _Served, caplog: pytest.LogCaptureFixture) -> None:
    """An application that raises, a TLS handshake and a client that says nothing end theirs alone."""
    silent = socket.create_connection(("127.0.0.1", served.port), timeout=_PATIENCE_S)
    with silent, socket.create_connection(("127.0.0.1", served.port), timeout=_PATIENCE_S) as odd:
        odd.sendall(b"\x16\x03\x01 a handshake")
        # It ends in good order or with a reset, as what was not read yet will have it.
        with contextlib.suppress(ConnectionResetError):
            while odd.recv(1_024):
                pass
        with pytest.raises(http.client.RemoteDisconnected):
            served.put(b"", path="/raise")
        assert "RuntimeError: as asked" in caplog.text
        assert served.put(b"b") == b"http b"


def test_a_connection_without_a_thread_is_refused_and_the_next_is_served(
    served: _Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has no room for a thread goes on to accept."""
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "web":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(ConnectionError):
        served.put(b"")
    monkeypatch.undo()
    assert served.put(b"b") == b"http b"


def test_after_its_end_nobody_is_accepted(served: _Served) -> None:
    """The port is free again, though the server was waiting for the next."""
    assert served.put(b"b") == b"http b"
    served.server.shutdown()
    served.running.join(_PATIENCE_S)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", served.port), timeout=_PATIENCE_S)
