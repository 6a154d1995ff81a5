"""file-validator: the handler behind S3's `ObjectCreated` events, the first stage of a file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from aws_lambda_powertools import Logger

from file_processing.file_validator_checks import Stores, validate_file
from services import settings
from services.deadlines import Deadline
from services.log_lines import one_line
from services.object_events import process_created
from services.objects import ObjectReader, as_stored
from services.queue import Queue
from services.status_table import DynamoStatusTable
from tickstream.counted_lines import FILE_REFUSED
from tickstream.files import encode_pointer, file_id_of, group_of
from tickstream.notifications import object_created

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from services.object_events import Record
    from tickstream.files import FilePointer

logger = Logger(json_serializer=one_line)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the deployment decides. `max_file_bytes`: the largest file that is taken."""

    table_name: str
    queue_url: str
    max_file_bytes: int

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment. Raises ConfigurationError, naming the variable."""
        return cls(
            table_name=settings.text("TABLE_NAME"),
            queue_url=settings.text("QUEUE_URL"),
            max_file_bytes=settings.whole_number("MAX_FILE_BYTES", minimum=1),
        )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Validate every object of the event. Raises the last failure, so that the event is delivered again."""
    process_created(
        event, lambda record: _validate(record, context), lambda source: {"file_id": file_id_of(source)}, logger
    )


def _validate(record: Record, context: LambdaContext) -> None:
    created = object_created(record)
    configured = Settings.from_env()
    deadline = Deadline.of(context)
    queue = Queue(configured.queue_url, deadline)

    def send(pointer: FilePointer) -> None:
        queue.send([encode_pointer(pointer)], group=group_of(pointer.file_id))

    stores = Stores(
        statuses=DynamoStatusTable(configured.table_name),
        as_stored=as_stored,
        open_object=lambda source: ObjectReader(source, deadline),
        send=send,
        now_ms=lambda: time.time_ns() // 10**6,
    )
    validated = validate_file(created, configured.max_file_bytes, stores)
    facts = {
        "version": created.source.version_id,
        "size_bytes": created.source.size_bytes,
        "ordered_by_event_time": created.by_event_time,
        "attempt": validated.attempt,
        "outcome": validated.outcome.value,
        "sent": validated.sent,
    }
    if validated.reason is not None:
        # A warning: the uploader's fault and on record, nothing for the function's error count.
        logger.warning(FILE_REFUSED, extra={**facts, "reason": validated.reason.code})
    else:
        logger.info("file validated" if validated.sent else "event is behind: nothing to do", extra=facts)
