"""How fast dead letters are put back: what died of too much at once must not come back all at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Pace:
    """So many messages a second at most, evenly, none at once for those that were not sent earlier.

    now_s, sleep: a monotonic clock, in seconds, and waiting by it.
    """

    def __init__(
        self,
        per_second: float,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._step_s = 1 / per_second
        self._now_s = now_s
        self._sleep = sleep
        self._next_s = now_s()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait until one more may be sent."""
        with self._lock:
            due_s = max(self._next_s, self._now_s())
            self._next_s = due_s + self._step_s
        if (left_s := due_s - self._now_s()) > 0:
            self._sleep(left_s)
