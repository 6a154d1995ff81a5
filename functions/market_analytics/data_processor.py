"""DataProcessor: the handler behind the processing queue. It returns the messages that failed, and only those.

The batch is walked here and not by powertools' BatchProcessor, which knows one record at a time: small ranges of a
batch are written together, and one event tells of all of the batch, after their receipts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from aws_lambda_powertools import Logger

from market_analytics.data_processor_ranges import Stores, commit, read_range
from services import settings
from services.deadlines import Deadline
from services.dynamo_table import DynamoTable
from services.events import EventBus
from services.log_lines import one_line
from services.objects import LineWriter, ObjectReader
from services.ordered_batches import failures_answer
from services.reading_ahead import reading_ahead
from tickstream.errors import MalformedItem
from tickstream.ingests import Format
from tickstream.messages import (
    EVENT_DETAIL_TYPE,
    EVENT_SOURCE,
    MAX_RANGES_AN_EVENT,
    InlineTicks,
    RangePointer,
    decode_message,
    event_details,
    names_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from market_analytics.data_processor_ranges import Writes
    from tickstream.ingests import Source
    from tickstream.messages import Message

#: No range is begun with less time than this. CPU seconds on one core for 16 MiB: 0.3 for ordinary ticks, 3 for a
#: million bad rows, of which no range may have more, 3.4 where every row is odd but right, and 5 where there are
#: 250,000 hours of symbols, the most that a range may have. To write those takes 10,000 requests: another 12.
SECONDS_A_RANGE: Final = 20.0
#: Ranges of so many bytes of text share their writes. Each row may be a symbol-hour of its own: ten ranges of this size
#: are at most some 100,000 items, 100 MB in memory.
SMALL_RANGE_BYTES: Final = 256 * 1024

_NOT_COMMITTED: Final = "range not committed"

logger = Logger(json_serializer=one_line)


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
        in_time=lambda: deadline.remaining_s() > 0,
    )
    bus = EventBus(configured.event_bus_name, EVENT_SOURCE, EVENT_DETAIL_TYPE, deadline)
    return process_batch(event["Records"], stores, bus.put, deadline)


def process_batch(
    records: Sequence[Mapping[str, Any]],
    stores: Stores,
    put_events: Callable[[Sequence[str]], Mapping[int, str]],
    deadline: Deadline,
) -> dict[str, Any]:
    """Process each record: small ranges are written together, but none fails with another.

    Small ones come first: that a large one runs out of time, or dies, costs them nothing.

    put_events: puts events, given by their details, and returns the positions of those that failed, and why.

    Returns the answer that SQS's event source mapping expects: what is named in it comes again after the visibility
    timeout and counts as received; everything else is deleted.
    """
    failed: list[str] = []
    committed: list[_Begun] = []
    small, others = _small_ones_apart(records)
    with reading_ahead(stores.open_object, _small_objects(small)) as open_object:
        stores = replace(stores, open_object=open_object)
        for group in (small, *([record] for record in others)):
            begun: list[_Begun] = []
            for record in group:
                if deadline.remaining_s() < SECONDS_A_RANGE and (begun or committed or failed):
                    # To be killed in the middle would fail the whole batch. The first range of a batch is always
                    # tried: whatever the function's timeout is, there is progress.
                    logger.warning("range put off", extra={"message_id": record["messageId"], **_names_in(record)})
                    failed.append(record["messageId"])
                elif (one := _begin(record, stores)) is None:
                    failed.append(record["messageId"])
                else:
                    begun.append(one)
            done = _commit(begun, stores)
            committed += done
            failed += [one.message_id for one in begun if one not in done]
    unsent = put_events(event_details(one.writes.processed for one in committed))
    for position, why in unsent.items():
        first = position * MAX_RANGES_AN_EVENT
        for one in committed[first : first + MAX_RANGES_AN_EVENT]:
            # The range is committed and stays so. The message comes back for its event's sake and repeats the rest,
            # harmlessly; without it only the schedule would roll the range up.
            logger.error("event not sent", extra={**one.facts, "why": why})
            failed.append(one.message_id)
    return failures_answer(failed)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A range that was read and is to be committed. facts: what the log calls it by, while it is at work."""

    message_id: str
    facts: Mapping[str, Any]
    started_s: float
    writes: Writes


