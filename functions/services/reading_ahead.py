"""Reading several small objects at a time: what S3 takes to answer passes once for all of them, and not once for each.

Lambda bills the waiting: some 20 ms an object, where folding it takes a few.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from services import clients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tickstream.ingests import Read, Source


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(clients.PARALLEL_REQUESTS, thread_name_prefix="s3")


@contextmanager
def reading_ahead(
    open_object: Callable[[Source], Read], sources: Iterable[Source]
) -> Iterator[Callable[[Source], Read]]:
    """Begin to read whole objects, and yield what opens them, and any other, in place of `open_object`.

    sources: each is held in memory, so small ones, and not many. What goes wrong with one is raised where it is read.
    """
    # Opened here and not in the threads: clients are made in the main thread.
    begun = {source: _threads().submit(open_object(source), 0, source.size_bytes) for source in sources}

    def open_begun(source: Source) -> Read:
        return _read_of(begun[source]) if source in begun else open_object(source)

    try:
        yield open_begun
    finally:
        # Nothing may be left running: Lambda freezes the process when the invocation ends.
        for future in begun.values():
            future.cancel()
        wait(begun.values())


def _read_of(whole: Future[bytes]) -> Read:
    return lambda start, end: whole.result()[start:end]
