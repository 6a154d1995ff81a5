"""Mutants in what takes ingests back: what is withdrawn, who believes it, and when it is said to be done."""

from __future__ import annotations

from typing import Final

from bench.mutants import conditions
from bench.mutants.mutant import Edit, Mutant

#: Read by the bench's own code, which believes no such rollup or segment: what readers believe shows through the API.
_STORED: Final = "bars in DynamoDB"
_POSTED: Final = "bars through POST /bars"
_TAKEN_BACK: Final = "taken back"
_POLLED: Final = "bars while ingests are taken back"
_HOURS: Final = "tickstream/hours.py"
_VISITS: Final = "market_analytics/data_revision_visits.py"

TAKING_BACK: Final = (
    Mutant(
        "withdrawn-rollup-believed",
        "a rollup is believed though one of its ranges is taken back",
        (
            Edit(
                _HOURS,
                "if rollup and rollup.segments == number and not over_latest & self.withdrawn:",
                "if rollup and rollup.segments == number:",
            ),
        ),
        (_TAKEN_BACK, _POSTED, _POLLED),
        conditions.TAKEN_BACK,
    ),
    Mutant(
        "withdrawn-segment-believed",
        "a segment is believed though one of its ranges is taken back",
        (
            Edit(
                _HOURS,
                "return self.latest_segment is None or self.withdrawn & self.compacted <= self.latest_segment.without",
                "return True",
            ),
        ),
        (_TAKEN_BACK, _POSTED),
        conditions.TAKEN_BACK,
    ),
    Mutant(
        "retracted-before-it-is-hidden",
        "an ingest is said to be retracted when it was found that it can be, and nothing is withdrawn",
        (
            Edit(
                _VISITS,
                "replace(retraction, step=Step.GOING)",
                "replace(retraction, step=Step.DONE, done_ms=self.now_ms())",
            ),
        ),
        (_TAKEN_BACK, _STORED, _POLLED),
        conditions.TAKEN_BACK,
    ),
    Mutant(
        "late-range-not-withdrawn",
        "an ingest is said to be retracted while ranges of it are still on their way, which count when they come",
        (Edit(_VISITS, "if revising.hidden.bit_count() >= revising.ranges or ", "if True or "),),
        (_TAKEN_BACK, _STORED),
        conditions.TAKEN_BACK,
    ),
)
