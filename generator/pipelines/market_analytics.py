"""Market analytics: ticks come in by object or by call, and become bars that an API serves.

```
 objects --> MarketData bucket --+     IndexQueue --> DataIndexer --> rejected bucket (indexes)
                                 v       ^              v
 POST /ingest ----------> DataIngestion -+> ProcessingQueue --> DataProcessor --> rejected bucket
                                 |                                |       |
                                 v                                v       v MarketDataProcessed
 GET /bars, /ingest --> DataQuery --> MarketDataState table <-- DataAggregator <-- every 5 minutes
```

What fails for good ends in one of five dead-letter queues: one for each of the two queues, one a function that is
invoked asynchronously, and one for events that EventBridge could not deliver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from awacs import dynamodb
from troposphere import Ref

from generator.blocks import rule
from generator.blocks.alarms import Alarms
from generator.blocks.api import FUNCTION_TIMEOUT_S, Api, Throttle
from generator.blocks.bucket import Bucket, passing_through
from generator.blocks.emptier import Emptier
from generator.blocks.function import LONGEST_TIMEOUT_S, Function, common_runtime
from generator.blocks.queue import (
    CONSUMER_TIMEOUT_S,
    LIVES_A_VISIBILITY,
    WORK_RETENTION_S,
    Queue,
    dead_letter_queue,
    max_receives,
    rule_dead_letter_queue,
)
from generator.blocks.rule import Rule
from generator.blocks.stack import Stack
from generator.blocks.table import Table
from generator.contracts.market_analytics import CONTRACT, POST_TICKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from troposphere import Template

    from generator.environment import Environment

NAME = "market-analytics"

TAGS = {"Environment": "Production", "Project": "MarketAnalytics"}

PROCESSED_SOURCE = "market.analytics.processor"
PROCESSED_TYPE = "MarketDataProcessed"
SCHEDULE = "rate(5 minutes)"

MEMORY_MB = 3072

INDEXES = "index/"
"""Where indexes lie in the bucket of refused rows: what is made of objects, and expires with them."""

RANGES_A_BATCH = 5
"""Ranges of ordinary ticks take a second each; none is begun without the time that the worst takes."""

INDEXED_AT_A_TIME = 20
"""Objects of gigabytes, each by a function that is busy for minutes: the account's concurrency is for their ranges."""

THROTTLE = Throttle(rate_per_s=10_000, burst=5_000)
"""Also the default quotas of an account and region, so that this stage alone may use them up."""

LATE_S = 900
"""Three visibility timeouts: a message this old has failed twice, or there is too much work for the ceiling."""

INDEX_LATE_S = 3_600
"""An order that is worked on is replaced within a quarter of an hour. One this old waits for its turn among very many,
or has failed and comes again when its visibility timeout is over, an hour and a half after it was received."""

SLOW_CALL_MS = 5_000


