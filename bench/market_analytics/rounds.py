"""Rounds of streams: each begins when everything of those before is committed, and then the list is looked at.

What is to be rolled up is a list that each committed range is put on and that DataAggregator takes it off. Where it
keeps up, the list is as long after the last rounds as after the first: what is just under way. Where it does not, each
round leaves more on it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from bench.ledger.truth import ObjectFile
from bench.ledger.verdict import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.ledger.truth import PostBody
    from bench.market_analytics.completion import Progress

CHECK: Final = "the list does not grow"
#: So many ranges may be under way whenever one looks: an event tells of as many.
UNDER_WAY: Final = 100


@dataclass(frozen=True, slots=True)
class RoundEnd:
    """The look that found everything committed that was sent up to a round; pending: ranges still to be rolled up."""

    round: int
    pending: int


class Rounds:
    """Lets one round begin after the other.

    The driver asks, and whoever looks at the pipeline answers (`bench.market_analytics.completion.Operator`).
    """

    def __init__(self, pieces: Iterable[ObjectFile | PostBody]) -> None:
        objects = [piece for piece in pieces if isinstance(piece, ObjectFile) and not piece.repeat]
        self._sizes = [0] * (1 + max((one.round for one in objects), default=0))
        for one in objects:
            self._sizes[one.round] += 1
        self._asked = self._open = 0
        self._closed = False
        self._ends: list[RoundEnd] = []

    @property
    def count(self) -> int:
        """How many there are; 1 where nothing comes in rounds."""
        return len(self._sizes)

    @property
    def is_closed(self) -> bool:
        """Whether no further round will begin."""
        return self._closed

    @property
    def is_awaited(self) -> bool:
        """Whether the driver waits for a round to begin, and sends nothing."""
        return self._asked > self._open

    def may_begin(self, round_: int) -> bool:
        """Say whether a round may begin; everything of those before it was sent and answered."""
        self._asked = round_
        return round_ <= self._open

    def close(self) -> None:
        """Let no further round begin."""
        self._closed = True

    def look(self, progress: Progress, *, sending: bool) -> str:  # noqa: ARG002 - see Operator
        """Take a look at the pipeline; return the round that is under way, or is to begin, if any."""
        ended = len(self._ends)
        # Each object is an ingest of its own.
        sent = sum(self._sizes[: ended + 1])
        all_committed = progress.manifests == progress.ingests >= sent and progress.ranges_done == progress.ranges
        if ended < self.count and all_committed:
            self._ends.append(RoundEnd(ended, progress.pending))
            self._open = min(ended + 1, self.count - 1)
            return f"round {self._open + 1} of {self.count}" if ended + 1 < self.count else ""
        return f"round {ended + 1} of {self.count}" if ended < self.count else ""

    def facts(self) -> list[dict[str, Any]]:
        """The end of each round, in plain JSON; empty where nothing came in rounds."""
        return [asdict(one) for one in self._ends] if self.count > 1 else []

    def checks(self) -> tuple[Check, ...]:
        """Whether the list grew; nothing where nothing came in rounds."""
        return (judge_list([one.pending for one in self._ends], self._sizes),) if self.count > 1 else ()


def judge_list(pending: Sequence[int], sizes: Sequence[int]) -> Check:
    """Judge by what was to be rolled up at the end of each round; sizes: objects of each round.

    Of the first and of the last third of the rounds the median counts. Half a round more than at first is growth, or
    `UNDER_WAY` if that is more.
    """
    said = ", ".join(f"{one:,}" for one in pending)
    if len(pending) < len(sizes):
        detail = f"{len(pending)} of {len(sizes)} rounds came to their end; to be rolled up then: {said or 'unknown'}"
        return Check(CHECK, passed=False, detail=detail)
    third = max(1, len(pending) // 3)
    growth = median(pending[-third:]) - median(pending[:third])
    allowed = max(UNDER_WAY, max(sizes) / 2)
    detail = f"to be rolled up when each of {len(sizes)} rounds of {max(sizes):,} was committed: {said}"
    return Check(CHECK, growth <= allowed, detail + ("" if growth <= allowed else f"; {growth:,.0f} more at the end"))
