"""A failing schedule made small: what can be left out of it without that it stops failing, is.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input") over the inputs and the
decisions of a schedule. Each decision has a place of its own, so what is left out does not move the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bench.simulation.decisions import Decision, Place, Recorded, described

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.simulation.simulations import Simulation
    from bench.simulation.verdicts import Outcome, Violation

#: Runs of a schedule; one takes some ten milliseconds.
MOST_RUNS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A failing schedule, as small as it became.

    scenario, made: what it is run with (`Recorded(made)`). violation: what it comes to.
    """

    scenario: Any
    made: Mapping[Place, Decision]
    violation: Violation

    def lines(self) -> list[str]:
        """Return its events, one a line, in order as far as they have one."""
        decided = (described(place, decision) for place, decision in self.made.items())
        return [*map(str, self.scenario.inputs), *decided, f"{self.violation.kind}: {self.violation.text}"]


def shrink(simulation: Simulation, scenario: Any, outcome: Outcome) -> Shrunk:
    """Make a failing schedule small: it still ends with a violation of the same kind."""
    kind = outcome.violations[0].kind

    def parts_of(events: Sequence[Any]) -> tuple[Any, dict[Place, Decision]]:
        inputs = tuple(event for event in events if not isinstance(event, _Decided))
        made = {event.place: event.decision for event in events if isinstance(event, _Decided)}
        return replace(scenario, inputs=inputs), made

    def violation_of(events: Sequence[Any]) -> Violation | None:
        some, made = parts_of(events)
        found = simulation.run(some, Recorded(made), None).violations
        return next((one for one in found if one.kind == kind), None)

    events = [*scenario.inputs, *(_Decided(place, decision) for place, decision in outcome.made.items())]
    smallest = _smallest(events, lambda some: violation_of(some) is not None)
    some, made = parts_of(smallest)
    return Shrunk(some, made, violation_of(smallest) or outcome.violations[0])


@dataclass(frozen=True, slots=True)
class _Decided:
    place: Place
    decision: Decision


def _smallest(events: list[Any], fails: Callable[[Sequence[Any]], bool]) -> list[Any]:
    """Return some of the events, of which none can be left out."""
    pieces, runs = 2, 0
    while len(events) >= 2 and runs < MOST_RUNS:
        size = max(1, len(events) // pieces)
        for start in range(0, len(events), size):
            rest = events[:start] + events[start + size :]
            runs += 1
            if fails(rest):
                events = rest
                pieces = max(2, pieces - 1)
                break
        else:
            if size == 1:
                break
            pieces = min(len(events), pieces * 2)
    return events
