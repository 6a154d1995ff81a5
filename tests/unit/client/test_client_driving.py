"""What ends, ends all: readers that have seen enough, errors, cancellations and interrupts."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import httpx
import polars as pl
import pytest

from tests.unit.client.scripted import bar, bars_server, failed, in_turn, ok
from tickstream_client import ServerError, Tick
from tickstream_client.drivers.tasks import Tasks
from tickstream_client.drivers.threads import Threads
from tickstream_client.protocol.steps import Answer, Found, Lost, Pause, Request, Work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tickstream_client.protocol.steps import Stream

_ANSWER = Answer(200, {}, b"")


def steps(log: list[str], name: str, items: int) -> Stream[str]:
    """A stream that asks, works, pauses and finds."""
    for number in range(items):
        assert (yield Request("GET", f"/{name}/{number}")) == _ANSWER
        assert (yield Work(lambda: "done")) == "done"
        yield Pause(0.0)
        log.append(f"{name}{number}")
        yield Found(f"{name}{number}")


def test_c01_streams_side_by_side_are_read_in_order_by_both() -> None:
    """One after the other, whatever was ready first."""
    names = [f"{name}{number}" for name in "abcdef" for number in range(7)]
    threads = Threads(lambda _: _ANSWER)
    log: list[str] = []
    assert list(threads.side_by_side((steps(log, name, 7) for name in "abcdef"), 3)) == names
    assert sorted(log) == names

    async def send(_: Request) -> Answer | Lost:
        await asyncio.sleep(0)
        return _ANSWER

    async def read() -> list[str]:
        return [one async for one in Tasks(send).side_by_side((steps(log, name, 7) for name in "abcdef"), 3)]

    assert asyncio.run(read()) == names


def test_c01_a_stream_that_is_not_needed_yet_is_not_begun() -> None:
    """At most so many at a time; the others when one has been read."""
    begun: list[str] = []

    def streams() -> Iterator[Stream[str]]:
        for name in "abcdefgh":
            begun.append(name)
            yield steps([], name, 1)

    found = Threads(lambda _: _ANSWER).side_by_side(streams(), 3)
    assert next(found) == "a0"
    assert begun == list("abc")
    assert next(found) == "b0"
    assert begun == list("abcd")


def test_c01_a_reader_that_has_seen_enough_ends_the_threads() -> None:
    """Those that wait for room, and those that pause for long."""

    def endless() -> Stream[int]:
        number = 0
        while True:
            yield Found(number)
            number += 1

    def slow() -> Stream[int]:
        yield Pause(3_600.0)
        yield Found(0)

    before = set(threading.enumerate())
    found = Threads(lambda _: _ANSWER).side_by_side(iter([endless(), endless(), slow()]), 3)
    assert next(found) == 0
    begun = set(threading.enumerate()) - before
    assert len(begun) == 3
    found.close()  # type: ignore[attr-defined]
    for thread in begun:
        thread.join(60)
        assert not thread.is_alive()


def test_c01_an_error_of_a_stream_is_raised_where_it_is_read() -> None:
    """After what was found before it, by both; the tasks of the others are over then."""

    def breaks() -> Stream[int]:
        yield Found(1)
        raise ValueError("mine")

    found = Threads(lambda _: _ANSWER).side_by_side(iter([breaks()]), 2)
    assert next(found) == 1
    with pytest.raises(ValueError, match="mine"):
        next(found)

    async def send(_: Request) -> Answer | Lost:
        return _ANSWER

    async def read() -> int:
        with pytest.raises(ValueError, match="mine"):
            async for _ in Tasks(send).side_by_side(iter([breaks(), steps([], "x", 100)]), 2):
                pass
        return len(asyncio.all_tasks())

    assert asyncio.run(read()) == 1


def test_c01_an_async_export_raises_what_failed(tmp_path: Path) -> None:
    """And leaves no file."""
    server = in_turn(ok({"bars": {"S": [bar()]}, "unknown": [], "nextToken": "x"}), *[failed(500)] * 8)

    async def export() -> None:
        async with server.async_client() as client:
            await client.bars("S", 0, "1970-01-02").to_parquet(tmp_path / "bars.parquet")

    with pytest.raises(ServerError):
        asyncio.run(export())
    assert list(tmp_path.iterdir()) == []


def test_c01_an_async_export_can_be_cancelled(tmp_path: Path) -> None:
    """While it waits for an answer that never comes: thread and tasks end, and there is no file."""
    asked = threading.Event()

    async def never(_: httpx.Request) -> httpx.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def export() -> int:
        client = bars_server({}).async_client(transport=httpx.MockTransport(never))
        task = asyncio.create_task(client.bars("S", 0, "1970-01-02").to_csv(tmp_path / "bars.csv"))
        await asyncio.to_thread(asked.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks())

    assert asyncio.run(export()) == 1
    assert list(tmp_path.iterdir()) == []


def test_c01_the_async_client_posts_and_lists() -> None:
    """The same calls, awaited."""
    answer = {"ingestId": "0" * 32, "accepted": 1, "rejected": 0, "reasons": [], "reasonsOmitted": 0}
    server = in_turn(failed(429), ok(answer), ok({"symbols": [{"symbol": "A"}]}), failed(404, "unknown_ingest"))

    async def use() -> tuple[Any, ...]:
        async with server.async_client() as client:
            posted = await client.ingest([Tick("S", 1, 1)])
            listed = [one.symbol async for one in client.symbols()]
            try:
                await client.ingest_status("1" * 32)
            except Exception as error:  # noqa: BLE001 - what it is is what is tested
                return posted.accepted, listed, type(error).__name__
        return ()

    assert asyncio.run(use()) == (1, ["A"], "NotFoundError")


def test_c01_async_frames_are_those_of_the_other() -> None:
    """Page by page."""
    server = bars_server({"S": 30}, page=7)

    async def read() -> list[pl.DataFrame]:
        async with server.async_client() as client:
            return [frame async for frame in client.bars("S", 0, "1970-01-02").frames()]

    frames = asyncio.run(read())
    assert [len(frame) for frame in frames] == [7, 7, 7, 7, 2]
    assert pl.concat(frames).equals(server.client().bars("S", 0, "1970-01-02").to_polars())


def test_c02_an_interrupted_command_ends_at_once() -> None:
    """Ctrl-C while an answer is waited for: 130, no traceback, and nobody waits for the threads."""
    script = """
import socket, sys, threading
server = socket.create_server(("127.0.0.1", 0))
def take():
    kept = [server.accept()]
    print("asked", file=sys.stderr, flush=True)
    kept.append(server.accept())
threading.Thread(target=take, daemon=True).start()
from tickstream_client.command import main
import warnings
warnings.simplefilter("ignore", ResourceWarning)
url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
sys.exit(main(["bars", "SPY", "--url", url]))
"""
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    running = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert running.stderr is not None
    assert running.stderr.readline() == "asked\n"
    running.send_signal(signal.SIGINT)
    out, told = running.communicate()
    assert (running.returncode, out, told.strip()) == (130, "", "")
