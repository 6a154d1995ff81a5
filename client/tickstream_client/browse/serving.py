"""The server on loopback, for as long as the command runs."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import click
import uvicorn

from tickstream_client.async_client import AsyncClient
from tickstream_client.browse.app import app_of
from tickstream_client.browse.queues import Queues
from tickstream_client.errors import UsageError
from tickstream_client.protocol.retries import Retries

if TYPE_CHECKING:
    from tickstream_client.connection.stack import Stack

LOOPBACK: Final = "127.0.0.1"
#: The page asks again by itself, and says meanwhile what is wrong: no question is tried for long.
PAGE_RETRIES: Final = Retries(attempts=3, unreached_attempts=2, total_seconds=10, longest_pause_seconds=3)
#: Answers that are under way when the command is ended have so long.
_GRACE_SECONDS: Final = 2


def serve(stack: Stack, *, port: int, symbol: str | None, is_opened: bool) -> None:
    """Serve the page until the command is interrupted. Raises UsageError where the port is taken.

    port: 0 for any that is free. symbol: that the page begins with. is_opened: have a browser open it.
    """
    token = secrets.token_urlsafe(24)
    app = app_of(AsyncClient(stack, retries=PAGE_RETRIES), Queues(stack), token)
    with _listening(port) as listener:
        query = f"?{urlencode({'symbol': symbol})}" if symbol else ""
        address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/{query}#token={token}"
        click.echo(f"{address}\nFor this machine alone; Ctrl-C ends it.")
        # The listener takes connections already: whoever is quicker than the server waits a moment.
        if is_opened:
            webbrowser.open(address)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            # How this command ends.
            return


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise UsageError(f"port {port} of {LOOPBACK}: {error.strerror}; --port names another one") from error
