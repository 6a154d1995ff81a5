"""Who answers at an endpoint: `/_localstack/health`, which LocalStack and its like all serve."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.engine import HEALTH_PATH, INFO_PATH
from bench.errors import TargetError
from bench.targets.instance import IDENTITY_PATH
from bench.waiting import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Only LocalStack itself has it.
_TIMEOUT_S: Final = 5.0
_POLL_S: Final = 0.2
# A proxy that the user's environment names is not for an emulator.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Health:
    """What a server says of itself.

    services: those that it has, under LocalStack's names. is_localstack: whether it is LocalStack
    itself. is_extended: whether it has the bench's own extensions.
    """

    version: str
    edition: str
    services: frozenset[str]
    is_localstack: bool
    is_extended: bool


def read_health(endpoint_url: str) -> Health:
    """Ask the server. Raises TargetError, which says what was found there instead."""
    try:
        answer = _get(endpoint_url + HEALTH_PATH)
    except (OSError, ValueError) as error:
        raise TargetError(f"no LocalStack-compatible server answers at {endpoint_url}: {_why(error)}") from error
    found = answer.get("services") if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        raise TargetError(f"what answers at {endpoint_url} is no LocalStack-compatible server: it names no services")
    return Health(
        version=str(answer.get("version", "unknown")),
        edition=str(answer.get("edition", "unknown")),
        services=frozenset(name for name, state in found.items() if state in {"available", "running", "starting"}),
        is_localstack=_or_none(endpoint_url + INFO_PATH) is not None,
        is_extended=identity(endpoint_url) is not None,
    )


def identity(endpoint_url: str) -> Mapping[str, Any] | None:
    """Return what the bench's extensions say of their server; None where it has none."""
    answer = _or_none(endpoint_url + IDENTITY_PATH)
    return answer if isinstance(answer, dict) and "peak_resident_bytes" in answer else None


def wait_for_health(endpoint_url: str, patience_s: float, check: Callable[[], object]) -> Health:
    """Wait until the server answers. Raises TargetError where nothing has moved for ``patience_s``.

    ``check`` raises where it never will answer; what it returns is compared with the last: while that changes, the
    server still starts.
    """
    patience, before = Patience(patience_s), check()
    while True:
        if (now := check()) != before:
            before = now
            patience.renew()
        try:
            return read_health(endpoint_url)
        except TargetError as error:
            if patience.is_over:
                raise TargetError(f"{error} (and nothing moved for {patience_s:.0f} s)") from error
        time.sleep(_POLL_S)


def _or_none(url: str) -> Any:
    try:
        return _get(url)
    except (OSError, ValueError):
        return None


def _get(url: str) -> Any:
    with _OPENER.open(url, timeout=_TIMEOUT_S) as response:
        return json.load(response)


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"{HEALTH_PATH} is answered {error.code}"
    return str(error.reason if isinstance(error, urllib.error.URLError) else error)
