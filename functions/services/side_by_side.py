"""The same work on several things at once, all of it over when it ends."""

from __future__ import annotations

from concurrent.futures import wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor


def side_by_side[Thing, Result](
    threads: Executor, work: Callable[[Thing], Result], things: Sequence[Thing]
) -> Iterator[Result]:
    """Do the work on all things, and yield what it gives in their order until it fails on one."""
    if len(things) <= 1:
        yield from map(work, things)
        return
    futures = [threads.submit(work, one) for one in things]
    try:
        for future in futures:
            yield future.result()
    finally:
        # After an error too nothing may be left running: Lambda freezes the process when the invocation ends, and a
        # write would go out in the middle of a later one, after the caller has been told that it failed.
        for future in futures:
            future.cancel()
        wait(futures)
