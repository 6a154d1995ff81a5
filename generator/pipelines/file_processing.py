"""File processing: files become statistics stage by stage, in order for each file, in parallel across files.

```
 files --> Files bucket --> file-validator
                                 |
              data-processor.fifo --> data-processor
                                           |
                     result-aggregator.fifo --> result-aggregator

 each of the three --> processing-status table --> status-query <-- GET /status/BUCKET/KEY, /files
                              ^
 each one's dead letters --> dead-letter-recorder --> parked
```

Queues are named after their consumer. A message's group is its file, so one file's messages stay in order, and a file
that fails holds up nobody else. What fails for good ends in its stage's dead-letter queue, from where the recorder
marks the file as failed and parks the message for whoever redrives it. The recorder's own failures lose nothing: a
message stays in its dead-letter queue, which nothing else empties, and comes again until it is parked, for 14 days.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from awacs import dynamodb
from troposphere import Ref

from generator.blocks.alarms import Alarms
from generator.blocks.api import FUNCTION_TIMEOUT_S, Api, Throttle
from generator.blocks.bucket import Bucket, archived
from generator.blocks.emptier import Emptier
from generator.blocks.function import Function, common_runtime
from generator.blocks.queue import CONSUMER_TIMEOUT_S, LONGEST_RETENTION_S, Queue, dead_letter_queue, max_receives
from generator.blocks.stack import Stack, kebab_case
from generator.blocks.table import Index, Table
from generator.contracts.file_processing import CONTRACT
from generator.tags import own_tags
from tickstream.counted_lines import FILE_REFUSED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from troposphere import Template

    from generator.environment import Environment

NAME = "file-processing"

TAGS = {"Environment": "Production", "Team": "Analytics"}

MEMORY_MB = 512

MAX_FILE_BYTES = 32 * 1024 * 1024
"""Lambda gives 512 MB about 0.3 of a processor: 45 MiB of CSV, 6 s of a whole one, would take 20 of its 50 s."""

FILES_A_BATCH = 1
"""The largest file takes most of an invocation's time, and what an invocation puts off, or takes with it when it dies,
counts as received. A FIFO queue's messages cannot be put back (`services.queue`): so none has neighbours."""

THROTTLE = Throttle(rate_per_s=1_000, burst=2_000)

LATE_S = 900
"""Three visibility timeouts: a message this old has failed twice, or there is too much work for the ceiling."""

SLOW_CALL_MS = 5_000


