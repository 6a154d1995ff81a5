"""Market analytics with planted faults."""

from __future__ import annotations

import pytest

from tests.templates import market_analytics_checks as checks
from tests.templates.market_analytics_system import SYSTEM
from tests.templates.planting import GONE, Fault, notice, plant
from tests.templates.reading import ENV, Json, Template, arn, arn_of, ref, sub

_ROLE = ("Policies", 0, "PolicyDocument", "Statement")
_POLICY = ("PolicyDocument", "Statement")
_TLS = "DenyInsecureTransport"
_RULE = "MarketDataProcessed"
_CONFIGURATION = ("NotificationConfiguration", "LambdaConfigurations", 0)
_INVOKED = "DataIngestionInvokedByMarketData"
_RETENTION = "MessageRetentionPeriod"
_SSE = ("BucketEncryption", "ServerSideEncryptionConfiguration", 0, "ServerSideEncryptionByDefault", "SSEAlgorithm")
_DAYS = ("LifecycleConfiguration", "Rules", "expire-objects", "ExpirationInDays")
_SETTINGS = ("MethodSettings", 0)

FAULTS = [
    # Who may call.
    Fault("anyone may post", checks.m11_api, ("PostIngest", "AuthorizationType"), "NONE"),
    Fault("anyone may read", checks.m12_results, ("GetBarsSymbol", "AuthorizationType"), "NONE"),
    Fault("any bucket owner may invoke", checks.m03_ingestion, (_INVOKED, "SourceAccount"), GONE),
    Fault("another bucket may invoke", checks.m03_ingestion, (_INVOKED, "SourceArn"), sub("arn:aws:s3:::other")),
    Fault("another service may invoke", checks.m03_ingestion, (_INVOKED, "Principal"), "sns.amazonaws.com"),
    Fault(
        "EventBridge sends no account, so delivery would fail in silence",
        checks.m05_aggregator,
        ("DataAggregatorInvokedByAggregationSchedule", "SourceAccount"),
        ref("AWS::AccountId"),
    ),
    Fault(
        "the API may call another function only",
        checks.m12_results,
        ("DataQueryInvokedByPostBars", "FunctionName"),
        ref("DataIngestion"),
    ),
    Fault(
        "the API may call for another path only",
        checks.m12_results,
        ("DataQueryInvokedByGetBarsSymbol", "SourceArn"),
        arn("execute-api", f"${{MarketDataAPI}}/{ENV}/GET/bar/*"),
    ),
    # What leads to what.
    Fault("only copies are ingested", checks.m03_ingestion, ("MarketData", *_CONFIGURATION, "Event"), "s3:Copy"),
    Fault(
        "the event's name is misspelt",
        checks.m03_ingestion,
        ("MarketData", *_CONFIGURATION, "Event"),
        "s3:ObjectCreate:*",
    ),
    Fault(
        "the wrong function is notified",
        checks.m03_ingestion,
        ("MarketData", *_CONFIGURATION, "Function"),
        arn("lambda", f"function:DataProcessor-{ENV}"),
    ),
    Fault("another event's name", checks.m09_event_rule, (_RULE, "EventPattern", "detail-type"), ["MarketData"]),
    Fault("another event's source", checks.m09_event_rule, (_RULE, "EventPattern", "source"), ["market.processor"]),
    Fault("the rule is off", checks.m09_event_rule, (_RULE, "State"), "DISABLED"),
    Fault("the rule's target", checks.m05_aggregator, (_RULE, "Targets", 0, "Arn"), arn_of("DataProcessor")),
    Fault("the schedule", checks.m10_schedule, ("AggregationSchedule", "ScheduleExpression"), "rate(5 hours)"),
    Fault(
        "the wrong queue is consumed",
        checks.m04_processor,
        ("DataProcessorFromProcessingQueue", "EventSourceArn"),
        arn_of("ProcessingDeadLetterQueue"),
    ),
    Fault(
        "one bad message repeats its batch",
        checks.m04_processor,
        ("DataProcessorFromProcessingQueue", "FunctionResponseTypes"),
        GONE,
    ),
    Fault("large ranges by the batch", checks.m04_processor, ("DataProcessorFromLargeRangeQueue", "BatchSize"), 5),
    Fault(
        "large ranges take what small ones may",
        checks.m04_processor,
        ("DataProcessorFromLargeRangeQueue", "ScalingConfig", "MaximumConcurrency"),
        ref("ProcessorMaxConcurrency"),
    ),
    Fault("two objects in one life", checks.m04_processor, ("DataIndexerFromIndexQueue", "BatchSize"), 2),
    Fault("a life too short for a large object", checks.m04_processor, ("DataIndexer", "Timeout"), 50),
    Fault("the wrong handler", checks.m06_functions, ("DataQuery", "Handler"), "market_analytics.query.handler"),
    Fault("another function's code", checks.m06_functions, ("DataQuery", "Code", "S3Key"), "DataProcessor.zip"),
    Fault("another function's role", checks.m06_functions, ("DataQuery", "Role"), arn_of("DataProcessorRole")),
    Fault("an old runtime", checks.m06_functions, ("DataQuery", "Runtime"), "python3.12"),
    Fault("tracing is passive", checks.m06_functions, ("DataQuery", "TracingConfig", "Mode"), "PassThrough"),
    Fault("a method is not deployed", checks.m11_api, ("MarketDataAPIStage", "DeploymentId"), ref("Other")),
    Fault("nothing is throttled", checks.m11_api, ("MarketDataAPIStage", "MethodSettings"), GONE),
    Fault("one path is throttled", checks.m11_api, ("MarketDataAPIStage", *_SETTINGS, "ResourcePath"), "/bars"),
    Fault("the burst", checks.m11_api, ("MarketDataAPIStage", *_SETTINGS, "ThrottlingBurstLimit"), 10_000),
    Fault("bodies are not looked at", checks.m11_api, ("MarketDataAPIValidator", "ValidateRequestBody"), value=False),
    Fault("other content types pass", checks.m11_api, ("PostIngest", "RequestModels", "$default"), GONE),
    # Where failures end.
    Fault("failed events vanish", checks.m08_dead_letters, ("DataIngestion", "DeadLetterConfig"), GONE),
    Fault("undelivered events vanish", checks.m08_dead_letters, (_RULE, "Targets", 0, "DeadLetterConfig"), GONE),
    Fault("a FIFO queue for events", checks.m08_dead_letters, ("RuleDeadLetterQueue", "FifoQueue"), value=True),
    Fault("a day for dead letters", checks.m08_dead_letters, ("IngestionDeadLetterQueue", _RETENTION), 86_400),
    Fault(
        "a condition key is misspelt",
        checks.m13_roles,
        ("RuleDeadLetterQueuePolicy", *_POLICY, "AllowUndeliveredEvents", "Condition"),
        {"ArnEquals": {"aws:SourceARNs": [arn("events", f"rule/{_RULE}-{ENV}")]}},
    ),
    Fault(
        "only one rule may send",
        checks.m08_dead_letters,
        ("RuleDeadLetterQueuePolicy", *_POLICY, "AllowUndeliveredEvents", "Condition"),
        {"ArnEquals": {"aws:SourceArn": [arn("events", f"rule/{_RULE}-{ENV}")]}},
    ),
    Fault("nothing is given up", checks.m07_queue, ("ProcessingQueue", "RedrivePolicy"), GONE),
    Fault(
        "the queue may not use its dead-letter queue",
        checks.m07_queue,
        ("ProcessingDeadLetterQueue", "RedriveAllowPolicy", "sourceQueueArns"),
        [arn("sqs", f"IngestionQueue-{ENV}")],
    ),
    Fault("a batch shows up while in work", checks.m07_queue, ("DataProcessor", "Timeout"), 51),
    Fault("an order shows up while in work", checks.m07_queue, ("IndexQueue", "VisibilityTimeout"), 900),
    Fault("a large range shows up while in work", checks.m07_queue, ("LargeRangeQueue", "VisibilityTimeout"), 299),
    Fault("large ranges are tried for ever", checks.m07_queue, ("LargeRangeQueue", "RedrivePolicy"), GONE),
    Fault("orders are tried for ever", checks.m07_queue, ("IndexQueue", "RedrivePolicy"), GONE),
    # Rights.
    Fault(
        "an action is misspelt",
        checks.m13_roles,
        ("DataIngestionRole", *_ROLE, "SendToProcessingQueue", "Action"),
        ["sqs:SendMessages"],
    ),
    Fault(
        "a denied action is misspelt",
        checks.m13_roles,
        ("DataQueryRole", *_ROLE, "DenyDestruction", "Action"),
        ["dynamodb:DeleteTables", "s3:DeleteBucket", "sqs:DeleteQueue"],
    ),
    Fault(
        "a role points at the wrong queue",
        checks.m13_roles,
        ("DataIngestionRole", *_ROLE, "SendToProcessingQueue", "Resource"),
        [arn("sqs", f"ProcessingDeadLetterQueue-{ENV}")],
    ),
    Fault(
        "an index may be put anywhere",
        checks.m13_roles,
        ("DataIndexerRole", *_ROLE, "WriteToRejectedMarketData", "Resource"),
        [sub("arn:${AWS::Partition}:s3:::market-data-rejected-dev-${AWS::AccountId}-${AWS::Region}/*")],
    ),
    Fault(
        "a missing index looks like a forbidden one",
        checks.m13_roles,
        ("DataProcessorRole", *_ROLE, "ListRejectedMarketData"),
        GONE,
    ),
    Fault("a role allows all tables", checks.m13_roles, ("DataQueryRole", *_ROLE, 0, "Resource"), ["*"]),
    Fault(
        "a role may scan",
        checks.m13_roles,
        ("DataQueryRole", *_ROLE, "UseMarketDataState", "Action"),
        ["dynamodb:Query", "dynamodb:Scan"],
    ),
    Fault(
        "a misspelt condition key",
        checks.m13_roles,
        ("DataProcessorRole", *_ROLE, "PutEvents", "Condition"),
        {"StringEquals": {"events:sources": "market.analytics.processor"}},
    ),
    Fault("events of any source", checks.m09_event_rule, ("DataProcessorRole", *_ROLE, "PutEvents", "Condition"), {}),
    Fault("refusals of another name", checks.m24_fate, ("ObjectsRejectedAlarm", "MetricName"), "Rejected"),
    Fault("another bucket's objects", checks.m24_fate, ("DataQuery", "Environment", "Variables", "DATA_BUCKET"), "x"),
    Fault("calls of any source", checks.m29_lanes, ("DataAggregatorRole", *_ROLE, "PutEvents", "Condition"), {}),
    Fault("calls that nobody hears", checks.m29_lanes, ("LanesWaiting", "EventPattern", "detail-type"), ["Lanes"]),
    Fault("a role allows no TLS", checks.m13_roles, ("DataQueryRole", *_ROLE, _TLS), GONE),
    Fault("the table may be deleted", checks.m13_roles, ("DataQueryRole", *_ROLE, "DenyDestruction"), GONE),
    Fault(
        "anyone may assume a role",
        checks.m13_roles,
        ("DataQueryRole", "AssumeRolePolicyDocument", "Statement", 0, "Principal"),
        {"AWS": "*"},
    ),
    # What rests.
    Fault("plain HTTP to the bucket", checks.m01_buckets, ("MarketDataPolicy", *_POLICY, _TLS), GONE),
    Fault(
        "TLS is refused instead",
        checks.m01_buckets,
        ("MarketDataPolicy", *_POLICY, _TLS, "Condition", "Bool", "aws:SecureTransport"),
        "true",
    ),
    Fault(
        "plain HTTP to objects",
        checks.m01_buckets,
        ("MarketDataPolicy", *_POLICY, _TLS, "Resource", 1),
        sub("arn:aws:s3:::other/*"),
    ),
    Fault("plain HTTP to the queue", checks.m07_queue, ("ProcessingQueuePolicy", *_POLICY, _TLS), GONE),
    Fault("strangers at the queue", checks.m07_queue, ("ProcessingQueuePolicy", *_POLICY, "DenyStrangers"), GONE),
    Fault(
        "EventBridge is a stranger",
        checks.m08_dead_letters,
        ("RuleDeadLetterQueuePolicy", *_POLICY, "DenyStrangers", "Condition", "BoolIfExists"),
        GONE,
    ),
    Fault(
        "unsigned calls are spared",
        checks.m07_queue,
        ("ProcessingQueuePolicy", *_POLICY, "DenyStrangers", "Condition"),
        {
            "StringNotEquals": {"aws:PrincipalAccount": ref("AWS::AccountId")},
            "Bool": {"aws:PrincipalIsAWSService": "false"},
        },
    ),
    Fault(
        "the queue is not encrypted",
        checks.m20_encryption,
        ("RuleDeadLetterQueue", "SqsManagedSseEnabled"),
        value=False,
    ),
    Fault("KMS for objects", checks.m01_buckets, ("RejectedMarketData", *_SSE), "aws:kms"),
    Fault("a month is a year", checks.m01_buckets, ("MarketData", *_DAYS), 365),
    Fault("no versions", checks.m01_buckets, ("MarketData", "VersioningConfiguration", "Status"), "Suspended"),
    Fault(
        "public policies",
        checks.m01_buckets,
        ("MarketData", "PublicAccessBlockConfiguration", "BlockPublicPolicy"),
        value=False,
    ),
    Fault(
        "warm throughput that nobody asked for",
        checks.m02_table,
        ("MarketDataState", "WarmThroughput", "Fn::If", 2),
        {},
    ),
    Fault("provisioned capacity", checks.m02_table, ("MarketDataState", "BillingMode"), "PROVISIONED"),
    Fault("a text as sort key", checks.m02_table, ("MarketDataState", "AttributeDefinitions", 1, "AttributeType"), "S"),
    Fault(
        "no recovery",
        checks.m02_table,
        ("MarketDataState", "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"),
        value=False,
    ),
    Fault(
        "the table is protected", checks.m18_destroyable, ("MarketDataState", "DeletionProtectionEnabled"), value=True
    ),
    Fault(
        "the emptier empties the wrong bucket",
        checks.m18_destroyable,
        ("MarketDataContents", "BucketName"),
        ref("RejectedMarketData"),
    ),
    Fault(
        "S3 may take the account's whole concurrency",
        checks.m03_ingestion,
        ("DataIngestion", "ReservedConcurrentExecutions"),
        GONE,
    ),
    # Logs, tags, names, outputs.
    Fault(
        "the pattern means a line of one field",
        checks.m15_metric_filters,
        ("DataQueryErrorCount", "FilterPattern"),
        "[ERROR]",
    ),
    Fault(
        "another group's errors",
        checks.m15_metric_filters,
        ("DataQueryErrorCount", "LogGroupName"),
        ref("DataIngestionLogGroup"),
    ),
    Fault("logs for ever", checks.m14_log_groups, ("DataQueryLogGroup", "RetentionInDays"), GONE),
    Fault("another function's logs", checks.m14_log_groups, ("DataQueryLogGroup", "LogGroupName"), "/aws/lambda/Query"),
    Fault(
        "the path of a call is logged",
        checks.m14_log_groups,
        ("MarketDataAPIStage", "AccessLogSetting", "Fn::If", 1, "Format"),
        '{"path": "$context.path"}',
    ),
    Fault(
        "calls are logged where no role is",
        checks.m14_log_groups,
        ("MarketDataAPIStage", "AccessLogSetting", "Fn::If", 2),
        {"DestinationArn": arn("logs", f"log-group:/aws/apigateway/MarketDataAPI-{ENV}")},
    ),
    Fault(
        "calls are logged in another group",
        checks.m14_log_groups,
        ("MarketDataAPIStage", "AccessLogSetting", "Fn::If", 1, "DestinationArn"),
        arn("logs", "log-group:other"),
    ),
    Fault("calls are logged for ever", checks.m14_log_groups, ("MarketDataAPIAccessLogGroup", "RetentionInDays"), GONE),
    Fault(
        "the stage logs before there is a role",
        checks.m13_roles,
        ("MarketDataAPIStage", "Description"),
        GONE,
    ),
    Fault(
        "anyone may assume the logging role",
        checks.m13_roles,
        ("MarketDataAPILoggingRole", "AssumeRolePolicyDocument", "Statement", 0, "Principal"),
        {"AWS": "*"},
    ),
    Fault(
        "the logging role may do anything",
        checks.m13_roles,
        ("MarketDataAPILoggingRole", "ManagedPolicyArns"),
        ["arn:aws:iam::aws:policy/AdministratorAccess"],
    ),
    Fault("a tag is missing", checks.m16_tags, ("ProcessingQueue", "Tags", 1), GONE),
    Fault("no tags at all", checks.m16_tags, ("AggregationSchedule", "Tags"), GONE),
    Fault("a name without environment", checks.m17_names, ("ProcessingQueue", "QueueName"), "ProcessingQueue"),
    Fault("a name is left out", checks.m17_names, ("DataQueryRole", "RoleName"), GONE),
    Fault(
        "metrics of another stack",
        checks.m21_errors,
        ("DataAggregator", "Environment", "Variables", "POWERTOOLS_METRICS_NAMESPACE"),
        "MarketAnalytics/prod",
    ),
    Fault("text logs", checks.m21_errors, ("DataQuery", "LoggingConfig", "LogFormat"), "Text"),
    Fault(
        "a refusal names a role",
        checks.m21_errors,
        ("MarketDataAPIAccessDenied", "ResponseTemplates", "application/json"),
        '{"error": {"code": "access_denied", "message": $context.error.messageString}}',
    ),
    Fault("pollers by the hour", checks.m22_cost, ("DataProcessorFromProcessingQueue", "ProvisionedPollerConfig"), {}),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.says)
