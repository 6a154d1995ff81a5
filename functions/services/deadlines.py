"""Until when an invocation may go on, and how long to wait before asking a service again."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from tickstream.errors import ServiceIncomplete

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_BACKOFF_S: Final = 0.05
LONGEST_BACKOFF_S: Final = 2.0
#: What stays of an invocation's time to answer in: to report a failure, log it and return.
RESERVE_S: Final = 2.0


class Invocation(Protocol):
    """What is used of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda kills the invocation."""
        ...


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock (`at_s`, in its seconds)."""

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Set a deadline so many seconds from now."""
        return cls(time.monotonic() + seconds)

    @classmethod
    def of(cls, invocation: Invocation) -> Deadline:
        """Set the deadline of an invocation: a little before Lambda kills it."""
        return cls.after(invocation.get_remaining_time_in_millis() / 1000 - RESERVE_S)

    def earlier(self, seconds: float) -> Deadline:
        """Return a deadline so many seconds before this one."""
        return Deadline(self.at_s - seconds)

    def remaining_s(self) -> float:
        """Seconds left, 0 when it has passed."""
        return max(0.0, self.at_s - time.monotonic())


def attempts(deadline: Deadline, doing: str) -> Iterator[int]:
    """Yield 0, 1, 2 ... for one more attempt each, with exponential backoff and full jitter in between.

    The caller leaves the loop when its work is done. Raises ServiceIncomplete when the next wait would pass the
    deadline, so at least one attempt is always made; `doing` says in its message what was left undone.
    """
    attempt = 0
    while True:
        yield attempt
        # Full jitter: writers that were throttled together must not come back together. (No secret depends on it.)
        wait_s = random.uniform(0, min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**attempt))  # noqa: S311
        attempt += 1
        if wait_s >= deadline.remaining_s():
            raise ServiceIncomplete(f"{doing}: still undone after {attempt} attempts, and no time is left")
        time.sleep(wait_s)
