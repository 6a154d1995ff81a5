"""dead-letter-recorder: the handler behind the dead-letter queues of file processing.

For each message: the file's **status** becomes `failed`, then the message goes to the **parked** queue, from where
somebody may drive it again, then its event source mapping deletes it. Died in between: it comes again, the status is
found as it is to be, and the message is parked a second time; driving both again is one redrive, because both have the
same text and the stages make a move once. What is parked is never lost: nothing is deleted here that was not sent.

A message that nobody can read has no file. It is parked too, and logged as an error; so is the message of a file whose
status nobody can read. Otherwise both would come again for ever.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from aws_lambda_powertools import Logger

from services import settings
from services.deadlines import Deadline
from services.log_lines import one_line
from services.ordered_batches import failures_answer, process_in_order
from services.queue import MAX_MESSAGE_BYTES, Queue
from services.status_table import DynamoStatusTable, make_move
from tickstream.errors import MalformedItem
from tickstream.file_status import FileFault, Outcome, Stage, Status, failure, move_of
from tickstream.files import FilePointer, decode_pointer, file_id_of, names_in
from tickstream.ingests import Format, Layout
from tickstream.notifications import ObjectCreated, object_created, records_of
from tickstream.strict_fields import read_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from services.ordered_batches import Record
    from services.status_table import StatusTable
    from tickstream.file_status import Move

#: What stands between the consumer and the environment in the name of a dead-letter queue.
_DEAD_LETTER: Final = "-dead-letter-"
_STAGES: Final = {
    "file-validator": Stage.VALIDATOR,
    "data-processor": Stage.PROCESSOR,
    "result-aggregator": Stage.AGGREGATOR,
}

#: No message but the first is begun with less time than this: three requests for each of an event's files.
SECONDS_A_MESSAGE: Final = 10.0
#: The log names so many files of one event.
_NAMED_FILES: Final = 10
#: What a message's attributes may take of SQS's 1 MiB, which holds them and the body.
_ATTRIBUTE_BYTES: Final = 1024

#: What the validator did not get to find out.
_NO_LAYOUT: Final = Layout(Format.CSV)

logger = Logger(json_serializer=one_line)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the deployment decides."""

    table_name: str
    parked_queue_url: str

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment. Raises ConfigurationError, naming the variable."""
        return cls(table_name=settings.text("TABLE_NAME"), parked_queue_url=settings.text("PARKED_QUEUE_URL"))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a dead message came from. `name`: of the queue, or of the function for the validator's invocations."""

    name: str
    stage: Stage
    group: str

    @property
    def attributes(self) -> dict[str, str]:
        """What a redrive must know, as message attributes; an attribute may not be empty."""
        return {"origin": self.name, "stage": self.stage.value} | ({"group": self.group} if self.group else {})


