"""The mutants: one small defect each, of the kinds that real pipelines have."""

from __future__ import annotations

from typing import Final

from bench.mutants.in_decoding import COUNTING, CUTTING, REJECTING
from bench.mutants.in_delivery import DELIVERING, READING, ROLLING_UP
from bench.mutants.in_effects import CANCELS, EFFECTS
from bench.mutants.in_feeds import FEEDS
from bench.mutants.in_indexes import INDEXING
from bench.mutants.in_replacements import REPLACING
from bench.mutants.in_retractions import TAKING_BACK

MUTANTS: Final = (
    *CUTTING,
    *COUNTING,
    *REJECTING,
    *FEEDS,
    *EFFECTS,
    *CANCELS,
    *INDEXING,
    *DELIVERING,
    *ROLLING_UP,
    *READING,
    *TAKING_BACK,
    *REPLACING,
)

#: What the ordinary tests run: one mutant of each stage.
SMALLEST: Final = ("first-row-twice", "not-listed-as-pending", "last-hour-not-read")
