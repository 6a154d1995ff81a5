"""An API in memory under a real client, and the page's server in a thread, for tests of the page."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import boto3
import httpx
import uvicorn

from tickstream_client.async_client import AsyncClient
from tickstream_client.browse.app import app_of
from tickstream_client.browse.queues import Queues, Resting
from tickstream_client.browse.serving import LOOPBACK
from tickstream_client.connection.stack import Stack
from tickstream_client.protocol.retries import Retries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette

TOKEN: Final = "a-token-of-tests"  # noqa: S105 - and of nothing else
MINUTE_S: Final = 60
#: 2026-01-05T14:30:00Z.
OPEN_S: Final = 1_767_623_400
NO_RETRIES: Final = Retries(attempts=1, unreached_attempts=1)
QUEUE_OUTPUTS: Final = {
    f"{name}ueueUrl": f"https://sqs.test/{name}"
    for name in ("q", "largeRangeQ", "processingDeadLetterQ", "largeRangeDeadLetterQ")
}

type Fields = dict[str, Any]


def moment(seconds: float) -> str:
    """As the API writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def bar(start_s: int, place: int = 0, **others: Any) -> Fields:
    """One bar as the API answers it; each place has figures of its own, and more digits than a float."""
    opened, closed = 100 + place % 37 * 0.25, 100 + (place * 7) % 41 * 0.25
    return {
        "start": moment(start_s),
        "open": f"{opened:.2f}",
        "high": f"{max(opened, closed) + 0.5:.2f}0000001",
        "low": f"{min(opened, closed) - 0.5:.2f}",
        "close": f"{closed:.2f}",
        "volume": f"{1_000 + place}.000000001",
        "ticks": 10 + place % 9,
        "notional": f"{(1_000 + place) * 100}.123456789123456789",
        "vwap": f"{(opened + closed) / 2:.9f}",
        **others,
    }


def minutes(count: int, *, start_s: int = OPEN_S, **others: Any) -> list[Fields]:
    """Bars of consecutive minutes."""
    return [bar(start_s + place * MINUTE_S, place, **others) for place in range(count)]


def ingest(number: int, state: str = "complete", **others: Any) -> Fields:
    """An ingest as the API answers it."""
    return {
        "ingestId": f"{number:032x}",
        "state": state,
        "ranges": {"total": 4, "done": 4 if state == "complete" else 1},
        "rows": 1_000,
        "ticks": 990,
        "rejected": 10,
        "skipped": 0,
        "cancelled": 0,
        "receivedAt": moment(OPEN_S + number),
        "source": f"trades/2026-01-05/part-{number:04}.csv",
        **others,
    }


@dataclass(slots=True)
class FakeApi:
    """Answers as API Gateway and the functions do.

    Attributes:
        bars: by symbol and interval.
        ingests: the newest first.
        has_symbols: whether it has `GET /symbols`.
        trouble: a status that everything is answered with; 0 for no answer at all.
        resting: what rests in the queues.
        asked: bodies of the questions for bars.

    """

    bars: dict[tuple[str, str], list[Fields]] = field(default_factory=dict)
    ingests: list[Fields] = field(default_factory=list)
    has_symbols: bool = True
    trouble: int | None = None
    resting: dict[str, int] = field(default_factory=dict)
    asked: list[Fields] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of the client's."""
        if self.trouble == 0:
            raise httpx.ConnectError("refused", request=request)
        if self.trouble is not None:
            return httpx.Response(self.trouble, json={"error": {"code": "trouble", "message": "in trouble"}})
        path = request.url.path.removeprefix("/test")
        if path == "/bars":
            return self._bars(json.loads(request.content))
        if path == "/ingests":
            state = request.url.params.get("state")
            return httpx.Response(200, json={"ingests": [one for one in self.ingests if state in {None, one["state"]}]})
        if path == "/symbols" and self.has_symbols:
            return self._symbols(request.url.params.get("prefix", ""))
        refused = {"x-amzn-errortype": "MissingAuthenticationTokenException"}
        return httpx.Response(403, json={"message": "Missing Authentication Token"}, headers=refused)

    def _bars(self, asked: Fields) -> httpx.Response:
        self.asked.append(asked)
        (symbol,) = asked["symbols"]
        found = self.bars.get((symbol, asked["interval"]), [])
        start, end = (moment(int(asked[name]) / 10**9) for name in ("from", "to"))
        window = [one for one in found if start <= one["start"] < end]
        place = int(asked.get("nextToken", 0))
        page = window[place : place + asked["limit"]]
        unknown = [] if any(one == symbol for one, _ in self.bars) else [symbol]
        more = {"nextToken": str(place + len(page))} if place + len(page) < len(window) else {}
        return httpx.Response(200, json={"bars": {symbol: page}, "unknown": unknown, **more})

    def _symbols(self, prefix: str) -> httpx.Response:
        listed = [
            {"symbol": symbol, "firstBar": some[0]["start"], "lastBar": some[-1]["start"]}
            for (symbol, interval), some in sorted(self.bars.items())
            if interval == "1m" and some and symbol.startswith(prefix)
        ]
        return httpx.Response(200, json={"symbols": listed})


class FakeQueues(Queues):
    """Queues whose counts the API in memory has."""

    def __init__(self, stack: Stack, api: FakeApi) -> None:
        super().__init__(stack)
        self._api = api

    async def read(self) -> list[Resting]:
        """Count what rests in each."""
        return [
            Resting(one.title, one.is_dead_letter, self._api.resting.get(one.url.rpartition("/")[2], 0), 0, 0)
            for one in self.queues
        ]


def stack() -> Stack:
    """A stack with queues, and credentials of nobody."""
    session = boto3.Session("test", "test", region_name="us-east-1")
    return Stack("https://api.test/test", "us-east-1", session, outputs=QUEUE_OUTPUTS, pipeline="market-analytics")


def fake_app(api: FakeApi) -> Starlette:
    """The page's application over the API in memory."""
    known = stack()
    client = AsyncClient(known, retries=NO_RETRIES, transport=httpx.MockTransport(api.answer))
    return app_of(client, FakeQueues(known, api), TOKEN)


@contextmanager
def served(api: FakeApi, port: int = 0) -> Iterator[str]:
    """Serve the page, as long as the block runs, and give the address that has no token."""
    # Its client belongs to the loop of the thread, and its socket is there before that runs: nobody has to wait.
    with socket.create_server((LOOPBACK, port)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(fake_app(api), log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page")
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()
