"""DataProcessor: the handler behind the queues of ranges. It returns the messages that failed, and only those.

There are two queues, one for large ranges alone (`ranges.has_large_ranges`), which come one by one and few at a time: a
backfill takes its time and leaves the table room for what comes in now. A batch is of one of them, and to that one
messages go back.

The batch is walked here and not by powertools' BatchProcessor, which knows one record at a time: small ranges of a
batch are written together, and one event tells of all of the batch, after their receipts. What was not begun is put
back (`services.queue`) and does not count as received, nor does what is half done when time ends, or when the table
throttles (`data_processor_progress`); who comes in which order is `data_processor_order`'s.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from aws_lambda_powertools import Logger

from market_analytics.data_processor_order import Arrived, order_of
from market_analytics.data_processor_progress import advanced, resumed, said_of
from market_analytics.data_processor_ranges import Stores, commit, read_range
from services import settings
from services.deadlines import Deadline
from services.decoder_process import decode_apart
from services.dynamo_table import DynamoTable
from services.events import EventBus
from services.index_parts import IndexParts
from services.log_lines import one_line
from services.objects import LineWriter, ObjectReader
from services.ordered_batches import failures_answer
from services.queue import History, Queue, url_of_source
from services.reading_ahead import reading_ahead
from tickstream.errors import ComeAgain, MalformedItem, WritesUnfinished
from tickstream.messages import (
    EVENT_DETAIL_TYPE,
    EVENT_SOURCE,
    MAX_RANGES_AN_EVENT,
    RangePointer,
    decode_message,
    encode_order,
    event_details,
    names_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from market_analytics.data_processor_ranges import Writes
    from tickstream.ingests import Source

#: No range is begun with less time than this. CPU seconds on one core for 32 MiB: 0.5 for ordinary ticks, 8 for a
#: million bad rows, of which no range may have more, 5 to 10 where every row is odd but right, and 5 where there are
#: 250,000 hours of symbols, the most that a range may have. To write those takes 10,000 requests: another 12.
SECONDS_A_RANGE: Final = 20.0
#: Ranges of so many bytes of text share their writes. Each row may be a symbol-hour of its own: ten ranges of this size
#: are at most some 100,000 items, 100 MB in memory.
SMALL_RANGE_BYTES: Final = 256 * 1024

#: So long before an invocation ends writes do. The client itself tries a throttled request again for up to 7 s; then
#: what is left is to be put back.
WRITES_END_S: Final = 10.0

_NOT_COMMITTED: Final = "range not committed"

logger = Logger(json_serializer=one_line)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the deployment decides."""

    table_name: str
    rejected_bucket: str
    event_bus_name: str
    queue_url: str
    large_range_queue_url: str
    index_queue_url: str

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment. Raises ConfigurationError, naming the variable."""
        return cls(
            table_name=settings.text("TABLE_NAME"),
            rejected_bucket=settings.text("REJECTED_BUCKET"),
            event_bus_name=settings.text("EVENT_BUS_NAME"),
            queue_url=settings.text("QUEUE_URL"),
            large_range_queue_url=settings.text("LARGE_RANGE_QUEUE_URL"),
            index_queue_url=settings.text("INDEX_QUEUE_URL"),
        )


class Messages(Protocol):
    """The queue that a batch came from (`services.queue.Queue`)."""

    def put_back(self, records: Iterable[Mapping[str, Any]], delay_s: int = 0, done: str = "") -> Mapping[str, str]:
        """Have messages come again as if never received; return those that cannot, by id, and why.

        done: what their copies say of what is done already, where they were begun.
        """
        ...

    def delete(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Delete messages that are done."""
        ...


