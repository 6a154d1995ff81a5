from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bench.simulation.seams import taken_over
from bench.simulation.simulations import simulation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from bench.simulation.parts import Part
    from bench.simulation.simulations import Simulation


@pytest.fixture
def simulated() -> Callable[[Part], AbstractContextManager[Simulation]]:
    """Take the functions over for one part."""

    @contextmanager
    def simulated(part: Part) -> Iterator[Simulation]:
        simulation = simulation_of(part)
        with taken_over(simulation.handlers, simulation.seams()):
            yield simulation

    return simulated
