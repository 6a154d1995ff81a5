"""Steps in the caller's thread, and several streams side by side, each in a thread of its own.

Threads are daemons: whoever is interrupted does not wait for answers that nobody reads any more.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from tickstream_client.protocol.steps import Found, Pause, Request, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from tickstream_client.protocol.steps import Answer, Call, Lost, Stream

#: What a stream may have found ahead of its reader: pages of bars are some megabytes each.
AHEAD: Final = 4
#: polars has signals restart what they interrupt: a wait without end would not hear of Ctrl-C.
_LOOK_UP_SECONDS: Final = 0.5


class Threads:
    """Drives calls and streams. send: carries out one request, and never raises for what the network does."""

    def __init__(self, send: Callable[[Request], Answer | Lost]) -> None:
        self._send = send

    def run[T](self, call: Call[T]) -> T:
        """Run a call to its end and return its result."""
        reply: Any = None
        while True:
            try:
                step = call.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            reply = self._done(step, time.sleep)

    def each[T](self, stream: Stream[T], stop: threading.Event | None = None) -> Generator[T]:
        """Yield what a stream finds, step by step. stop: once it is set nothing more is done."""
        pause: Callable[[float], object] = time.sleep if stop is None else stop.wait
        reply: Any = None
        while stop is None or not stop.is_set():
            try:
                step = stream.send(reply)
            except StopIteration:
                return
            if isinstance(step, Found):
                yield step.item
                reply = None
            else:
                reply = self._done(step, pause)

    def side_by_side[T](self, streams: Iterable[Stream[T]], at_once: int) -> Iterator[T]:
        """Yield what streams find, one stream after the other, while others are under way.

        What is held in memory are `AHEAD` results of `at_once` streams, however many there are. Whatever ends this
        (an error, or a reader that has seen enough) ends all.
        """
        stop = threading.Event()
        source = iter(streams)
        lanes: deque[_Lane[T]] = deque()
        try:
            lanes.extend(_Lane(self, stream, stop) for stream in islice(source, at_once))
            while lanes:
                yield from lanes.popleft()
                lanes.extend(_Lane(self, stream, stop) for stream in islice(source, 1))
        finally:
            stop.set()
            for lane in lanes:
                lane.wake()

    def _done(self, step: Request | Pause | Work | Found[Any], pause: Callable[[float], object]) -> Any:
        match step:
            case Request():
                return self._send(step)
            case Pause(seconds):
                pause(seconds)
                return None
            case Work(do):
                return do()
            case Found():
                raise AssertionError("a call finds nothing: it returns")


class _Lane[T]:
    """A stream in a thread of its own, some results ahead of its reader."""

    def __init__(self, threads: Threads, stream: Stream[T], stop: threading.Event) -> None:
        self._found: deque[T] = deque()
        self._changed = threading.Condition()
        self._is_done = False
        self._error: BaseException | None = None
        self._stop = stop
        threading.Thread(target=self._work, args=(threads, stream), name="tickstream-stream", daemon=True).start()

    def __iter__(self) -> Iterator[T]:
        try:
            while True:
                with self._changed:
                    while not self._changed.wait_for(lambda: self._found or self._is_done, _LOOK_UP_SECONDS):
                        pass
                    if not self._found:
                        break
                    item = self._found.popleft()
                    self._changed.notify_all()
                yield item
        except GeneratorExit:
            self._stop.set()
            self.wake()
            raise
        if self._error is not None:
            raise self._error

    def wake(self) -> None:
        """Have the thread look whether it is to stop."""
        with self._changed:
            self._changed.notify_all()

    def _work(self, threads: Threads, stream: Stream[T]) -> None:
        try:
            for item in threads.each(stream, self._stop):
                with self._changed:
                    self._changed.wait_for(lambda: len(self._found) < AHEAD or self._stop.is_set())
                    self._found.append(item)
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - it is raised where the stream is read
            self._error = error
        finally:
            with self._changed:
                self._is_done = True
                self._changed.notify_all()