def _small_ones_apart(
    records: Sequence[Mapping[str, Any]],
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Return the records of small ranges and all others, unreadable ones among them."""
    small: list[Mapping[str, Any]] = []
    others: list[Mapping[str, Any]] = []
    for record in records:
        try:
            (small if _is_small(decode_message(record["body"])) else others).append(record)
        except MalformedItem:
            others.append(record)  # it will be seen when its turn comes
    return small, others


def _is_small(message: Message) -> bool:
    if isinstance(message, InlineTicks):
        return True  # the API takes 10,000 ticks at most
    # What a packed object or a row group of Parquet unpacks to is not known before.
    unpacked = not message.layout.gzipped and message.layout.format is not Format.PARQUET
    return unpacked and message.span.end - message.span.start <= SMALL_RANGE_BYTES


def _small_objects(small: Iterable[Mapping[str, Any]]) -> set[Source]:
    """Return the objects of small ranges that are small themselves: most ranges of that size are whole objects."""
    messages = [decode_message(record["body"]) for record in small]
    sources = {message.source for message in messages if isinstance(message, RangePointer)}
    return {source for source in sources if source.size_bytes <= SMALL_RANGE_BYTES}


def _begin(record: Mapping[str, Any], stores: Stores) -> _Begun | None:
    """Return a range with what is to be written for it, None where the message must come back."""
    started_s = time.monotonic()
    try:
        message = decode_message(record["body"])
    except MalformedItem:
        # Nothing that this pipeline wrote. It comes back until the queue moves it to the dead-letter queue, where
        # somebody can look at it; deleting it here would lose it.
        logger.exception("message cannot be read", extra={"message_id": record["messageId"]})
        return None
    facts = {"message_id": record["messageId"], **names_of(message)}
    with logger.append_context_keys(**facts):
        try:
            return _Begun(record["messageId"], facts, started_s, read_range(message, stores))
        except Exception:
            logger.exception(_NOT_COMMITTED)
            return None


def _commit(begun: Sequence[_Begun], stores: Stores) -> list[_Begun]:
    """Commit ranges together, or each alone where that does not go; return those that are committed."""
    done = list(begun) if len(begun) > 1 and _commit_together(begun, stores) else []
    if not done:
        # What does not go together goes alone: one bad range must not hold its neighbours back.
        done = [one for one in begun if _commit_alone(one, stores)]
    for one in done:
        processed = one.writes.processed
        elapsed_ms = round((time.monotonic() - one.started_s) * 1000)
        counts = {"ticks": processed.ticks, "rejected": processed.rejected, "elapsed_ms": elapsed_ms}
        logger.info("range committed", extra={**one.facts, **counts})
    return done


def _commit_together(begun: Sequence[_Begun], stores: Stores) -> bool:
    with logger.append_context_keys(ingest_ids=[one.writes.processed.ingest_id for one in begun]):
        try:
            commit([one.writes for one in begun], stores.table)
        except Exception:
            # A warning: each goes alone now, and what fails there is the error.
            message_ids = [one.message_id for one in begun]
            logger.warning("ranges not committed together", extra={"message_ids": message_ids}, exc_info=True)
            return False
    return True


def _commit_alone(one: _Begun, stores: Stores) -> bool:
    with logger.append_context_keys(**one.facts):
        try:
            commit([one.writes], stores.table)
        except Exception:
            logger.exception(_NOT_COMMITTED)
            return False
    return True


def _names_in(record: Mapping[str, Any]) -> dict[str, str | int]:
    try:
        return names_of(decode_message(record["body"]))
    except MalformedItem:
        return {}  # it will be seen when its turn comes
