from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.file_processing.compare import (
    Fate,
    Window,
    answers_agree,
    bad_rows_reported,
    expire_in_time,
    fates_met,
    only_poison_is_parked,
    received_once,
    stages_in_order,
    totals_equal,
)
from bench.file_processing.input_files import FeedFile, Nature
from bench.file_processing.oracle import NOTHING, ExpectedTotals
from bench.file_processing.table_reader import QueuedMessage, StoredStatus
from bench.ledger.api_client import Answer
from bench.ledger.truth import ObjectFile
from tickstream.file_status import RETENTION_SECONDS, BadRow, Failure, FileStatus, Move, Stage, Status
from tickstream.ingests import Source
from tickstream.status_items import status_fields
from tickstream.symbol_statistics import Totals

if TYPE_CHECKING:
    from collections.abc import Callable

START_MS = 1_767_623_400_123
WINDOW = Window(START_MS - 1_000, START_MS + 5_000)
TOTALS = ExpectedTotals(3, 1, 2, 2, 1_500_000_000, 7 * 10**18 + 5, 1_767_623_400 * 10**9, 1_767_623_401_000_000_001)
WITH_BAD_ROW = replace(TOTALS, bad_rows=((17, "bad_price"),))
ORIGINS = {
    "validator": "file-validator-x",
    "processor": "data-processor-x.fifo",
    "aggregator": "result-aggregator-x.fifo",
}


def _file(ordinal: int, key: str, nature: Nature, stage: str, reason: str | None) -> FeedFile:
    return FeedFile(ObjectFile(ordinal, key, Path("-"), 4, 100, "e", None), nature, stage, reason)


def _fate(file: FeedFile, totals: ExpectedTotals = NOTHING) -> Fate:
    return Fate(f"bucket/{file.object.key}", file, totals)


GOOD = _fate(_file(0, "a b/good%20.csv", Nature.GOOD, "aggregator", None), WITH_BAD_ROW)
CORRUPT = _fate(_file(1, "corrupt.csv", Nature.CORRUPT, "validator", "missing_column"))
POISON = _fate(_file(2, "poison.csv", Nature.POISON, "processor", "dead_lettered"), WITH_BAD_ROW)
CURABLE = _fate(_file(3, "curable.csv", Nature.CURABLE, "aggregator", None), WITH_BAD_ROW)
FATES = (GOOD, CORRUPT, POISON, CURABLE)


