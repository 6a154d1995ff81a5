"""data-processor: the handler behind the first FIFO queue, the second stage of a file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from aws_lambda_powertools import Logger

from file_processing.data_processor_files import Stores, process_file
from services import settings
from services.deadlines import Deadline
from services.decoder_process import decode_pieces_apart
from services.log_lines import one_line
from services.objects import ObjectReader
from services.ordered_batches import failures_answer, process_in_order
from services.queue import Queue
from services.status_table import DynamoStatusTable
from tickstream.counted_lines import FILE_REFUSED
from tickstream.files import decode_pointer, encode_pointer, group_of, names_in

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from services.ordered_batches import Record
    from tickstream.files import FilePointer

#: No file is begun with less time than this, unless it is the first of its batch. What is put off is counted as
#: received once more, so batches should be small (one file of the largest size takes most of the function's time).
SECONDS_A_FILE: Final = 20.0

logger = Logger(json_serializer=one_line)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the deployment decides."""

    table_name: str
    queue_url: str

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment. Raises ConfigurationError, naming the variable."""
        return cls(table_name=settings.text("TABLE_NAME"), queue_url=settings.text("QUEUE_URL"))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process a batch of pointers; return `batchItemFailures`."""
    configured = Settings.from_env()
    deadline = Deadline.of(context)
    queue = Queue(configured.queue_url, deadline)

    def send(pointer: FilePointer) -> None:
        queue.send([encode_pointer(pointer)], group=group_of(pointer.file_id))

    stores = Stores(
        statuses=DynamoStatusTable(configured.table_name),
        open_object=lambda source: ObjectReader(source, deadline),
        send=send,
        now_ms=lambda: time.time_ns() // 10**6,
        in_time=lambda: deadline.remaining_s() > 0,
        decode=partial(decode_pieces_apart, deadline=deadline),
    )
    failed = process_in_order(
        event["Records"],
        lambda record: _process(record, stores),
        lambda record: names_in(record["body"]),
        logger,
        may_begin=lambda: deadline.remaining_s() >= SECONDS_A_FILE,
    )
    return failures_answer(failed)


def _process(record: Record, stores: Stores) -> None:
    started_s = time.monotonic()
    pointer = decode_pointer(record["body"])
    processed = process_file(pointer, stores)
    facts = {
        "version": pointer.source.version_id,
        "attempt": pointer.attempt,
        "outcome": processed.outcome.value,
        "sent": processed.sent,
        "elapsed_ms": round((time.monotonic() - started_s) * 1000),
    }
    if processed.reason is not None:
        logger.warning(FILE_REFUSED, extra={**facts, "reason": processed.reason.code})
    else:
        logger.info("file processed" if processed.sent else "message is behind: nothing to do", extra=facts)