def build(environment: Environment, tags: Sequence[str] = ()) -> Template:
    """Return the template of one environment's file processing stack.

    tags: of the user's own, each `NAME=VALUE`. Raises TagError.
    """
    stack = Stack(
        environment,
        description=(
            f"File processing ({environment.name}): market-data files, stage by stage, with the status of each. "
            "Objects move to Glacier after 90 days and stay. Deleting the stack deletes all data."
        ),
        tags=TAGS | own_tags(tags, TAGS),
        metrics_namespace="FileProcessing",
        spelling=kebab_case,
    )
    runtime = common_runtime(stack, memory_mb=MEMORY_MB)
    receives = max_receives(stack)
    max_file_bytes = stack.number(
        "MaxFileBytes",
        MAX_FILE_BYTES,
        minimum=1,
        text="Largest file that is taken; a larger one is refused. Raise FunctionMemoryMb with it",
    )
    workers = stack.number(
        "StageMaxConcurrency", 100, minimum=2, maximum=1000, text="Invocations at a time of each queue's consumer"
    )

    # Where things rest.
    files = Bucket(stack, "Files", NAME, lifecycle=archived())
    status = Table(
        stack,
        "ProcessingStatus",
        partition_key="fileId",
        expiry="expirationTime",
        index=Index("Arrivals", partition_key="listed", sort_key="arrival"),
    )
    Emptier(stack, runtime, buckets=[files])

    # Where work waits, and where it ends when it fails for good.
    validation_failed = dead_letter_queue(stack, "FileValidatorDeadLetterQueue", base="file-validator-dead-letter")
    processing_failed = dead_letter_queue(
        stack, "DataProcessorDeadLetterQueue", base="data-processor-dead-letter", of="data-processor", fifo=True
    )
    aggregation_failed = dead_letter_queue(
        stack,
        "ResultAggregatorDeadLetterQueue",
        base="result-aggregator-dead-letter",
        of="result-aggregator",
        fifo=True,
    )
    to_process = Queue(
        stack,
        "DataProcessorQueue",
        base="data-processor",
        fifo=True,
        retention_s=LONGEST_RETENTION_S,
        dead_letters=processing_failed,
        max_receives=receives,
    )
    to_aggregate = Queue(
        stack,
        "ResultAggregatorQueue",
        base="result-aggregator",
        fifo=True,
        retention_s=LONGEST_RETENTION_S,
        dead_letters=aggregation_failed,
        max_receives=receives,
    )
    parked = Queue(stack, "ParkedQueue", base="parked", retention_s=LONGEST_RETENTION_S)

    # What works. Each stage reads a file's status and replaces it, on condition that nobody else did.
    move_status = status.allow(dynamodb.GetItem, dynamodb.PutItem)
    validator = Function(
        stack,
        "FileValidator",
        runtime,
        handler="file_processing.file_validator.handler",
        does="Checks new files, says what is wrong with them, or hands them on.",
        timeout_s=CONSUMER_TIMEOUT_S,
        may=[*files.read(), move_status, to_process.send()],
        variables={"TABLE_NAME": status.name, "QUEUE_URL": to_process.url, "MAX_FILE_BYTES": Ref(max_file_bytes)},
        dead_letters=validation_failed,
        ceiling=stack.number(
            "ValidatorMaxConcurrency",
            0,
            minimum=0,
            text="file-validator's invocations at a time, reserved; 0: no bound",
        ),
    )
    processor = Function(
        stack,
        "DataProcessor",
        runtime,
        handler="file_processing.data_processor.handler",
        does="Turns a file into bars and statistics, and hands it on.",
        timeout_s=CONSUMER_TIMEOUT_S,
        may=[to_process.consume(), *files.read(), move_status, to_aggregate.send()],
        variables={"TABLE_NAME": status.name, "QUEUE_URL": to_aggregate.url},
    )
    aggregator = Function(
        stack,
        "ResultAggregator",
        runtime,
        handler="file_processing.result_aggregator.handler",
        does="Adds a file's statistics up to its totals and completes it.",
        timeout_s=CONSUMER_TIMEOUT_S,
        may=[to_aggregate.consume(), move_status],
        variables={"TABLE_NAME": status.name},
    )
    recorder = Function(
        stack,
        "DeadLetterRecorder",
        runtime,
        handler="operations.dead_letter_recorder.handler",
        does="Marks files as failed whose messages have died, and parks the messages.",
        timeout_s=CONSUMER_TIMEOUT_S,
        may=[
            *(queue.consume() for queue in (validation_failed, processing_failed, aggregation_failed)),
            move_status,
            parked.send(),
        ],
        variables={"TABLE_NAME": status.name, "PARKED_QUEUE_URL": parked.url},
    )
    query = Function(
        stack,
        "StatusQuery",
        runtime,
        handler="file_processing.status_query.handler",
        does="Answers how far a file is, and what became of files.",
        timeout_s=FUNCTION_TIMEOUT_S,
        may=[status.allow(dynamodb.GetItem), status.query_index()],
        variables={"TABLE_NAME": status.name, "DATA_BUCKET": files.name},
    )

    # How one thing leads to the next.
    files.notify(validator)
    processor.consume(to_process, max_concurrency=workers, batch_size=FILES_A_BATCH)
    aggregator.consume(to_aggregate, max_concurrency=workers, batch_size=FILES_A_BATCH)
    for dead_letters in (validation_failed, processing_failed, aggregation_failed):
        recorder.consume(dead_letters)
    api = Api(stack, "ProcessingApi", CONTRACT, does="How far each file is; every call signed.")
    for operation in CONTRACT.operations:
        api.route(operation, query)
    api.deploy(THROTTLE)

    # What a person must look at. The dead-letter queues are emptied by the recorder: what is in one for long is stuck.
    alarms = Alarms(stack)
    alarms.not_empty(parked)
    watched = (to_process, to_aggregate, validation_failed, processing_failed, aggregation_failed)
    alarms.not_late(dict.fromkeys(watched, LATE_S))
    alarms.no_failures([validator, processor, aggregator, recorder, query])
    alarms.none_refused([validator, processor], "FilesRefused", FILE_REFUSED, what="Files")
    alarms.healthy(api, slowest_ms=SLOW_CALL_MS)
    alarms.draw()

    outputs = {
        "apiEndpoint": (api.url, "Address of the API, without a slash at its end"),
        "restApiId": (api.id, "Id of the API"),
        "bucketName": (files.name, "Bucket that takes files"),
        "processingTableName": (status.name, "Table with the status of each file"),
        "validatorQueueUrl": (to_process.url, "Queue that the validator feeds"),
        "processorQueueUrl": (to_aggregate.url, "Queue that the processor feeds"),
        "validatorDeadLetterQueueUrl": (validation_failed.url, "Object events that failed for good"),
        "processorDeadLetterQueueUrl": (processing_failed.url, "Files whose processing failed for good"),
        "aggregatorDeadLetterQueueUrl": (aggregation_failed.url, "Files whose aggregation failed for good"),
        "parkedQueueUrl": (parked.url, "Recorded dead letters, for alarms and redrive"),
        "validatorFunctionName": (validator.name, "Name of file-validator"),
        "processorFunctionName": (processor.name, "Name of data-processor"),
        "aggregatorFunctionName": (aggregator.name, "Name of result-aggregator"),
        "statusFunctionName": (query.name, "Name of status-query"),
        "deadLetterRecorderFunctionName": (recorder.name, "Name of dead-letter-recorder"),
    }
    for key, (value, text) in outputs.items():
        stack.output(key, value, text)
    return stack.template
