"""The faults that a run of market analytics can be put under, by name: `--faults NAME,...` or `--faults all`.

All are injected around the functions, which run as they are deployed. Rates and numbers are bounded, so that a run
under all of them ends, and what is hit follows from the run's seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bench.errors import BenchError
from bench.faults import of_objects
from bench.faults.rules import INVOCATION, Action, FaultRule
from bench.faults.side_by_side import kill_revision, lost_orders, two_aggregators, two_compactions, two_revisions
from tickstream import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bench.faults.scene import Scene

#: In place of 1,000: busy hours of a small workload are compacted too, and not each of a large one again and again.
COMPACTION_THRESHOLD: Final = 20
#: Text in an event of S3, and in none of API Gateway.
_OBJECT_EVENT: Final = "ObjectCreated"
#: The partition in which aggregators elect who rolls up (`data_aggregator_election`).
LEASE_PARTITION: Final = "aggregator#lease"
#: How the partition of a receipt begins: what a batch of slices has nowhere.
_RECEIPT: Final = keys.ingest_partition("")
#: Chance of a request to be refused, and how often each operation of a function is at most: AWS's clients try again
#: after up to a second, and a function that asks thousands of times has 50 s.
_REFUSED_RATE: Final = 0.02
_REFUSED_TIMES: Final = 15
#: There are few uploads.
_UPLOAD_RATE: Final = 0.1
_PART_TIMES: Final = 100


type Rules = Callable[[Scene], tuple[FaultRule, ...]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    about: what happens, in one sentence. rules: from the start, of which any may hit.
    of_objects: whether it hits objects alone, so that a workload of POSTs has no occasion for it. of_index: the same of
    large packed objects, as a day file is. of_retractions: of ingests that are taken back.
    held: whether its rules spoil messages, so that these become dead letters; they are taken away when that has
    happened. then: rules from that moment on, until every range is committed and bars were read meanwhile.
    parameters: of the stack, unless it is given others. deviations: where a run under it departs from the stack as it
    is deployed.
    """

    name: str
    about: str
    rules: Rules
    of_objects: bool = False
    of_index: bool = False
    of_retractions: bool = False
    held: bool = False
    then: Rules | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    deviations: tuple[str, ...] = ()


def _kill_before_writes(scene: Scene) -> tuple[FaultRule, ...]:
    ingestion, processor = scene.outputs.ingestion_function_name, scene.outputs.processor_function_name
    indexer = scene.outputs.indexer_function_name
    kill = Action.KILL_BEFORE
    return (
        # Before a part of an index, and before the manifest with the ranges.
        FaultRule("part", "s3", "PutObject", indexer, times=1, action=kill),
        FaultRule("indexed", "dynamodb", "PutItem", indexer, times=1, action=kill),
        FaultRule("processor", "dynamodb", "BatchWriteItem", processor, times=2, action=kill, skip=2),
        FaultRule("ingestion", "dynamodb", "PutItem", ingestion, times=1, action=kill, skip=3),
    )


def _kill_before_receipt(scene: Scene) -> tuple[FaultRule, ...]:
    processor = scene.outputs.processor_function_name
    kill = Action.KILL_BEFORE
    return (FaultRule("receipt", "dynamodb", "BatchWriteItem", processor, _RECEIPT, times=2, action=kill, skip=2),)


def _kill_before_event(scene: Scene) -> tuple[FaultRule, ...]:
    processor = scene.outputs.processor_function_name
    return (FaultRule("event", "events", "PutEvents", processor, times=2, action=Action.KILL_BEFORE, skip=1),)


def _kill_before_delete(scene: Scene) -> tuple[FaultRule, ...]:
    processor = scene.outputs.processor_function_name
    return (FaultRule("delete", *INVOCATION, processor, times=2, action=Action.KILL_AFTER, skip=1),)


