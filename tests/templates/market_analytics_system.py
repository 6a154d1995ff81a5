"""What the template of market analytics is to say."""

from __future__ import annotations

from tests.templates.permissions import consume, empty_buckets, read_back, read_objects, send, use_table
from tests.templates.reading import ENV, arn, arn_of, ref, sub
from tests.templates.systems import Alarm, Function, Queue, Route, System, api_address, bucket_arn

_TABLE = f"MarketDataState-{ENV}"
_VISIBLE, _AGE = "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"
_FUNCTIONS = ("DataIngestion", "DataIndexer", "DataProcessor", "DataAggregator", "DataRevision", "DataQuery")
_CALLED = [f"{name}-{ENV}" for name in _FUNCTIONS]
_INDEXES = sub(f"{bucket_arn('market-data-rejected')}/index/*")
_REFUSED = sub(f"{bucket_arn('market-data-rejected')}/rejected/*")

SYSTEM = System(
    buckets={"MarketData": "market-data", "RejectedMarketData": "market-data-rejected"},
    functions={
        "DataIngestion": Function("DataIngestion", "market_analytics.data_ingestion.handler"),
        "DataIndexer": Function("DataIndexer", "market_analytics.data_indexer.handler"),
        "DataProcessor": Function("DataProcessor", "market_analytics.data_processor.handler"),
        "DataAggregator": Function("DataAggregator", "market_analytics.data_aggregator.handler"),
        "DataRevision": Function("DataRevision", "market_analytics.data_revision.handler"),
        "DataQuery": Function("DataQuery", "market_analytics.data_query.handler"),
        "BucketEmptier": Function("BucketEmptier", "operations.bucket_emptier.handler"),
    },
    memory_mb=3072,
    queues={
        "ProcessingQueue": Queue(f"ProcessingQueue-{ENV}", 4),
        "ProcessingDeadLetterQueue": Queue(f"ProcessingDeadLetterQueue-{ENV}", 14, dead_letters_of="ProcessingQueue"),
        "LargeRangeQueue": Queue(f"LargeRangeQueue-{ENV}", 10),
        "LargeRangeDeadLetterQueue": Queue(f"LargeRangeDeadLetterQueue-{ENV}", 14, dead_letters_of="LargeRangeQueue"),
        "IndexQueue": Queue(f"IndexQueue-{ENV}", 4, visibility_s=5_400),
        "IndexDeadLetterQueue": Queue(f"IndexDeadLetterQueue-{ENV}", 14, dead_letters_of="IndexQueue"),
        "IngestionDeadLetterQueue": Queue(f"IngestionDeadLetterQueue-{ENV}", 14),
        "AggregatorDeadLetterQueue": Queue(f"AggregatorDeadLetterQueue-{ENV}", 14),
        "RevisionDeadLetterQueue": Queue(f"RevisionDeadLetterQueue-{ENV}", 14),
        "RuleDeadLetterQueue": Queue(f"RuleDeadLetterQueue-{ENV}", 14),
    },
    tables=("MarketDataState",),
    api="MarketDataAPI",
    api_name=f"MarketDataAPI-{ENV}",
    routes={
        "PostIngest": Route("POST", "/ingest", "DataIngestion"),
        "GetIngestIngestId": Route("GET", "/ingest/{ingestId}", "DataQuery"),
        "DeleteIngestIngestId": Route("DELETE", "/ingest/{ingestId}", "DataRevision", outlived=True),
        "GetIngests": Route("GET", "/ingests", "DataQuery"),
        "PostBars": Route("POST", "/bars", "DataQuery"),
        "GetSymbols": Route("GET", "/symbols", "DataQuery"),
        "GetBarsSymbol": Route("GET", "/bars/{symbol+}", "DataQuery"),
    },
    throttle=(10_000, 5_000),
    tags={"Environment": "Production", "Project": "MarketAnalytics"},
    namespace=f"MarketAnalytics/{ENV}",
    outputs={
        "apiUrl": api_address("MarketDataAPI"),
        "restApiId": ref("MarketDataAPI"),
        "bucketName": ref("MarketData"),
        "rejectedBucketName": ref("RejectedMarketData"),
        "tableArn": arn_of("MarketDataState"),
        "tableName": ref("MarketDataState"),
        "queueUrl": ref("ProcessingQueue"),
        "processingDeadLetterQueueUrl": ref("ProcessingDeadLetterQueue"),
        "largeRangeQueueUrl": ref("LargeRangeQueue"),
        "largeRangeDeadLetterQueueUrl": ref("LargeRangeDeadLetterQueue"),
        "indexQueueUrl": ref("IndexQueue"),
        "indexDeadLetterQueueUrl": ref("IndexDeadLetterQueue"),
        "ingestionDeadLetterQueueUrl": ref("IngestionDeadLetterQueue"),
        "aggregatorDeadLetterQueueUrl": ref("AggregatorDeadLetterQueue"),
        "revisionDeadLetterQueueUrl": ref("RevisionDeadLetterQueue"),
        "ruleDeadLetterQueueUrl": ref("RuleDeadLetterQueue"),
        "ingestionFunctionName": ref("DataIngestion"),
        "indexerFunctionName": ref("DataIndexer"),
        "processorFunctionName": ref("DataProcessor"),
        "aggregatorFunctionName": ref("DataAggregator"),
        "revisionFunctionName": ref("DataRevision"),
        "queryFunctionName": ref("DataQuery"),
        "eventRuleArn": arn_of("MarketDataProcessed"),
        "scheduleRuleArn": arn_of("AggregationSchedule"),
    },
    address="apiUrl",
    alarms={
        "ProcessingDeadLetterQueueNotEmptyAlarm": Alarm([(_VISIBLE, f"ProcessingDeadLetterQueue-{ENV}")], 0),
        "LargeRangeDeadLetterQueueNotEmptyAlarm": Alarm([(_VISIBLE, f"LargeRangeDeadLetterQueue-{ENV}")], 0),
        "IndexDeadLetterQueueNotEmptyAlarm": Alarm([(_VISIBLE, f"IndexDeadLetterQueue-{ENV}")], 0),
        "IngestionDeadLetterQueueNotEmptyAlarm": Alarm([(_VISIBLE, f"IngestionDeadLetterQueue-{ENV}")], 0),
        "AggregatorDeadLetterQueueNotEmptyAlarm": Alarm([(_VISIBLE, f"AggregatorDeadLetterQueue-{ENV}")], 0),
        "RevisionDeadLetterQueueNotEmptyAlarm": Alarm([(_VISIBLE, f"RevisionDeadLetterQueue-{ENV}")], 0),
        "RuleDeadLetterQueueNotEmptyAlarm": Alarm([(_VISIBLE, f"RuleDeadLetterQueue-{ENV}")], 0),
        "ProcessingQueueLateAlarm": Alarm([(_AGE, f"ProcessingQueue-{ENV}")], 900),
        "LargeRangeQueueLateAlarm": Alarm([(_AGE, f"LargeRangeQueue-{ENV}")], 21_600),
        "IndexQueueLateAlarm": Alarm([(_AGE, f"IndexQueue-{ENV}")], 3_600),
        "FunctionErrorsAlarm": Alarm([("Errors", name) for name in _CALLED], 0),
        "FunctionThrottlesAlarm": Alarm([("Throttles", name) for name in _CALLED], 0),
        "OverdueIngestsAlarm": Alarm([("OverdueIngests", "DataAggregator")], 0),
        "RollupsLateAlarm": Alarm([("RollupLagSeconds", "DataAggregator")], 900),
        "ObjectsRejectedAlarm": Alarm([("ObjectsRejected", "")], 0),
        "MarketDataAPIFailingAlarm": Alarm([("5XXError", f"MarketDataAPI-{ENV}")], 0),
        "MarketDataAPISlowAlarm": Alarm([("Latency", f"MarketDataAPI-{ENV}")], 5_000),
    },
    counts={
        f"{function}ObjectsRejected": (function, "ObjectsRejected", "object rejected")
        for function in ("DataIngestion", "DataIndexer", "DataProcessor")
    },
    grants={
        "DataIngestion": [
            *read_objects("market-data"),
            send(f"ProcessingQueue-{ENV}"),
            send(f"LargeRangeQueue-{ENV}"),
            send(f"IndexQueue-{ENV}"),
            send(f"IngestionDeadLetterQueue-{ENV}"),
            (("s3:PutObject",), (_REFUSED,)),
            use_table(_TABLE, "BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "UpdateItem"),
        ],
        "DataIndexer": [
            *read_objects("market-data"),
            consume(f"IndexQueue-{ENV}"),
            send(f"IndexQueue-{ENV}"),
            send(f"LargeRangeQueue-{ENV}"),
            (("s3:AbortMultipartUpload", "s3:PutObject"), (_INDEXES,)),
            (("s3:PutObject",), (_REFUSED,)),
            *read_back("market-data-rejected", "index/"),
            use_table(_TABLE, "BatchGetItem", "GetItem", "PutItem"),
        ],
        "DataProcessor": [
            *read_objects("market-data"),
            *read_back("market-data-rejected", "index/"),
            consume(f"ProcessingQueue-{ENV}"),
            consume(f"LargeRangeQueue-{ENV}"),
            send(f"ProcessingQueue-{ENV}"),
            send(f"LargeRangeQueue-{ENV}"),
            send(f"IndexQueue-{ENV}"),
            (("s3:AbortMultipartUpload", "s3:PutObject"), (_REFUSED,)),
            use_table(_TABLE, "BatchWriteItem", "GetItem", "PutItem", "Query"),
            (("events:PutEvents",), (arn("events", "event-bus/default"),)),
        ],
        "DataAggregator": [
            send(f"AggregatorDeadLetterQueue-{ENV}"),
            use_table(_TABLE, "BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query", "UpdateItem"),
            (("events:PutEvents",), (arn("events", "event-bus/default"),)),
        ],
        "DataRevision": [
            send(f"RevisionDeadLetterQueue-{ENV}"),
            use_table(_TABLE, "BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query", "UpdateItem"),
            (("events:PutEvents",), (arn("events", "event-bus/default"),)),
        ],
        "DataQuery": [use_table(_TABLE, "BatchGetItem", "Query")],
        "BucketEmptier": empty_buckets("market-data", "market-data-rejected"),
    },
)
