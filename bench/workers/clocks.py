"""How far a worker's clock is from this machine's, by round trips.

Of a question that left at `asked_s` and came back at `answered_s` the worker's clock was read somewhere in between. So
the difference is known to half the round trip, however unequal its two ways were; the quickest round trip says most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import WorkersError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One question: asked and answered by this machine's clock, read by the worker's. Unix seconds."""

    asked_s: float
    there_s: float
    answered_s: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What a clock says more than this machine's, give or take the uncertainty. Seconds."""

    ahead_s: float
    uncertainty_s: float

    def there(self, here_s: float) -> float:
        """Return what that clock says when this machine's says `here_s`."""
        return here_s + self.ahead_s

    def __str__(self) -> str:
        return f"{self.ahead_s * 1000:+.3f} ms, give or take {self.uncertainty_s * 1000:.3f} ms"


def difference(trips: Iterable[RoundTrip]) -> Difference:
    """Return what round trips say of a clock. Raises WorkersError of none, and of those that came back too early."""
    # A clock that was set back in between says nothing.
    sound = [one for one in trips if one.answered_s >= one.asked_s]
    if not sound:
        raise WorkersError("the clocks could not be compared: no question came back after it was asked")
    best = min(sound, key=lambda one: one.answered_s - one.asked_s)
    half_s = (best.answered_s - best.asked_s) / 2
    return Difference(best.there_s - (best.asked_s + half_s), half_s)
