"""Planted faults of replacing: each with the number of schedules within which it must be found."""

from __future__ import annotations

from typing import Final

from bench.mutants.mutant import Edit, Mutant
from bench.simulation.parts import Part

_HOURS: Final = "tickstream/hours.py"
_ORDER: Final = "tickstream/revisions.py"
_OBJECTS: Final = "market_analytics/data_ingestion_objects.py"
_PLACES: Final = "market_analytics/data_revision_places.py"
_PUBLISHING: Final = "market_analytics/data_revision_publishing.py"


def _new(name: str, broken: str, edit: Edit, seeds: int) -> tuple[Mutant, Part, int]:
    return Mutant(name, broken, (edit,), ()), Part.REPLACEMENTS, seeds


REPLACEMENTS: Final = (
    _new(
        "published-before-all-is-committed",
        "an object takes its place as soon as one of its ranges is committed",
        Edit(_PUBLISHING, "return None if len(commits) < manifest.ranges else", "return None if not commits else"),
        200,
    ),
    _new(
        "hidden-before-the-new-is-visible",
        "the old ranges are withdrawn first, then the new ones are published",
        Edit(
            _PUBLISHING,
            "        self._revise(this.manifest, [one.manifest for one in older])\n",
            "        from market_analytics.data_revision_hours import withdraw\n"
            "        withdraw(self.table, self._wanted([one.manifest for one in older], None))\n"
            "        self._revise(this.manifest, [one.manifest for one in older])\n",
        ),
        1_000,
    ),
    _new(
        "published-beside-the-old",
        "new ranges are published, the old ones are hidden by what follows",
        Edit(_PUBLISHING, "frozenset(old.get(one, set()) | (late", "frozenset((late"),
        500,
    ),
    _new(
        "hours-of-the-old-alone-later",
        "hours that the new one has nothing of are not in the same step: ranges go one by one",
        Edit(_PUBLISHING, "sorted(own.keys() | old.keys())", "sorted(own)"),
        2_000,
    ),
    _new(
        "late-range-of-the-old-counts",
        "ranges of an object to be added that are committed after it was replaced count until they are hidden",
        Edit(_PUBLISHING, "late = frozenset(islice(self._late(older), MAX_LATE))", "late = frozenset[int]()"),
        1_000,
    ),
    _new(
        "placed-by-arrival",
        "the version that arrived last stays, not the one that was put last",
        Edit(
            _ORDER,
            'put_ms = manifest.get("putMs") or manifest["receivedMs"]',
            'put_ms = manifest["receivedMs"]',
        ),
        500,
    ),
    _new(
        "newer-one-not-told",
        "an older version that is published tells nobody: who looked before it was listed is published beside it",
        Edit(_PLACES, "        if newer.told == told:\n", "        if True:\n"),
        5_000,
    ),
    _new(
        "marked-though-put-again",
        "a version is replaced by what was put before it was put again",
        Edit(_PLACES, '"ranges": ranges, "putMs": one.put_ms}', '"ranges": ranges}'),
        5_000,
    ),
    _new(
        "put-again-forgotten",
        "bytes that are put again after others stay where they stood",
        Edit(
            _OBJECTS,
            "        planned.replaces\n        and known.rejected",
            "        False\n        and known.rejected",
        ),
        500,
    ),
    _new(
        "own-retraction-not-listed",
        "who marked an ingest as replaced and died right after that leaves it so",
        Edit(_PUBLISHING, "own = [ingest_id] if this.is_to_be_listed else []", "own = list[str]()"),
        500,
    ),
    _new(
        "waiting-slice-counts",
        "slices that wait to be published count",
        Edit(_HOURS, "            and (not piece.waits or piece.range_id in published)\n", ""),
        500,
    ),
)
