"""A server in memory: what it answers to requests, in turn, and what it was asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import httpx

from tickstream_client import AsyncClient, Client, Retries, Stack

if TYPE_CHECKING:
    from collections.abc import Callable

API = "https://abcdef.execute-api.us-east-1.amazonaws.com/dev"
#: No pauses: what is tested is what is sent.
AT_ONCE = Retries(first_pause_seconds=0.0)


def stack(pipeline: str | None = "market-analytics") -> Stack:
    """A stack of nobody's."""
    session = boto3.Session("test", "secret", region_name="us-east-1")
    return Stack(API, "us-east-1", session, bucket="bucket", pipeline=pipeline)


@dataclass
class Server:
    """Answers by a function of the request; notes all requests."""

    respond: Callable[[httpx.Request], httpx.Response]
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        return self.respond(request)

    def client(self, **options: Any) -> Client:
        """A client of it."""
        return Client(stack(), **{"retries": AT_ONCE, "transport": httpx.MockTransport(self), **options})

    def async_client(self, **options: Any) -> AsyncClient:
        """A client of it for asyncio."""
        return AsyncClient(stack(), **{"retries": AT_ONCE, "transport": httpx.MockTransport(self), **options})


def in_turn(*answers: httpx.Response | Exception) -> Server:
    """A server that gives these answers, one after the other."""
    left = list(answers)

    def respond(_: httpx.Request) -> httpx.Response:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Server(respond)


def ok(fields: Any) -> httpx.Response:
    """A 200."""
    return httpx.Response(200, json=fields)


def failed(status: int, code: str = "some_code", **headers: str) -> httpx.Response:
    """An error as the API writes it."""
    error = {"code": code, "message": "what happened"}
    return httpx.Response(status, json={"error": error}, headers={**headers, "x-amzn-RequestId": "r-1"})


def bar(start: str = "2026-01-05T14:30:00Z", **fields: Any) -> dict[str, Any]:
    """A bar as the API writes it."""
    figures = dict.fromkeys(("open", "high", "low", "close", "vwap"), "1.5")
    return {"start": start, **figures, "volume": "2", "ticks": 1, "notional": "3", **fields}


def bars_server(minutes: dict[str, int], page: int = 5_000) -> Server:
    """A server that has so many minute bars of each symbol, from 1970 on, and answers as the real one does."""

    def respond(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        first, end = (-(-int(asked[name]) // (60 * 10**9)) for name in ("from", "to"))
        index, minute = map(int, asked["nextToken"].split("-")) if "nextToken" in asked else (0, first)
        found: dict[str, list[dict[str, Any]]] = {}
        unknown, room = [], page
        for place in range(index, len(asked["symbols"])):
            symbol = asked["symbols"][place]
            if symbol not in minutes:
                unknown.append(symbol)
                continue
            at = minute if place == index else first
            there = range(max(at, 0), min(end, minutes[symbol]))
            taken = there[:room]
            found[symbol] = [bar(_minute(one), ticks=one + 1, volume=str(one)) for one in taken]
            room -= len(taken)
            if len(taken) < len(there) or (room == 0 and place + 1 < len(asked["symbols"])):
                token = f"{place}-{there[len(taken)]}" if len(taken) < len(there) else f"{place + 1}-{first}"
                return ok({"bars": found, "unknown": unknown, "nextToken": token})
        return ok({"bars": found, "unknown": unknown})

    return Server(respond)


def _minute(number: int) -> str:
    day, minute = divmod(number, 1_440)
    return f"1970-01-{1 + day:02d}T{minute // 60:02d}:{minute % 60:02d}:00Z"
