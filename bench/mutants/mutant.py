"""What a mutant is: edits of the functions' source, and the check that must notice them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.mutants.conditions import CALM

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.mutants.conditions import Condition


class MutantStaleError(BenchError):
    """The source has changed, so that an edit fits nowhere or in several places."""


@dataclass(frozen=True, slots=True)
class Edit:
    """`old` is replaced by `new` in one file, where it must stand exactly once. `file`: below `functions/`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One broken pipeline.

    name: what `--only` takes. broken: what is broken, in one sentence. edits: how.
    killed_by: checks of the verdict, each of which must be red; more may be.
    under: the condition that shows it; most need none.
    """

    name: str
    broken: str
    edits: tuple[Edit, ...]
    killed_by: tuple[str, ...]
    under: Condition = CALM

    def mutated(self, read: Callable[[str], str]) -> dict[str, str]:
        """Return the text of each edited file. Raises MutantStaleError.

        read: gives the text of a file below `functions/`.
        """
        texts: dict[str, str] = {}
        for edit in self.edits:
            text = texts.get(edit.file) or read(edit.file)
            if (times := text.count(edit.old)) != 1:
                raise MutantStaleError(
                    f"mutant {self.name} no longer applies: its text stands {times} times in functions/{edit.file}, "
                    "not once; write it anew for the present source"
                )
            texts[edit.file] = text.replace(edit.old, edit.new)
        return texts
