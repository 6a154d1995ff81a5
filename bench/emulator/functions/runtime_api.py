"""The Lambda Runtime API over HTTP, for one execution environment.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. Every environment has a loopback port of its own
(the runtime interface client identifies itself by nothing else); all of them are served by one event loop.
"""

import asyncio
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

import h11

_PREFIX: Final = "/2018-06-01/runtime/"
_INVOCATION = re.compile(_PREFIX + r"invocation/([^/]+)/(response|error)")
_READ_SIZE_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Event:
    """One invocation as the Runtime API hands it to the function."""

    request_id: str
    function_arn: str
    trace_id: str
    deadline_ms: int
    payload: bytes


class Environment(Protocol):
    """What answers the Runtime API's four requests; called in the event loop."""

    async def next_event(self) -> Event:
        """Return the next invocation, once there is one."""

    def on_response(self, request_id: str, payload: bytes) -> HTTPStatus:
        """Take the handler's return value."""

    def on_error(self, request_id: str, payload: bytes) -> HTTPStatus:
        """Take the handler's exception."""

    def on_init_error(self, payload: bytes) -> HTTPStatus:
        """Take the exception that importing the handler raised."""


async def serve(environment: Environment) -> asyncio.Server:
    """Listen on a free loopback port for the environment's function; return the listening server."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A function that is killed breaks its connection in the middle of whatever it was doing: that is not an
        # error here, the environment learns of it from the process's end.
        with contextlib.suppress(ConnectionError, h11.RemoteProtocolError):
            await _serve_connection(environment, reader, writer)
        writer.close()

    # asyncio sets TCP_NODELAY on every stream (without it: 20 invocations a second).
    return await asyncio.start_server(connected, "127.0.0.1", 0)


async def _serve_connection(
    environment: Environment, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    http = h11.Connection(h11.SERVER)
    while True:
        request: h11.Request | None = None
        body: list[bytes] = []
        while True:
            part = http.next_event()
            if part is h11.NEED_DATA:
                http.receive_data(await reader.read(_READ_SIZE_BYTES))
            elif isinstance(part, h11.Request):
                request = part
            elif isinstance(part, h11.Data):
                body.append(bytes(part.data))
            else:
                break
        if not isinstance(part, h11.EndOfMessage) or request is None:
            return
        status, headers, answer = await _answer(environment, request, b"".join(body))
        lines = [*headers.items(), ("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
        response = h11.Response(status_code=status, headers=[(k.encode(), v.encode()) for k, v in lines])
        # One write for the whole response: one packet on the loopback, one wake-up of the function.
        writer.write(b"".join((http.send(response), http.send(h11.Data(answer)), http.send(h11.EndOfMessage()))))
        await writer.drain()
        if http.our_state is h11.MUST_CLOSE:
            return
        http.start_next_cycle()


async def _answer(
    environment: Environment, request: h11.Request, body: bytes
) -> tuple[HTTPStatus, Mapping[str, str], bytes]:
    target = request.target.decode()
    if request.method == b"GET" and target == f"{_PREFIX}invocation/next":
        event = await environment.next_event()
        return HTTPStatus.OK, _event_headers(event), event.payload
    if request.method == b"POST" and target == f"{_PREFIX}init/error":
        return _acknowledge(environment.on_init_error(body))
    matched = _INVOCATION.fullmatch(target)
    if request.method == b"POST" and matched:
        request_id, kind = matched.groups()
        take = environment.on_response if kind == "response" else environment.on_error
        return _acknowledge(take(request_id, body))
    return HTTPStatus.NOT_FOUND, {}, b'{"errorMessage":"no such path","errorType":"InvalidRequest"}'


def _acknowledge(status: HTTPStatus) -> tuple[HTTPStatus, Mapping[str, str], bytes]:
    if status is HTTPStatus.ACCEPTED:
        return status, {}, b'{"status":"OK"}'
    return status, {}, b'{"errorMessage":"refused","errorType":"%s"}' % status.phrase.encode()


def _event_headers(event: Event) -> Mapping[str, str]:
    return {
        "Lambda-Runtime-Aws-Request-Id": event.request_id,
        "Lambda-Runtime-Invoked-Function-Arn": event.function_arn,
        "Lambda-Runtime-Trace-Id": event.trace_id,
        "Lambda-Runtime-Deadline-Ms": str(event.deadline_ms),
    }
