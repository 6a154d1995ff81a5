"""What a schedule comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.simulation.decisions import Choices, Decision, Place


@dataclass(frozen=True, slots=True)
class Violation:
    """What must not be. kind: by which two violations are the same; text: what exactly."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a schedule came to. made: what was decided in it. steps: how much happened."""

    violations: tuple[Violation, ...]
    made: Mapping[Place, Decision]
    steps: int


class Quiet:
    """Choices up to a moment, and none afterwards."""

    def __init__(self, choices: Choices) -> None:
        self.is_over = False
        self._choices = choices

    def at_call(self, actor: str, number: int, call: str) -> Decision | None:
        """See Choices."""
        return None if self.is_over else self._choices.at_call(actor, number, call)

    def in_delivery(self, what: str) -> Decision | None:
        """See Choices."""
        return None if self.is_over else self._choices.in_delivery(what)

    def skew_ms(self, actor: str) -> int:
        """See Choices."""
        return 0 if self.is_over else self._choices.skew_ms(actor)
