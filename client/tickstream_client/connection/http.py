"""What is asked of httpx, and what its answers and errors are here."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from tickstream_client.errors import StackError
from tickstream_client.protocol.steps import Answer, Lost

if TYPE_CHECKING:
    from collections.abc import Callable

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


def proxied[Transport](make: Callable[..., Transport], url: str) -> Transport:
    """Make a transport of httpx's to an address, by the proxy that the environment names for it, if any.

    httpx reads the environment itself, but takes every name of NO_PROXY for part of an address and raises at `[::1]`:
    the standard library tells which proxy it is. Raises StackError for what cannot be one.
    """
    proxy = _proxy_for(url)
    try:
        return make(proxy=proxy)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        named = urlsplit(url).scheme.upper()
        raise StackError(f"the proxy that {named}_PROXY or ALL_PROXY names cannot be used: {error}") from error


def _proxy_for(url: str) -> str | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_loopback(host) or proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    # As curl has it: what names no scheme is asked by HTTP.
    return found if not found or "://" in found else f"http://{found}"


def _is_loopback(host: str) -> bool:
    """Whether it is this machine's own address, which no proxy knows."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
