"""Planted faults: broken functions that the simulation must find, each within a number of schedules.

Those of the bench's mutants that concern order, leases, lists and settling are taken as they are; the others need an
interleaving that no run on an emulator brings about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.mutants.catalog import MUTANTS
from bench.mutants.mutant import Edit, Mutant
from bench.simulation.parts import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROLLUPS: Final = "market_analytics/data_aggregator_rollups.py"
_ELECTION: Final = "market_analytics/data_aggregator_election.py"
_CONFIRMATION: Final = "market_analytics/data_aggregator_confirmation.py"
_POSTS: Final = "market_analytics/data_ingestion_posts.py"
_OBJECTS: Final = "market_analytics/data_ingestion_objects.py"
_VALIDATOR: Final = "file_processing/file_validator_checks.py"
_PROCESSOR: Final = "file_processing/data_processor_files.py"
_STATUS: Final = "tickstream/file_status.py"
_ORDER: Final = "services/ordered_batches.py"
_RECORDER: Final = "operations/dead_letter_recorder.py"


@dataclass(frozen=True, slots=True)
class Planted:
    """A planted fault. part: of the simulation that must find it, within `seeds` schedules."""

    mutant: Mutant
    part: Part
    seeds: int

    @property
    def name(self) -> str:
        """What `--only` takes."""
        return self.mutant.name


def _new(name: str, broken: str, edits: Sequence[Edit], part: Part, seeds: int) -> Planted:
    return Planted(Mutant(name, broken, tuple(edits), ()), part, seeds)


def _known(name: str, part: Part, seeds: int) -> Planted:
    (mutant,) = (mutant for mutant in MUTANTS if mutant.name == name)
    return Planted(mutant, part, seeds)


PLANTED: Final = (
    _new(
        "lease-given-back-blindly",
        "the lease is given back without looking whether somebody came meanwhile",
        [
            Edit(
                _ELECTION,
                "            if self._put(mine.count, rest):\n                return None\n",
                '            self.table.put({**_KEY, "count": {"N": str(mine.count + 1)}, **rest})\n'
                "            return None\n",
            )
        ],
        Part.AGGREGATORS,
        1_000,
    ),
    _new(
        "wake-up-forgotten",
        "an event that finds somebody at work ends without having counted itself",
        [
            Edit(
                _ELECTION,
                "        try:\n            seen = _seen(self.table.add(",
                "        if (now := self._look()).until_ms > self.now_ms():\n            return False\n"
                "        try:\n            seen = _seen(self.table.add(",
            )
        ],
        Part.AGGREGATORS,
        1_000,
    ),
    _new(
        "shards-of-a-failed-pass-forgotten",
        "what a pass left undone is not named any more when the lease is given back",
        [Edit(_ELECTION, 'rest = {"shards": {"SS": sorted(mine.shards)}} if mine.shards else {}', "rest = {}")],
        Part.AGGREGATORS,
        5_000,
    ),
    _new(
        "retry-looks-at-its-own",
        "the retry of a failed pass ends where its own range is done, whatever else the pass left",
        [
            Edit(
                _ELECTION,
                "        if own and part is None and seen.served >= 0:\n",
                "        if own and part is None:\n",
            )
        ],
        Part.AGGREGATORS,
        5_000,
    ),
    _new(
        "entry-deleted-before-rollup",
        "an entry is taken off the list before its range is rolled up",
        [
            Edit(
                _ROLLUPS,
                "    finished = _roll_up(table, group, compaction_threshold, time_is_up)\n",
                "    table.batch_write((), [primary_key(committed.entry) for committed in group])\n"
                "    finished = _roll_up(table, group, compaction_threshold, time_is_up)\n",
            )
        ],
        Part.AGGREGATORS,
        5_000,
    ),
    _new(
        "repair-believed",
        "a settling believes the rollups that it has just repaired",
        [
            Edit(_CONFIRMATION, "                doubtful.update(*missing.values())\n", ""),
            Edit(
                _CONFIRMATION,
                "            doubtful.update(*(some[symbol_hour] for symbol_hour in self.repaired & some.keys()))\n",
                "",
            ),
        ],
        Part.AGGREGATORS,
        5_000,
    ),
    _known("receipt-before-slices", Part.AGGREGATORS, 500),
    _known("segment-after-its-slices", Part.AGGREGATORS, 500),
    _known("compaction-deletes-what-came-meanwhile", Part.AGGREGATORS, 500),
    _known("compacted-slices-count-again", Part.AGGREGATORS, 500),
    _known("late-slices-ignored", Part.AGGREGATORS, 500),
    _known("rollup-trusted-alone", Part.AGGREGATORS, 500),
    _known("not-listed-as-pending", Part.WHOLE, 500),
    _known("deleted-on-error", Part.WHOLE, 500),
    _known("new-ingest-for-each-event", Part.WHOLE, 500),
    _known("random-slice-key", Part.WHOLE, 500),
    _known("version-not-frozen", Part.FILES, 500),
    _new(
        "sent-before-it-is-listed",
        "a post's message is sent before its ingest is on record",
        [
            Edit(
                _POSTS,
                "    table.batch_write([manifest_item(manifest), activity_item(",
                "    send([encode_message(InlineTicks(first.ingest_id, received_ms, checked.accepted))])\n"
                "    table.batch_write([manifest_item(manifest), activity_item(",
            )
        ],
        Part.WHOLE,
        500,
    ),
    _new(
        "handed-on-once-only",
        "a validator whose move is on record already sends nothing: the one that made it may have died before it sent",
        [
            Edit(
                _VALIDATOR,
                "    if outcome is Outcome.STALE or checked",
                "    if outcome is not Outcome.ACCEPTED or checked",
            )
        ],
        Part.FILES,
        500,
    ),
    _new(
        "sent-before-its-status",
        "a processor hands a file on before its statistics are on record",
        [
            Edit(
                _PROCESSOR,
                "    outcome = make_move(stores.statuses, pointer.file_id, _move(pointer, result, stores))\n",
                "    if result.reason is None:\n        stores.send(pointer)\n"
                "    outcome = make_move(stores.statuses, pointer.file_id, _move(pointer, result, stores))\n",
            )
        ],
        Part.FILES,
        500,
    ),
    _new(
        "older-upload-counts",
        "the event of an older upload that comes late moves the status back to it",
        [
            Edit(
                _STATUS,
                "    if stored is None or move.sequencer > stored.last.sequencer:\n",
                "    if stored is None or move.sequencer != stored.last.sequencer:\n",
            )
        ],
        Part.FILES,
        500,
    ),
    _new(
        "redriven-under-its-old-attempt",
        "an event that is driven again is the same attempt as the one that died",
        [Edit(_VALIDATOR, "    return stored.last.attempt + dead\n", "    return stored.last.attempt\n")],
        Part.FILES,
        500,
    ),
    _new(
        "dead-letter-not-parked",
        "a dead letter is recorded, and never parked",
        [Edit(_RECORDER, "    stores.park(body, origin.attributes if fits else {})\n", "    del fits\n")],
        Part.FILES,
        500,
    ),
)