def build(environment: Environment) -> Template:
    """Return the template of one environment's market analytics stack."""
    stack = Stack(
        environment,
        description=(
            f"Market analytics ({environment.name}): stock-market ticks into bars. Objects live 30 days and 30 more "
            "as noncurrent versions. Deleting the stack deletes all data."
        ),
        tags=TAGS,
        metrics_namespace="MarketAnalytics",
    )
    runtime = common_runtime(stack, memory_mb=MEMORY_MB)
    range_bytes = stack.number(
        "RangeBytes", 16 * 1024 * 1024, minimum=1024, text="Bytes of an object that one message points to"
    )
    compaction = stack.number(
        "CompactionThreshold", 1000, minimum=2, maximum=2000, text="Slices of an hour that are merged into a segment"
    )
    overdue = stack.number(
        "OverdueSeconds", 900, minimum=1, text="Seconds after which an incomplete ingest is called overdue"
    )
    processors = stack.number(
        "ProcessorMaxConcurrency", 200, minimum=2, maximum=1000, text="DataProcessor's invocations at a time"
    )

    # Where things rest.
    market_data = Bucket(stack, "MarketData", "market-data", lifecycle=passing_through())
    rejected = Bucket(stack, "RejectedMarketData", "market-data-rejected", lifecycle=passing_through())
    state = Table(stack, "MarketDataState", partition_key="symbol", sort_key="timestamp", expiry="expiresAt")
    emptier = Emptier(stack, runtime, buckets=[market_data, rejected])

    # Where work waits, and where it ends when it fails for good.
    processing_failed = dead_letter_queue(stack, "ProcessingDeadLetterQueue", of="ProcessingQueue")
    indexing_failed = dead_letter_queue(stack, "IndexDeadLetterQueue", of="IndexQueue")
    ingestion_failed = dead_letter_queue(stack, "IngestionDeadLetterQueue")
    aggregation_failed = dead_letter_queue(stack, "AggregatorDeadLetterQueue")
    undelivered = rule_dead_letter_queue(
        stack, "RuleDeadLetterQueue", rules=["MarketDataProcessed", "AggregationSchedule"]
    )
    receives = max_receives(stack)
    work = Queue(
        stack,
        "ProcessingQueue",
        retention_s=WORK_RETENTION_S,
        dead_letters=processing_failed,
        max_receives=receives,
    )
    orders = Queue(
        stack,
        "IndexQueue",
        retention_s=WORK_RETENTION_S,
        visibility_timeout_s=LIVES_A_VISIBILITY * LONGEST_TIMEOUT_S,
        dead_letters=indexing_failed,
        max_receives=receives,
    )

    # What works.
    ingestion = Function(
        stack,
        "DataIngestion",
        runtime,
        handler="market_analytics.data_ingestion.handler",
        does="Cuts new objects into ranges, takes posted ticks, and queues both for processing.",
        timeout_s=FUNCTION_TIMEOUT_S,
        may=[
            *market_data.read(),
            work.send(),
            orders.send(),
            state.allow(dynamodb.BatchGetItem, dynamodb.BatchWriteItem, dynamodb.GetItem, dynamodb.PutItem),
        ],
        variables={
            "TABLE_NAME": state.name,
            "QUEUE_URL": work.url,
            "INDEX_QUEUE_URL": orders.url,
            "RANGE_BYTES": Ref(range_bytes),
        },
        dead_letters=ingestion_failed,
    )
    indexer = Function(
        stack,
        "DataIndexer",
        runtime,
        handler="market_analytics.data_indexer.handler",
        does="Finds where a large packed object can be read from the middle, and queues its ranges.",
        timeout_s=LONGEST_TIMEOUT_S,
        may=[
            orders.consume(),
            # What one life is too short for is put back: sent again, then deleted.
            orders.send(),
            work.send(),
            *market_data.read(),
            rejected.write(INDEXES),
            *rejected.read_back(INDEXES),
            state.allow(dynamodb.BatchGetItem, dynamodb.GetItem, dynamodb.PutItem),
        ],
        variables={
            "TABLE_NAME": state.name,
            "QUEUE_URL": work.url,
            "INDEX_QUEUE_URL": orders.url,
            "REJECTED_BUCKET": rejected.name,
            "RANGE_BYTES": Ref(range_bytes),
        },
        after=[emptier.contents(rejected)],
    )
    processor = Function(
        stack,
        "DataProcessor",
        runtime,
        handler="market_analytics.data_processor.handler",
        does="Turns ranges of ticks into slices of bars, one receipt a range, one event a batch.",
        timeout_s=CONSUMER_TIMEOUT_S,
        may=[
            work.consume(),
            # What was not begun is put back: sent again, then deleted.
            work.send(),
            # An index that is missing is ordered again.
            orders.send(),
            *market_data.read(),
            rejected.write("rejected/"),
            *rejected.read_back(INDEXES),
            state.allow(dynamodb.BatchWriteItem, dynamodb.GetItem, dynamodb.PutItem, dynamodb.Query),
            rule.put_events(stack, PROCESSED_SOURCE),
        ],
        variables={
            "TABLE_NAME": state.name,
            "REJECTED_BUCKET": rejected.name,
            "EVENT_BUS_NAME": rule.DEFAULT_BUS,
            "QUEUE_URL": work.url,
            "INDEX_QUEUE_URL": orders.url,
        },
        after=[emptier.contents(rejected)],
    )
    aggregator = Function(
        stack,
        "DataAggregator",
        runtime,
        handler="market_analytics.data_aggregator.handler",
        does="Refreshes the rollups that the API reads, repairs what events missed, and publishes metrics.",
        timeout_s=CONSUMER_TIMEOUT_S,
        may=[
            state.allow(
                dynamodb.BatchGetItem,
                dynamodb.BatchWriteItem,
                dynamodb.GetItem,
                dynamodb.PutItem,
                dynamodb.Query,
                dynamodb.UpdateItem,
            ),
        ],
        variables={
            "TABLE_NAME": state.name,
            "COMPACTION_THRESHOLD": Ref(compaction),
            "OVERDUE_SECONDS": Ref(overdue),
        },
        dead_letters=aggregation_failed,
    )
    query = Function(
        stack,
        "DataQuery",
        runtime,
        handler="market_analytics.data_query.handler",
        does="Answers what bars there are and how far an ingest is.",
        timeout_s=FUNCTION_TIMEOUT_S,
        may=[state.allow(dynamodb.Query)],
        variables={"TABLE_NAME": state.name, "OVERDUE_SECONDS": Ref(overdue)},
    )

    # How one thing leads to the next.
    market_data.notify(ingestion)
    processor.consume(work, max_concurrency=processors, batch_size=RANGES_A_BATCH, after=[emptier.contents(rejected)])
    indexer.consume(orders, max_concurrency=INDEXED_AT_A_TIME, batch_size=1, after=[emptier.contents(rejected)])
    on_processed = Rule(
        stack,
        "MarketDataProcessed",
        does="A range has been processed: refresh the rollups it touches.",
        pattern={"source": [PROCESSED_SOURCE], "detail-type": [PROCESSED_TYPE]},
        target=aggregator,
        dead_letters=undelivered,
    )
    on_schedule = Rule(
        stack,
        "AggregationSchedule",
        does="Repair what events missed.",
        schedule=SCHEDULE,
        target=aggregator,
        dead_letters=undelivered,
    )
    api = Api(stack, "MarketDataAPI", CONTRACT, does="Ticks in, bars out; every call signed.")
    for operation in CONTRACT.operations:
        api.route(operation, ingestion if operation is POST_TICKS else query)
    api.deploy(THROTTLE)

    _watch(
        stack,
        api,
        oldest_s={work: LATE_S, orders: INDEX_LATE_S},
        dead_letters=[processing_failed, indexing_failed, ingestion_failed, aggregation_failed, undelivered],
        functions=[ingestion, indexer, processor, aggregator, query],
        counter=aggregator,
    )

    outputs = {
        "apiUrl": (api.url, "Address of the API, without a slash at its end"),
        "restApiId": (api.id, "Id of the API"),
        "bucketName": (market_data.name, "Bucket that takes objects of ticks"),
        "rejectedBucketName": (rejected.name, "Bucket that keeps refused rows"),
        "tableArn": (state.arn, "ARN of the table"),
        "tableName": (state.name, "Name of the table"),
        "queueUrl": (work.url, "Queue between ingestion and processing"),
        "processingDeadLetterQueueUrl": (processing_failed.url, "Messages that failed for good"),
        "indexQueueUrl": (orders.url, "Queue of packed objects that are to be indexed"),
        "indexDeadLetterQueueUrl": (indexing_failed.url, "Orders to index that failed for good"),
        "ingestionDeadLetterQueueUrl": (ingestion_failed.url, "Object events that failed for good"),
        "aggregatorDeadLetterQueueUrl": (aggregation_failed.url, "Aggregations that failed for good"),
        "ruleDeadLetterQueueUrl": (undelivered.url, "Events that EventBridge could not deliver"),
        "ingestionFunctionName": (ingestion.name, "Name of DataIngestion"),
        "indexerFunctionName": (indexer.name, "Name of DataIndexer"),
        "processorFunctionName": (processor.name, "Name of DataProcessor"),
        "aggregatorFunctionName": (aggregator.name, "Name of DataAggregator"),
        "queryFunctionName": (query.name, "Name of DataQuery"),
        "eventRuleArn": (on_processed.arn, "Rule for processed ranges"),
        "scheduleRuleArn": (on_schedule.arn, "Rule for the schedule"),
    }
    for key, (value, text) in outputs.items():
        stack.output(key, value, text)
    return stack.template


def _watch(
    stack: Stack,
    api: Api,
    *,
    oldest_s: Mapping[Queue, int],
    dead_letters: Sequence[Queue],
    functions: Sequence[Function],
    counter: Function,
) -> None:
    """Add what calls a person; `counter` is the function that counts overdue ingests."""
    alarms = Alarms(stack)
    alarms.not_empty(*dead_letters)
    alarms.not_late(oldest_s)
    alarms.no_failures(functions)
    alarms.none_overdue(counter, "OverdueIngests")
    alarms.keeps_up(counter, "RollupLagSeconds", late_s=LATE_S)
    alarms.healthy(api, slowest_ms=SLOW_CALL_MS)
    alarms.draw()
