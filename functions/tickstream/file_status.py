"""The status of a file, and the one rule by which it moves.

A move is ordered by (sequencer, attempt, rank): the upload it is about, how often that upload was driven again, and
the stage. It is accepted only where it is larger than what is stored, so an old message changes nothing, in whatever
order and however often messages come. Two statuses are final: `failed` for its attempt (a redrive is a new one), and
`completed` for its upload (a redrive of a message that had done its work must not take the result away).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tickstream.files import file_id_of
from tickstream.times import iso_8601_ms

if TYPE_CHECKING:
    from tickstream.errors import ObjectRejected
    from tickstream.files import FilePointer
    from tickstream.ingests import FeedChoice, Source
    from tickstream.symbol_statistics import Totals
    from tickstream.ticks import RejectedRow

#: Statuses expire this long after the file was received.
RETENTION_SECONDS: Final = 30 * 24 * 3600
#: A file that is driven again and again must not make its item grow without end.
MAX_HISTORY: Final = 100
_MAX_DETAIL_CHARACTERS: Final = 300
_MAX_MESSAGE_CHARACTERS: Final = 1_000


class Status(StrEnum):
    """What became of a file so far."""

    VALIDATED = "validated"
    PROCESSED = "processed"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """The order of statuses within one attempt."""
        return _RANKS[self]


_RANKS: Final = {Status.VALIDATED: 1, Status.PROCESSED: 2, Status.COMPLETED: 3, Status.FAILED: 4}


class Stage(StrEnum):
    """Who works, or failed, on a file."""

    VALIDATOR = "validator"
    PROCESSOR = "processor"
    AGGREGATOR = "aggregator"

    @property
    def done(self) -> Status:
        """The status that the stage gives when it succeeds."""
        return _DONE[self]


_DONE: Final = {
    Stage.VALIDATOR: Status.VALIDATED,
    Stage.PROCESSOR: Status.PROCESSED,
    Stage.AGGREGATOR: Status.COMPLETED,
}


class FileFault(StrEnum):
    """Why a file failed, besides the reasons of `tickstream.errors.Reason` for whole objects."""

    EMPTY = "empty"
    NO_VALID_ROW = "no_valid_row"
    TOO_MANY_SYMBOLS = "too_many_symbols"
    DEAD_LETTERED = "dead_lettered"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file failed: a stable code and a sentence for a person."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no tick. `offset`: of its first byte (unpacked where gzipped), in Parquet its row number."""

    offset: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Move:
    """What a stage has to say about one attempt at one version of a file.

    at_ms: when, Unix milliseconds. received_ms: when the version was created.
    reason: why, where the status is `failed`.
    bad_rows (at most 10), rejected (rows, all of them), totals, feed (its name; empty: none), feed_choice: None where
    the stage has nothing to say about them; what an earlier stage said stays then.
    """

    source: Source
    sequencer: str
    attempt: int
    received_ms: int
    stage: Stage
    status: Status
    at_ms: int
    reason: Failure | None = None
    bad_rows: tuple[BadRow, ...] | None = None
    rejected: int | None = None
    totals: Totals | None = None
    feed: str | None = None
    feed_choice: FeedChoice | None = None

    @property
    def order(self) -> tuple[str, int, int]:
        """Where the move stands among all moves of the file."""
        return self.sequencer, self.attempt, self.status.rank


def move_of(pointer: FilePointer, stage: Stage, status: Status, at_ms: int) -> Move:
    """Build the move that a message leads to; what else the stage has to say is added by `replace`."""
    return Move(pointer.source, pointer.sequencer, pointer.attempt, pointer.received_ms, stage, status, at_ms)


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What is stored of a file: its last accepted move, and how it came there.

    history: one text for each accepted move of the upload, the latest last: `STAGE at TIME` or `STAGE failed at TIME`.
    """

    last: Move
    history: tuple[str, ...]

    @property
    def file_id(self) -> str:
        """`bucket/key`."""
        return file_id_of(self.last.source)

    @property
    def expires_at_s(self) -> int:
        """The epoch second from which the status is forgotten."""
        return self.last.received_ms // 1000 + RETENTION_SECONDS


class Outcome(StrEnum):
    """What a move comes to. `REPEATED`: it was made before, by an earlier delivery that may have died right after."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    STALE = "stale"


def outcome_of(stored: FileStatus | None, move: Move) -> Outcome:
    """Decide whether a move counts."""
    if stored is None or move.sequencer > stored.last.sequencer:
        return Outcome.ACCEPTED
    if move.order == stored.last.order:
        return Outcome.REPEATED
    completed = move.sequencer == stored.last.sequencer and stored.last.status is Status.COMPLETED
    return Outcome.ACCEPTED if move.order > stored.last.order and not completed else Outcome.STALE


def advanced(stored: FileStatus | None, move: Move) -> FileStatus:
    """Return the status after an accepted move: a new upload starts over, anything else goes on from what is known."""
    verb = " failed" if move.status is Status.FAILED else ""
    entry = f"{move.stage.value}{verb} at {iso_8601_ms(move.at_ms)}"
    if stored is None or stored.last.sequencer != move.sequencer:
        return FileStatus(move, (entry,))
    known = stored.last
    last = replace(
        move,
        received_ms=known.received_ms,
        bad_rows=known.bad_rows if move.bad_rows is None else move.bad_rows,
        rejected=known.rejected if move.rejected is None else move.rejected,
        totals=known.totals if move.totals is None else move.totals,
        feed=known.feed if move.feed is None else move.feed,
        feed_choice=known.feed_choice if move.feed_choice is None else move.feed_choice,
    )
    return FileStatus(last, (*stored.history, entry)[-MAX_HISTORY:])


def failure(code: str, message: str) -> Failure:
    """Build a failure whose message is of bearable length."""
    return Failure(code, message[:_MAX_MESSAGE_CHARACTERS])


def failure_of(error: ObjectRejected) -> Failure:
    """Return the failure of a file that cannot be read as ticks."""
    return failure(error.reason.value, error.detail)


def bad_row(row: RejectedRow) -> BadRow:
    """Return what the status tells of a rejected row: not its text, which may be anything."""
    return BadRow(row.offset, row.reason.value, row.detail[:_MAX_DETAIL_CHARACTERS])
