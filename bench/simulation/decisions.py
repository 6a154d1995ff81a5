"""What may go wrong, and who decides it: a seed, or the record of an earlier run.

A decision has a place: which call of which actor, or which delivery. So a run is its inputs and the few places where
something was decided, and one of them can be left out without moving the others: that is what makes it shrink.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping, Sequence


class Fault(StrEnum):
    """What may happen at a call, in a delivery, or to an actor's clock."""

    #: At a call.
    PAUSED = "goes on late"
    ANSWERED_LATE = "has its answer late"
    KILLED = "is killed before it"
    KILLED_AFTER = "is killed after it"
    LOST = "loses the answer"
    REPEATED = "does it twice, because the first answer was lost"
    REFUSED = "is throttled"
    CUT_OFF = "is throttled from then on"
    THROTTLED = "has its batches of writes throttled from then on"
    TORN = "gets only a part of it done at first"

    #: In a delivery.
    TWICE = "comes twice"
    LATE = "comes late"
    DROPPED = "never comes"
    OVERTAKEN = "is overtaken by what came after it"

    #: Of a whole invocation.
    SKEWED = "has a clock that is off"


#: What happens at calls, as against deliveries and clocks.
AT_CALLS: Final = (
    Fault.PAUSED, Fault.ANSWERED_LATE, Fault.KILLED, Fault.KILLED_AFTER, Fault.LOST, Fault.REPEATED, Fault.REFUSED,
    Fault.CUT_OFF, Fault.THROTTLED, Fault.TORN,
)  # fmt: skip
#: Those of them that an election by events alone must bear: nobody dies, and nobody gives up.
PATIENT: Final = (Fault.PAUSED, Fault.ANSWERED_LATE, Fault.REPEATED, Fault.TORN)
IN_DELIVERIES: Final = (Fault.TWICE, Fault.LATE, Fault.DROPPED, Fault.OVERTAKEN)
#: Clocks of Lambda's hosts are kept to milliseconds; the lease's margin is 10 s.
MOST_SKEW_MS: Final = 2_000


class Place(NamedTuple):
    """Where something is decided. number: of the actor's call, from 1; 0 for the actor as a whole, or a delivery."""

    actor: str
    number: int


class Decision(NamedTuple):
    """What is decided. amount: milliseconds, or how much of a torn request is done. at: the call's name, for people."""

    fault: Fault
    amount: int
    at: str


class Choices(Protocol):
    """Who decides."""

    def at_call(self, actor: str, number: int, call: str) -> Decision | None:
        """Decide what goes wrong at a call; most of them go well."""
        ...

    def in_delivery(self, what: str) -> Decision | None:
        """Decide what goes wrong in a delivery."""
        ...

    def skew_ms(self, actor: str) -> int:
        """Decide how far the clock of an invocation is off."""
        ...


@dataclass(frozen=True, slots=True)
class Odds:
    """How a seed draws: which faults are on at all, and how often. Each schedule draws other odds.

    at_calls, in_deliveries, skews: the chance of one at each. calls, deliveries: what is drawn then, each as likely as
    it is named. pauses_ms: of what length. at_writes: whether what happens at calls happens at writes
    only. spared: the calls of this name always go well. only_at: so do those that do not name this item first.
    """

    at_calls: float
    in_deliveries: float
    skews: float
    calls: Sequence[Fault]
    deliveries: Sequence[Fault]
    pauses_ms: Sequence[int]
    at_writes: bool = False
    spared: str = ""
    only_at: str = ""


#: Calls that read; all others write.
READS: Final = frozenset({"GetItem", "BatchGetItem", "Query", "GetObject", "HeadObject"})
_MOST_TORN: Final = 4


class Drawn:
    """Decisions drawn from a seed, each kept in `made`."""

    def __init__(self, rng: random.Random, odds: Odds) -> None:
        self.made: dict[Place, Decision] = {}
        self._rng = rng
        self._odds = odds

    def at_call(self, actor: str, number: int, call: str) -> Decision | None:
        """See Choices."""
        odds = self._odds
        if self._rng.random() >= odds.at_calls:
            return None
        name, _, item = call.partition(" ")
        if name == odds.spared or (odds.at_writes and name in READS) or not item.startswith(odds.only_at):
            return None
        fault = self._rng.choice(odds.calls)
        amount = self._rng.randint(1, _MOST_TORN) if fault is Fault.TORN else self._rng.choice(odds.pauses_ms)
        return self._made(Place(actor, number), Decision(fault, amount, call))

    def in_delivery(self, what: str) -> Decision | None:
        """See Choices."""
        odds = self._odds
        if self._rng.random() >= odds.in_deliveries:
            return None
        decision = Decision(self._rng.choice(odds.deliveries), self._rng.choice(odds.pauses_ms), "")
        return self._made(Place(what, 0), decision)

    def skew_ms(self, actor: str) -> int:
        """See Choices."""
        if self._rng.random() >= self._odds.skews:
            return 0
        amount = self._rng.randint(-MOST_SKEW_MS, MOST_SKEW_MS)
        return self._made(Place(actor, 0), Decision(Fault.SKEWED, amount, "")).amount

    def _made(self, place: Place, decision: Decision) -> Decision:
        self.made[place] = decision
        return decision


class Recorded:
    """Decisions of an earlier run, all or some of them."""

    def __init__(self, made: Mapping[Place, Decision] | Iterable[tuple[Place, Decision]] = ()) -> None:
        self.made: dict[Place, Decision] = dict(made)

    def at_call(self, actor: str, number: int, call: str) -> Decision | None:  # noqa: ARG002 - see Choices
        """See Choices."""
        return self.made.get(Place(actor, number))

    def in_delivery(self, what: str) -> Decision | None:
        """See Choices."""
        return self.made.get(Place(what, 0))

    def skew_ms(self, actor: str) -> int:
        """See Choices."""
        found = self.made.get(Place(actor, 0))
        return found.amount if found is not None and found.fault is Fault.SKEWED else 0


def described(place: Place, decision: Decision) -> str:
    """Say a decision in one line."""
    where = f"{place.actor}, call {place.number} ({decision.at})" if place.number else place.actor
    if decision.fault is Fault.SKEWED:
        return f"{where}: {decision.fault.value} by {decision.amount} ms"
    if decision.fault is Fault.TORN:
        return f"{where}: {decision.fault.value}, {decision.amount}"
    if decision.fault in {Fault.PAUSED, Fault.ANSWERED_LATE, Fault.LATE, Fault.TWICE}:
        return f"{where}: {decision.fault.value}, by {decision.amount / 1000:g} s"
    return f"{where}: {decision.fault.value}"
