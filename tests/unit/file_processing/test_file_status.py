"""The rule by which a status moves, and its item in DynamoDB."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.memory_status_table import MemoryStatusTable
from services.status_table import make_move
from tickstream.errors import MalformedItem, ServiceIncomplete
from tickstream.file_status import BadRow, Failure, FileStatus, Move, Outcome, Stage, Status, advanced, outcome_of
from tickstream.ingests import Source
from tickstream.status_items import status_fields, status_from, status_item
from tickstream.symbol_statistics import Totals

SOURCE = Source("bucket", "feeds/2026/nyse trades%201.csv", "v1", "etag", 100)
FILE_ID = "bucket/feeds/2026/nyse trades%201.csv"


def move(sequencer: str = "A", attempt: int = 0, status: Status = Status.VALIDATED, at_ms: int = 0) -> Move:
    """A move of the stage that gives this status (a failure: the processor's)."""
    stages = {stage.done: stage for stage in Stage}
    return Move(SOURCE, sequencer, attempt, 1_000, stages.get(status, Stage.PROCESSOR), status, at_ms)


moves = st.builds(move, st.sampled_from("ABC"), st.integers(0, 2), st.sampled_from(Status), st.integers(0, 10**6))


@given(st.lists(moves, max_size=30))
def test_a_status_never_goes_backwards(deliveries: list[Move]) -> None:
    """Whatever moves come, in whatever order and however often, each stored status is above the one before it."""
    table = MemoryStatusTable()
    before: FileStatus | None = None
    for one in deliveries:
        outcome = make_move(table, FILE_ID, one)
        after = table.get(FILE_ID)
        assert after is not None
        if outcome is Outcome.ACCEPTED:
            assert before is None or after.last.order > before.last.order
            assert after.last.order == one.order
        else:
            assert after == before
        if before is not None and before.last.status is Status.COMPLETED:
            assert after == before or after.last.sequencer > before.last.sequencer
        before = after


@given(st.lists(moves, min_size=1, max_size=8), st.randoms())
def test_repeating_moves_changes_nothing(deliveries: list[Move], random: object) -> None:
    """Delivering all moves again, after they were made, leaves the status and its history as they are."""
    table = MemoryStatusTable()
    for one in deliveries:
        make_move(table, FILE_ID, one)
    stored = table.get(FILE_ID)
    random.shuffle(deliveries)  # type: ignore[attr-defined] # hypothesis calls its Random an object
    outcomes = {make_move(table, FILE_ID, one) for one in deliveries}
    assert table.get(FILE_ID) == stored
    assert Outcome.ACCEPTED not in outcomes


def test_a_new_upload_starts_over() -> None:
    """A later version forgets reason, totals and history of the one before, even of a completed one."""
    done = FileStatus(
        replace(move("A", 3, Status.COMPLETED), rejected=2, bad_rows=(BadRow(0, "r", "d"),)),
        ("validator at some time",),
    )
    upload = move("B")
    assert outcome_of(done, upload) is Outcome.ACCEPTED
    assert advanced(done, upload) == FileStatus(upload, ("validator at 1970-01-01T00:00:00.000Z",))


def test_later_stages_keep_what_earlier_ones_found() -> None:
    """Bad rows, their number and the time of receipt survive moves that say nothing about them; a reason does not."""
    stored = FileStatus(
        replace(
            move(status=Status.FAILED),
            rejected=2,
            bad_rows=(),
            reason=Failure("dead_lettered", ""),
        ),
        ("processor failed at 1970-01-01T00:00:00.000Z",),
    )
    after = advanced(stored, replace(move(attempt=1, status=Status.COMPLETED), received_ms=999_999))
    assert (after.last.rejected, after.last.bad_rows) == (2, ())
    assert after.last.reason is None
    assert after.last.received_ms == 1_000
    assert after.history[-1] == "aggregator at 1970-01-01T00:00:00.000Z"


def test_a_completed_file_is_not_taken_back_by_a_dead_message() -> None:
    """Neither a failure nor a redrive touches the result of an upload that is complete."""
    done = advanced(None, move(status=Status.COMPLETED))
    for late in (move(status=Status.FAILED), move(attempt=1), move(attempt=1, status=Status.FAILED)):
        assert outcome_of(done, late) is Outcome.STALE


def test_a_failure_is_final_for_its_attempt_and_open_to_the_next() -> None:
    """After a file has failed only a redrive, which raises the attempt, moves it."""
    failed = advanced(None, move(status=Status.FAILED))
    assert outcome_of(failed, move(status=Status.COMPLETED)) is Outcome.STALE
    assert outcome_of(failed, move(attempt=1, status=Status.PROCESSED)) is Outcome.ACCEPTED


def test_a_move_that_loses_a_race_is_decided_anew() -> None:
    """A writer that finds the status changed under it reads again, and is stale where the other was ahead."""
    table = MemoryStatusTable()
    rivals = iter([move("B")])

    def rival(_: str) -> None:
        for one in rivals:
            assert make_move(table, FILE_ID, one) is Outcome.ACCEPTED

    table.before_write = rival
    assert make_move(table, FILE_ID, move("A")) is Outcome.STALE
    stored = table.get(FILE_ID)
    assert stored is not None
    assert stored.last.sequencer == "B"


def test_endless_races_end_in_an_error_that_is_retried() -> None:
    """A write that never gets through is reported as what a retry may cure, not repeated for ever."""

    class Busy(MemoryStatusTable):
        def replace(self, stored: FileStatus | None, status: FileStatus) -> bool:
            return False

    with pytest.raises(ServiceIncomplete, match="changed 10 times"):
        make_move(Busy(), FILE_ID, move())


texts = st.text(max_size=20)
statuses = st.builds(
    FileStatus,
    st.builds(
        Move,
        st.builds(Source, texts, texts, texts, texts, st.integers(0, 10**9)),
        texts,
        st.integers(0, 9),
        st.integers(0, 10**12),
        st.sampled_from(Stage),
        st.sampled_from(Status),
        st.integers(0, 10**12),
        st.none() | st.builds(Failure, texts, texts),
        st.none() | st.lists(st.builds(BadRow, st.integers(0, 10**12), texts, texts), max_size=3).map(tuple),
        st.none() | st.integers(0, 10**9),
        st.none()
        | st.builds(
            Totals,
            st.integers(0, 10**7),
            st.integers(0, 10**7),
            st.integers(0, 5000),
            st.integers(0, 10**7),
            st.integers(0, 10**25),
            st.integers(0, 10**45),
            st.none() | st.just(0),
            st.none() | st.integers(0, 4 * 10**18),
        ),
    ),
    st.lists(texts, max_size=3).map(tuple),
)


@given(statuses)
def test_an_item_holds_all_of_a_status(status: FileStatus) -> None:
    """What was written is read back equal, sums of any length included."""
    assert status_from(status_item(status)) == status


def test_a_foreign_item_is_refused() -> None:
    """An item that is no status is an error and not half a status."""
    item = status_item(advanced(None, move()))
    del item["history"]
    with pytest.raises(MalformedItem, match="history"):
        status_from(item)


def test_f07_records_expire_30_days_after_ingestion() -> None:
    """The TTL attribute counts from when the version was created, in seconds."""
    status = advanced(None, replace(move(), received_ms=1_767_623_400_123))
    assert status_item(status)["expirationTime"] == {"N": str(1_767_623_400 + 30 * 86_400)}


def test_f05_a_caller_sees_the_named_fields_and_no_internals() -> None:
    """The API's fields are there under their names; sequencer, versions, history and packed bytes are not."""
    known = replace(
        move(status=Status.COMPLETED, at_ms=1_767_623_400_123),
        rejected=1,
        bad_rows=(BadRow(28, "bad_price", "a plain decimal is wanted"),),
        totals=Totals(3, 1, 2, 2, 1_500_000_000, 10**36 + 1, 1_767_623_400_000_000_001, 1_767_623_460 * 10**9),
    )
    assert status_fields(advanced(None, known)) == {
        "fileId": FILE_ID,
        "status": "completed",
        "stage": "aggregator",
        "lastUpdated": "2026-01-05T14:30:00.123Z",
        "bucketName": "bucket",
        "objectKey": "feeds/2026/nyse trades%201.csv",
        "rejected": 1,
        "badRows": [{"offset": 28, "reason": "bad_price", "detail": "a plain decimal is wanted"}],
        "totals": {
            "ticks": 3,
            "rejected": 1,
            "symbols": 2,
            "bars": 2,
            "volume": "1.5",
            "notional": "1000000000000000000.000000000000000001",
            "firstTick": "2026-01-05T14:30:00.000000001Z",
            "lastTick": "2026-01-05T14:31:00Z",
        },
    }
