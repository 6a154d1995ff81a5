"""Planted faults of taking back, some of which were there: the simulation found them first.

Each with the part of the simulation that must find it, and within how many schedules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.mutants.mutant import Edit, Mutant
from bench.simulation.parts import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOURS: Final = "tickstream/hours.py"
_WHOLE_HOURS: Final = "market_analytics/data_aggregator_hours.py"
_LISTS: Final = "market_analytics/data_aggregator_lists.py"
_AGGREGATOR: Final = "market_analytics/data_aggregator.py"
_VISITS: Final = "market_analytics/data_revision_visits.py"
_ORDERS: Final = "market_analytics/data_revision_orders.py"
_STATES: Final = "market_analytics/data_query_ingest.py"
_OBJECTS: Final = "market_analytics/data_ingestion_objects.py"
_POSTS: Final = "market_analytics/data_ingestion_posts.py"


def _new(name: str, broken: str, edits: Sequence[Edit], part: Part, seeds: int) -> tuple[Mutant, Part, int]:
    return Mutant(name, broken, tuple(edits), ()), part, seeds


RETRACTIONS: Final = (
    _new(
        "withdrawn-rollup-believed",
        "a rollup is believed though one of its ranges is withdrawn",
        [
            Edit(
                _HOURS,
                "rollup.segments == number and not over_latest & self.withdrawn:",
                "rollup.segments == number:",
            )
        ],
        Part.AGGREGATORS,
        500,
    ),
    _new(
        "withdrawn-segment-believed",
        "a segment is believed though one of its ranges is withdrawn",
        [
            Edit(
                _HOURS,
                "return self.latest_segment is None or self.withdrawn & self.compacted <= self.latest_segment.without",
                "return True",
            )
        ],
        Part.AGGREGATORS,
        500,
    ),
    _new(
        "withdrawn-slice-counts",
        "a slice counts though its range is withdrawn",
        [Edit(_HOURS, "            and piece.range_id not in withdrawn\n", "")],
        Part.AGGREGATORS,
        500,
    ),
    _new(
        "slices-deleted-instead-of-set-aside",
        "slices that a segment has are deleted: no hour can be put together again without one of them",
        [
            Edit(
                _WHOLE_HOURS,
                "    table.batch_write(map(set_aside, table.batch_get(map(slice_key, slices))))\n",
                "",
            )
        ],
        Part.AGGREGATORS,
        1_000,
    ),
    _new(
        "retraction-listed-as-ever",
        "hours are listed to be mended under the key of the ordinary entry, which a pass in the middle takes off, and "
        "the last look is left out, which would see that",
        [
            Edit(
                _VISITS,
                "pending_item(Pending(one.ingest_id, one.index, revising.asked_ms, lane, whole=True))",
                "pending_item(Pending(one.ingest_id, one.index, self._received_ms, lane, whole=True))",
            ),
            Edit(
                _VISITS,
                "        before = revising\n        left = 0\n",
                "        self.table.batch_write((), [primary_key(revising_item(revising))])\n"
                "        return Visited.OVER\n"
                "        before = revising\n        left = 0\n",
            ),
        ],
        Part.AGGREGATORS,
        2_000,
    ),
    _new(
        "retracted-before-all-is-hidden",
        "an ingest is called retracted when some of its ranges are hidden",
        [Edit(_VISITS, "if revising.hidden.bit_count() >= revising.ranges or ", "if revising.hidden or ")],
        Part.WHOLE,
        1_000,
    ),
    _new(
        "merged-when-it-comes-again",
        "a range that is delivered again when its ingest was taken back is merged the fast way, for good",
        [Edit(_LISTS, "if is_taken_back(item)}", "if False and is_taken_back(item)}")],
        Part.AGGREGATORS,
        1_000,
    ),
    _new(
        "listed-by-the-first-who-asks",
        "who asks to take back what was asked for already leaves it at that, though the first may have died",
        [
            Edit(
                _ORDERS,
                "        if retraction is None:\n",
                "        if retraction is not None and retraction.step is Step.ASKED:\n"
                "            return retraction\n"
                "        if retraction is None:\n",
            )
        ],
        Part.AGGREGATORS,
        5_000,
    ),
    _new(
        "refused-in-part-counts",
        "an object of which a range was refused is not taken back",
        [
            Edit(
                _AGGREGATOR,
                "            take_back_refused(self.table, ingest_id, self.clock.now_ms(), self.put_orders)\n",
                "            del ingest_id\n",
            )
        ],
        Part.WHOLE,
        500,
    ),
    _new(
        "complete-though-refused-in-part",
        "an object of which a range was refused is called complete",
        [Edit(_STATES, "    if progress.refusal is None:\n", "    if progress.refusal is None or progress.ticks:\n")],
        Part.WHOLE,
        2_000,
    ),
    _new(
        "retraction-unsaid-by-a-retry",
        "a retry of a post puts its manifest over the one that says that it is taken back",
        [
            Edit(
                _POSTS,
                "    table.put_if_absent(manifest_item(manifest))\n",
                "    table.put(manifest_item(manifest))\n",
            )
        ],
        Part.WHOLE,
        5_000,
    ),
    _new(
        "begun-before-it-is-decided",
        "the same bytes begin another ingest while it is not decided whether the first can be taken back",
        [Edit(_OBJECTS, "        if retraction.step is Step.ASKED:\n", "        if False:\n")],
        Part.WHOLE,
        5_000,
    ),
)
