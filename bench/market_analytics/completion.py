"""Waiting until everything is processed, or until it is proven that it will not be.

Processed: every acknowledged ingest has its manifest and the receipts of all its ranges, no committed range waits for
its rollup, and the queues are empty. See `bench.ledger.waiting`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable  # noqa: TC003 - dataclass fields
from dataclasses import dataclass
from itertools import batched, islice
from typing import TYPE_CHECKING, Final, Protocol

from bench.ledger.sent import Outcome
from bench.ledger.waiting import Clock, Completion, wait_until_complete
from bench.measure.failed_imports import require_imports
from bench.targets.reading import queue_depth, read_items
from tickstream import keys
from tickstream.items import key_of, manifest_from, pending_from, receipt_from, sort_key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bench.ledger.sent import Ledger
    from bench.stack.outputs import Outputs
    from bench.targets import Target
    from tickstream.items import Item

POLL_S: Final = 0.3
#: Pending ranges that no event has moved for this long are the schedule's work: it is called now, not in 5 minutes. An
#: aggregator that an event woke may wait for others and then write for seconds: to call another costs 100 requests.
TRIGGER_AFTER_S: Final = 6.0

_KEYS_A_REQUEST: Final = 100
# Bounds one look, so that 20,000 requests do not make the bench the busiest client: while there is work, what the bench
# asks about it is asked in vain most of the time, and the target may share this machine's processors.
_KEYS_A_LOOK: Final = 2_000
_KEYS_A_BUSY_LOOK: Final = 200
_LOOKS_A_FULL_LOOK: Final = 5
_DEAD_LETTERS_QUIET_S: Final = 10.0
#: What DataAggregator has begun may take its whole life to show, and a dead one's lease ends a little after that.
_LEASE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Progress:
    """One look. Two equal looks: nothing moved between them.

    queued, in_flight: messages, of ranges and orders to index alike. indexing: orders among those in flight.
    index_parts: what has been kept so far of the indexes of objects whose ranges are not known yet.
    """

    ingests: int
    manifests: int
    ranges: int
    ranges_done: int
    ticks: int
    rejected: int
    pending: int
    hours: int
    hours_rolled_up: int
    queued: int
    in_flight: int
    dead_letters: int
    indexing: int = 0
    index_parts: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return (
            self.manifests == self.ingests
            and self.ranges_done == self.ranges
            and not (self.pending or self.queued or self.in_flight)
        )

    def describe(self) -> str:
        """Say what is done and what is open."""
        return (
            f"{self.manifests} of {self.ingests} ingests known, {self.ranges_done} of {self.ranges} ranges processed, "
            f"{self.pending} not rolled up, {self.queued} messages queued, {self.in_flight} in flight "
            f"({self.indexing} to be indexed), "
            f"{self.dead_letters} in dead-letter queues"
        )


class Watch:
    """Looks at the pipeline's table and queues; what is known to be done is not read again."""

    def __init__(self, target: Target, outputs: Outputs, ledger: Ledger) -> None:
        self._target = target
        self._outputs = outputs
        self._ledger = ledger
        self._dynamodb = target.client("dynamodb")
        self._sqs = target.client("sqs")
        self._spans: dict[str, int] = {}
        self._unknown: dict[str, None] = {}
        self._indexing: dict[str, int] = {}
        self._open: dict[tuple[str, int], None] = {}
        self._hours: dict[tuple[str, int], frozenset[keys.SymbolHour]] = {}
        self._received_ms: dict[str, int] = {}
        self._pending: frozenset[tuple[str, int]] = frozenset()
        self._ticks = self._rejected = self._dead_letters = self._looks = 0
        #: Age of the oldest ingest that is not rolled up, as of the last look; 0 where there is none.
        self.lag_ms = 0

    def look(self) -> Progress:
        """Read what has changed. Raises ReadBackError, and FunctionError where nothing will ever change."""
        require_imports(self._target, self._outputs.function_names())
        outcomes = self._ledger.outcomes()
        ingests = {entry.ingest_id for entry in outcomes if entry.acknowledged and entry.ingest_id}
        # Nobody promised to keep these; where one is there all the same, it is waited for like the others.
        doubtful = {entry.ingest_id for entry in outcomes if entry.outcome is Outcome.INDETERMINATE and entry.key}
        depths = {name: queue_depth(self._sqs, url) for name, url in self._outputs.working_queues().items()}
        queued, in_flight = (sum(numbers) for numbers in zip(*depths.values(), strict=True))
        keys_a_look = _KEYS_A_BUSY_LOOK if queued or in_flight else _KEYS_A_LOOK
        self._read_manifests(ingests | doubtful, keys_a_look)
        ingests |= doubtful & self._spans.keys()
        self._read_receipts(keys_a_look)
        self._looks += 1
        all_done = not self._open and ingests <= self._spans.keys()
        # The lists of all lanes and the dead-letter queues are asked at every look only when they alone decide.
        if all_done or not (queued or in_flight) or self._looks % _LOOKS_A_FULL_LOOK == 0:
            self._pending = frozenset(self._read_pending())
            self._dead_letters = sum(
                sum(queue_depth(self._sqs, url)) for url in self._outputs.dead_letter_queues().values()
            )
        pending = self._pending
        waiting = frozenset().union(*(self._hours.get(range_, frozenset()) for range_ in pending))
        touched = frozenset().union(*self._hours.values())
        late = {ingest for ingest, _ in pending} | {ingest for ingest, _ in self._open}
        oldest = min((self._received_ms[ingest] for ingest in late if ingest in self._received_ms), default=None)
        self.lag_ms = 0 if oldest is None else max(0, time.time_ns() // 10**6 - oldest)
        return Progress(
            ingests=len(ingests),
            manifests=len(ingests & self._spans.keys()),
            ranges=sum(self._spans.values()),
            ranges_done=len(self._hours),
            ticks=self._ticks,
            rejected=self._rejected,
            pending=len(pending),
            hours=len(touched),
            hours_rolled_up=len(touched - waiting),
            queued=queued,
            in_flight=in_flight,
            dead_letters=self._dead_letters,
            indexing=depths["index"][1],
            index_parts=sum(self._indexing.values()),
        )

    def trigger_schedule(self) -> None:
        """Call DataAggregator as the schedule would."""
        trigger_schedule(self._target, self._outputs)

    def visibility_timeouts_s(self) -> Mapping[str, float]:
        """How long a failed message of each working queue stays out of sight."""
        name = "VisibilityTimeout"
        answers = {
            queue: self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
            for queue, url in self._outputs.working_queues().items()
        }
        return {queue: float(answer["Attributes"][name]) for queue, answer in answers.items()}

    def _read_manifests(self, ingests: set[str], keys_a_look: int) -> None:
        self._unknown |= dict.fromkeys(ingests - self._spans.keys() - self._unknown.keys())
        asked = list(islice(self._unknown, keys_a_look))
        for item in self._get(key_of(keys.ingest_partition(one), keys.MANIFEST_SORT_KEY) for one in asked):
            manifest = manifest_from(item)
            if manifest.indexing:
                self._indexing.setdefault(manifest.ingest_id, 0)
                continue
            self._indexing.pop(manifest.ingest_id, None)
            del self._unknown[manifest.ingest_id]
            self._spans[manifest.ingest_id] = manifest.ranges
            self._received_ms[manifest.ingest_id] = manifest.received_ms
            self._open.update(dict.fromkeys((manifest.ingest_id, index) for index in range(manifest.ranges)))

        self._read_indexes({keys.index_partition(one): one for one in asked if one in self._indexing})
        _to_the_end(self._unknown, asked)

    def _read_indexes(self, ingests: Mapping[str, str]) -> None:
        """Read how far indexes are that are being made; ingests: by partition."""
        for item in self._get(key_of(partition, 0) for partition in ingests):
            self._indexing[ingests[item["symbol"]["S"]]] = int(item["parts"]["N"])

    def _read_receipts(self, keys_a_look: int) -> None:
        asked = list(islice(self._open, keys_a_look))
        heads = self._get(
            key_of(keys.ingest_partition(ingest), keys.receipt_sort_key(index, 0)) for ingest, index in asked
        )
        for head in heads:
            receipt = receipt_from([head, *self._further_parts(head)])
            place = (receipt.ingest_id, receipt.index)
            del self._open[place]
            self._hours[place] = frozenset((symbol, hour) for symbol, hours in receipt.hours.items() for hour in hours)
            self._ticks += receipt.ticks
            self._rejected += receipt.rejected
        _to_the_end(self._open, asked)

    def _further_parts(self, head: Item) -> list[Item]:
        first = sort_key_of(head)
        partition = head["symbol"]["S"]
        return list(self._get(key_of(partition, first + part) for part in range(1, int(head["parts"]["N"]))))

    def _read_pending(self) -> Iterator[tuple[str, int]]:
        for partition in map(keys.pending_partition, range(keys.LANES)):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._outputs.table_name,
                ConsistentRead=True,
                KeyConditionExpression="symbol = :partition",
                ExpressionAttributeValues={":partition": {"S": partition}},
            )
            for page in pages:
                for item in page["Items"]:
                    pending = pending_from(item)
                    yield pending.ingest_id, pending.index

    def _get(self, wanted: Iterable[Item]) -> Iterator[Item]:
        for some in batched(wanted, _KEYS_A_REQUEST, strict=False):
            request = {"Keys": list(some), "ConsistentRead": True}
            yield from read_items(self._dynamodb, self._outputs.table_name, request)


