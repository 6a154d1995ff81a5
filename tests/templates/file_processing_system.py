"""What the template of file processing is to say."""

from __future__ import annotations

from tests.templates.permissions import consume, empty_buckets, read_objects, send, use_table
from tests.templates.reading import ENV, ref
from tests.templates.systems import Alarm, Function, Queue, Route, System, api_address

_TABLE = f"processing-status-{ENV}"
_TO_PROCESS = f"data-processor-{ENV}.fifo"
_TO_AGGREGATE = f"result-aggregator-{ENV}.fifo"
_DEAD_LETTERS = (
    f"file-validator-dead-letter-{ENV}",
    f"data-processor-dead-letter-{ENV}.fifo",
    f"result-aggregator-dead-letter-{ENV}.fifo",
)
_PARKED = f"parked-{ENV}"
_AGE = "ApproximateAgeOfOldestMessage"
_CALLED = [
    f"{name}-{ENV}"
    for name in ("file-validator", "data-processor", "result-aggregator", "dead-letter-recorder", "status-query")
]

SYSTEM = System(
    buckets={"Files": "file-processing"},
    functions={
        "FileValidator": Function("file-validator", "file_processing.file_validator.handler"),
        "DataProcessor": Function("data-processor", "file_processing.data_processor.handler"),
        "ResultAggregator": Function("result-aggregator", "file_processing.result_aggregator.handler"),
        "StatusQuery": Function("status-query", "file_processing.status_query.handler"),
        "DeadLetterRecorder": Function("dead-letter-recorder", "operations.dead_letter_recorder.handler"),
        "BucketEmptier": Function("bucket-emptier", "operations.bucket_emptier.handler"),
    },
    memory_mb=512,
    queues={
        "DataProcessorQueue": Queue(_TO_PROCESS, 14),
        "ResultAggregatorQueue": Queue(_TO_AGGREGATE, 14),
        "FileValidatorDeadLetterQueue": Queue(_DEAD_LETTERS[0], 14),
        "DataProcessorDeadLetterQueue": Queue(_DEAD_LETTERS[1], 14, dead_letters_of="DataProcessorQueue"),
        "ResultAggregatorDeadLetterQueue": Queue(_DEAD_LETTERS[2], 14, dead_letters_of="ResultAggregatorQueue"),
        "ParkedQueue": Queue(_PARKED, 14),
    },
    tables=("ProcessingStatus",),
    api="ProcessingApi",
    api_name=f"processing-api-{ENV}",
    routes={
        "GetStatusFileId": Route("GET", "/status/{fileId+}", "StatusQuery"),
        "GetFiles": Route("GET", "/files", "StatusQuery"),
        "GetStatus": Route("GET", "/status", "StatusQuery"),
    },
    throttle=(1_000, 2_000),
    tags={"Environment": "Production", "Team": "Analytics"},
    namespace=f"FileProcessing/{ENV}",
    outputs={
        "apiEndpoint": api_address("ProcessingApi"),
        "restApiId": ref("ProcessingApi"),
        "bucketName": ref("Files"),
        "processingTableName": ref("ProcessingStatus"),
        "validatorQueueUrl": ref("DataProcessorQueue"),
        "processorQueueUrl": ref("ResultAggregatorQueue"),
        "validatorDeadLetterQueueUrl": ref("FileValidatorDeadLetterQueue"),
        "processorDeadLetterQueueUrl": ref("DataProcessorDeadLetterQueue"),
        "aggregatorDeadLetterQueueUrl": ref("ResultAggregatorDeadLetterQueue"),
        "parkedQueueUrl": ref("ParkedQueue"),
        "validatorFunctionName": ref("FileValidator"),
        "processorFunctionName": ref("DataProcessor"),
        "aggregatorFunctionName": ref("ResultAggregator"),
        "statusFunctionName": ref("StatusQuery"),
        "deadLetterRecorderFunctionName": ref("DeadLetterRecorder"),
    },
    address="apiEndpoint",
    alarms={
        "ParkedQueueNotEmptyAlarm": Alarm([("ApproximateNumberOfMessagesVisible", _PARKED)], 0),
        "DataProcessorQueueLateAlarm": Alarm([(_AGE, _TO_PROCESS)], 900),
        "ResultAggregatorQueueLateAlarm": Alarm([(_AGE, _TO_AGGREGATE)], 900),
        "FileValidatorDeadLetterQueueLateAlarm": Alarm([(_AGE, _DEAD_LETTERS[0])], 900),
        "DataProcessorDeadLetterQueueLateAlarm": Alarm([(_AGE, _DEAD_LETTERS[1])], 900),
        "ResultAggregatorDeadLetterQueueLateAlarm": Alarm([(_AGE, _DEAD_LETTERS[2])], 900),
        "FunctionErrorsAlarm": Alarm([("Errors", name) for name in _CALLED], 0),
        "FunctionThrottlesAlarm": Alarm([("Throttles", name) for name in _CALLED], 0),
        "FilesRefusedAlarm": Alarm([("FilesRefused", "")], 0),
        "ProcessingApiFailingAlarm": Alarm([("5XXError", f"processing-api-{ENV}")], 0),
        "ProcessingApiSlowAlarm": Alarm([("Latency", f"processing-api-{ENV}")], 5_000),
    },
    counts={
        f"{function}FilesRefused": (function, "FilesRefused", "file refused")
        for function in ("FileValidator", "DataProcessor")
    },
    grants={
        "FileValidator": [
            *read_objects("file-processing"),
            send(_TO_PROCESS),
            send(_DEAD_LETTERS[0]),
            use_table(_TABLE, "GetItem", "PutItem"),
        ],
        "DataProcessor": [
            *read_objects("file-processing"),
            consume(_TO_PROCESS),
            send(_TO_AGGREGATE),
            use_table(_TABLE, "GetItem", "PutItem"),
        ],
        "ResultAggregator": [consume(_TO_AGGREGATE), use_table(_TABLE, "GetItem", "PutItem")],
        "StatusQuery": [use_table(_TABLE, "GetItem"), use_table(f"{_TABLE}/index/Arrivals", "Query")],
        "DeadLetterRecorder": [
            *map(consume, _DEAD_LETTERS),
            send(_PARKED),
            use_table(_TABLE, "GetItem", "PutItem"),
        ],
        "BucketEmptier": empty_buckets("file-processing"),
    },
)
