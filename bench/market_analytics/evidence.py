"""What a verdict is based on, beside what is read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.ledger.sent import Ledger
    from bench.ledger.truth import ObjectFile, PostBody
    from bench.ledger.verdict import Check
    from bench.market_analytics.completion import Processed
    from bench.market_analytics.oracle import Oracle
    from bench.market_analytics.polling import PollingReader
    from bench.market_analytics.replacements import Replacements
    from bench.market_analytics.retractions import Retraction
    from bench.measure.journal import Journal
    from bench.workers.fleet import Part


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict is based on, beside what is read back from the target.

    journal: None where the target keeps none. expected_dead_letters: bodies of the dead letters that there must be.
    planted_ingests: of objects that are judged for themselves, and otherwise left out. retractions: of what was to be
    taken back, as they ended. replacements: what was put first under some keys. reader: who read meanwhile, where
    anybody did. checks: what was judged on the way. workers: who sent, where it was not this process.
    """

    ledger: Ledger
    oracle: Oracle
    pieces: Sequence[ObjectFile | PostBody]
    completion: Processed
    journal: Journal | None = None
    expected_dead_letters: Sequence[str] = ()
    planted_ingests: frozenset[str] = frozenset()
    retractions: Sequence[Retraction] = ()
    replacements: Replacements | None = None
    reader: PollingReader | None = None
    checks: tuple[Check, ...] = ()
    workers: Sequence[Part] = ()

    @property
    def attempted(self) -> int:
        """Rows that were to be sent."""
        return sum(piece.rows for piece in self.pieces)
