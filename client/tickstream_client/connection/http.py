"""What is asked of httpx, and what its answers and errors are here."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

import httpx

from tickstream_client.protocol.steps import Answer, Lost

#: API Gateway gives a function 29 seconds.
TIMEOUT: Final = httpx.Timeout(35.0, connect=5.0, pool=60.0)


def answer_from(response: httpx.Response) -> Answer:
    """Take an answer over from httpx."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content)


def lost_by(error: httpx.HTTPError) -> Lost:
    """Say why no answer came, and whether the request can have arrived."""
    why = str(error) or type(error).__name__
    return Lost(why, was_reached=not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError))


def heeds_environment(url: str) -> bool:
    """Whether a proxy of the environment may be asked: none is for this machine's own loopback address."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
