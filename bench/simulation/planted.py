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
from bench.simulation.planted_replacements import REPLACEMENTS
from bench.simulation.planted_retractions import RETRACTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

_LISTS: Final = "market_analytics/data_aggregator_lists.py"
_ELECTION: Final = "market_analytics/data_aggregator_election.py"
_ROLLUPS: Final = "market_analytics/data_aggregator_rollups.py"
_TABLE: Final = "services/dynamo_table.py"
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
        "lanes-left-blindly",
        "lanes are left without looking whether somebody came meanwhile",
        [
            Edit(
                _ELECTION,
                "            expected = seen.expected_claims(done | more) if more else seen.expected()\n",
                "            expected = seen.expected_claims(done | more)\n",
            )
        ],
        Part.AGGREGATORS,
        1_000,
    ),
    _new(
        "wake-up-forgotten",
        "an event that finds somebody at work ends without having named its lanes",
        [
            Edit(
                _ELECTION,
                "        try:\n            self._name(named)\n",
                "        self._look()\n        if self._seen.anybody_works():\n            return False\n"
                "        try:\n            self._name(named)\n",
            )
        ],
        Part.AGGREGATORS,
        1_000,
    ),
    _new(
        "lanes-of-a-failed-pass-forgotten",
        "lanes whose pass did not come to its end are left as if it had",
        [
            Edit(
                _ELECTION,
                '{_claim_of(lane): _text(f"0 {self.holder}") for lane in lanes}',
                "{_claim_of(lane): None for lane in lanes}",
            )
        ],
        Part.AGGREGATORS,
        5_000,
    ),
    _new(
        "retry-looks-at-its-own",
        "the retry of a failed pass ends where its own range is done, whatever else the pass left",
        [
            Edit(
                _ELECTION,
                "        if own and part is None and not self._seen.anything_is_left():\n",
                "        if own and part is None:\n",
            )
        ],
        Part.AGGREGATORS,
        5_000,
    ),
    _new(
        "alone-beside-others",
        "an event does its own ranges alone, whoever else named the lanes that it claims",
        [Edit(_ELECTION, "before.namings == namings and self._is_alone(before, frozenset(named))", "True")],
        Part.AGGREGATORS,
        1_000,
    ),
    _new(
        "entry-deleted-before-rollup",
        "an entry is taken off the list before its range is rolled up",
        [
            Edit(
                _LISTS,
                "        left = _by_lane(self.rollups.refresh(wanted, whole))\n",
                "        of_lanes = [some for one in self.group for some in one.entries.values()]\n"
                "        early = [primary_key(entry) for some in of_lanes for entry in some]\n"
                "        self.rollups.table.batch_write((), early)\n"
                "        left = _by_lane(self.rollups.refresh(wanted, whole))\n",
            )
        ],
        Part.AGGREGATORS,
        5_000,
    ),
    _new(
        "symbol-listed-after-its-rollup",
        "a symbol is listed when its hour has a rollup: whoever dies in between leaves it in no list",
        [
            Edit(
                _ROLLUPS,
                "        self._list_symbols({symbol for symbol, _ in wanted.keys() - damaged - rollups.keys()})\n",
                "",
            ),
            Edit(
                _ROLLUPS,
                "        self.has_written |= bool(fresh)\n        places = ",
                "        self.has_written |= bool(fresh)\n"
                "        self._list_symbols({symbol for symbol, _ in wanted.keys() - damaged - rollups.keys()})\n"
                "        places = ",
            ),
        ],
        Part.AGGREGATORS,
        1_000,
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
        "etag-believed",
        "the same bytes under another ETag, as each put under a KMS key has, are another ingest",
        [
            Edit(
                _OBJECTS,
                "            ingest_id = keys.object_ingest_id(source.bucket, source.key, digest, source.size_bytes)\n",
                "            del digest\n",
            )
        ],
        Part.WHOLE,
        500,
    ),
    _new(
        "more-said-than-written",
        "the copy of a range that was throttled counts the items of the request that was refused",
        [
            Edit(
                _TABLE,
                "            raise WritesUnfinished(str(error), written) from error\n",
                "            written = min(len(items), written + PUTS_A_REQUEST)\n"
                "            raise WritesUnfinished(str(error), written) from error\n",
            )
        ],
        Part.WHOLE,
        500,
    ),
    _new(
        "sent-before-it-is-listed",
        "a post's message is sent before its ingest is on record",
        [
            Edit(
                _POSTS,
                "    table.put_if_absent(manifest_item(manifest))\n",
                "    send([encode_message(InlineTicks(first.ingest_id, received_ms, checked.accepted))])\n"
                "    table.put_if_absent(manifest_item(manifest))\n",
            )
        ],
        Part.WHOLE,
        500,
    ),
    _new(
        "listed-once-only",
        "a delivery that finds the manifest lists nothing: the one that wrote it may have died before it did",
        [Edit(_OBJECTS, "    if len(missing) == manifest.ranges:\n", "    if False:\n")],
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
        "status-before-its-statistics",
        "a file is called processed before its statistics are there",
        [
            Edit(
                _PROCESSOR,
                "    if result.statistics is not None:\n"
                "        stores.statuses.put_statistics(pointer, result.statistics)\n"
                "    outcome = make_move(stores.statuses, pointer.file_id, _move(pointer, result, stores))\n",
                "    outcome = make_move(stores.statuses, pointer.file_id, _move(pointer, result, stores))\n"
                "    if result.statistics is not None:\n"
                "        stores.statuses.put_statistics(pointer, result.statistics)\n",
            )
        ],
        Part.FILES,
        500,
    ),
    _new(
        "statistics-of-the-file",
        "the statistics of a file are those of its last upload, whichever that was",
        [
            Edit(
                "tickstream/status_items.py",
                '"\\0".join((pointer.file_id, pointer.sequencer, pointer.source.version_id))',
                "pointer.file_id",
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
    *(Planted(*one) for one in (*RETRACTIONS, *REPLACEMENTS)),
)
