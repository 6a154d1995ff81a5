"""Where everybody and everything is in `election_model`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

LANES: Final = (0, 1)
LANES_OF: Final = (frozenset({0}), frozenset({0, 1}), frozenset({1}))
EVENTS: Final = len(LANES_OF)
SCHEDULE: Final = EVENTS
CALLED: Final = EVENTS + 1
AT_A_TIME: Final = 2
NOBODY: Final = -1

type Lanes = frozenset[int]
NONE: Final[Lanes] = frozenset()


class At(StrEnum):
    """Where one who would roll up is."""

    NOT_BEGUN = "not begun"
    NAMES = "names its lanes"
    BEGINS = "looks what waits"
    ASKS = "asks whether its own range is done"
    CLAIMS = "claims what waits"
    LOOKS_WHO = "looks who claimed it"
    READS = "reads the lists"
    SHARES = "gives half away"
    LOOKS_SHARED = "looks whether it gave it away"
    CALLS = "calls another"
    WORKS = "rolls up and takes off the lists"
    GOES_ON = "leaves or trades"
    LOOKS_WHAT = "looks what it has and what waits"
    UNDOES = "leaves undone"
    LOOKS_UNDONE = "looks whether it left"
    CALLS_NEXT = "calls the next"
    DEAD = "is dead"
    DONE = "is done"


class Board(NamedTuple):
    """The item: of each lane how often it was named, and its claim. gone: lives whose claims had expired when seen.

    A claim is the life that made it, or -2 less that of a life that left it undone.
    """

    named: tuple[int, ...] = (0,) * len(LANES)
    claims: tuple[int, ...] = (NOBODY,) * len(LANES)
    gone: frozenset[int] = NONE

    def is_worked_on(self, lane: int) -> bool:
        """Say whether somebody works on a lane."""
        return self.claims[lane] >= 0 and self.claims[lane] not in self.gone

    def anybody_works(self) -> bool:
        """Say whether anybody works."""
        return any(map(self.is_worked_on, LANES))

    def anything_is_left(self) -> bool:
        """Say whether a pass did not come to its end."""
        return any(self.claims[lane] != NOBODY and not self.is_worked_on(lane) for lane in LANES)

    def waiting_for(self, mine: Lanes) -> Lanes:
        """Return what is to be done by somebody who works on some lanes."""
        return frozenset(
            lane
            for lane in LANES
            if (self.named[lane] and (lane in mine or not self.is_worked_on(lane)))
            or (self.claims[lane] != NOBODY and not self.is_worked_on(lane))
        )

    def claimed_by(self, life: int) -> Lanes:
        """Return the lanes that a life has."""
        return frozenset(lane for lane in LANES if self.claims[lane] == life)

    def changed(self, claims: dict[int, int], named: Iterable[int] = ()) -> Board:
        """Return it with other claims, and with lanes that are named no more."""
        return self._replace(
            claims=tuple(claims.get(lane, self.claims[lane]) for lane in LANES),
            named=tuple(0 if lane in named else self.named[lane] for lane in LANES),
        )


class One(NamedTuple):
    """One who would roll up.

    life: which of its lives. seen: the item as it acts by it. is_fresh: whether nobody named any lane since.
    lanes: that it has. given: that it gives away, or is called for. more: that it wanted to trade for.
    last: whether nobody named any since it did. alone: whether it does its own range alone.
    todo: what it found in the lists. has_failed: its pass.
    """

    at: At = At.NOT_BEGUN
    life: int = 0
    seen: Board = Board()
    is_fresh: bool = False
    lanes: Lanes = NONE
    given: Lanes = NONE
    more: Lanes = NONE
    last: bool = False
    alone: bool = False
    todo: frozenset[tuple[int, int]] = frozenset()
    has_failed: bool = False


class State(NamedTuple):
    """Everything. listed: ranges in the lists of lanes. begun: who is at work or dead, in order. faults: to happen."""

    board: Board = Board()
    ones: tuple[One, ...] = (One(),) * (EVENTS + 2)
    listed: frozenset[tuple[int, int]] = frozenset()
    calls: frozenset[Lanes] = frozenset()
    begun: tuple[int, ...] = ()
    faults: int = 1