def _to_the_end[Key](line: dict[Key, None], asked: Iterable[Key]) -> None:
    """Move what was asked for in vain to the end of the line, so that the next look reaches the others too."""
    for one in asked:
        if one in line:
            line[one] = line.pop(one)


def trigger_schedule(target: Target, outputs: Outputs) -> None:
    """Call DataAggregator as its schedule would."""
    _call_as_schedule(target, outputs.aggregator_function_name, [outputs.schedule_rule_arn])


def trigger_revision(target: Target, outputs: Outputs) -> None:
    """Call DataRevision as its schedule would, which is no output of the stack."""
    _call_as_schedule(target, outputs.revision_function_name, [])


def _call_as_schedule(target: Target, function: str, rules: list[str]) -> None:
    event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "resources": rules}
    target.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())


class Watched(Protocol):
    """What the waiting asks of the stack."""

    lag_ms: int

    def look(self) -> Progress: ...  # noqa: D102 - see Watch
    def trigger_schedule(self) -> None: ...  # noqa: D102
    def visibility_timeouts_s(self) -> Mapping[str, float]: ...  # noqa: D102


class Operator(Protocol):
    """Somebody who acts on a run while it goes on, such as `bench.market_analytics.fault_plan.FaultPlan`."""

    def look(self, progress: Progress, *, sending: bool) -> str:
        """Act on the latest look; return what is still waited for, empty when nothing is."""


