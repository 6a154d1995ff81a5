"""Market analytics: ticks come in by object or by call, and become bars that an API serves.

```
 objects --> MarketData bucket --+     IndexQueue --> DataIndexer --> rejected bucket (indexes)
                                 v       ^              v
 POST /ingest ----------> DataIngestion -+> LargeRangeQueue --> DataProcessor --> rejected bucket
                                 |       +> ProcessingQueue ----^ |       |
                                 v                                v       v MarketDataProcessed
 GET /bars, ... --------> DataQuery --> MarketDataState table <-- DataAggregator <-- every 5 minutes
                                                     ^            |  ^-----> LanesWaiting, to itself
 DELETE /ingest ----> DataRevision <-----------------'            v
                          ^-- every 5 minutes, RevisionWaiting ---'
```

What fails for good ends in one of the dead-letter queues of `market_analytics_queues`.
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
from generator.blocks.queue import CONSUMER_TIMEOUT_S
from generator.blocks.rule import Rule
from generator.blocks.stack import Stack
from generator.blocks.table import Table
from generator.contracts.market_analytics import CONTRACT, DELETE_INGEST, POST_TICKS
from generator.pipelines.market_analytics_queues import LATE_S, Queues
from generator.tags import own_tags
from tickstream.counted_lines import OBJECT_REJECTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from troposphere import Template

    from generator.environment import Environment

NAME = "market-analytics"

TAGS = {"Environment": "Production", "Project": "MarketAnalytics"}

PROCESSED_SOURCE = "market.analytics.processor"
PROCESSED_TYPE = "MarketDataProcessed"
CALL_SOURCE = "market.analytics.aggregator"
CALL_TYPE = "LanesWaiting"
REVISION_SOURCE = "market.analytics.revision"
REVISION_TYPE = "RevisionWaiting"
SCHEDULE = "rate(5 minutes)"

MEMORY_MB = 3072

INDEXES = "index/"
"""Where indexes lie in the bucket of refused rows: what is made of objects, and expires with them."""

REFUSED = "rejected/"
"""Where refused rows lie in that bucket, and one line of each object that is refused as a whole."""

INDEXED_AT_A_TIME = 20
"""Objects of gigabytes, each by a function that is busy for minutes: the account's concurrency is for their ranges."""

THROTTLE = Throttle(rate_per_s=10_000, burst=5_000)
"""Also the default quotas of an account and region, so that this stage alone may use them up."""

SLOW_CALL_MS = 5_000


