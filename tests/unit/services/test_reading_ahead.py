"""Objects that are read several at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from services.reading_ahead import reading_ahead
from tickstream.errors import ObjectRejected, Reason
from tickstream.ingests import Source

if TYPE_CHECKING:
    from tickstream.ingests import Read

#: As long as a test may hang that fails.
PATIENCE_S = 30.0


def source(key: str) -> Source:
    """An object of ten bytes."""
    return Source("bucket", key, "v1", "e" * 32, 10)


def test_objects_are_read_at_the_same_time() -> None:
    """Each of three reads waits for the two others: one after the other they would wait for ever."""
    together = threading.Barrier(3)

    def open_object(one: Source) -> Read:
        def read(start: int, end: int) -> bytes:
            together.wait(PATIENCE_S)
            return f"{one.key}-45678-"[start:end].encode()

        return read

    sources = [source(name) for name in ("aa", "bb", "cc")]
    with reading_ahead(open_object, sources) as opened:
        assert [opened(one)(1, 5) for one in sources] == [b"a-45", b"b-45", b"c-45"]


def test_what_goes_wrong_with_one_is_its_own() -> None:
    """An object that is gone is refused where it is read, and the others are not."""

    def open_object(one: Source) -> Read:
        def read(start: int, end: int) -> bytes:
            if one.key == "gone":
                raise ObjectRejected(Reason.OBJECT_GONE, "gone")
            return b"0123456789"[start:end]

        return read

    with reading_ahead(open_object, [source("gone"), source("here")]) as opened:
        assert opened(source("here"))(2, 4) == b"23"
        with pytest.raises(ObjectRejected):
            opened(source("gone"))(0, 1)
        assert opened(source("another"))(0, 3) == b"012"


def test_nothing_is_left_running() -> None:
    """Who leaves without having read waits for what was begun: Lambda would freeze it in the middle."""
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def open_object(_: Source) -> Read:
        def read(_start: int, _end: int) -> bytes:
            begun.set()
            may_end.wait(PATIENCE_S)
            ended.set()
            return b""

        return read

    with reading_ahead(open_object, [source("slow")]):
        assert begun.wait(PATIENCE_S)
        threading.Timer(0.05, may_end.set).start()
    assert ended.is_set()
