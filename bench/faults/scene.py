"""What a run's faults are made for: its stack, its seed, and objects to spoil."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bench.stack.outputs import Outputs

#: Objects that `Scene.victims` should have, one for each use (`bench.faults.of_objects`).
VICTIMS: Final = 6


@dataclass(frozen=True, slots=True)
class Victim:
    """An object whose processing is spoiled for a while."""

    key: str
    ingest_id: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What rules are made for: a stack, the run's seed, and objects to spoil (`VICTIMS`, or as many as are sent)."""

    outputs: Outputs
    seed: int
    victims: tuple[Victim, ...]

    def victim(self, place: int) -> tuple[Victim, ...]:
        """Return the one of a place, or none where there are fewer."""
        return self.victims[place : place + 1]
