"""A file arrives: check it, say what is wrong with it, or hand it on.

What may go wrong in between, write by write. S3 delivers each event at least once, Lambda invokes again after a failure
and ends in the dead-letter queue, from where a redrive is one more delivery of the same event:

1. the checks (reads only). Died here: nothing has happened, the next delivery checks again.
2. the **status**, `validated` or `failed`. Died here: the next delivery finds its own move in the table (`repeated`)
   and goes on with 3. The message could not go first: the processor might be done before the file is on record, and
   an older upload's message would count although a newer one is already known.
3. the **pointer**. Died here: sent again by the next delivery. Its text is the same, so within five minutes the queue
   drops it, and afterwards the processor finds its work done.

A delivery whose move is stale sends nothing: a newer upload is on record, or a later stage has this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.status_table import make_move
from tickstream.errors import ObjectRejected, Reason
from tickstream.feeds.catalogue import installed
from tickstream.feeds.choice import chosen_by
from tickstream.feeds.documents import thawed
from tickstream.file_status import (
    Failure,
    FileFault,
    Move,
    Outcome,
    Stage,
    Status,
    bad_row,
    failure,
    failure_of,
)
from tickstream.files import FilePointer, file_id_of
from tickstream.layouts import sniff
from tickstream.promises import MAX_BAD_ROWS
from tickstream.row_samples import sample_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.status_table import StatusTable
    from tickstream.file_status import BadRow, FileStatus
    from tickstream.ingests import FeedChoice, Layout, Read, Source
    from tickstream.notifications import ObjectCreated


@dataclass(frozen=True, slots=True)
class Stores:
    """What the checks read from and write to.

    as_stored: gives an object version with the size and ETag that S3 has of it.
    open_object: gives the bytes of a version.
    send: queues a pointer for the processor.
    now_ms: Unix milliseconds.
    """

    statuses: StatusTable
    as_stored: Callable[[Source], Source]
    open_object: Callable[[Source], Read]
    send: Callable[[FilePointer], None]
    now_ms: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Validated:
    """What a delivery of an event did. `sent`: whether the pointer was queued; `reason`: why the file was refused."""

    outcome: Outcome
    attempt: int
    sent: bool
    reason: Failure | None


@dataclass(frozen=True, slots=True)
class _Checked:
    source: Source
    layout: Layout | None
    reason: Failure | None
    bad_rows: tuple[BadRow, ...] | None = None


def validate_file(created: ObjectCreated, max_file_bytes: int, stores: Stores) -> Validated:
    """Check one version of one file, put the result on record and hand a good one on.

    Raises ServiceIncomplete and ServiceRefused; whatever it is, the same event again goes on from there.
    """
    file_id = file_id_of(created.source)
    stored = stores.statuses.get(file_id)
    attempt = attempt_of(stored, created)
    if _is_beyond(stored, created, attempt):
        return Validated(Outcome.STALE, attempt, sent=False, reason=None)
    checked = _check(created.source, max_file_bytes, stores)
    move = Move(
        source=checked.source,
        sequencer=created.sequencer,
        attempt=attempt,
        received_ms=created.created_ms,
        stage=Stage.VALIDATOR,
        status=Status.VALIDATED if checked.reason is None else Status.FAILED,
        at_ms=stores.now_ms(),
        reason=checked.reason,
        bad_rows=checked.bad_rows,
        feed=None if checked.layout is None else _feed_of(checked.layout),
        feed_choice=None if checked.layout is None else _choice_of(checked.source, checked.layout),
    )
    outcome = make_move(stores.statuses, file_id, move)
    if outcome is Outcome.STALE or checked.reason is not None or checked.layout is None:
        return Validated(outcome, attempt, sent=False, reason=checked.reason)
    stores.send(FilePointer(checked.source, created.sequencer, attempt, created.created_ms, checked.layout))
    return Validated(outcome, attempt, sent=True, reason=None)


def _feed_of(layout: Layout) -> str:
    return thawed(layout.feed).name if layout.feed else ""


def _choice_of(source: Source, layout: Layout) -> FeedChoice:
    return chosen_by(source.key, layout.feed, installed())


def attempt_of(stored: FileStatus | None, created: ObjectCreated) -> int:
    """Return which attempt at its upload a delivery of an event is.

    The event does not say whether it is delivered again by itself or out of a queue by a person. What is on record
    does: after a message of the upload has died, whoever comes drives it again. A failure by content is no such case:
    it would fail again, and a second delivery of the event would only add to the history.
    """
    if stored is None or stored.last.sequencer != created.sequencer:
        return 0
    reason = stored.last.reason
    dead = stored.last.status is Status.FAILED and reason is not None and reason.code == FileFault.DEAD_LETTERED
    return stored.last.attempt + dead


def _is_beyond(stored: FileStatus | None, created: ObjectCreated, attempt: int) -> bool:
    """Say whether a later upload is known, or this attempt has left the validator. It saves reads, nothing else."""
    if stored is None:
        return False
    return stored.last.order > (created.sequencer, attempt, Status.VALIDATED.rank)


def _check(named: Source, max_file_bytes: int, stores: Stores) -> _Checked:
    source = named
    try:
        source = stores.as_stored(named)
        if source.size_bytes == 0:
            return _Checked(source, None, failure(FileFault.EMPTY, "the file has no bytes"))
        if source.size_bytes > max_file_bytes:
            return _Checked(
                source,
                None,
                failure(
                    Reason.TOO_LARGE, f"the file has {source.size_bytes} bytes, {max_file_bytes} are allowed: split it"
                ),
            )
        read = stores.open_object(source)
        layout = sniff(source, read)
        sample = sample_rows(source, layout, read, MAX_BAD_ROWS)
    except ObjectRejected as error:
        # A result, not a failure of ours: trying again would not help.
        return _Checked(source, None, failure_of(error))
    bad_rows = tuple(map(bad_row, sample.bad))
    if sample.rows and not sample.ticks:
        message = f"none of the first {sample.rows} rows is a tick"
        return _Checked(source, layout, failure(FileFault.NO_VALID_ROW, message), bad_rows)
    return _Checked(source, layout, None, bad_rows)