def test_a_planted_fault_is_noticed(template: Template, fault: Fault) -> None:
    """The check passes on the good template and fails on the one with the fault."""
    notice(template, fault)


@pytest.mark.parametrize(
    ("title", "attribute", "value"),
    [
        ("MarketData", "DeletionPolicy", "Retain"),
        ("MarketDataState", "UpdateReplacePolicy", "Snapshot"),
        ("MarketDataPolicy", "DependsOn", GONE),
        ("DataProcessor", "DependsOn", GONE),
        ("DataProcessorFromProcessingQueue", "DependsOn", GONE),
        ("DataProcessorFromLargeRangeQueue", "DependsOn", GONE),
        ("DataIndexer", "DependsOn", GONE),
        ("DataIndexerFromIndexQueue", "DependsOn", GONE),
        ("RejectedMarketDataContents", "Type", "AWS::CloudFormation::WaitConditionHandle"),
    ],
)
def test_a_stack_that_cannot_be_deleted_is_noticed(template: Template, title: str, attribute: str, value: Json) -> None:
    """Whatever survives a deletion, or is deleted in the wrong order, turns the check red."""
    if "From" in title:
        # The mapping also waits for the contents through its function; both must go for the order to be lost.
        plant(template, ["Resources", title.partition("From")[0], attribute], GONE)
    plant(template, ["Resources", title, attribute], value)
    with pytest.raises(AssertionError):
        checks.m18_destroyable(template)


@pytest.mark.parametrize("title", ["MarketDataAPILogging", "MarketDataAPILoggingRole"])
def test_a_setting_of_the_whole_region_that_nobody_asked_for_is_noticed(template: Template, title: str) -> None:
    """Without its condition the stack would take over the logging role of all the region's APIs."""
    plant(template, ["Resources", title, "Condition"], GONE)
    with pytest.raises(AssertionError):
        checks.m13_roles(template)


def test_a_bucket_that_does_not_wait_for_its_permission_is_noticed(template: Template) -> None:
    """Without the dependency S3 refuses the notification on some deployments, by luck."""
    plant(template, ["Resources", "MarketData", "DependsOn"], GONE)
    with pytest.raises(AssertionError):
        checks.m03_ingestion(template)


@pytest.mark.parametrize("key", sorted(SYSTEM.outputs))
def test_a_missing_output_is_noticed(template: Template, key: str) -> None:
    """Scripts read outputs by key, so that each one counts."""
    plant(template, ["Outputs", key], GONE)
    with pytest.raises(AssertionError):
        checks.m19_outputs(template)
