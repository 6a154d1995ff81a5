"""A client of the tests' stacks, and a network that loses answers, throttles and fails as often as it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx


@dataclass(slots=True)
class Trouble:
    """What goes wrong with requests of a path: each of these so many times, in this order."""

    path: str
    kinds: list[str] = field(default_factory=list)
    seen: int = 0


class TroubledNetwork(httpx.BaseTransport):
    """Sends requests on, and has something happen to those of some paths: `429`, `503`, `lost`, `unanswered`.

    `lost`: it never arrives. `unanswered`: it arrives and is done, and its answer is lost.
    """

    def __init__(self, *troubles: Trouble) -> None:
        self._troubles = troubles
        self._below = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it on, or not."""
        for trouble in self._troubles:
            if request.url.path.endswith(trouble.path):
                trouble.seen += 1
                if trouble.kinds:
                    return self._troubled(trouble.kinds.pop(0), request)
        return self._below.handle_request(request)

    def _troubled(self, kind: str, request: httpx.Request) -> httpx.Response:
        match kind:
            case "lost":
                raise httpx.ConnectError("refused", request=request)
            case "unanswered":
                self._below.handle_request(request).read()
                raise httpx.ReadError("reset", request=request)
        body = {"error": {"code": "throttled", "message": "slow down"}}
        return httpx.Response(int(kind), json=body, headers={"Retry-After": "0"}, request=request)

    def close(self) -> None:
        """Close what is below."""
        self._below.close()