def _function_timeout(scene: Scene) -> tuple[FaultRule, ...]:
    ingestion, processor = scene.outputs.ingestion_function_name, scene.outputs.processor_function_name
    late = Action.DELAY
    return (
        FaultRule("processor", *INVOCATION, processor, times=1, action=late, delay_s=3.0, skip=2),
        FaultRule("ingestion", *INVOCATION, ingestion, _OBJECT_EVENT, times=1, action=late, delay_s=2.0, skip=1),
    )


def _aggregator_down(scene: Scene) -> tuple[FaultRule, ...]:
    return (FaultRule("invocation", *INVOCATION, scene.outputs.aggregator_function_name),)


def _throttling(scene: Scene) -> tuple[FaultRule, ...]:
    codes = {
        "dynamodb": ("ProvisionedThroughputExceededException", 400),
        "s3": ("SlowDown", 503),
        "sqs": ("ThrottlingException", 400),
        "events": ("ThrottlingException", 400),
    }
    return _refusals(scene, codes)


def _server_errors(scene: Scene) -> tuple[FaultRule, ...]:
    codes = {
        "dynamodb": ("InternalServerError", 500),
        "s3": ("InternalError", 500),
        "sqs": ("InternalError", 500),
        "events": ("InternalException", 500),
    }
    # The uploads too: whoever uploads is not told whether the object is there, and tries again.
    upload = FaultRule(
        "upload",
        "s3",
        "PutObject",
        contains=scene.outputs.bucket_name,
        code="InternalError",
        status=500,
        times=_REFUSED_TIMES,
        rate=_UPLOAD_RATE,
        seed=scene.seed,
    )
    return (*_refusals(scene, codes), upload)


def _refusals(scene: Scene, codes: Mapping[str, tuple[str, int]]) -> tuple[FaultRule, ...]:
    """Refuse at a rate what the functions ask of each service, with the service's own code and status."""
    outputs = scene.outputs
    asked: Mapping[str, Mapping[str, tuple[str, ...]]] = {
        outputs.ingestion_function_name: {
            "s3": ("GetObject",),
            "dynamodb": ("PutItem", "GetItem", "BatchGetItem", "BatchWriteItem"),
            "sqs": ("SendMessageBatch",),
        },
        outputs.indexer_function_name: {
            "s3": ("GetObject", "PutObject"),
            "dynamodb": ("PutItem", "GetItem", "BatchGetItem"),
            "sqs": ("SendMessageBatch",),
        },
        outputs.processor_function_name: {
            "s3": ("GetObject", "PutObject"),
            "dynamodb": ("BatchWriteItem",),
            "events": ("PutEvents",),
        },
        outputs.aggregator_function_name: {
            "dynamodb": ("GetItem", "UpdateItem", "PutItem", "BatchGetItem", "BatchWriteItem", "Query"),
        },
        outputs.revision_function_name: {
            "dynamodb": ("GetItem", "UpdateItem", "PutItem", "BatchGetItem", "BatchWriteItem", "Query"),
            "events": ("PutEvents",),
        },
        outputs.query_function_name: {"dynamodb": ("Query",)},
    }
    return tuple(
        FaultRule(
            f"{function} {operation}",
            service,
            operation,
            function,
            code=codes[service][0],
            status=codes[service][1],
            times=_REFUSED_TIMES,
            rate=_REFUSED_RATE,
            seed=scene.seed,
        )
        for function, services in asked.items()
        for service, operations in services.items()
        for operation in operations
    )


def _unprocessed_items(scene: Scene) -> tuple[FaultRule, ...]:
    outputs = scene.outputs
    batches = (
        (outputs.ingestion_function_name, "BatchWriteItem"),
        (outputs.indexer_function_name, "BatchGetItem"),
        (outputs.processor_function_name, "BatchWriteItem"),
        (outputs.aggregator_function_name, "BatchWriteItem"),
        (outputs.aggregator_function_name, "BatchGetItem"),
        (outputs.revision_function_name, "BatchWriteItem"),
        (outputs.revision_function_name, "BatchGetItem"),
    )
    return tuple(
        _in_part(f"{function} {operation}", "dynamodb", operation, function, scene.seed, rate=0.25)
        for function, operation in batches
    )


