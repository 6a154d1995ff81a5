"""Conditions that mutants run under. The real pipeline must pass under each of them, else no death counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bench.faults import Action, FaultRule
from bench.market_analytics.retraction_moments import Moment
from bench.mutants.edges import FIRST_KEY, HELD_PREFIX, LATE_KEY, SEGMENT_KEY, WIDE_KEY
from tickstream import keys

if TYPE_CHECKING:
    from bench.ledger.truth import ObjectFile
    from bench.stack.outputs import Outputs

type Rules = Callable[[Outputs, Mapping[str, ObjectFile]], tuple[FaultRule, ...]]


@dataclass(frozen=True, slots=True)
class Condition:
    """What happens to a pipeline, real or broken, while it works.

    name, meaning: for people. rules: faults of the bench's own making, from the stack's outputs and the edge objects by
    key. until_rolled_up: the faults end when everything that they do not hold back is rolled up; otherwise they end by
    themselves, or never. feed_changes: before they end, an update of the stack brings another feed of the vendor's
    file, which was held back. faults: names of the bench's catalogue instead of rules. parameters: of the stack.
    taken_back: keys of edge objects that are taken back, the first of a key's, and when. replaced_share: of the objects
    so many are put cut off before, on a stack where what comes under a key takes the place of what was there.
    red: checks that must fail of the real pipeline too, because what they ask for cannot be.
    """

    name: str
    meaning: str
    rules: Rules = lambda _outputs, _edges: ()
    until_rolled_up: bool = False
    feed_changes: bool = False
    faults: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    taken_back: Mapping[str, Moment] = field(default_factory=dict)
    replaced_share: float = 0.0
    red: tuple[str, ...] = ()


def _twice(outputs: Outputs, _edges: Mapping[str, ObjectFile]) -> tuple[FaultRule, ...]:
    invocation = ("lambda", "Invocation")
    ingestion, processor = outputs.ingestion_function_name, outputs.processor_function_name
    return (
        FaultRule("twice-objects", *invocation, ingestion, "ObjectCreated", times=4, action=Action.TWICE),
        FaultRule("twice-messages", *invocation, processor, times=4, action=Action.TWICE),
    )


def _lost_answer(outputs: Outputs, _edges: Mapping[str, ObjectFile]) -> tuple[FaultRule, ...]:
    ingestion = outputs.ingestion_function_name
    return (FaultRule("lost-answer", "lambda", "Invocation", ingestion, "/ingest", times=2, action=Action.KILL_AFTER),)


def _partial(outputs: Outputs, _edges: Mapping[str, ObjectFile]) -> tuple[FaultRule, ...]:
    ingestion, processor = outputs.ingestion_function_name, outputs.processor_function_name
    return (
        FaultRule("partial-writes", "dynamodb", "BatchWriteItem", processor, times=6, action=Action.PARTIAL),
        FaultRule("partial-sends", "sqs", "SendMessageBatch", ingestion, times=4, action=Action.PARTIAL),
        FaultRule("partial-events", "events", "PutEvents", processor, times=4, action=Action.PARTIAL),
    )


def _held(outputs: Outputs, _edges: Mapping[str, ObjectFile]) -> tuple[FaultRule, ...]:
    return (FaultRule("held", "s3", "GetObject", outputs.processor_function_name, HELD_PREFIX),)


def _never_written(outputs: Outputs, edges: Mapping[str, ObjectFile]) -> tuple[FaultRule, ...]:
    edge = edges[FIRST_KEY]
    ingest_id = keys.object_ingest_id(outputs.bucket_name, edge.key, edge.etag, edge.size_bytes)
    # Its slices say whose they are, and nothing else says it like this: neither its receipt nor its entry in the list.
    name = f"{ingest_id}/0"
    return (FaultRule("never-written", "dynamodb", "BatchWriteItem", outputs.processor_function_name, name),)


def _segment_refused(outputs: Outputs, _edges: Mapping[str, ObjectFile]) -> tuple[FaultRule, ...]:
    # A segment is known by the end of its sort key.
    suffix = str(keys.segment_suffix(1))
    return (FaultRule("segment-refused", "dynamodb", "PutItem", outputs.aggregator_function_name, suffix, times=1),)


CALM: Final = Condition("calm", "nothing goes wrong")
TWICE: Final = Condition("twice", "events and messages are delivered twice at once", _twice)
LOST_ANSWER: Final = Condition("lost answer", "POSTs are taken, and the caller never hears of it", _lost_answer)
PARTIAL: Final = Condition("partial", "services do a part of a batch and give back the rest", _partial)
HELD: Final = Condition(
    "held",
    "an object cannot be read until it is overwritten and all others are rolled up",
    _held,
    until_rolled_up=True,
    # It is received as often as it takes; none of it is a dead letter.
    parameters={"MaxReceiveCount": "50"},
)
TAKEN_BACK: Final = Condition(
    "taken back",
    "objects are taken back: out of rollups, out of segments, and one that cannot be read before all others are rolled "
    "up",
    _held,
    until_rolled_up=True,
    parameters={"MaxReceiveCount": "50"},
    taken_back={LATE_KEY: Moment.SENDING, SEGMENT_KEY: Moment.ROLLED_UP, WIDE_KEY: Moment.ROLLED_UP},
)
REPLACED: Final = Condition(
    "replaced", "objects are put cut off, and then whole under the same keys", replaced_share=0.3
)
FEED_CHANGED: Final = Condition(
    "feed changed",
    "an object arrives, its feed is changed by an update of the stack, and only then can the object be read",
    _held,
    until_rolled_up=True,
    feed_changes=True,
    parameters={"MaxReceiveCount": "50"},
)
SEGMENT_REFUSED: Final = Condition("segment refused", "the first segment cannot be written", _segment_refused)
NEVER_WRITTEN: Final = Condition(
    "never written",
    "the slices of one range cannot be written, so its message becomes a dead letter",
    _never_written,
    parameters={"MaxReceiveCount": "1"},
    red=(
        "everything processed",
        "bars in DynamoDB",
        "bars through POST /bars",
        "bars through GET /bars",
        "bars of longer intervals",
        "bars of sessions",
        "minutes without a trade",
        "GET /symbols",
        "receipts",
        "GET /ingest",
        "dead-letter queues",
    ),
)
HOSTILE: Final = Condition(
    "hostile", "objects that are damaged or costly lie among the others", faults=("hostile-objects",)
)
AGGREGATOR_DOWN: Final = Condition(
    "aggregator down", "rollups are late while bars are asked for", faults=("aggregator-down",)
)
