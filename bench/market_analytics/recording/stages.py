"""How long each stage took, from the time at which a piece was meant to be sent.

From the intended time and not from the actual one: a sender that is held up by a slow system must not make the
system look fast (coordinated omission). How late the sending itself was is a stage of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from bench.errors import ReadBackError
from bench.market_analytics.recording.visibility import STEP_S
from bench.measure.latencies import Latencies
from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from tickstream import keys
from tickstream.errors import TickstreamError
from tickstream.items import commit_from, key_of, manifest_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.ledger.sent import Ledger
    from bench.measure.journal import Journal
    from bench.targets import Target
    from tickstream.ingests import Manifest

_READ_WITHIN_S: Final = 300.0


class Stage(StrEnum):
    """What a piece has come to."""

    SEND_DELAY = "send_delay"
    ACKNOWLEDGED = "acknowledged"
    INGESTED = "ingested"
    PROCESSED = "processed"
    EVENT = "event"
    ROLLUP = "rollup"
    VISIBLE = "visible"


HOW: Final = (
    "From the time at which a piece was meant to be sent (HdrHistogram, 3 significant digits). send_delay: until it "
    "was sent; acknowledged: until its sender was answered; ingested: until DataIngestion saw it first; processed: "
    "until the last of its ranges was committed; event: until the last of them was announced; rollup: until the last "
    "of them was taken off the list of what is to be rolled up, which another range's event may bring about before its "
    "own; visible: until GET /ingest first called it done, asked of a sample of pieces, each "
    f"{STEP_S * 1000:.0f} ms or an eighth of its age after the time before. Ingested to rollup are times of the "
    "pipeline's and the target's wall clock, whole milliseconds, told of pieces that came so far."
)


@dataclass(frozen=True, slots=True)
class Moments:
    """When (epoch ms) an ingest came how far; None where it did not, or where the target does not tell."""

    ingested_ms: int
    processed_ms: int | None = None
    event_ms: int | None = None
    rollup_ms: int | None = None


def read_moments(
    target: Target, table_name: str, ingests: Iterable[str], journal: Journal | None
) -> dict[str, Moments]:
    """Read from the table, and from the journal where there is one, how far ingests came; unknown ones are left out.

    Raises ReadBackError where the table cannot be read, or holds what the pipeline does not write.
    """
    # Whatever was written, at any time, is what happened: nothing of it has expired.
    table = DynamoTable(table_name, Deadline.after(_READ_WITHIN_S), target.client("dynamodb"), now_s=0)
    try:
        return _read(table, ingests, journal)
    except TickstreamError as error:
        raise ReadBackError(f"latencies cannot be read: {error}") from error


def _read(table: DynamoTable, ingests: Iterable[str], journal: Journal | None) -> dict[str, Moments]:
    found = table.batch_get(key_of(keys.ingest_partition(one), keys.MANIFEST_SORT_KEY) for one in ingests)
    manifests = [manifest_from(item) for item in found]
    heads = table.batch_get(
        key_of(keys.ingest_partition(one.ingest_id), keys.receipt_sort_key(index, 0))
        for one in manifests
        for index in range(one.ranges)
    )
    committed_ms: dict[str, list[int]] = {}
    for head in heads:
        ingest_id = head["symbol"]["S"].removeprefix("ingest#")
        committed_ms.setdefault(ingest_id, []).append(commit_from(head).committed_ms)
    return {one.ingest_id: _moments(one, committed_ms.get(one.ingest_id, []), journal) for one in manifests}


def _moments(manifest: Manifest, committed_ms: list[int], journal: Journal | None) -> Moments:
    # A refused object, or one without rows, has no ranges that could be processed.
    if not manifest.ranges:
        return Moments(manifest.received_ms)
    times = [journal.times_of(manifest.ingest_id, index) for index in range(manifest.ranges)] if journal else []
    return Moments(
        manifest.received_ms,
        _last(committed_ms, manifest.ranges),
        _last((one.announced_ms for one in times), manifest.ranges),
        _last((one.rolled_up_ms for one in times), manifest.ranges),
    )


def _last(times_ms: Iterable[int | None], ranges: int) -> int | None:
    """Return the latest time once there is one for each range."""
    known = [one for one in times_ms if one is not None]
    return max(known) if len(known) == ranges else None


def stage_facts(
    ledger: Ledger,
    moments: Mapping[str, Moments],
    visible_s: Mapping[str, float],
    *,
    began_ms: float,
) -> dict[str, Any]:
    """Return percentiles of each stage in milliseconds, in plain JSON: `latency_ms` of a result file.

    visible_s: by ingest, seconds since the run's first send. began_ms: that first send, in Unix milliseconds.
    A stage that no piece is known to have reached is None.
    """
    stages: dict[Stage, list[float]] = {stage: [] for stage in Stage}
    for _, tries in groupby(ledger.entries(), key=lambda entry: entry.ordinal):
        entries = tuple(tries)
        # Of what a lost worker had nobody knows when it was sent, or whether.
        stages[Stage.SEND_DELAY] += [entry.sent_s - entry.intended_s for entry in entries if not entry.lost_with]
        acknowledged = [entry for entry in entries if entry.acknowledged]
        stages[Stage.ACKNOWLEDGED] += [entry.acknowledged_s - entry.intended_s for entry in acknowledged]
        if not acknowledged or not (ingest_id := acknowledged[0].ingest_id):
            continue
        # A repeat brings nothing: the first upload counts, also one that was not answered.
        intended_s = min(entry.intended_s for entry in entries)
        if ingest_id in visible_s:
            stages[Stage.VISIBLE].append(visible_s[ingest_id] - intended_s)
        if known := moments.get(ingest_id):
            for stage, at_ms in (
                (Stage.INGESTED, known.ingested_ms),
                (Stage.PROCESSED, known.processed_ms),
                (Stage.EVENT, known.event_ms),
                (Stage.ROLLUP, known.rollup_ms),
            ):
                if at_ms is not None:
                    stages[stage].append((at_ms - began_ms) / 1000 - intended_s)
    return {
        "stages": {stage.value: percentiles_ms(seconds) for stage, seconds in stages.items()},
        "how": HOW,
    }


def percentiles_ms(seconds: Iterable[float]) -> dict[str, float] | None:
    """Return count and percentiles in milliseconds, exact to three digits; None of nothing."""
    latencies = Latencies()
    for one in seconds:
        latencies.record(one)
    return latencies.facts()
