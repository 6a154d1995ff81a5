"""Capacity that all who want it share equally: a table's units a second, a processor's seconds, a server's.

Who asks AWS for more than there is gets a share and tries again until its time is up. Over many clients and many tries
that comes to equal shares, so this is processor sharing: one event for each use, however many tries it stands for.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from simpy.events import Event

if TYPE_CHECKING:
    from simpy import Environment

#: What is left by rounding is no work.
_NOTHING: Final = 1e-9


@dataclass(slots=True, eq=False)
class _Use:
    """Some who are alike use it: each gets the same. need: of each."""

    weight: float
    need: float
    began_at: float
    ended: Event
    is_over: bool = False


@dataclass(slots=True, eq=False)
class Shared:
    """So much a second for all together. most_each: what one alone can take in a second."""

    env: Environment
    rate: float
    most_each: float = math.inf
    served: float = 0.0
    _weight: float = 0.0
    _each: float = 0.0
    _at: float = 0.0
    _finishing: list[tuple[float, int, _Use]] = field(default_factory=list)
    _leaving: list[tuple[float, int, _Use]] = field(default_factory=list)
    _count: int = 0
    _timer: int = 0

    def use(self, amount: float, *, alike: float = 1.0, until: float = math.inf) -> Event:
        """Take so much for each of some who are alike; the event's value is what each got: less, if time was up."""
        self._advance()
        use = _Use(alike, max(0.0, amount), self._each, Event(self.env))
        if use.need <= _NOTHING or until <= self.env.now:
            use.ended.succeed(min(use.need, 0.0) if use.need > _NOTHING else use.need)
            return use.ended
        self._count += 1
        self._weight += alike
        heapq.heappush(self._finishing, (self._each + use.need, self._count, use))
        if until < math.inf:
            heapq.heappush(self._leaving, (until, self._count, use))
        self._plan()
        return use.ended

    def set_rate(self, rate: float) -> None:
        """Have more or less of it from now on."""
        self._advance()
        self.rate = rate
        self._plan()

    def total(self) -> float:
        """Return what was taken until now, by all."""
        self._advance()
        return self.served

    @property
    def is_short(self) -> bool:
        """Whether there are more who want it than it can serve at their own speed."""
        return self._weight * self.most_each > self.rate

    def _speed(self) -> float:
        return min(self.most_each, self.rate / self._weight) if self._weight > _NOTHING else 0.0

    def _advance(self) -> None:
        passed_s = self.env.now - self._at
        if passed_s > 0:
            each = self._speed() * passed_s
            self._each += each
            self.served += each * self._weight
        self._at = self.env.now

    def _end(self, use: _Use, got: float) -> None:
        use.is_over = True
        self._weight -= use.weight
        use.ended.succeed(got)

    def _settle(self) -> None:
        """End who has all, and whose time is up."""
        # At so late a time the clock has no digits for the rest: it is as good as done.
        tolerance = max(_NOTHING, self._speed() * self.env.now * 1e-15)
        while self._finishing and (self._finishing[0][2].is_over or self._finishing[0][0] <= self._each + tolerance):
            use = heapq.heappop(self._finishing)[2]
            if not use.is_over:
                self._end(use, use.need)
        while self._leaving and (self._leaving[0][2].is_over or self._leaving[0][0] <= self.env.now):
            use = heapq.heappop(self._leaving)[2]
            if not use.is_over:
                self._end(use, min(use.need, self._each - use.began_at))
        if self._weight < _NOTHING:
            self._weight = 0.0

    def _plan(self) -> None:
        """Come back when the next one ends."""
        self._settle()
        speed = self._speed()
        while self._finishing and self._finishing[0][2].is_over:
            heapq.heappop(self._finishing)
        delay_s = (self._finishing[0][0] - self._each) / speed if self._finishing and speed > 0 else math.inf
        if self._leaving:
            delay_s = min(delay_s, self._leaving[0][0] - self.env.now)
        self._timer += 1
        if delay_s < math.inf:
            timer, mine = self.env.timeout(max(0.0, delay_s)), self._timer
            timer.callbacks.append(lambda _: self._tick(mine))

    def _tick(self, mine: int) -> None:
        if mine == self._timer:
            self._advance()
            self._plan()
