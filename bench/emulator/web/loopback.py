"""LocalStack's web server, bound to the address it was told.

LocalStack drops the host of an IPv4 address and listens on every interface: whoever is on the same network
could then use the emulated account. And two thirds of LocalStack's time were its server's, before a handler was called
and after it had answered.
"""

import contextlib
import logging
import os
import socket
import sys
import threading
from typing import Final

from rolo.gateway import Gateway
from rolo.gateway.wsgi import WsgiGateway

from bench.emulator.web.connection import Connection
from bench.engine import RuntimeServer, config

LOG = logging.getLogger(__name__)
# EX_UNAVAILABLE of sysexits.h: tells the target to try another port.
PORT_TAKEN_STATUS: Final = 69
_BACKLOG: Final = 1024
#: How long a thread computes before another that waits has its turn: a short request is not behind a long one then.
_TURN_S: Final = 0.0005
#: Between two attempts to accept, where the process has no file descriptor left.
_RETRY_S: Final = 0.1
#: Set once requests are served.
RUNNING: Final = threading.Event()


class LoopbackRuntimeServer(RuntimeServer):  # type: ignore[misc] # LocalStack is untyped here
    """Plain HTTP on the hosts of `GATEWAY_LISTEN` only; a thread for each connection."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._serving: list[tuple[socket.socket, WsgiGateway]] = []

    def register(
        self,
        gateway: Gateway,
        listen: list[config.HostAndPort],
        ssl_creds: tuple[str, str] | None = None,  # noqa: ARG002 - LocalStack hands them over; nobody asks for TLS here
    ) -> None:
        """Listen on the hosts in ``listen`` only."""
        for address in listen:
            family = socket.AF_INET6 if config.is_ipv6_address(address.host) else socket.AF_INET
            try:
                listening = socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
            except OSError as error:
                # Left alone, a taken port is a line in the log and a server that serves nobody, for ever.
                _give_up(error)
            self._serving.append((listening, WsgiGateway(gateway)))

    def run(self) -> None:
        """Serve until `shutdown`."""
        for serving in self._serving:
            threading.Thread(target=self._accept, args=serving, name="web-accept", daemon=True).start()
        sys.setswitchinterval(_TURN_S)
        RUNNING.set()
        self._stopped.wait()
        for listening, _ in self._serving:
            # Closing it alone would leave the thread in `accept` (Linux); elsewhere it is no connection, which is said.
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()

    def shutdown(self) -> None:
        """Take no more connections. Answers that are under way are daemons' work and end with the process."""
        self._stopped.set()

    def _accept(self, listening: socket.socket, application: WsgiGateway) -> None:
        while not self._stopped.is_set():
            try:
                connected, client = listening.accept()
            except OSError as error:
                if not self._stopped.wait(_RETRY_S):
                    LOG.warning("a connection was not accepted: %s", error)
                continue
            thread = threading.Thread(target=_serve, args=(connected, application, client[:2]), name="web", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # The process has no room for another thread now; it may have for the next.
                LOG.warning("a connection was not served: %s", error)
                connected.close()


def _serve(connected: socket.socket, application: WsgiGateway, client: tuple[str, int]) -> None:
    try:
        # Heads and bodies are sent as they come: nothing is gained by waiting for more.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Connection(connected, application, client=client).serve()
    except OSError as error:
        LOG.debug("a connection broke off: %s", error)
    except Exception:  # an application that raises ends its connection, not the server
        LOG.exception("a request broke its connection")
    finally:
        connected.close()


def _give_up(error: OSError) -> None:
    LOG.error("cannot listen: %s", error)
    logging.shutdown()
    os._exit(PORT_TAKEN_STATUS)