def build(environment: Environment, tags: Sequence[str] = ()) -> Template:
    """Return the template of one environment's market analytics stack.

    tags: of the user's own, each `NAME=VALUE`. Raises TagError.
    """
    stack = Stack(
        environment,
        description=(
            f"Market analytics ({environment.name}): stock-market ticks into bars. Objects live 30 days and 30 more "
            "as noncurrent versions. Deleting the stack deletes all data."
        ),
        tags=TAGS | own_tags(tags, TAGS),
        metrics_namespace="MarketAnalytics",
    )
    runtime = common_runtime(stack, memory_mb=MEMORY_MB)
    range_bytes = stack.number(
        "RangeBytes", 32 * 1024 * 1024, minimum=1024, text="Bytes of an object that one message points to"
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
    ingestions = stack.number(
        "IngestionMaxConcurrency", 0, minimum=0, text="DataIngestion's invocations at a time, reserved; 0: no bound"
    )
    same_key = stack.choice(
        "SameKey",
        "add",
        "replace",
        text="Whether new bytes under an old key are added to what came under it before or take its place",
    )
    large_ranges = stack.number(
        "LargeRangeMaxConcurrency",
        20,
        minimum=2,
        maximum=1000,
        text="DataProcessor's invocations at a time for large ranges, beside the others",
    )

    # Where things rest.
    market_data = Bucket(stack, "MarketData", "market-data", lifecycle=passing_through())
    rejected = Bucket(stack, "RejectedMarketData", "market-data-rejected", lifecycle=passing_through())
    state = Table(stack, "MarketDataState", partition_key="symbol", sort_key="timestamp", expiry="expiresAt", warm=True)
    emptier = Emptier(stack, runtime, buckets=[market_data, rejected])

    queues = Queues.add_to(stack)
    work, large_work, orders = queues.work, queues.large_work, queues.orders

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
            large_work.send(),
            orders.send(),
            # An object that is refused as a whole is told of beside the rows that are.
            rejected.put(REFUSED),
            state.allow(
                dynamodb.BatchGetItem,
                dynamodb.BatchWriteItem,
                dynamodb.GetItem,
                dynamodb.PutItem,
                # The same bytes put again, after others: their ingest moves to that place.
                dynamodb.UpdateItem,
            ),
        ],
        variables={
            "TABLE_NAME": state.name,
            "QUEUE_URL": work.url,
            "LARGE_RANGE_QUEUE_URL": large_work.url,
            "INDEX_QUEUE_URL": orders.url,
            "REJECTED_BUCKET": rejected.name,
            "RANGE_BYTES": Ref(range_bytes),
            "SAME_KEY": Ref(same_key),
        },
        dead_letters=queues.ingestion_failed,
        ceiling=ingestions,
        after=[emptier.contents(rejected)],
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
            large_work.send(),
            *market_data.read(),
            rejected.write(INDEXES),
            rejected.put(REFUSED),
            *rejected.read_back(INDEXES),
            state.allow(dynamodb.BatchGetItem, dynamodb.GetItem, dynamodb.PutItem),
        ],
        variables={
            "TABLE_NAME": state.name,
            "LARGE_RANGE_QUEUE_URL": large_work.url,
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
            large_work.consume(),
            # What was not begun, or not finished, is put back: sent again, then deleted.
            work.send(),
            large_work.send(),
            # An index that is missing is ordered again.
            orders.send(),
            *market_data.read(),
            rejected.write(REFUSED),
            *rejected.read_back(INDEXES),
            state.allow(dynamodb.BatchWriteItem, dynamodb.GetItem, dynamodb.PutItem, dynamodb.Query),
            rule.put_events(stack, PROCESSED_SOURCE),
        ],
        variables={
            "TABLE_NAME": state.name,
            "REJECTED_BUCKET": rejected.name,
            "EVENT_BUS_NAME": rule.DEFAULT_BUS,
            "QUEUE_URL": work.url,
            "LARGE_RANGE_QUEUE_URL": large_work.url,
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
            # With more than one can do it calls another; what was refused in part is taken back as a whole.
            rule.put_events(stack, CALL_SOURCE, REVISION_SOURCE),
        ],
        variables={
            "TABLE_NAME": state.name,
            "EVENT_BUS_NAME": rule.DEFAULT_BUS,
            "COMPACTION_THRESHOLD": Ref(compaction),
            "OVERDUE_SECONDS": Ref(overdue),
        },
        dead_letters=queues.aggregation_failed,
    )
    revision = Function(
        stack,
        "DataRevision",
        runtime,
        handler="market_analytics.data_revision.handler",
        does="Takes ingests back: withdraws what they brought from the hours that have it.",
        timeout_s=LONGEST_TIMEOUT_S,
        may=[
            state.allow(
                dynamodb.BatchGetItem,
                dynamodb.BatchWriteItem,
                dynamodb.GetItem,
                dynamodb.PutItem,
                dynamodb.Query,
                dynamodb.UpdateItem,
            ),
            # It has hours mended, and goes on in another invocation.
            rule.put_events(stack, CALL_SOURCE, REVISION_SOURCE),
        ],
        variables={"TABLE_NAME": state.name, "EVENT_BUS_NAME": rule.DEFAULT_BUS},
        dead_letters=queues.revision_failed,
    )
    query = Function(
        stack,
        "DataQuery",
        runtime,
        handler="market_analytics.data_query.handler",
        does="Answers what bars and symbols there are, how far an ingest is, and what became of what came in.",
        timeout_s=FUNCTION_TIMEOUT_S,
        may=[state.allow(dynamodb.BatchGetItem, dynamodb.Query)],
        variables={"TABLE_NAME": state.name, "OVERDUE_SECONDS": Ref(overdue), "DATA_BUCKET": market_data.name},
    )

    # How one thing leads to the next.
    market_data.notify(ingestion)
    # Small ranges: ten are read and written together, and wake DataAggregator once.
    processor.consume(work, max_concurrency=processors, after=[emptier.contents(rejected)])
    # One range has the whole invocation: it may be thousands of writes.
    processor.consume(large_work, max_concurrency=large_ranges, batch_size=1, after=[emptier.contents(rejected)])
    indexer.consume(orders, max_concurrency=INDEXED_AT_A_TIME, batch_size=1, after=[emptier.contents(rejected)])
    on_processed = Rule(
        stack,
        "MarketDataProcessed",
        does="A range has been processed: refresh the rollups it touches.",
        pattern={"source": [PROCESSED_SOURCE], "detail-type": [PROCESSED_TYPE]},
        target=aggregator,
        dead_letters=queues.undelivered,
    )
    Rule(
        stack,
        "LanesWaiting",
        does="One aggregator has more to roll up than it can do alone: begin with some lanes of symbols.",
        pattern={"source": [CALL_SOURCE], "detail-type": [CALL_TYPE]},
        target=aggregator,
        dead_letters=queues.undelivered,
    )
    on_schedule = Rule(
        stack,
        "AggregationSchedule",
        does="Repair what events missed.",
        schedule=SCHEDULE,
        target=aggregator,
        dead_letters=queues.undelivered,
    )
    Rule(
        stack,
        "RevisionWaiting",
        does="An ingest is to be taken back, or the taking back of some goes on.",
        pattern={"source": [REVISION_SOURCE], "detail-type": [REVISION_TYPE]},
        target=revision,
        dead_letters=queues.undelivered,
    )
    Rule(
        stack,
        "RevisionSchedule",
        does="Go on with what is being taken back, and see that it is gone.",
        schedule=SCHEDULE,
        target=revision,
        dead_letters=queues.undelivered,
    )
    api = Api(stack, "MarketDataAPI", CONTRACT, does="Ticks in, bars out; every call signed.")
    for operation in CONTRACT.operations:
        api.route(operation, {POST_TICKS.name: ingestion, DELETE_INGEST.name: revision}.get(operation.name, query))
    api.deploy(THROTTLE)

    _watch(
        stack,
        api,
        queues,
        functions=[ingestion, indexer, processor, aggregator, revision, query],
        counter=aggregator,
        refusing=[ingestion, indexer, processor],
    )

    outputs = {
        "apiUrl": (api.url, "Address of the API, without a slash at its end"),
        "restApiId": (api.id, "Id of the API"),
        "bucketName": (market_data.name, "Bucket that takes objects of ticks"),
        "rejectedBucketName": (rejected.name, "Bucket that keeps refused rows"),
        "tableArn": (state.arn, "ARN of the table"),
        "tableName": (state.name, "Name of the table"),
        **queues.outputs(),
        "ingestionFunctionName": (ingestion.name, "Name of DataIngestion"),
        "indexerFunctionName": (indexer.name, "Name of DataIndexer"),
        "processorFunctionName": (processor.name, "Name of DataProcessor"),
        "aggregatorFunctionName": (aggregator.name, "Name of DataAggregator"),
        "revisionFunctionName": (revision.name, "Name of DataRevision"),
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
    queues: Queues,
    *,
    functions: Sequence[Function],
    counter: Function,
    refusing: Sequence[Function],
) -> None:
    """Add what calls a person.

    counter: the function that counts overdue ingests. refusing: those that refuse objects.
    """
    alarms = Alarms(stack)
    alarms.not_empty(*queues.dead_letters())
    alarms.not_late(queues.oldest_s())
    alarms.no_failures(functions)
    alarms.none_overdue(counter, "OverdueIngests")
    alarms.keeps_up(counter, "RollupLagSeconds", late_s=LATE_S)
    alarms.none_refused(refusing, "ObjectsRejected", OBJECT_REJECTED, what="Objects")
    alarms.healthy(api, slowest_ms=SLOW_CALL_MS)
    alarms.draw()
