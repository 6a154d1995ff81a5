"""boto3 clients of one target: made once for each service, shared between threads, with limits on every wait."""

from __future__ import annotations

import threading
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config

from bench.targets import REGION

_LIMITS: Final[dict[str, Any]] = {
    "read_timeout": 70,
    "retries": {"mode": "standard", "total_max_attempts": 4},
    "max_pool_connections": 64,
}


class Clients:
    """Makes each service's client when it is first asked for. ``arguments``: what every client is made with."""

    def __init__(self, session: boto3.session.Session, **arguments: Any) -> None:
        self._session = session
        self._arguments = arguments
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def get(self, service: str) -> Any:
        """Return the client for ``service``; the same one for every caller, and thread-safe."""
        # boto3's default session is not thread-safe while it makes a client.
        with self._lock:
            if service not in self._made:
                self._made[service] = self._session.client(service, **self._arguments)  # type: ignore[call-overload]
            return self._made[service]

    def close(self) -> None:
        """Close the connections of every client."""
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()


def emulator_clients(endpoint_url: str) -> Clients:
    """Return clients of a server that takes any credentials; none of the user's own AWS configuration is read."""
    none = dict.fromkeys(("profile", "config_file", "credentials_file"), (None, None, None, None))
    return Clients(
        boto3.session.Session(botocore_session=botocore.session.Session(session_vars=none)),
        region_name=REGION,
        endpoint_url=endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - emulators take any
        # Nor is a proxy of the user's meant for a server of this machine.
        config=Config(connect_timeout=2, s3={"addressing_style": "path"}, proxies={}, **_LIMITS),
    )


def aws_clients(session: boto3.session.Session, region: str) -> Clients:
    """Return clients of AWS itself, with the user's own credentials."""
    return Clients(session, region_name=region, config=Config(connect_timeout=10, **_LIMITS))