def _partial_sends(scene: Scene) -> tuple[FaultRule, ...]:
    senders = (scene.outputs.ingestion_function_name, scene.outputs.indexer_function_name)
    return tuple(_in_part(f"{one} batch", "sqs", "SendMessageBatch", one, scene.seed, rate=0.5) for one in senders)


def _partial_events(scene: Scene) -> tuple[FaultRule, ...]:
    return (_in_part("batch", "events", "PutEvents", scene.outputs.processor_function_name, scene.seed, rate=0.5),)


def _in_part(name: str, service: str, operation: str, function: str, seed: int, *, rate: float) -> FaultRule:
    return FaultRule(name, service, operation, function, times=_PART_TIMES, action=Action.PARTIAL, rate=rate, seed=seed)


def _dropped_events(scene: Scene) -> tuple[FaultRule, ...]:
    # The last event in any case, so that only the schedule is left to roll its range up.
    return (FaultRule("all", "events", "PutEvents", scene.outputs.processor_function_name, action=Action.DROP, skip=4),)


def _duplicate_s3_events(scene: Scene) -> tuple[FaultRule, ...]:
    ingestion = scene.outputs.ingestion_function_name
    return (
        FaultRule(
            "event", *INVOCATION, ingestion, _OBJECT_EVENT, times=40, action=Action.TWICE, rate=0.3, seed=scene.seed
        ),
    )


def _duplicate_messages(scene: Scene) -> tuple[FaultRule, ...]:
    senders = (scene.outputs.ingestion_function_name, scene.outputs.indexer_function_name)
    return tuple(FaultRule(f"{one} batch", "sqs", "SendMessageBatch", one, action=Action.TWICE) for one in senders)


def _no_rules(_scene: Scene) -> tuple[FaultRule, ...]:
    return ()


# In the order in which their rules are asked: the first that hits a request decides, so those that hit everything of a
# kind stand behind those that hit some of it.
_ALL: Final = (
    Fault(
        "kill-before-writes",
        "DataProcessor, DataIngestion and DataIndexer are killed before their writes.",
        _kill_before_writes,
    ),
    Fault("kill-before-receipt", "DataProcessor is killed between slices and receipt.", _kill_before_receipt),
    Fault("kill-before-event", "DataProcessor is killed between receipt and event.", _kill_before_event),
    Fault(
        "kill-before-delete",
        "DataProcessor is killed after everything but before its messages are deleted.",
        _kill_before_delete,
    ),
    Fault(
        "kill-revision",
        "DataRevision is killed before it says how far an ingest is taken back, before it withdraws, and after it.",
        kill_revision,
        of_retractions=True,
    ),
    Fault("function-timeout", "DataProcessor and DataIngestion are not done in time.", _function_timeout),
    Fault(
        "poison-objects",
        "One object cannot be read by DataIngestion and one not by DataProcessor, until their messages are dead "
        "letters; then they can, and are put back to work.",
        of_objects.poison_objects,
        of_objects=True,
        held=True,
    ),
    Fault(
        "deadly-object",
        "DataProcessor dies twice of one object; its neighbours are put back and do not become dead letters.",
        of_objects.deadly_object,
        of_objects=True,
    ),
    Fault(
        "unseen-object",
        "S3 answers 404 for one object that it lists; it is asked for again.",
        of_objects.unseen_object,
        of_objects=True,
    ),
    Fault(
        "poison-messages",
        "Messages that nobody of the pipeline sent stand in ProcessingQueue; they must end as dead letters and stay.",
        _no_rules,
    ),
    Fault(
        "lost-index",
        "Parts of the index of a large packed object are gone when they are wanted; it is made again and waited for.",
        of_objects.lost_index,
        of_objects=True,
        of_index=True,
    ),
    Fault(
        "hostile-objects",
        "Objects that are damaged, no ticks, or costly to read lie among the others; each has its own fate.",
        _no_rules,
        of_objects=True,
    ),
    Fault(
        "dead-letter-redrive",
        "The receipts of one object are refused until its messages are dead letters; all dead letters are put back to "
        "work once their cause is cured.",
        of_objects.dead_letter_redrive,
        of_objects=True,
        held=True,
    ),
    Fault(
        "aggregator-down",
        "Every invocation of DataAggregator fails while one object's ranges are committed after all others; readers "
        "answer right meanwhile.",
        of_objects.late_object,
        of_objects=True,
        held=True,
        then=_aggregator_down,
    ),
    Fault("throttling", "Each service throttles some of what the functions ask of it.", _throttling),
    Fault("server-errors", "Each service answers 500 to some requests, uploads among them.", _server_errors),
    Fault("unprocessed-items", "DynamoDB leaves parts of batches undone.", _unprocessed_items),
    Fault("partial-sends", "SQS leaves parts of batches unsent.", _partial_sends),
    Fault("partial-events", "EventBridge leaves entries undone.", _partial_events),
    Fault(
        "dropped-events",
        "All events but the first are lost altogether, so that the schedule has to repair it.",
        _dropped_events,
    ),
    Fault(
        "two-aggregators",
        "DataAggregator runs twice at a time on one event, both elected.",
        two_aggregators,
    ),
    Fault(
        "two-compactions",
        "An hour is compacted twice at a time, and the number of a segment is taken when it is put.",
        two_compactions,
        parameters={"CompactionThreshold": str(COMPACTION_THRESHOLD)},
        deviations=(f"hours are compacted from {COMPACTION_THRESHOLD} slices on, unless another threshold was given",),
    ),
    Fault(
        "two-revisions",
        "DataRevision runs twice at a time on one event or request.",
        two_revisions,
        of_retractions=True,
    ),
    Fault(
        "lost-orders",
        "All events of DataRevision but the first are lost, so that the schedules have to go on with what it does.",
        lost_orders,
        of_retractions=True,
    ),
    Fault("duplicate-s3-events", "S3 delivers events twice, both at a time.", _duplicate_s3_events, of_objects=True),
    Fault("duplicate-messages", "SQS delivers every message twice.", _duplicate_messages),
)
_BY_NAME: Final = {fault.name: fault for fault in _ALL}


