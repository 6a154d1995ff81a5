"""The page's server: the page itself, and five questions that it may ask. All are GET, and none changes anything."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from plotly.offline import get_plotlyjs
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tickstream_client.browse.answers import NO_ROUTE, columns_of, error_of, ingest_fields, symbol_fields
from tickstream_client.browse.guard import Guard
from tickstream_client.errors import NotAllowedError, TickstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from tickstream_client.async_client import AsyncClient
    from tickstream_client.bars import AsyncBars
    from tickstream_client.browse.queues import Queues
    from tickstream_client.records import Bar

type Answering = Callable[[Request], Awaitable[Response]]

#: Bars of one question: as many as a browser holds without anybody noticing. Of more the first ones come.
MAX_BARS: Final = 250_000
#: Bars that come together: a page of the API's.
_CHUNK_BARS: Final = 5_000
_MAX_SYMBOLS: Final = 50
_MAX_INGESTS: Final = 200


def app_of(client: AsyncClient, queues: Queues, token: str) -> Starlette:
    """Build the application.

    Args:
        client: what it asks, of the loop that runs it; closed when the application ends.
        queues: of the same stack.
        token: that the page sends with each question.

    """
    routes = _Routes(client, queues)

    @asynccontextmanager
    async def closing(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await client.close()

    answers: dict[str, Answering] = {
        "/api/stack": routes.stack,
        "/api/symbols": routes.symbols,
        "/api/bars": routes.bars,
        "/api/ingests": routes.ingests,
        "/api/queues": routes.queues,
    }
    return Starlette(
        routes=[
            *(Route(path, _told(answer), methods=["GET"]) for path, answer in answers.items()),
            Route("/plotly.js", _plotly(), methods=["GET"]),
            Mount("/", StaticFiles(packages=[("tickstream_client.browse", "page")], html=True)),
        ],
        middleware=[Middleware(Guard, token=token)],
        lifespan=closing,
    )


class _Routes:
    def __init__(self, client: AsyncClient, queues: Queues) -> None:
        self._client = client
        self._queues = queues

    async def stack(self, _: Request) -> Response:
        """Say whose page this is."""
        stack = self._client.stack
        url = urlsplit(stack.api_url)
        return JSONResponse(
            {
                "pipeline": stack.pipeline or "market-analytics",
                "stage": url.path.rpartition("/")[2],
                "region": stack.region,
                "host": url.netloc,
                "hasQueues": bool(self._queues.queues),
            }
        )

    async def symbols(self, request: Request) -> Response:
        """List symbols by prefix. `isKnown` is false where the server has no list of them."""
        found: list[dict[str, Any]] = []
        has_more = False
        try:
            async with aclosing(_generator(self._client.symbols(request.query_params.get("prefix", "")))) as symbols:
                async for symbol in symbols:
                    if has_more := len(found) == _MAX_SYMBOLS:
                        break
                    found.append(symbol_fields(symbol))
        except NotAllowedError as error:
            if error.code not in NO_ROUTE:
                raise
            return JSONResponse({"symbols": [], "hasMore": False, "isKnown": False})
        return JSONResponse({"symbols": found, "hasMore": has_more, "isKnown": True})

    async def bars(self, request: Request) -> Response:
        """Send bars as they come, as JSON lines: columns of bars, and at the end how it ended."""
        asked = {name: value for name, value in request.query_params.items() if value}
        bars = self._client.bars(
            asked.get("symbol", ""),
            asked.get("from"),
            asked.get("to"),
            asked.get("interval", "1m"),
            session=asked.get("session"),
            hours=asked.get("hours"),
            fill=asked.get("fill"),
        )
        return StreamingResponse(_lines(bars), media_type="application/x-ndjson")

    async def ingests(self, request: Request) -> Response:
        """List what came in, the newest first: in a window, by default the last 24 hours, and in a state."""
        asked = {name: value for name, value in request.query_params.items() if value}
        found: list[dict[str, Any]] = []
        has_more = False
        listed = self._client.ingests(state=asked.get("state"), start=asked.get("from"), end=asked.get("to"))
        async with aclosing(_generator(listed)) as ingests:
            async for ingest in ingests:
                if has_more := len(found) == _MAX_INGESTS:
                    break
                found.append(ingest_fields(ingest))
        return JSONResponse({"ingests": found, "hasMore": has_more})

    async def queues(self, _: Request) -> Response:
        """Count what rests in the queues."""
        return JSONResponse({"queues": [asdict(one) for one in await self._queues.read()]})


async def _lines(bars: AsyncBars) -> AsyncGenerator[bytes]:
    sent = 0
    chunk: list[Bar] = []
    end: dict[str, Any] = {}
    try:
        async with aclosing(_generator(aiter(bars))) as listed:
            async for bar in listed:
                if sent + len(chunk) == MAX_BARS:
                    end = {"hasMore": True}
                    break
                chunk.append(bar)
                if len(chunk) == _CHUNK_BARS:
                    yield _line({"bars": columns_of(chunk)})
                    sent += len(chunk)
                    chunk = []
    except TickstreamError as error:
        _, end = error_of(error)
    if chunk:
        yield _line({"bars": columns_of(chunk)})
        sent += len(chunk)
    yield _line({"end": {"bars": sent, "readAt": datetime.now(UTC).isoformat()}, **end})


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _generator[T](source: AsyncIterator[T]) -> AsyncGenerator[T]:
    """Have a close of its own for what the client yields, so that nobody is asked for what nobody reads."""

    async def generated() -> AsyncGenerator[T]:
        try:
            async for one in source:
                yield one
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()

    return generated()


def _told(answer: Answering) -> Answering:
    """Have the client's errors told to the page."""

    @wraps(answer)
    async def told(request: Request) -> Response:
        try:
            return await answer(request)
        except TickstreamError as error:
            status, body = error_of(error)
            return JSONResponse(body, status)

    return told


def _plotly() -> Answering:
    script = get_plotlyjs().encode()

    async def plotly(_: Request) -> Response:
        return Response(script, media_type="text/javascript")

    return plotly