class _NoQueue:
    """Nothing can be put back: what was not begun fails, and counts as received."""

    def put_back(
        self, records: Iterable[Mapping[str, Any]], delay_s: int = 0, done: str = ""  # noqa: ARG002 - see Messages
    ) -> Mapping[str, str]:  # fmt: skip
        return {record["messageId"]: "the queue is not known" for record in records}

    def delete(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Leave it to the event source mapping."""


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process a batch of messages; return `batchItemFailures`."""
    configured = Settings.from_env()
    deadline = Deadline.of(context)
    parts = IndexParts(configured.rejected_bucket, deadline)
    stores = Stores(
        table=DynamoTable(configured.table_name, deadline.earlier(WRITES_END_S)),
        open_object=lambda source: ObjectReader(source, deadline),
        open_rejects=lambda key: LineWriter(configured.rejected_bucket, key),
        now_ms=lambda: time.time_ns() // 10**6,
        in_time=lambda: deadline.remaining_s() > 0,
        index_entry=parts.entry,
        index_copy=parts.copy,
        order_index=lambda order: Queue(configured.index_queue_url, deadline).send([encode_order(order)]),
        decode=partial(decode_apart, deadline=deadline),
    )
    bus = EventBus(configured.event_bus_name, EVENT_SOURCE, EVENT_DETAIL_TYPE, deadline)
    records = event["Records"]
    url = url_of_source(records, (configured.queue_url, configured.large_range_queue_url))
    return process_batch(records, stores, bus.put, deadline, None if url is None else Queue(url, deadline))


def process_batch(
    records: Sequence[Mapping[str, Any]],
    stores: Stores,
    put_events: Callable[[Sequence[str]], Mapping[int, str]],
    deadline: Deadline,
    queue: Messages | None = None,
) -> dict[str, Any]:
    """Process each record: small ranges are written together, but none fails with another.

    put_events: puts events, given by their details, and returns the positions of those that failed, and why.
    queue: where what was not begun is put back; without it, that fails.

    Returns the answer that SQS's event source mapping expects: what is named in it comes again after the visibility
    timeout and counts as received; everything else is deleted.
    """
    batch = _Batch(stores, put_events, deadline, queue or _NoQueue())
    batch.process(records)
    return failures_answer(batch.failed)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A range that was read and is to be committed. facts: what the log calls it by, while it is at work."""

    arrived: Arrived
    facts: Mapping[str, Any]
    started_s: float
    writes: Writes


class _Batch:
    """A batch at work. failed: ids of messages that must come again, and count as received."""

    def __init__(
        self,
        stores: Stores,
        put_events: Callable[[Sequence[str]], Mapping[int, str]],
        deadline: Deadline,
        queue: Messages,
    ) -> None:
        self.failed: list[str] = []
        self._stores = stores
        self._put_events = put_events
        self._deadline = deadline
        self._queue = queue
        self._committed: list[_Begun] = []
        self._has_begun = False

    def process(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Work on the records of a batch; called once."""
        readable = [one for record in records if (one := self._read(record)) is not None]
        order = order_of(readable, SMALL_RANGE_BYTES)
        self._put_back(order.back, "one that was received before is begun alone")
        with reading_ahead(self._stores.open_object, _small_objects(order.small)) as open_object:
            stores = replace(self._stores, open_object=open_object)
            for group in (order.small, *((one,) for one in order.large)):
                self._work_on(group, stores)
        if order.alone is not None:
            # It may be the death of this process, and must be the death of nothing else.
            told = self._tell()
            with logger.append_context_keys(ingest_ids=[one.arrived.message.ingest_id for one in told]):
                self._queue.delete([one.arrived.record for one in told])
            self._work_on((order.alone,), self._stores)
        self._tell()

    def _read(self, record: Mapping[str, Any]) -> Arrived | None:
        try:
            return Arrived(record, decode_message(record.get("body")), History.of(record))
        except MalformedItem:
            # Nothing that this pipeline wrote. It comes back until the queue moves it to the dead-letter queue, where
            # somebody can look at it; deleting it here would lose it.
            logger.exception("message cannot be read", extra={"message_id": record["messageId"]})
            self.failed.append(record["messageId"])
            return None

    def _work_on(self, group: Sequence[Arrived], stores: Stores) -> None:
        """Read the ranges of a group, and commit what could be read."""
        begun: list[_Begun] = []
        put_off: list[Arrived] = []
        for arrived in group:
            if self._has_begun and self._deadline.remaining_s() < SECONDS_A_RANGE:
                # To be killed in the middle would fail the whole batch. The first range of a batch is always tried:
                # whatever the function's timeout is, there is progress.
                put_off.append(arrived)
                continue
            self._has_begun = True
            if (one := self._begin(arrived, stores)) is not None:
                begun.append(one)
        self._put_back(put_off, "no time is left")
        self._commit(begun, stores)

    def _begin(self, arrived: Arrived, stores: Stores) -> _Begun | None:
        """Return a range with what is to be written for it, None where the message must come back."""
        started_s = time.monotonic()
        facts = _facts(arrived)
        with logger.append_context_keys(**facts):
            try:
                writes = resumed(read_range(arrived.message, stores), arrived.history.done, stores.now_ms())
                return _Begun(arrived, facts, started_s, writes)
            except ComeAgain as error:
                # Minutes may pass, more than a message has receives.
                delay_s = min(error.longest_delay_s, error.first_delay_s * 2 ** min(arrived.history.put_backs, 10))
                self._put_back([arrived], str(error), delay_s)
            except Exception:
                logger.exception(_NOT_COMMITTED)
                self.failed.append(arrived.message_id)
        return None

    def _commit(self, begun: Sequence[_Begun], stores: Stores) -> None:
        """Commit ranges together, or each alone where that does not go: a bad one must not hold its neighbours back."""
        left = begun if len(begun) == 1 else _commit_together(begun, stores)
        ids = {one.arrived.message_id for one in left}
        done = [one for one in begun if one.arrived.message_id not in ids]
        for one in left:
            if len(begun) > 1 and self._deadline.remaining_s() < WRITES_END_S:
                # A request that is throttled takes seconds to fail, and there are several ranges.
                self._finish_later(one, "no time is left to commit it alone")
            elif self._commit_alone(one, stores):
                done.append(one)
        for one in done:
            processed = one.writes.processed
            elapsed_ms = round((time.monotonic() - one.started_s) * 1000)
            counts = {"ticks": processed.ticks, "rejected": processed.rejected, "elapsed_ms": elapsed_ms}
            logger.info("range committed", extra={**one.facts, **counts})
        self._committed += done

    def _commit_alone(self, one: _Begun, stores: Stores) -> bool:
        with logger.append_context_keys(**one.facts):
            try:
                commit([one.writes], stores.table)
            except WritesUnfinished as error:
                (left,) = advanced([one.writes], error.written)
                self._finish_later(replace(one, writes=left), str(error))
                return False
            except Exception:
                logger.exception(_NOT_COMMITTED)
                self.failed.append(one.arrived.message_id)
                return False
        return True

    def _finish_later(self, one: _Begun, why: str) -> None:
        """Have a range's message come again, and say what is written."""
        self._put_back([one.arrived], why, _pause_s(one.arrived), said_of(one.writes))

    def _put_back(self, those: Sequence[Arrived], why: str, delay_s: int = 0, done: str = "") -> None:
        """Have messages come again without that it counts; where that cannot be, they fail.

        done: what is written already of one that was begun.
        """
        if not those:
            return
        with logger.append_context_keys(ingest_ids=[one.message.ingest_id for one in those]):
            kept = self._queue.put_back([one.record for one in those], delay_s, done)
        for one in those:
            reason = kept.get(one.message_id)
            history = one.history
            counts = {"put_backs": history.put_backs, "tries": history.tries, "unfinished": history.unfinished}
            facts = {**_facts(one), "why": why, **counts}
            if reason is None:
                logger.warning("range put back", extra={**facts, "delay_s": delay_s})
            else:
                logger.warning("range put off", extra={**facts, "not_put_back": reason})
                self.failed.append(one.message_id)

    def _tell(self) -> list[_Begun]:
        """Put the events of what was committed since the last time; return those ranges that are done with it."""
        committed, self._committed = self._committed, []
        unsent = self._put_events(event_details(one.writes.processed for one in committed)) if committed else {}
        failed: list[_Begun] = []
        for position, why in unsent.items():
            first = position * MAX_RANGES_AN_EVENT
            for one in committed[first : first + MAX_RANGES_AN_EVENT]:
                # The range is committed and stays so. The message comes back for its event's sake and repeats the
                # rest, harmlessly; without it only the schedule would roll the range up.
                logger.error("event not sent", extra={**one.facts, "why": why})
                failed.append(one)
        self.failed += [one.arrived.message_id for one in failed]
        return [one for one in committed if one not in failed]


def _small_objects(small: Iterable[Arrived]) -> set[Source]:
    """Return the objects of small ranges that are small themselves: most ranges of that size are whole objects."""
    messages = [one.message for one in small]
    sources = {message.source for message in messages if isinstance(message, RangePointer)}
    return {source for source in sources if source.size_bytes <= SMALL_RANGE_BYTES}


def _facts(arrived: Arrived) -> dict[str, Any]:
    return {"message_id": arrived.message_id, **names_of(arrived.message)}


def _pause_s(arrived: Arrived) -> int:
    """Return after how many seconds a half done range is to go on: longer each time, and not all of them at once.

    By the message alone, without chance: what is delivered twice waits as long.
    """
    grown_s = WritesUnfinished.first_delay_s << min(arrived.history.unfinished, 10)
    longest_s = min(WritesUnfinished.longest_delay_s, grown_s)
    named = f"{names_of(arrived.message)} {arrived.history.unfinished}"
    return longest_s - zlib.crc32(named.encode()) % (longest_s // 2 + 1)


def _commit_together(begun: Sequence[_Begun], stores: Stores) -> list[_Begun]:
    """Return those that are not committed, with what is left of their writes: none, or all."""
    # One that is there twice, because its message is, is written once.
    ranges = {_range_of(one): one.writes for one in begun}
    with logger.append_context_keys(ingest_ids=[ingest_id for ingest_id, _ in ranges]):
        try:
            commit(list(ranges.values()), stores.table)
        except Exception as error:
            # A warning: each goes alone now, and what fails there is the error.
            message_ids = [one.arrived.message_id for one in begun]
            logger.warning("ranges not committed together", extra={"message_ids": message_ids}, exc_info=True)
            if isinstance(error, WritesUnfinished):
                ranges = dict(zip(ranges, advanced(list(ranges.values()), error.written), strict=True))
            return [replace(one, writes=ranges[_range_of(one)]) for one in begun]
    return []


def _range_of(one: _Begun) -> tuple[str, int]:
    return one.writes.processed.ingest_id, one.writes.processed.index