@dataclass(frozen=True, slots=True)
class Processed(Completion[Progress]):
    """How the waiting ended. `triggers`: how often the schedule was called for ranges that events had not rolled up."""

    triggers: int = 0


def wait_until_processed(
    watch: Watched,
    show: Callable[[Progress, int], None],
    *,
    is_sending: Callable[[], bool],
    stall_s: float,
    operator: Operator | None = None,
    clock: Clock | None = None,
) -> Processed:
    """Wait until all is processed; `show` gets every look and the lag in milliseconds.

    is_sending: while it says so, nothing is complete or stalled yet. stall_s: how long nothing may move where no
    message is out of sight; while some are, their visibility timeout is added, because until it ends a redelivery may
    still bring them. operator: gets every look after `show`; that all is processed is the end only when it waits for
    nothing, and what is to be rolled up has the time of one more aggregator.
    """
    clock = clock or Clock()
    hidden_s = watch.visibility_timeouts_s()
    triggers = 0
    triggered_at_s = clock.now_s()

    def patience_s(last: Progress) -> float:
        patience_s = stall_s
        if last.in_flight:
            patience_s += hidden_s["index" if last.indexing else "processing"]
        if operator and last.pending:
            patience_s += _LEASE_S
        if last.dead_letters and not (operator or last.queued or last.in_flight or last.pending):
            patience_s = min(stall_s, _DEAD_LETTERS_QUIET_S)
        return patience_s

    def awaits(last: Progress, sending: bool) -> str:  # noqa: FBT001 - as `wait_until_complete` calls it
        show(last, watch.lag_ms)
        return operator.look(last, sending=sending) if operator else ""

    def on_stillness(last: Progress, still_s: float) -> None:
        nonlocal triggers, triggered_at_s
        if last.pending and min(still_s, clock.now_s() - triggered_at_s) > TRIGGER_AFTER_S:
            watch.trigger_schedule()
            triggers += 1
            triggered_at_s = clock.now_s()

    ended = wait_until_complete(
        watch.look,
        is_sending=is_sending,
        patience_s=patience_s,
        poll_s=POLL_S,
        awaits=awaits,
        on_stillness=on_stillness,
        clock=clock,
    )
    return Processed(ended.complete, ended.last, ended.explanation, triggers)
