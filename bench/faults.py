"""Faults that the emulator injects, as data, and the bench's way to order them.

`bench.emulator.faults` carries them out, in LocalStack's request chain: the functions run as they are deployed.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from bench.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.targets import Target

FAULTS_PATH: Final = "/_bench/faults"
RECEIVES_PATH: Final = "/_bench/receives"
_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Requests that are refused before they reach their service.

    name: tells rules apart; a rule of a name that is there replaces it, and its hits begin at 0.
    service, operation: as AWS names them (`s3`, `GetObject`).
    function: whose requests (by its role's session credentials); empty for anybody's.
    contains: what some text among the request's parameters contains, such as an object's key.
    code, status: what the request is answered. 403 is given up at once by AWS's clients, 500 is tried again by them.
    times: how many requests are refused before the fault is over; None for ever.
    """

    name: str
    service: str
    operation: str
    function: str
    contains: str
    code: str = "AccessDenied"
    status: int = 403
    times: int | None = None

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Read what `asdict` made. Raises TypeError or KeyError for other fields."""
        return cls(**fields)


class FaultInjector:
    """Orders faults of a LocalStack that this bench has started; other targets have none.

    Raises TargetError where nobody answers.
    """

    def __init__(self, target: Target) -> None:
        if target.endpoint_url is None:
            raise TargetError("AWS injects no faults: they need the embedded target")
        self._base_url = target.endpoint_url
        # A proxy that the user's environment names is not for this machine's own loopback address.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def add(self, rules: Iterable[FaultRule]) -> None:
        """Have these rules apply from now on."""
        self._call("POST", FAULTS_PATH, [asdict(rule) for rule in rules])

    def clear(self) -> None:
        """Have no rule apply any more."""
        self._call("DELETE", FAULTS_PATH)

    def remove(self, name: str) -> None:
        """Have one rule apply no more; it is no error where there is none of that name."""
        self._call("DELETE", FAULTS_PATH, {"name": name})

    def hits(self) -> dict[str, int]:
        """Return how many requests each rule has refused so far."""
        return {name: int(count) for name, count in self._call("GET", FAULTS_PATH).items()}

    def receive_counts(self, queue: str) -> dict[str, int]:
        """Return the largest receive count that a message of each message group had in a FIFO queue, by its name."""
        return {group: int(count) for group, count in self._call("GET", RECEIVES_PATH).get(queue, {}).items()}

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._base_url}{path}", data, headers, method=method)  # noqa: S310 - http
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            raise TargetError(f"{method} {path} failed: {error} (only the embedded target injects faults)") from error