def _stored(fate: Fate) -> StoredStatus:
    """The status of a file that met its fate."""
    completed = fate.file.reason is None
    last = Move(
        source=Source("bucket", fate.file.object.key, "v", "e", 100),
        sequencer="1",
        attempt=0,
        received_ms=START_MS,
        stage=Stage(fate.file.stage),
        status=Status.COMPLETED if completed else Status.FAILED,
        at_ms=START_MS + 2_000,
        reason=None if fate.file.reason is None else Failure(fate.file.reason, "why"),
        bad_rows=(BadRow(17, "bad_price", "it must be above 0"),) if completed else None,
        rejected=1 if completed else None,
        totals=Totals(3, 1, 2, 2, TOTALS.volume_e9, TOTALS.notional_e18, TOTALS.first_ns, TOTALS.last_ns)
        if completed
        else None,
    )
    history = tuple(f"{entry} at 2026-01-05T14:30:0{place}.000Z" for place, entry in enumerate(fate.file.history))
    return StoredStatus(FileStatus(last, history), START_MS // 1000 + RETENTION_SECONDS)


def statuses() -> dict[str, StoredStatus]:
    """Return statuses without a fault, to be doctored."""
    return {fate.file_id: _stored(fate) for fate in FATES}


def doctored(fate: Fate, **changes: Any) -> dict[str, StoredStatus]:
    """Return statuses of which one says something else of its last move."""
    found = statuses()
    stored = found[fate.file_id]
    last = replace(stored.status.last, **changes)
    found[fate.file_id] = replace(stored, status=replace(stored.status, last=last))
    return found


def without(fate: Fate) -> dict[str, StoredStatus]:
    """Return statuses of which one is missing."""
    found = statuses()
    del found[fate.file_id]
    return found


def with_history(fate: Fate, *history: str) -> dict[str, StoredStatus]:
    """Return statuses of which one has another history."""
    found = statuses()
    stored = found[fate.file_id]
    found[fate.file_id] = replace(stored, status=replace(stored.status, history=history))
    return found


def answers() -> dict[str, Answer]:
    """Return what the API answers where nothing is wrong."""
    return {file_id: Answer(200, status_fields(stored.status)) for file_id, stored in statuses().items()}


def message(fate: Fate, stage: str = "processor") -> QueuedMessage:
    """Return a parked message of a file."""
    return QueuedMessage((fate.file_id,), "{}", ORIGINS[stage], stage, "g", "m", "r")


def test_what_is_as_it_must_be_passes_every_check() -> None:
    """Nothing is found where nothing is wrong."""
    checks = (
        fates_met(FATES, statuses()),
        stages_in_order(FATES, statuses(), []),
        totals_equal(FATES, statuses()),
        bad_rows_reported(FATES, statuses()),
        *only_poison_is_parked(FATES, [message(POISON)], [], ORIGINS),
        answers_agree(FATES, statuses(), answers()),
        expire_in_time(FATES, statuses(), WINDOW),
        received_once(FATES, _groups(), {"q.fifo": {"g0": 1, "g1": 1, "g2": 3, "g3": 3}}),
    )
    assert [check.name for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    "found",
    [
        without(GOOD),
        doctored(GOOD, status=Status.PROCESSED),
        doctored(GOOD, status=Status.FAILED, reason=Failure("dead_lettered", "")),
        doctored(CORRUPT, reason=Failure("unknown_format", "")),
        doctored(CORRUPT, stage=Stage.PROCESSOR),
        doctored(CORRUPT, status=Status.COMPLETED, reason=None),
        doctored(POISON, status=Status.COMPLETED, reason=None),
        statuses() | {"bucket/nobody's": _stored(GOOD)},
    ],
)
def test_another_fate_fails(found: dict[str, StoredStatus]) -> None:
    """A file that is lost, rests elsewhere, failed for another reason or at another stage, or was never sent."""
    assert not fates_met(FATES, found).passed


_T = ("2026-01-05T14:30:00.000Z", "2026-01-05T14:30:01.000Z", "2026-01-05T14:30:02.000Z")


@pytest.mark.parametrize(
    "found",
    [
        with_history(GOOD, f"validator at {_T[0]}", f"aggregator at {_T[1]}", f"processor at {_T[2]}"),
        with_history(GOOD, f"validator at {_T[0]}", f"aggregator at {_T[2]}"),
        with_history(GOOD, f"validator at {_T[0]}", f"processor at {_T[2]}", f"aggregator at {_T[1]}"),
        with_history(GOOD, *(f"{stage} at {_T[0]}" for stage in ("validator", "processor", "processor", "aggregator"))),
        with_history(POISON, f"validator at {_T[0]}", f"processor at {_T[1]}"),
        with_history(CORRUPT),
        with_history(CORRUPT, "validator failed"),
        without(CURABLE),
    ],
)
def test_stages_out_of_order_fail(found: dict[str, StoredStatus]) -> None:
    """A stage that is missing, repeated, early in time or in place, or did not fail where it had to."""
    assert not stages_in_order(FATES, found, []).passed


def test_a_status_that_was_seen_to_go_back_fails() -> None:
    """What the bench saw while it waited counts, whatever the history says afterwards."""
    assert not stages_in_order(FATES, statuses(), ["bucket/x: from processed to validated"]).passed


@pytest.mark.parametrize(
    "field", ["ticks", "rejected", "symbols", "bars", "volume_e9", "notional_e18", "first_ns", "last_ns"]
)
def test_one_digit_in_any_total_fails(field: str) -> None:
    """A difference in the last digit of any total is found, in the item and in the API's answer."""
    totals = _stored(GOOD).status.last.totals
    assert totals is not None
    found = doctored(GOOD, totals=replace(totals, **{field: getattr(totals, field) + 1}))
    assert not totals_equal(FATES, found).passed
    changed = answers() | {GOOD.file_id: Answer(200, status_fields(found[GOOD.file_id].status))}
    assert not answers_agree(FATES, statuses(), changed).passed


def test_totals_where_none_belong_fail() -> None:
    """A completed file has totals, a failed one has none."""
    assert not totals_equal(FATES, doctored(GOOD, totals=None)).passed
    assert not totals_equal(FATES, doctored(CORRUPT, totals=_stored(GOOD).status.last.totals)).passed


@pytest.mark.parametrize(
    "found",
    [
        doctored(GOOD, bad_rows=()),
        doctored(GOOD, bad_rows=(BadRow(18, "bad_price", ""),)),
        doctored(GOOD, bad_rows=(BadRow(17, "bad_size", ""),)),
        doctored(GOOD, rejected=2),
        doctored(GOOD, rejected=None),
    ],
)
def test_bad_rows_that_are_told_wrong_fail(found: dict[str, StoredStatus]) -> None:
    """Another offset, another reason, another number."""
    assert not bad_rows_reported(FATES, found).passed


@pytest.mark.parametrize(
    ("parked", "dead"),
    [
        ([message(POISON), message(GOOD)], []),
        ([message(POISON), message(CURABLE)], []),
        ([message(POISON)], [message(GOOD)]),
        ([message(POISON)], [message(POISON)]),
        ([message(POISON), replace(message(POISON), file_ids=())], []),
    ],
)
def test_a_healthy_file_in_a_dead_letter_queue_fails(parked: list[QueuedMessage], dead: list[QueuedMessage]) -> None:
    """Also a message of nobody, and any that was left in a dead-letter queue instead of being parked."""
    healthy, _ = only_poison_is_parked(FATES, parked, dead, ORIGINS)
    assert not healthy.passed


@pytest.mark.parametrize("parked", [[], [message(POISON, "aggregator")]])
def test_a_poison_file_that_cannot_be_redriven_fails(parked: list[QueuedMessage]) -> None:
    """It is not parked, or parked with another origin than the stage that failed."""
    _, redrivable = only_poison_is_parked(FATES, parked, [], ORIGINS)
    assert not redrivable.passed


def _body(change: Callable[[dict[str, Any]], object]) -> dict[str, Answer]:
    found = answers()
    change(found[GOOD.file_id].body)
    return found


@pytest.mark.parametrize(
    "answered",
    [
        {**answers(), GOOD.file_id: Answer(404, {"error": {}})},
        {**answers(), GOOD.file_id: Answer(200, None)},
        {file_id: answer for file_id, answer in answers().items() if file_id != GOOD.file_id},
        _body(lambda body: body.pop("lastUpdated")),
        _body(lambda body: body.update(lastUpdated="2026-01-05T14:30:00.000Z")),
        _body(lambda body: body.update(fileId="bucket/a b/good .csv")),
        _body(lambda body: body.update(objectKey="a b/good .csv")),
        _body(lambda body: body.pop("bucketName")),
        _body(lambda body: body.update(status="processed")),
        _body(lambda body: body.update(stage="processor")),
        _body(lambda body: body.update(reason={"code": "empty"})),
        _body(lambda body: body.pop("totals")),
        _body(lambda body: body["totals"].update(volume=1.5)),
        _body(lambda body: body["totals"].pop("firstTick")),
    ],
)
def test_an_answer_that_disagrees_fails(answered: dict[str, Answer]) -> None:
    """The API must say what is stored, all of it, with decimals as text."""
    assert not answers_agree(FATES, statuses(), answered).passed


@pytest.mark.parametrize("seconds", [-30 * 24 * 3600, -10, 10])
def test_another_expiration_fails(seconds: int) -> None:
    """Thirty days after it was received, not after it was processed, and not from tick time."""
    found = statuses()
    found[GOOD.file_id] = replace(found[GOOD.file_id], expiration_s=found[GOOD.file_id].expiration_s + seconds)
    assert not expire_in_time(FATES, found, WINDOW).passed


def _groups() -> dict[str, str]:
    return {fate.file_id: f"g{fate.file.ordinal}" for fate in FATES}


@pytest.mark.parametrize(
    "counts", [{}, {"q.fifo": {}}, {"q.fifo": {"g0": 2}}, {"q.fifo": {"g0": 1}, "r.fifo": {"g1": 3}}]
)
def test_a_healthy_message_received_again_fails(counts: dict[str, dict[str, int]]) -> None:
    """Received more than once, from whichever queue; and a count of nothing proves nothing."""
    assert not received_once(FATES, _groups(), counts).passed