@dataclass(frozen=True, slots=True)
class Stores:
    """Where dead messages are recorded. `park` sends a body with its attributes; `now_ms`: Unix milliseconds."""

    statuses: StatusTable
    park: Callable[[str, Mapping[str, str]], None]
    now_ms: Callable[[], int]


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record and park a batch of dead messages; return `batchItemFailures`."""
    configured = Settings.from_env()
    deadline = Deadline.of(context)
    queue = Queue(configured.parked_queue_url, deadline)

    def park(body: str, attributes: Mapping[str, str]) -> None:
        queue.send([body], attributes=attributes)

    stores = Stores(DynamoStatusTable(configured.table_name), park, lambda: time.time_ns() // 10**6)
    failed = process_in_order(
        event["Records"],
        lambda record: record_dead_letter(record, stores),
        _names_of,
        logger,
        # Being put off costs a message nothing: no dead-letter queue counts receives.
        may_begin=lambda: deadline.remaining_s() >= SECONDS_A_MESSAGE,
    )
    return failures_answer(failed)


def _names_of(record: Record) -> Mapping[str, object]:
    """Return what the log calls the file of a pointer or of an event by."""
    names = names_in(record["body"])
    if names:
        return names
    try:
        files = [file_id_of(one.source) for one in _created(record["body"])]
    except MalformedItem:
        return {}
    return {"file_id": files[0]} if len(files) == 1 else {"file_ids": files[:_NAMED_FILES]}


def record_dead_letter(record: Record, stores: Stores) -> None:
    """Mark the files of one message as failed, then park the message. Raises what keeps the message in its queue."""
    origin = origin_of(record)
    facts = {"queue": str(record.get("eventSourceARN")), "origin": origin.name}
    try:
        deaths = _deaths(record["body"], origin.stage, stores)
    except MalformedItem:
        logger.exception("dead letter cannot be read: parked as it is", extra=facts)
        deaths = []
    for file_id, move in deaths:
        try:
            outcome = _fail(file_id, move, stores)
        except MalformedItem:
            logger.exception("status cannot be read: the file is not marked", extra={**facts, "file_id": file_id})
            continue
        # A warning and no error: the error was logged, and counted, where the message failed.
        logger.warning("message died", extra={**facts, "file_id": file_id, "outcome": outcome.value})
    body = record["body"]
    # No message of the pipeline is as long as that. Without attributes nothing drives it again, but it is kept.
    fits = len(body.encode()) + _ATTRIBUTE_BYTES <= MAX_MESSAGE_BYTES
    stores.park(body, origin.attributes if fits else {})


def origin_of(record: Record) -> Origin:
    """Return where a dead message came from, by the name of its queue. Raises MalformedItem."""
    name = str(record.get("eventSourceARN", "")).rpartition(":")[2]
    consumer, found, environment = name.partition(_DEAD_LETTER)
    if not found or consumer not in _STAGES:
        raise MalformedItem(f"{name!r} is no dead-letter queue of file processing")
    group = record.get("attributes", {}).get("MessageGroupId") or ""
    return Origin(f"{consumer}-{environment}", _STAGES[consumer], group)


def _deaths(body: str, stage: Stage, stores: Stores) -> list[tuple[str, Move]]:
    """Return the moves to `failed` that a dead message means, with their files' ids. Raises MalformedItem."""
    if stage is not Stage.VALIDATOR:
        pointer = decode_pointer(body)
        return [(pointer.file_id, _death(pointer, stage, stores))]
    deaths = []
    for one in _created(body):
        file_id = file_id_of(one.source)
        # An event does not know which attempt it was: the one on record, if any was recorded.
        attempt = _known_attempt(file_id, one.sequencer, stores)
        dead = FilePointer(one.source, one.sequencer, attempt, one.created_ms, _NO_LAYOUT)
        deaths.append((file_id, _death(dead, stage, stores)))
    return deaths


def _created(body: object) -> list[ObjectCreated]:
    """Return the objects of an event of S3 that a function failed on: those of them that can be read.

    Raises MalformedItem where there are none.
    """
    created: list[ObjectCreated] = []
    unreadable: MalformedItem | None = None
    for record in records_of(read_fields(body, "not an S3 event").values):
        try:
            created.append(object_created(record))
        except MalformedItem as error:  # which the function has logged, and which keeps no other file from its status
            unreadable = error
    if unreadable is not None and not created:
        raise unreadable
    return created


def _known_attempt(file_id: str, sequencer: str, stores: Stores) -> int:
    try:
        stored = stores.statuses.get(file_id)
    except MalformedItem:
        return 0  # `_fail` says so
    return stored.last.attempt if stored is not None and stored.last.sequencer == sequencer else 0


def _death(dead: FilePointer, stage: Stage, stores: Stores) -> Move:
    reason = failure(
        FileFault.DEAD_LETTERED, f"the {stage.value} failed on this file again and again; the message is parked"
    )
    return replace(move_of(dead, stage, Status.FAILED, stores.now_ms()), reason=reason)


def _fail(file_id: str, move: Move, stores: Stores) -> Outcome:
    """Mark a file as failed, unless its next stage has it already.

    A stage that did all its work and then died each time before its message was deleted leaves a dead message, and a
    file that is well on its way. Where its own work is the last that is on record it may not have handed the file on.
    """
    stored = stores.statuses.get(file_id)
    if stored is not None:
        last = stored.last
        same = (last.sequencer, last.attempt) == (move.sequencer, move.attempt)
        if same and last.status is not Status.FAILED and last.status.rank > move.stage.done.rank:
            return Outcome.STALE
    return make_move(stores.statuses, file_id, move)
