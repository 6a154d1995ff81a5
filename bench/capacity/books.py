"""What became of everything that was sent: each range is in one place, and each that is done says how long it took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.capacity.scenarios import Shape


@dataclass(slots=True, eq=False)
class Ranges:
    """Some ranges that have come the same way so far, all of one shape.

    kept_units: what each has written already and need not write again. tries: how often they were received in vain.
    lanes_left: of the work list, in which they still stand once they are committed.
    """

    shape: Shape
    number: int
    sent_s: float
    tries: int = 0
    backs: int = 0
    kept_units: float = 0.0
    committed_s: float = 0.0
    lanes_left: int = 0

    def parted(self, number: int) -> Ranges:
        """Take so many of them apart."""
        self.number -= number
        return Ranges(self.shape, number, self.sent_s, self.tries, self.backs, self.kept_units)


@dataclass(slots=True)
class Lags:
    """Seconds that things took, each with how many took so long."""

    _found: list[tuple[float, float]] = field(default_factory=list)

    def add(self, seconds: float, number: float) -> None:
        """Add so many that took so long."""
        self._found.append((seconds, number))

    def percentile(self, share: float) -> float | None:
        """Return how long that share of them took at most; None where nothing is done."""
        whole = sum(number for _, number in self._found)
        passed = 0.0
        for seconds, number in sorted(self._found):
            passed += number
            if passed >= share * whole:
                return seconds
        return None


@dataclass(slots=True)
class Books:
    """Ranges by what became of them. What is in none of the last four is under way.

    sent: by their senders, all ranges that their objects have. refused: answered with an error, so that their sender
    knows. committed: visible to readers. rolled_up: of these, those that are in their rollups.
    """

    sent: int = 0
    refused: int = 0
    committed: int = 0
    rolled_up: int = 0
    dead: int = 0
    wasted_units: float = 0.0
    visible: Lags = field(default_factory=Lags)
    rolled: Lags = field(default_factory=Lags)
    last_rolled_s: float = 0.0

    @property
    def under_way(self) -> int:
        """Ranges that are sent and neither visible nor given up."""
        return self.sent - self.refused - self.committed - self.dead

    @property
    def listed(self) -> int:
        """Ranges that are visible and in no rollup yet."""
        return self.committed - self.rolled_up

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to do for what was sent."""
        return self.under_way == 0 and self.listed == 0
