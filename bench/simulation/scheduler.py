"""Virtual time and who runs in it: one thing at a time, in an order that follows from the agenda alone.

An actor is plain code in a greenlet. It runs until it sleeps, which every call of a service does, and is woken when its
time has come. Two that are due at the same moment are woken in the order in which they fell asleep.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from greenlet import getcurrent, greenlet

from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Monday, 5 January 2026, 14:00 UTC.
EPOCH_MS: Final = 1_767_621_600_000
#: Whatever a schedule does takes far fewer; more is a defect of the simulation, or a loop without end in a function.
MOST_STEPS: Final = 200_000
_NEVER_MS: Final = 10**18


def _nothing() -> None:
    """Whoever has ended has nothing left to do."""


class Killed(BaseException):
    """The process of a function ends here; no handler can hold it up."""


class EndlessError(BenchError):
    """A schedule does not come to rest."""


@dataclass(slots=True, eq=False)
class Actor:
    """One invocation of a function, or somebody else who calls services.

    label: its name and which one it is. life_ms: after which it is killed. skew_ms: how far its wall clock is off.
    environment: of its process. calls: how many it has made. result, error: what it came to, Killed among the errors.
    is_cut_off: whether services refuse it. is_throttled: whether the table takes no batch of it. wake: has it go on.
    """

    label: str
    work: Callable[[], Any]
    born_ms: int
    life_ms: int
    skew_ms: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0
    is_killed: bool = False
    is_cut_off: bool = False
    is_throttled: bool = False
    result: Any = None
    error: BaseException | None = None
    wake: Callable[[], None] = _nothing


class Scheduler:
    """The agenda: what happens when, in milliseconds since 1970."""

    def __init__(self) -> None:
        self.now_ms = EPOCH_MS
        #: How many things have happened: tells the order of two that happen at the same moment.
        self.step = 0
        self.current: Actor | None = None
        #: Those who have begun and not ended.
        self.living: set[Actor] = set()
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = 0
        self._main = getcurrent()
        # How far it goes on without being asked; and whether an actor was woken, after whom the agenda alone decides:
        # whoever started one may still have something to do at that moment.
        self._until_ms = EPOCH_MS
        self._is_woken = False

    def at(self, time_ms: int, action: Callable[[], None]) -> None:
        """Have something done at a moment, now where that has passed."""
        self._numbers += 1
        heapq.heappush(self._agenda, (max(time_ms, self.now_ms), self._numbers, action))

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Have something done some time from now."""
        self.at(self.now_ms + delay_ms, action)

    def start(self, actor: Actor, on_end: Callable[[Actor], None]) -> None:
        """Have an actor work from now on; `on_end` is called with it when it has ended, however it did."""
        self.living.add(actor)

        def work() -> None:
            try:
                actor.result = actor.work()
            except Killed as killed:
                actor.error = killed
            except Exception as error:  # noqa: BLE001 - whatever a function raises is its result
                actor.error = error

        thread = greenlet(work)

        def go_on(*, is_woken: bool) -> None:
            before, self.current = self.current, actor
            was_woken, self._is_woken = self._is_woken, is_woken
            try:
                thread.switch()
            finally:
                self.current, self._is_woken = before, was_woken
            if thread.dead:
                self.living.discard(actor)
                # Both refer to the actor, and it to them: so much is left for the garbage collector otherwise.
                actor.wake = actor.work = _nothing
                on_end(actor)

        actor.wake = lambda: go_on(is_woken=True)
        go_on(is_woken=False)

    def sleep(self, delay_ms: int) -> None:
        """Have the current actor sleep. Raises Killed where its time ends before."""
        actor = self.current
        if actor is None:
            self.now_ms += delay_ms
            return
        if actor.is_killed:
            raise Killed
        due_ms = self.now_ms + delay_ms
        end_ms = actor.born_ms + actor.life_ms
        if due_ms >= end_ms:
            actor.is_killed = True
            due_ms = end_ms
        elif self._is_next(due_ms):
            self.now_ms = due_ms
            self.step += 1
            return
        self.at(due_ms, actor.wake)
        self._main.switch()
        if actor.is_killed:
            raise Killed

    def _is_next(self, due_ms: int) -> bool:
        """Say whether who was woken would be woken again before anybody else: then it need not fall asleep."""
        is_first = not self._agenda or due_ms < self._agenda[0][0]
        return is_first and due_ms <= self._until_ms and self._is_woken and self.step < MOST_STEPS

    def run(self, until_ms: int) -> None:
        """Do what is due until a moment, and go on to that moment. Raises EndlessError."""
        self._do_until(until_ms)
        self.now_ms = max(self.now_ms, until_ms)

    def rest(self) -> None:
        """Do all that is due, now and later, until nothing is. Raises EndlessError."""
        self._do_until(_NEVER_MS)

    def _do_until(self, until_ms: int) -> None:
        self._main = getcurrent()
        self._until_ms = until_ms
        while self._agenda and self._agenda[0][0] <= until_ms:
            time_ms, _, action = heapq.heappop(self._agenda)
            self.now_ms = max(self.now_ms, time_ms)
            self.step += 1
            if self.step > MOST_STEPS:
                raise EndlessError(f"no rest after {MOST_STEPS} steps")
            action()

    @property
    def next_ms(self) -> int | None:
        """When the next thing is due; None where nothing is."""
        return self._agenda[0][0] if self._agenda else None

    def close(self) -> None:
        """Leave everything as it is: whoever still lives makes no call any more."""
        for actor in self.living:
            actor.is_killed = True
