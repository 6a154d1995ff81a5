"""Waiting until the books balance, or until it is proven that they will not.

Balanced: every acknowledged ingest has its manifest and the receipts of all its ranges, no committed range waits for
its rollup, and the queue is empty. Stalled: no figure has moved for as long as anything could still move them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable  # noqa: TC003 - dataclass fields
from dataclasses import dataclass
from itertools import batched, islice
from typing import TYPE_CHECKING, Any, Final, Protocol

from bench.errors import ReadBackError
from bench.ledger.sent import Outcome
from tickstream import keys
from tickstream.items import key_of, manifest_from, pending_from, receipt_from, sort_key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bench.ledger.sent import Ledger
    from bench.stack.outputs import Outputs
    from bench.targets import Target
    from tickstream.items import Item

POLL_S: Final = 0.3
#: Pending ranges that no event has moved for this long are the schedule's work: it is called now, not in 5 minutes.
NUDGE_AFTER_S: Final = 3.0

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
    """One look. Two equal looks: nothing moved between them."""

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

    @property
    def balanced(self) -> bool:
        """Whether nothing is left to do."""
        return (
            self.manifests == self.ingests
            and self.ranges_done == self.ranges
            and not (self.pending or self.queued or self.in_flight)
        )


@dataclass(frozen=True, slots=True)
class Balance:
    """How the waiting ended. `nudges`: how often the schedule was called for ranges that events had not rolled up."""

    balanced: bool
    last: Progress
    nudges: int
    explanation: str


class Books:
    """Looks at the pipeline's table and queues; what is known to be done is not read again."""

    def __init__(self, target: Target, outputs: Outputs, ledger: Ledger) -> None:
        self._target = target
        self._outputs = outputs
        self._ledger = ledger
        self._dynamodb = target.client("dynamodb")
        self._sqs = target.client("sqs")
        self._spans: dict[str, int] = {}
        self._unknown: dict[str, None] = {}
        self._open: dict[tuple[str, int], None] = {}
        self._hours: dict[tuple[str, int], frozenset[keys.SymbolHour]] = {}
        self._received_ms: dict[str, int] = {}
        self._pending: frozenset[tuple[str, int]] = frozenset()
        self._ticks = self._rejected = self._dead_letters = self._looks = 0
        #: Age of the oldest ingest that is not rolled up, as of the last look; 0 where there is none.
        self.lag_ms = 0

    def look(self) -> Progress:
        """Read what has changed. Raises ReadBackError."""
        outcomes = self._ledger.outcomes()
        ingests = {entry.ingest_id for entry in outcomes if entry.acknowledged and entry.ingest_id}
        # Nobody promised to keep these; where one is there all the same, it is waited for like the others.
        doubtful = {entry.ingest_id for entry in outcomes if entry.outcome is Outcome.INDETERMINATE and entry.key}
        queued, in_flight = depth(self._sqs, self._outputs.queue_url)
        keys_a_look = _KEYS_A_BUSY_LOOK if queued or in_flight else _KEYS_A_LOOK
        self._read_manifests(ingests | doubtful, keys_a_look)
        ingests |= doubtful & self._spans.keys()
        self._read_receipts(keys_a_look)
        self._looks += 1
        all_done = not self._open and ingests <= self._spans.keys()
        # The sixteen shards and the dead-letter queues are asked at every look only when they alone decide.
        if all_done or not (queued or in_flight) or self._looks % _LOOKS_A_FULL_LOOK == 0:
            self._pending = frozenset(self._read_pending())
            self._dead_letters = sum(sum(depth(self._sqs, url)) for url in self._outputs.dead_letter_queues().values())
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
        )

    def nudge(self) -> None:
        """Call DataAggregator as the schedule would."""
        call_schedule(self._target, self._outputs)

    def visibility_timeout_s(self) -> float:
        """How long a failed message stays out of sight."""
        answer = self._sqs.get_queue_attributes(QueueUrl=self._outputs.queue_url, AttributeNames=["VisibilityTimeout"])
        return float(answer["Attributes"]["VisibilityTimeout"])

    def _read_manifests(self, ingests: set[str], keys_a_look: int) -> None:
        self._unknown |= dict.fromkeys(ingests - self._spans.keys() - self._unknown.keys())
        asked = list(islice(self._unknown, keys_a_look))
        for item in self._get(key_of(keys.ingest_partition(one), keys.MANIFEST_SORT_KEY) for one in asked):
            manifest = manifest_from(item)
            del self._unknown[manifest.ingest_id]
            self._spans[manifest.ingest_id] = manifest.ranges
            self._received_ms[manifest.ingest_id] = manifest.received_ms
            self._open.update(dict.fromkeys((manifest.ingest_id, index) for index in range(manifest.ranges)))

        _to_the_end(self._unknown, asked)

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
        for partition in keys.pending_partitions():
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
        table = self._outputs.table_name
        for some in batched(wanted, _KEYS_A_REQUEST, strict=False):
            request: dict[str, Any] = {table: {"Keys": list(some), "ConsistentRead": True}}
            for _ in range(20):
                answer = self._dynamodb.batch_get_item(RequestItems=request)
                yield from answer["Responses"].get(table, [])
                request = answer.get("UnprocessedKeys") or {}
                if not request:
                    break
            else:
                raise ReadBackError("DynamoDB left keys unread twenty times in a row")


