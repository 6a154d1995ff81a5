"""Templates: text in which `{name}` stands for a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class TemplateText:
    """A template taken apart.

    literals: the texts between the names, one more than names, so that it reads literal, name, literal, name, literal.
    """

    literals: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def only_name(self) -> str | None:
        """The name that is all of the template, if it is one name and nothing else."""
        return self.names[0] if self.literals == ("", "") else None

    def fill(self, value_of: Callable[[str], str]) -> str:
        """Put values in the place of names."""
        if self.literals == ("", ""):
            return value_of(self.names[0])
        pieces = [self.literals[0]]
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            pieces += (value_of(name), literal)
        return "".join(pieces)


def take_apart(template: str) -> TemplateText:
    """Read a template. Raises ValueError where a brace has no partner."""
    literals: list[str] = []
    names: list[str] = []
    at = 0
    for found in _PIECE.finditer(template):
        literals.append(template[at : found.start()])
        names.append(found[1])
        at = found.end()
    literals.append(template[at:])
    if any("{" in literal or "}" in literal for literal in literals):
        raise ValueError("a brace without its partner, or nothing between them")
    return TemplateText(tuple(literals), tuple(names))
