"""The queues in which messages of a stack rest that nobody works on any more, and what is done with each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.redrive.dead_letters import (
    event_reader,
    file_event_reader,
    object_reader,
    order_reader,
    parked_reader,
    pointer_reader,
    queue_name,
    range_reader,
    revision_reader,
    undelivered_reader,
)
from bench.stack import deployment
from bench.stack.outputs import FileOutputs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.redrive.dead_letters import Reader
    from bench.stack.outputs import Outputs
    from bench.targets import Target


@dataclass(frozen=True, slots=True)
class DeadQueue:
    """One dead-letter or parked queue.

    None of them has a dead-letter queue of its own, so it does not matter how often a message is received.
    goes_to: the queue or function that gets its messages, for people to read. failed: the functions whose logs say why
    messages died.
    """

    url: str
    goes_to: str
    failed: str
    read: Reader


def market_queues(outputs: Outputs) -> dict[str, DeadQueue]:
    """Return the dead-letter queues of market analytics, by the names that its outputs have for them."""
    ingestion, aggregator = outputs.ingestion_function_name, outputs.aggregator_function_name
    revision = outputs.revision_function_name
    ranges = {"processing": outputs.queue_url, "large-ranges": outputs.large_range_queue_url}
    kinds = {
        **{name: (queue_name(url), outputs.processor_function_name, range_reader(url)) for name, url in ranges.items()},
        "index": (
            queue_name(outputs.index_queue_url),
            outputs.indexer_function_name,
            order_reader(outputs.index_queue_url),
        ),
        "ingestion": (ingestion, ingestion, object_reader(ingestion, outputs.bucket_name)),
        "aggregator": (aggregator, aggregator, event_reader(aggregator)),
        "revision": (revision, revision, revision_reader(revision)),
        # What EventBridge could not deliver: nobody failed on it yet.
        "rule": (
            "its function",
            f"{aggregator}, {revision}",
            undelivered_reader({aggregator: event_reader(aggregator), revision: revision_reader(revision)}),
        ),
    }
    return {name: DeadQueue(url, *kinds[name]) for name, url in outputs.dead_letter_queues().items()}


def file_queues(outputs: FileOutputs) -> dict[str, DeadQueue]:
    """Return the dead-letter queues of file processing, and the parked queue, into which its recorder empties them.

    In a dead-letter queue stands what the recorder has failed on. Should it get to a message at the same time, it is
    parked as well, and put back twice.
    """
    functions, working = outputs.functions(), outputs.working_queues()
    readers = {"validator": file_event_reader(functions["validator"], outputs.bucket_name)}
    readers |= {stage: pointer_reader(url) for stage, url in working.items()}
    origins = {"validator": functions["validator"]} | {stage: queue_name(url) for stage, url in working.items()}
    queues = {
        stage: DeadQueue(url, origins[stage], functions[stage], readers[stage])
        for stage, url in outputs.dead_letter_queues().items()
    }
    parked = parked_reader({(stage, origins[stage]): reader for stage, reader in readers.items()})
    failed = ", ".join(functions.values())
    queues["parked"] = DeadQueue(outputs.parked_queue_url, "its stage", failed, parked)
    return queues


def queues_of(
    target: Target, environment: str, pipeline: str, names: Iterable[str] | None = None
) -> dict[str, DeadQueue]:
    """Return the queues of a deployed stack: those of these names, or all.

    Raises DeploymentError where there is no such stack, BenchError for a name that no queue of it has.
    """
    if pipeline == deployment.FILE_PROCESSING:
        queues = file_queues(deployment.read_outputs(target, environment, pipeline, FileOutputs))
    else:
        queues = market_queues(deployment.outputs_of(target, environment))
    wanted = tuple(names or queues)
    if unknown := [name for name in wanted if name not in queues]:
        raise BenchError(f"{pipeline} has no queue {unknown[0]!r} to redrive: there are {', '.join(queues)}")
    return {name: queue for name, queue in queues.items() if name in wanted}
