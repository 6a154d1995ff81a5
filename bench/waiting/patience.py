"""Patience that does not depend on how fast the machine is, nor on what else runs on it.

Counted are seconds that the awaited processes had: those in which they ran, and those in which none of them wanted to
run. A second in which one wanted a processor and got none says nothing of them, and is not counted. So a process that
is idle and one that runs in circles both exhaust the patience, and one that is starved does not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.waiting.activity import Activity, below_me

if TYPE_CHECKING:
    from collections.abc import Callable

#: Looks at processes cost a millisecond or ten: no more often than this.
_LOOK_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    activity: Activity


class Patience:
    """How long nothing may move.

    seconds: of the awaited processes' own time. awaited: looks at them; by default all that this process has started,
    and nothing where the work is done elsewhere: then time is the wall's.
    """

    def __init__(
        self,
        seconds: float,
        awaited: Callable[[], Activity] = below_me,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._awaited = awaited
        self._now_s = now_s
        self._spent_s = 0.0
        self._last = _Look(now_s(), awaited())

    def renew(self) -> None:
        """Begin anew: something has moved."""
        self._spent_s = 0.0
        self._last = _Look(self._now_s(), self._awaited())

    @property
    def is_over(self) -> bool:
        """Whether nothing has moved for as long as it may."""
        now_s = self._now_s()
        passed_s = now_s - self._last.at_s
        if passed_s >= min(_LOOK_EVERY_S, self._seconds):
            look = _Look(now_s, self._awaited())
            # Several processors may have worked for them at once; those that ended took their time with them.
            ran_s = min(max(look.activity.processor_s - self._last.activity.processor_s, 0.0), passed_s)
            self._spent_s += ran_s if look.activity.is_wanting else passed_s
            self._last = look
        return self._spent_s >= self._seconds


def wait_for[T](
    look: Callable[[], T | None],
    patience: Patience,
    *,
    poll_s: float = 0.1,
    figure: Callable[[], object] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> T | None:
    """Return the first answer of `look` that is not None, or None where the patience is over.

    figure: as long as it changes, something moves, and the patience begins anew.
    """
    before = figure() if figure is not None else None
    while True:
        seen = look()
        if seen is not None:
            return seen
        if patience.is_over:
            return None
        sleep(poll_s)
        if figure is not None and (now := figure()) != before:
            before = now
            patience.renew()
