"""What two engines answered differently, item by item, and what explains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What keeps an engine from doing all of a run; whatever it answers differently then is explained by it. Where it has
#: done everything, or is red for something else alone, nothing is. By engine, a finding
#: of docs/emulators.md; today none.
EXPLAINED: Final[dict[str, str]] = {}
#: The check of a run's verdict that is red where something was never done.
NOT_DONE: Final = "everything processed"
_ABSENT: Final = "not there"


@dataclass(frozen=True, slots=True)
class Difference:
    """One item that two engines have differently: of which kind (`bars`, ...), its name, and both values."""

    kind: str
    name: str
    here: Any
    there: Any

    def line(self, most: int = 300) -> str:
        """Say it in one line of bounded length: only the fields that differ, where both have some."""
        here, there = self.here, self.there
        if isinstance(here, dict) and isinstance(there, dict):
            unlike = [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]
            here, there = ({name: one.get(name) for name in unlike} for one in (here, there))
        return f"{self.kind} {self.name}: {str(here)[:most]} / {str(there)[:most]}"


def differences(here: Mapping[str, Mapping[str, Any]], there: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    """Yield what is not the same, in order. Documents are those of `bench.market_analytics.answers`."""
    for kind in sorted({*here, *there}):
        mine, theirs = here.get(kind, {}), there.get(kind, {})
        for name in sorted({*mine, *theirs}):
            one, other = mine.get(name, _ABSENT), theirs.get(name, _ABSENT)
            if one != other:
                yield Difference(kind, name, one, other)
