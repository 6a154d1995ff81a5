"""File processing with planted faults: what is its own; faults in what it shares stand with market analytics."""

from __future__ import annotations

import pytest

from tests.templates import file_processing_checks as checks
from tests.templates.file_processing_system import SYSTEM
from tests.templates.planting import GONE, Fault, notice, plant
from tests.templates.reading import ENV, Json, Template, arn, arn_of, ref

_ROLE = ("Policies", 0, "PolicyDocument", "Statement")
_RULE = ("LifecycleConfiguration", "Rules", 0)
_TO_PROCESSOR = "DataProcessorFromDataProcessorQueue"
_TO_AGGREGATOR = "ResultAggregatorFromResultAggregatorQueue"
_TO_RECORDER = "DeadLetterRecorderFromDataProcessorDeadLetterQueue"
_VARIABLES = ("Environment", "Variables")
_SETTINGS = ("ProcessingApiStage", "MethodSettings", 0)
_HIDDEN_S = "VisibilityTimeout"

FAULTS = [
    # What leads to what.
    Fault(
        "the validator skips the processor",
        checks.f03_chain,
        ("FileValidator", *_VARIABLES, "QUEUE_URL"),
        ref("ResultAggregatorQueue"),
    ),
    Fault(
        "the processor feeds itself",
        checks.f03_chain,
        ("DataProcessor", *_VARIABLES, "QUEUE_URL"),
        ref("DataProcessorQueue"),
    ),
    Fault(
        "the processor gets processed files",
        checks.f03_chain,
        (_TO_PROCESSOR, "EventSourceArn"),
        arn_of("ResultAggregatorQueue"),
    ),
    Fault("the aggregator gets new files", checks.f03_chain, (_TO_AGGREGATOR, "FunctionName"), ref("DataProcessor")),
    Fault(
        "the wrong function is notified",
        checks.f03_chain,
        ("Files", "NotificationConfiguration", "LambdaConfigurations", 0, "Function"),
        arn("lambda", f"function:data-processor-{ENV}"),
    ),
    Fault("a stage without a table", checks.f03_chain, ("ResultAggregator", *_VARIABLES, "TABLE_NAME"), GONE),
    Fault("files wait for each other", checks.f03_chain, (_TO_PROCESSOR, "BatchSize"), 10),
    Fault("FIFO queues have no window", checks.f03_chain, (_TO_PROCESSOR, "MaximumBatchingWindowInSeconds"), 5),
    Fault("a failing file repeats its batch", checks.f03_chain, (_TO_AGGREGATOR, "FunctionResponseTypes"), GONE),
    Fault("a stage takes the whole account", checks.f03_chain, (_TO_AGGREGATOR, "ScalingConfig"), GONE),
    Fault("a file shows up while in work", checks.f03_chain, ("DataProcessor", "Timeout"), 51),
    Fault("a market function's memory", checks.f03_chain, ("DataProcessor", "MemorySize"), 3072),
    Fault("a name in camel case", checks.f03_chain, ("StatusQuery", "FunctionName"), f"StatusQuery-{ENV}"),
    # Order and dead letters.
    Fault("no order", checks.f04_queues, ("DataProcessorQueue", "FifoQueue"), GONE),
    Fault(
        "no order, and a name that says so", checks.f04_queues, ("ResultAggregatorQueue", "QueueName"), f"result-{ENV}"
    ),
    Fault("every repeat counts", checks.f04_queues, ("DataProcessorQueue", "ContentBasedDeduplication"), value=False),
    Fault("one file's text hides another's", checks.f04_queues, ("DataProcessorQueue", "DeduplicationScope"), "queue"),
    Fault("all files share a limit", checks.f04_queues, ("DataProcessorQueue", "FifoThroughputLimit"), "perQueue"),
    Fault("a minute of work", checks.f04_queues, ("ResultAggregatorQueue", _HIDDEN_S), 60),
    Fault("nothing is given up", checks.f04_queues, ("ResultAggregatorQueue", "RedrivePolicy"), GONE),
    Fault(
        "dead letters of two stages in one queue",
        checks.f04_queues,
        ("ResultAggregatorQueue", "RedrivePolicy", "deadLetterTargetArn"),
        arn_of("DataProcessorDeadLetterQueue"),
    ),
    Fault(
        "given up at once",
        checks.f04_queues,
        ("DataProcessorQueue", "RedrivePolicy", "maxReceiveCount"),
        1,
    ),
    Fault(
        "a FIFO queue gives up to a standard one",
        checks.f04_queues,
        ("DataProcessorDeadLetterQueue", "FifoQueue"),
        GONE,
    ),
    Fault(
        "the queue may not use its dead-letter queue",
        checks.f04_queues,
        ("DataProcessorDeadLetterQueue", "RedriveAllowPolicy", "sourceQueueArns"),
        [arn("sqs", f"data-processor-{ENV}")],
    ),
    Fault("failed events vanish", checks.f04_queues, ("FileValidator", "DeadLetterConfig"), GONE),
    Fault(
        "Lambda takes no FIFO queue for events",
        checks.f04_queues,
        ("FileValidator", "DeadLetterConfig", "TargetArn"),
        arn_of("DataProcessorDeadLetterQueue"),
    ),
    Fault(
        "another stage's dead letters",
        checks.f07_dead_letters,
        (_TO_RECORDER, "EventSourceArn"),
        arn_of("ResultAggregatorDeadLetterQueue"),
    ),
    Fault("one unreadable letter repeats all", checks.f07_dead_letters, (_TO_RECORDER, "FunctionResponseTypes"), GONE),
    Fault("the recorder is off", checks.f07_dead_letters, (_TO_RECORDER, "Enabled"), value=False),
    Fault(
        "what is not recorded is given up",
        checks.f07_dead_letters,
        ("DataProcessorDeadLetterQueue", "RedrivePolicy"),
        {"deadLetterTargetArn": arn_of("ParkedQueue"), "maxReceiveCount": 3},
    ),
    Fault(
        "parked where the recorder consumes",
        checks.f07_dead_letters,
        ("DeadLetterRecorder", *_VARIABLES, "PARKED_QUEUE_URL"),
        ref("DataProcessorDeadLetterQueue"),
    ),
    Fault("parked for a day", checks.f07_dead_letters, ("ParkedQueue", "MessageRetentionPeriod"), 86_400),
    Fault("the recorder takes longer", checks.f07_dead_letters, ("DeadLetterRecorder", "Timeout"), 60),
    # Rights.
    Fault(
        "the aggregator may feed the processor",
        checks.f08_stack,
        ("ResultAggregatorRole", *_ROLE, "ConsumeResultAggregatorQueue", "Resource"),
        [arn("sqs", f"data-processor-{ENV}.fifo")],
    ),
    Fault(
        "a queue's name without its suffix",
        checks.f08_stack,
        ("DataProcessorRole", *_ROLE, "SendToResultAggregatorQueue", "Resource"),
        [arn("sqs", f"result-aggregator-{ENV}")],
    ),
    Fault(
        "the recorder cannot consume all",
        checks.f08_stack,
        ("DeadLetterRecorderRole", *_ROLE, "ConsumeFileValidatorDeadLetterQueue"),
        GONE,
    ),
    Fault(
        "the status may be scanned",
        checks.f08_stack,
        ("StatusQueryRole", *_ROLE, "UseProcessingStatus", "Action"),
        ["dynamodb:GetItem", "dynamodb:Scan"],
    ),
    Fault(
        "the status may be written by who reads it",
        checks.f08_stack,
        ("StatusQueryRole", *_ROLE, "UseProcessingStatus", "Action"),
        ["dynamodb:GetItem", "dynamodb:PutItem"],
    ),
    Fault(
        "files cannot be read",
        checks.f11_work,
        ("DataProcessorRole", *_ROLE, "ReadFiles", "Action"),
        ["s3:GetObject"],
    ),
    Fault("a role's name without region", checks.f08_stack, ("StatusQueryRole", "RoleName"), f"status-query-{ENV}"),
    # The API.
    Fault("anyone may read", checks.f05_status, ("GetStatusFileId", "AuthorizationType"), "NONE"),
    Fault("keys without slashes", checks.f05_status, ("PathStatusFileId", "PathPart"), "{fileId}"),
    Fault(
        "the call without an id is lost",
        checks.f05_status,
        ("StatusQueryInvokedByGetStatus", "SourceArn"),
        arn("execute-api", f"${{ProcessingApi}}/{ENV}/GET/state"),
    ),
    Fault("market's rate", checks.f06_throttling, (*_SETTINGS, "ThrottlingRateLimit"), 10_000),
    Fault("market's burst", checks.f06_throttling, (*_SETTINGS, "ThrottlingBurstLimit"), 5_000),
    # What rests.
    Fault("files expire", checks.f01_bucket, ("Files", *_RULE, "ExpirationInDays"), 365),
    Fault(
        "old versions expire",
        checks.f01_bucket,
        ("Files", *_RULE, "NoncurrentVersionExpiration"),
        {"NoncurrentDays": 365},
    ),
    Fault("archived too soon", checks.f01_bucket, ("Files", *_RULE, "Transitions", 0, "TransitionInDays"), 30),
    Fault("another class", checks.f01_bucket, ("Files", *_RULE, "Transitions", 0, "StorageClass"), "STANDARD_IA"),
    Fault("old versions stay", checks.f01_bucket, ("Files", *_RULE, "NoncurrentVersionTransitions"), GONE),
    Fault(
        "small files stay",
        checks.f01_bucket,
        ("Files", "LifecycleConfiguration", "TransitionDefaultMinimumObjectSize"),
        GONE,
    ),
    Fault("the rule is off", checks.f01_bucket, ("Files", *_RULE, "Status"), "Disabled"),
    Fault(
        "another attribute expires",
        checks.f02_table,
        ("ProcessingStatus", "TimeToLiveSpecification", "AttributeName"),
        "expiresAt",
    ),
    Fault("nothing expires", checks.f02_table, ("ProcessingStatus", "TimeToLiveSpecification", "Enabled"), value=False),
    Fault(
        "a sort key",
        checks.f02_table,
        ("ProcessingStatus", "KeySchema"),
        [{"AttributeName": "fileId", "KeyType": "HASH"}, {"AttributeName": "timestamp", "KeyType": "RANGE"}],
    ),
    # The rest of the stack.
    Fault("the wrong team", checks.f08_stack, ("DataProcessorQueue", "Tags", 1, "Value"), "Trading"),
    Fault("a run's tag", checks.f10_no_surroundings, ("Files", "Tags", 0, "Key"), "PRNumber"),
    Fault("any size", checks.f11_work, ("FileValidator", *_VARIABLES, "MAX_FILE_BYTES"), GONE),
    Fault("the emptier empties nothing", checks.f08_stack, ("FilesContents", "BucketName"), f"files-{ENV}"),
    Fault("a queue without encryption", checks.f08_stack, ("ParkedQueue", "SqsManagedSseEnabled"), value=False),
    Fault(
        "another service's name in the logs",
        checks.f08_stack,
        ("StatusQuery", *_VARIABLES, "POWERTOOLS_SERVICE_NAME"),
        "StatusQuery",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.says)
def test_a_planted_fault_in_file_processing_is_noticed(files: Template, fault: Fault) -> None:
    """The check passes on the good template and fails on the one with the fault."""
    notice(files, fault)


@pytest.mark.parametrize(
    ("title", "attribute", "value"),
    [
        ("Files", "DeletionPolicy", "Retain"),
        ("ProcessingStatus", "UpdateReplacePolicy", "Snapshot"),
        ("FilesPolicy", "DependsOn", GONE),
        ("FilesContents", "Type", "AWS::CloudFormation::WaitConditionHandle"),
    ],
)
def test_files_that_outlive_their_stack_are_noticed(files: Template, title: str, attribute: str, value: Json) -> None:
    """Whatever survives a deletion, or is deleted in the wrong order, turns the check red."""
    checks.f08_stack(files)
    plant(files, ["Resources", title, attribute], value)
    with pytest.raises(AssertionError):
        checks.f08_stack(files)


@pytest.mark.parametrize("key", sorted(SYSTEM.outputs))
def test_a_missing_output_of_file_processing_is_noticed(files: Template, key: str) -> None:
    """Scripts read outputs by key, so that each one counts."""
    checks.f09_outputs(files)
    plant(files, ["Outputs", key], GONE)
    with pytest.raises(AssertionError):
        checks.f09_outputs(files)


def test_swapped_queue_outputs_are_noticed(files: Template) -> None:
    """`validatorQueueUrl` is what the validator feeds, which is the queue named after the processor."""
    outputs = files["Outputs"]
    outputs["validatorQueueUrl"], outputs["processorQueueUrl"] = (
        outputs["processorQueueUrl"],
        outputs["validatorQueueUrl"],
    )
    with pytest.raises(AssertionError):
        checks.f09_outputs(files)
