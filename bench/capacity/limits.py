"""Which limit held something up, since when and for how long: AWS's quotas, and ceilings of the design."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: They hold up no bar.
SETTLING: Final = "settling"
SURVEY_LANES: Final = "survey_lanes"
#: Limits that are the design's own, and what to do there.
OF_THE_DESIGN: Final = {
    "one_aggregator": ("DataAggregator, one at a time for the whole table", "lanes: an aggregator for each"),
    "all_lanes": ("DataAggregator, all lanes at work", "more lanes"),
    "processor_ceiling": ("DataProcessor's ceiling", "raise ProcessorMaxConcurrency, if the table has room"),
    "large_ceiling": ("the ceiling of large ranges", "raise the ceiling of large ranges, if the table has room"),
    SETTLING: ("settling, one survey each five minutes", "lanes of the survey, which go on at once"),
    SURVEY_LANES: ("settling, all lanes of the survey at work", "look at more ranges of the same hours together"),
}


#: How often what is used is held against what there is.
LOOK_S: Final = 10.0


@dataclass(slots=True)
class Met:
    """When a limit was met first, and for how many seconds in all."""

    first_s: float
    held_s: float = 0.0


@dataclass(slots=True)
class Limits:
    """All that were met, by name: whoever is held up by one notes it, and a look makes seconds of the notes."""

    found: dict[str, Met] = field(default_factory=dict)
    _noted: dict[str, float] = field(default_factory=dict)

    def note(self, name: str, at_s: float) -> None:
        """Say that something was held up now."""
        self._noted.setdefault(name, at_s)

    def look(self) -> None:
        """Count each limit that was noted since the last look as in force for that long."""
        for name, at_s in self._noted.items():
            self.found.setdefault(name, Met(at_s)).held_s += LOOK_S
        self._noted.clear()

    def by_weight(self) -> Mapping[str, Met]:
        """Return them, the one that held longest first."""
        return dict(sorted(self.found.items(), key=lambda item: (-item[1].held_s, item[1].first_s, item[0])))