def _to_the_end[Key](line: dict[Key, None], asked: Iterable[Key]) -> None:
    """Move what was asked for in vain to the end of the line, so that the next look reaches the others too."""
    for one in asked:
        if one in line:
            line[one] = line.pop(one)


def call_schedule(target: Target, outputs: Outputs) -> None:
    """Call DataAggregator as its schedule would."""
    event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    event |= {"resources": [outputs.schedule_rule_arn]}
    target.client("lambda").invoke(
        FunctionName=outputs.aggregator_function_name, InvocationType="Event", Payload=json.dumps(event).encode()
    )


def depth(sqs: Any, url: str) -> tuple[int, int]:
    """Return how many messages of a queue are visible, and how many are out of sight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(attributes[names[0]]), int(attributes[names[1]])


class Watched(Protocol):
    """What the waiting asks of the books."""

    lag_ms: int

    def look(self) -> Progress: ...  # noqa: D102 - see Books
    def nudge(self) -> None: ...  # noqa: D102
    def visibility_timeout_s(self) -> float: ...  # noqa: D102


class Conduct(Protocol):
    """Somebody who acts on a run while it goes on, such as `bench.market_analytics.fault_plan.FaultPlan`."""

    def look(self, progress: Progress, *, sending: bool) -> str:
        """Act on the latest look at the books; return what is still waited for, empty when nothing is."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, so that a test need not wait for it."""

    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def wait_until_balanced(
    books: Watched,
    show: Callable[[Progress, int], None],
    *,
    is_sending: Callable[[], bool],
    stall_s: float,
    conduct: Conduct | None = None,
    clock: Clock | None = None,
) -> Balance:
    """Wait for the books; `show` gets every look and the lag in milliseconds.

    is_sending: while it says so, nothing is balanced or stalled yet. stall_s: how long nothing may move where no
    message is out of sight; while some are, their visibility timeout is added, because until it ends a redelivery may
    still bring them. conduct: gets every look after `show`; balanced books are the end only when it waits for nothing,
    and what is to be rolled up has the time of one more aggregator.
    """
    clock = clock or Clock()
    hidden_s = books.visibility_timeout_s()
    sending, last = is_sending(), books.look()
    moved_at = nudged_at = clock.now_s()
    nudges, awaited = 0, ""
    while True:
        show(last, books.lag_ms)
        was_awaited = awaited
        awaited = conduct.look(last, sending=sending) if conduct else ""
        if sending or awaited != was_awaited:
            moved_at = clock.now_s()
        elif last.balanced and not awaited:
            return Balance(balanced=True, last=last, nudges=nudges, explanation="the books balance")
        still_s = clock.now_s() - moved_at
        patience_s = stall_s + (hidden_s if last.in_flight else 0.0)
        if conduct and last.pending:
            patience_s += _LEASE_S
        if last.dead_letters and not (conduct or last.queued or last.in_flight or last.pending):
            patience_s = min(stall_s, _DEAD_LETTERS_QUIET_S)
        if still_s > patience_s:
            explanation = _explain(last, still_s) + (f"; still waiting for {awaited}" if awaited else "")
            return Balance(balanced=False, last=last, nudges=nudges, explanation=explanation)
        if last.pending and min(still_s, clock.now_s() - nudged_at) > NUDGE_AFTER_S:
            books.nudge()
            nudges += 1
            nudged_at = clock.now_s()
        clock.sleep(POLL_S)
        # Asked before the look: what ends between the two is then not taken for balanced without its last pieces.
        sending = is_sending()
        look = books.look()
        if look != last:
            moved_at = clock.now_s()
        last = look


def _explain(last: Progress, still_s: float) -> str:
    return (
        f"nothing moved for {still_s:.0f} s: {last.manifests} of {last.ingests} ingests known, {last.ranges_done} of "
        f"{last.ranges} ranges processed, {last.pending} not rolled up, {last.queued} messages queued, "
        f"{last.in_flight} in flight, {last.dead_letters} in dead-letter queues"
    )
