"""Steps in tasks of asyncio; what blocks, or takes a processor, in threads."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from tickstream_client.drivers.threads import AHEAD
from tickstream_client.protocol.steps import Found, Pause, Request, Work

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from tickstream_client.protocol.steps import Answer, Call, Lost, Stream


class Tasks:
    """Drives calls and streams. send: carries out one request, and never raises for what the network does."""

    def __init__(self, send: Callable[[Request], Awaitable[Answer | Lost]]) -> None:
        self._send = send

    async def run[T](self, call: Call[T]) -> T:
        """Run a call to its end and return its result."""
        reply: Any = None
        while True:
            try:
                step = call.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            reply = await self._done(step)

    async def each[T](self, stream: Stream[T]) -> AsyncGenerator[T]:
        """Yield what a stream finds, step by step."""
        reply: Any = None
        while True:
            try:
                step = stream.send(reply)
            except StopIteration:
                return
            if isinstance(step, Found):
                yield step.item
                reply = None
            else:
                reply = await self._done(step)

    async def side_by_side[T](self, streams: Iterable[Stream[T]], at_once: int) -> AsyncGenerator[T]:
        """Yield what streams find, one stream after the other, while others are under way: as in threads."""
        source = iter(streams)
        lanes: deque[_Lane[T]] = deque()
        begun: set[_Lane[T]] = set()

        def begin(number: int) -> None:
            some = [_Lane(self, stream) for stream in islice(source, number)]
            lanes.extend(some)
            begun.update(some)

        try:
            begin(at_once)
            while lanes:
                lane = lanes.popleft()
                async for item in lane.found():
                    yield item
                begun.discard(lane)
                begin(1)
        finally:
            for lane in begun:
                lane.cancel()
            await asyncio.gather(*(lane.task for lane in begun), return_exceptions=True)

    async def _done(self, step: Request | Pause | Work | Found[Any]) -> Any:
        match step:
            case Request():
                return await self._send(step)
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Work(do):
                return await asyncio.to_thread(do)
            case Found():
                raise AssertionError("a call finds nothing: it returns")


class _Lane[T]:
    """A stream in a task of its own, some results ahead of its reader."""

    def __init__(self, tasks: Tasks, stream: Stream[T]) -> None:
        self._items: asyncio.Queue[Found[T] | None] = asyncio.Queue(AHEAD)
        self.task = asyncio.create_task(self._work(tasks, stream), name="tickstream-stream")

    async def found(self) -> AsyncGenerator[T]:
        """Yield the results. Raises what the stream raises."""
        while (found := await self._items.get()) is not None:
            yield found.item
        await self.task

    def cancel(self) -> None:
        """End it; whoever begins tasks has to wait for their end."""
        self.task.cancel()

    async def _work(self, tasks: Tasks, stream: Stream[T]) -> None:
        try:
            async for item in tasks.each(stream):
                await self._items.put(Found(item))
        finally:
            # Where it is cancelled nobody reads any more, and there may be no room.
            if not _is_cancelled():
                await self._items.put(None)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Bridge[T]:
    """An asynchronous iterator, read from a thread beside its loop."""

    def __init__(self, source: AsyncIterator[T], loop: asyncio.AbstractEventLoop) -> None:
        self._source = source
        self._loop = loop
        self._reading: asyncio.Task[Any] | None = None
        self._is_stopped = False

    def __iter__(self) -> Iterator[T]:
        """Read it in the thread. Raises CancelledError once it is stopped: what was read then is not all."""
        while (found := asyncio.run_coroutine_threadsafe(self._after(), self._loop).result()) is not None:
            yield found[0]

    async def stop(self) -> None:
        """Have the thread read no more, and wait until nothing is read any more. In the loop."""
        self._is_stopped = True
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _after(self) -> tuple[T] | None:
        if self._is_stopped:
            raise asyncio.CancelledError
        self._reading = asyncio.current_task()
        # The end as a value: StopAsyncIteration may not leave a future.
        try:
            return (await anext(self._source),)
        except StopAsyncIteration:
            return None


async def in_thread[T, R](source: AsyncGenerator[T], work: Callable[[Iterable[T]], R]) -> R:
    """Have a thread work on what an asynchronous generator yields, and end both whatever ends this."""
    bridge = Bridge(source, asyncio.get_running_loop())
    working = asyncio.ensure_future(asyncio.to_thread(work, bridge))
    try:
        return await asyncio.shield(working)
    finally:
        await bridge.stop()
        await asyncio.wait([working])
        await source.aclose()
