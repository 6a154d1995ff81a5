"""S3's events about created objects: record by record, and one that fails holds up no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tickstream.errors import MalformedItem
from tickstream.notifications import is_folder, records_of, source_of
from tickstream.strict_fields import is_text, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools import Logger

    from tickstream.ingests import Source

type Record = Mapping[str, Any]


def process_created(
    event: Mapping[str, Any],
    process: Callable[[Record], None],
    names_of: Callable[[Source], Mapping[str, str]],
    logger: Logger,
) -> None:
    """Process every record of an event, also after one has failed.

    process: works on one record, which may have been worked on before. A folder is no object to work on.
    names_of: what the log calls an object by: every line says it while the object is at work.

    Raises MalformedItem for what is no event of S3, or else the last failure: Lambda then delivers the whole event
    again, twice, before it goes to the dead-letter queue.
    """
    if event.get("Event") == "s3:TestEvent":
        # S3 sends one when the notification is set up; it names no object.
        bucket = event.get("Bucket")
        logger.info("S3 tested the notification", extra={"bucket": bucket if is_text(bucket, 63) else quoted(bucket)})
        return
    failure: Exception | None = None
    for record in records_of(event):
        with logger.append_context_keys(**_names(record, names_of)):
            try:
                if is_folder(source_of(record)):
                    logger.info("a folder, not a file: nothing to do")
                else:
                    process(record)
            except Exception as error:  # whatever it is, the other objects must not wait for this one
                logger.exception("object not processed")
                failure = error
    if failure is not None:
        raise failure


def _names(record: Record, names_of: Callable[[Source], Mapping[str, str]]) -> Mapping[str, str]:
    try:
        return names_of(source_of(record))
    except MalformedItem:
        return {}  # `process` raises the same, which is logged
