"""DataProcessor: the handler behind the processing queue. It returns the messages that failed, and only those.

The batch is walked here and not by powertools' BatchProcessor, which knows one record at a time: the events of a batch
go out together, after its receipts, and an event that could not be sent makes its own message a failed one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from aws_lambda_powertools import Logger

from market_analytics.data_processor_ranges import Stores, commit_posts, commit_range
from services import settings
from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.events import EventBus
from services.objects import LineWriter, ObjectReader
from services.ordered_batches import failures_answer
from tickstream.errors import MalformedItem
from tickstream.messages import EVENT_DETAIL_TYPE, EVENT_SOURCE, InlineTicks, decode_message, event_detail, names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from tickstream.messages import ProcessedEvent

#: No range is begun with less time than this. Measured on one core for 8 MiB: 1 s for ordinary ticks, 4 s for a million
#: bad rows, of which no range may have more, and 7 s where each row is a symbol-hour of its own (200,000 slices). The
#: rest is for what such a range writes.
SECONDS_A_RANGE: Final = 20.0

logger = Logger()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the deployment decides."""

    table_name: str
    rejected_bucket: str
    event_bus_name: str

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment. Raises ConfigurationError, naming the variable."""
        return cls(
            table_name=settings.text("TABLE_NAME"),
            rejected_bucket=settings.text("REJECTED_BUCKET"),
            event_bus_name=settings.text("EVENT_BUS_NAME"),
        )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process a batch of messages; return `batchItemFailures`."""
    configured = Settings.from_env()
    deadline = Deadline.of(context)
    stores = Stores(
        table=DynamoTable(configured.table_name, deadline),
        open_object=lambda source: ObjectReader(source, deadline),
        open_rejects=lambda key: LineWriter(configured.rejected_bucket, key),
        now_ms=lambda: time.time_ns() // 10**6,
    )
    bus = EventBus(configured.event_bus_name, EVENT_SOURCE, EVENT_DETAIL_TYPE, deadline)
    return process_batch(event["Records"], stores, bus.put, deadline)


def process_batch(
    records: Sequence[Mapping[str, Any]],
    stores: Stores,
    put_events: Callable[[Sequence[str]], Mapping[int, str]],
    deadline: Deadline,
) -> dict[str, Any]:
    """Process each record on its own: none waits for, or fails with, another.

    put_events: puts events, given by their details, and returns the positions of those that failed, and why.

    Returns the answer that SQS's event source mapping expects: what is named in it comes again after the visibility
    timeout and counts as received; everything else is deleted.
    """
    failed: list[str] = []
    committed: list[tuple[str, ProcessedEvent]] = []
    posts, others = _posts_apart(records)
    together = _process_posts(posts, stores) if deadline.remaining_s() >= SECONDS_A_RANGE else []
    committed += together
    # What did not go together goes alone, like everything else: one bad message must not hold its neighbours back.
    done = {message_id for message_id, _ in together}
    for record in [*(record for record, _ in posts if record["messageId"] not in done), *others]:
        message_id = record["messageId"]
        if deadline.remaining_s() < SECONDS_A_RANGE and (committed or failed):
            # To be killed in the middle would fail the whole batch. The first range of a batch is always tried:
            # whatever the function's timeout is, there is progress.
            logger.warning("range put off", extra={"message_id": message_id, **_names_in(record)})
            failed.append(message_id)
            continue
        processed = _process(record, stores)
        if processed is None:
            failed.append(message_id)
        else:
            committed.append((message_id, processed))
    unsent = put_events([event_detail(processed) for _, processed in committed])
    for position, why in unsent.items():
        message_id, processed = committed[position]
        # The range is committed and stays so. The message comes back for its event's sake and repeats the rest,
        # harmlessly; without it only the schedule would roll the range up.
        logger.error("event not sent", extra={"ingest_id": processed.ingest_id, "range": processed.index, "why": why})
        failed.append(message_id)
    return failures_answer(failed)


def _posts_apart(
    records: Sequence[Mapping[str, Any]],
) -> tuple[list[tuple[Mapping[str, Any], InlineTicks]], list[Mapping[str, Any]]]:
    """Return the records that hold the ticks of a POST, with those, and all others, unread ones among them."""
    posts: list[tuple[Mapping[str, Any], InlineTicks]] = []
    others: list[Mapping[str, Any]] = []
    for record in records:
        try:
            message = decode_message(record["body"])
        except MalformedItem:
            others.append(record)
        else:
            if isinstance(message, InlineTicks):
                posts.append((record, message))
            else:
                others.append(record)
    return posts, others


def _process_posts(
    posts: Sequence[tuple[Mapping[str, Any], InlineTicks]], stores: Stores
) -> list[tuple[str, ProcessedEvent]]:
    """Commit the POSTs of a batch together; an empty list where that did not go.

    Of a POST that is there twice, because it was replayed, the first only: one request may not write a key twice.
    """
    first: dict[str, tuple[str, InlineTicks]] = {}
    for record, post in posts:
        first.setdefault(post.ingest_id, (record["messageId"], post))
    if len(first) < 2:
        return []
    try:
        events = commit_posts([post for _, post in first.values()], stores)
    except Exception:
        # A warning: each goes alone now, and what fails there is the error.
        logger.warning("posts not committed together", extra={"ingest_ids": list(first)}, exc_info=True)
        return []
    for event in events:
        logger.info(
            "range committed",
            extra={"ingest_id": event.ingest_id, "range": 0, "ticks": event.ticks, "rejected": event.rejected},
        )
    return [(message_id, event) for (message_id, _), event in zip(first.values(), events, strict=True)]


def _process(record: Mapping[str, Any], stores: Stores) -> ProcessedEvent | None:
    """Return the event of the committed range, None where the message must come back."""
    started_s = time.monotonic()
    facts: dict[str, Any] = {"message_id": record["messageId"]}
    try:
        message = decode_message(record["body"])
        facts |= names_of(message)
        processed = commit_range(message, stores)
    except MalformedItem:
        # Nothing that this pipeline wrote. It comes back until the queue moves it to the dead-letter queue, where
        # somebody can look at it; deleting it here would lose it.
        logger.exception("message cannot be read", extra=facts)
        return None
    except Exception:
        logger.exception("range not committed", extra=facts)
        return None
    logger.info(
        "range committed",
        extra={
            **facts,
            "ticks": processed.ticks,
            "rejected": processed.rejected,
            "elapsed_ms": round((time.monotonic() - started_s) * 1000),
        },
    )
    return processed


def _names_in(record: Mapping[str, Any]) -> dict[str, str | int]:
    try:
        return names_of(decode_message(record["body"]))
    except MalformedItem:
        return {}  # it will be seen when its turn comes
