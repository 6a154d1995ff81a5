"""How many POSTs a second one process sends: signed, recorded, against a server on loopback that answers at once.

There is no network and no gateway in the figure: it is the most that a sender's own work lets through, and says how
many senders a rate needs at least.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import tempfile
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.ledger.api_client import ApiClient
from bench.ledger.driver import Driver
from bench.ledger.sent import Ledger
from bench.perf.figures import Better, Figure, Unit
from bench.perf.runs import RunFailedError
from bench.synthetic.factory import Factory
from bench.targets import REGION
from bench.targets.clients import emulator_clients
from bench.workloads import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.targets.clients import Clients

_TICKS: Final = 60_000
#: Every piece is due at once: the sender is never waited for.
_AT_ONCE: Final = 1e9
_WANTED_A_S: Final = 10_000
_TICKS_KEY: Final = b'"symbol"'


class _Answers(BaseHTTPRequestHandler):
    """Says of every request that all its ticks were accepted."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps({"ingestId": "0" * 32, "accepted": body.count(_TICKS_KEY)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


def _serve(listening: socket.socket) -> None:
    server = ThreadingHTTPServer(listening.getsockname(), _Answers, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.daemon_threads = True
    server.serve_forever()


@contextmanager
def _server() -> Iterator[str]:
    """Have another process answer; yield its address."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    child = multiprocessing.get_context("fork").Process(target=_serve, args=(listening,), daemon=True)
    child.start()
    host, port = listening.getsockname()
    listening.close()
    try:
        yield f"http://{host}:{port}"
    finally:
        child.kill()
        child.join()


class _Signing:
    """What an `ApiClient` wants to know of a target."""

    region = REGION

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def client(self, service: str) -> Any:
        return self._clients.get(service)


def sender(repeats: int) -> tuple[Figure, ...]:
    """Send 3,000 POSTs of 20 ticks as fast as they go, some times over. Raises RunFailedError for one not answered."""
    workload = load("api", range_bytes=65_536, ticks=_TICKS, corrupt_fraction=0.0)
    rates, processor_s = [], []
    with tempfile.TemporaryDirectory(prefix="tickstream-perf-") as folder, _server() as address:
        pieces = tuple(Factory(workload, Path(folder), None).make())
        clients = emulator_clients(address)
        for index in range(repeats + 1):
            ledger = Ledger()
            driver = Driver(None, "none", ApiClient(_Signing(clients), address), ledger, _AT_ONCE)
            began, began_cpu = time.perf_counter(), time.process_time()
            driver.send(pieces)
            seconds, used_s = time.perf_counter() - began, time.process_time() - began_cpu
            if not all(one.acknowledged for one in ledger.entries()):
                raise RunFailedError("a POST was not answered")
            # The first round does not count: connections are made in it.
            if index:
                rates.append(len(pieces) / seconds)
                processor_s.append(used_s / len(pieces))
        clients.close()
    middle = sorted(rates)[len(rates) // 2]
    about = (
        f"{len(pieces):,} POSTs of {workload.posts.ticks_a_request} ticks, {1_000_000 * min(processor_s):.0f} us of "
        f"processor each; {_WANTED_A_S:,} a second want {ceil(_WANTED_A_S / middle)} such workers"
    )
    return (
        Figure(
            name="POSTs a second of one sender", unit=Unit.REQUESTS, better=Better.MORE, samples=tuple(rates),
            about=about,
        ),
    )  # fmt: skip
