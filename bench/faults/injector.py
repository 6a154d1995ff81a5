"""The bench's way to order faults of a LocalStack that it has started."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from bench.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.faults.rules import FaultRule
    from bench.targets import Target

FAULTS_PATH: Final = "/_bench/faults"
MARKS_PATH: Final = "/_bench/faults/marks"
RECEIVES_PATH: Final = "/_bench/receives"
_TIMEOUT_S: Final = 10.0


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
        """Have no rule apply any more, and forget all hits."""
        self._call("DELETE", FAULTS_PATH)

    def remove(self, name: str) -> None:
        """Have one rule apply no more; its hits stay. It is no error where there is none of that name."""
        self._call("DELETE", FAULTS_PATH, {"name": name})

    def hits(self) -> dict[str, int]:
        """Return how many requests each rule has hit so far."""
        return {name: int(count) for name, count in self._call("GET", FAULTS_PATH).items()}

    def marks(self) -> list[tuple[str, int]]:
        """Return the name of the rule and the time (epoch ms) of each hit, in order, at most 1,000 a rule."""
        return [(name, int(at_ms)) for name, at_ms in self._call("GET", MARKS_PATH)]

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