def names(*, objects: bool = True, index: bool = True, retractions: bool = True) -> tuple[str, ...]:
    """All faults there are, or those for which a workload has an occasion: objects, an index, ingests taken back."""
    return tuple(
        fault.name
        for fault in _ALL
        if (objects or not fault.of_objects)
        and (index or not fault.of_index)
        and (retractions or not fault.of_retractions)
    )


def faults_of(
    wanted: Iterable[str], *, objects: bool = True, index: bool = True, retractions: bool = True
) -> tuple[Fault, ...]:
    """Return the faults of these names, each once, in the catalog's order; for the rest see `names`.

    Raises BenchError for an unknown name, and for one without an occasion.
    """
    asked = set(wanted)
    if unknown := sorted(asked - _BY_NAME.keys()):
        raise BenchError(f"there is no fault {unknown[0]}: there are {', '.join(names())} and all")
    if idle := [name for name in asked if _BY_NAME[name].of_objects and not objects]:
        raise BenchError(f"this workload has no objects, so that there is no occasion for {', '.join(sorted(idle))}")
    if not index and any(_BY_NAME[name].of_index for name in asked):
        raise BenchError("this workload has no large packed object (--day-file), so that there is no index to lose")
    if not retractions and any(_BY_NAME[name].of_retractions for name in asked):
        raise BenchError("this workload takes nothing back (--retract), so that DataRevision has nothing to do")
    return tuple(fault for fault in _ALL if fault.name in asked)


def named(fault: Fault, rules: Rules, scene: Scene) -> tuple[FaultRule, ...]:
    """Return what rules make of a scene, under names that are the fault's and the stack's own."""
    stack = scene.outputs.rest_api_id
    return tuple(replace(rule, name=f"{fault.name}/{stack}/{rule.name}") for rule in rules(scene))


def fault_of(rule: FaultRule) -> str:
    """Return the name of the fault that a named rule belongs to."""
    return rule.name.partition("/")[0]
