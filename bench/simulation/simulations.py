"""How each part is simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.simulation.parts import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.simulation.decisions import Drawn, Recorded
    from bench.simulation.verdicts import Outcome


@dataclass(frozen=True, slots=True)
class Simulation:
    """How a part is simulated.

    handlers: the functions' modules. seams: what is set in modules beside what always is (`seams.taken_over`).
    draw: gives a seed's scenario, and who decides in it. run: runs a scenario, and judges it.
    A scenario is a frozen dataclass whose `inputs` are a tuple of what the world outside does, in order of time.
    """

    handlers: tuple[str, ...]
    seams: Callable[[], Mapping[str, Mapping[str, object]]]
    draw: Callable[[int], tuple[Any, Drawn]]
    run: Callable[[Any, Drawn | Recorded, Callable[[str], None] | None], Outcome]


def simulation_of(part: Part) -> Simulation:
    """Return how a part is simulated."""
    if part is Part.FILES:
        from bench.simulation import files, files_run  # noqa: PLC0415 - who simulates the other needs none of it

        return Simulation(files.HANDLERS, files.seams, files_run.drawn, files_run.run)
    from bench.simulation import market, market_run  # noqa: PLC0415

    def draw(seed: int) -> tuple[Any, Drawn]:
        return market_run.drawn(part, seed)

    return Simulation(market.HANDLERS, market.seams, draw, market_run.run)
