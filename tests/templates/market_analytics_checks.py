"""The M rows as functions over a parsed template: run on the good one, and on ones with a planted fault."""

from __future__ import annotations

from tests.templates import resource_checks, stack_checks
from tests.templates.market_analytics_system import SYSTEM
from tests.templates.reading import ENV, Template, arn, arn_of, at, must_outlive, of_type, properties, ref, statements

_CALLS, _REVISION = "market.analytics.aggregator", "market.analytics.revision"


def m01_buckets(template: Template) -> None:
    """Check both buckets and what becomes of their objects."""
    resource_checks.buckets(template, SYSTEM)
    for title in SYSTEM.buckets:
        rules = at(properties(template, title), "LifecycleConfiguration", "Rules")
        objects, markers = sorted(rules, key=lambda rule: len(rule["Id"]))
        assert objects["Status"] == markers["Status"] == "Enabled"
        assert at(objects, "ExpirationInDays") == 30
        assert at(objects, "NoncurrentVersionExpiration", "NoncurrentDays") == 30
        assert at(objects, "AbortIncompleteMultipartUpload", "DaysAfterInitiation") == 30
        assert "ExpiredObjectDeleteMarker" not in objects
        assert at(markers, "ExpiredObjectDeleteMarker") is True
        assert not markers.keys() & {"ExpirationInDays", "NoncurrentVersionExpiration"}
    assert "30 more" in template["Description"]


def m02_table(template: Template) -> None:
    """Check keys, billing, recovery and encryption of the table."""
    keys = {"symbol": ("S", "HASH"), "timestamp": ("N", "RANGE")}
    resource_checks.table(template, "MarketDataState", f"MarketDataState-{ENV}", keys, expiry="expiresAt")
    warm = {
        "ReadUnitsPerSecond": ref("WarmReadUnitsPerSecond"),
        "WriteUnitsPerSecond": ref("WarmWriteUnitsPerSecond"),
    }
    # Absent unless it is asked for: DynamoDB takes no 0, bills it, and never takes it back.
    throughput = at(properties(template, "MarketDataState"), "WarmThroughput", "Fn::If")
    assert throughput == ["WithWarmThroughput", warm, ref("AWS::NoValue")]
    asked_for = {"Fn::Not": [{"Fn::Equals": [ref("WarmWriteUnitsPerSecond"), 0]}]}
    assert template["Conditions"]["WithWarmThroughput"] == asked_for
    assert template["Parameters"]["WarmWriteUnitsPerSecond"]["Default"] == 0


def m03_ingestion(template: Template) -> None:
    """Check that objects and calls reach DataIngestion, and that S3 may invoke it before the bucket says so."""
    resource_checks.notification(template, SYSTEM, "MarketData", "DataIngestion")
    assert "NotificationConfiguration" not in properties(template, "RejectedMarketData")
    resource_checks.route(template, SYSTEM, "PostIngest")
    resource_checks.ceiling(template, "DataIngestion", "IngestionMaxConcurrency")


def m04_processor(template: Template) -> None:
    """Check that SQS feeds DataProcessor and DataIndexer, and takes back only the messages that failed."""
    mapping = resource_checks.mapping(template, "DataProcessor", "ProcessingQueue", batch_size=10)
    assert at(mapping, "ScalingConfig", "MaximumConcurrency") == ref("ProcessorMaxConcurrency")
    large = resource_checks.mapping(template, "DataProcessor", "LargeRangeQueue", batch_size=1)
    assert at(large, "ScalingConfig", "MaximumConcurrency") == ref("LargeRangeMaxConcurrency")
    parameter = template["Parameters"]["LargeRangeMaxConcurrency"]
    # Lambda takes no less than 2.
    assert (parameter["Default"], parameter["MinValue"]) == (20, 2)
    indexing = resource_checks.mapping(template, "DataIndexer", "IndexQueue", batch_size=1)
    assert at(indexing, "ScalingConfig", "MaximumConcurrency") == 20
    # As long as Lambda allows: what an object of gigabytes takes, in as few lives as can be.
    assert properties(template, "DataIndexer")["Timeout"] == 900


def m05_aggregator(template: Template) -> None:
    """Check that all three rules reach DataAggregator, and may."""
    resource_checks.invoked_by_rules(
        template, "DataAggregator", "MarketDataProcessed", "LanesWaiting", "AggregationSchedule"
    )


def m06_functions(template: Template) -> None:
    """Check runtime, memory, tracing, code and handler of every function."""
    resource_checks.functions(template, SYSTEM)


def m07_queue(template: Template) -> None:
    """Check retention, visibility, encryption, transport and redrive of the queues."""
    resource_checks.queues(template, SYSTEM)
    for title, consumer, dead, days in (
        ("ProcessingQueue", "DataProcessor", "ProcessingDeadLetterQueue", 4),
        # A backlog may take longer; what fails at its end stays in the dead-letter queue for four days more.
        ("LargeRangeQueue", "DataProcessor", "LargeRangeDeadLetterQueue", 10),
        ("IndexQueue", "DataIndexer", "IndexDeadLetterQueue", 4),
    ):
        queue = properties(template, title)
        assert queue["MessageRetentionPeriod"] == days * 24 * 3600
        resource_checks.redrive(template, title, dead)
        assert properties(template, consumer)["Timeout"] * 6 <= queue["VisibilityTimeout"]


def m08_dead_letters(template: Template) -> None:
    """Check that whatever is delivered asynchronously has a standard queue to end in, and may write to it."""
    resource_checks.queues(template, SYSTEM)
    resource_checks.asynchronous(template, SYSTEM, "DataIngestion", "IngestionDeadLetterQueue")
    resource_checks.asynchronous(template, SYSTEM, "DataAggregator", "AggregatorDeadLetterQueue")
    resource_checks.asynchronous(template, SYSTEM, "DataRevision", "RevisionDeadLetterQueue")
    rules = of_type(template, "AWS::Events::Rule")
    for rule in rules.values():
        for target in rule["Targets"]:
            assert at(target, "DeadLetterConfig", "Arn") == arn_of("RuleDeadLetterQueue")
    sends = at(statements(template, "RuleDeadLetterQueuePolicy"), "AllowUndeliveredEvents")
    assert sends["Effect"] == "Allow"
    assert sends["Principal"] == {"Service": "events.amazonaws.com"}
    assert sends["Action"] == ["sqs:SendMessage"]
    sources = at(sends, "Condition", "ArnEquals", "aws:SourceArn")
    assert sends["Condition"] == {"ArnEquals": {"aws:SourceArn": sources}}
    wanted = [arn("events", f"rule/{title}-{ENV}") for title in rules]
    assert sorted(sources, key=str) == sorted(wanted, key=str)
    dead = [title for title in SYSTEM.queues if title.endswith("DeadLetterQueue")]
    assert len(dead) == 7
    for title in dead:
        assert properties(template, title)["MessageRetentionPeriod"] == 14 * 24 * 3600


def m09_event_rule(template: Template) -> None:
    """Check what the rule captures, that DataProcessor may put it, and that delivery is retried."""
    rule = properties(template, "MarketDataProcessed", "AWS::Events::Rule")
    assert rule["EventPattern"] == {"source": ["market.analytics.processor"], "detail-type": ["MarketDataProcessed"]}
    assert rule["State"] == "ENABLED"
    put = at(statements(template, "DataProcessorRole"), "PutEvents")
    assert put["Condition"] == {"StringEquals": {"events:source": rule["EventPattern"]["source"][0]}}
    bus = properties(template, "DataProcessor")["Environment"]["Variables"]["EVENT_BUS_NAME"]
    assert rule["EventBusName"] == bus == "default"
    assert put["Resource"] == [arn("events", f"event-bus/{bus}")]
    assert at(rule, "Targets", 0, "RetryPolicy", "MaximumRetryAttempts") >= 1
    assert at(rule, "Targets", 0, "RetryPolicy", "MaximumEventAgeInSeconds") >= 3600
    assert at(rule, "Targets", 0, "DeadLetterConfig", "Arn") == arn_of("RuleDeadLetterQueue")


def m24_fate(template: Template) -> None:
    """Check that what became of what came in may be asked for, and that refused objects are counted and call."""
    resource_checks.route(template, SYSTEM, "GetIngests")
    asked = {name.rsplit(".", 1)[1] for name in at(properties(template, "GetIngests"), "RequestParameters")}
    assert asked == {"bucket", "key", "state", "from", "to", "limit", "nextToken"}
    variables = properties(template, "DataQuery")["Environment"]["Variables"]
    assert variables["DATA_BUCKET"] == ref("MarketData")
    alarm = properties(template, "ObjectsRejectedAlarm", "AWS::CloudWatch::Alarm")
    assert (alarm["MetricName"], alarm["Dimensions"], alarm["Statistic"]) == ("ObjectsRejected", [], "Sum")
    counted = [one["MetricTransformations"][0] for one in of_type(template, "AWS::Logs::MetricFilter").values()]
    assert sum(one["MetricName"] == "ObjectsRejected" for one in counted) == 3


def m25_retraction(template: Template) -> None:
    """Check that DELETE reaches DataRevision and nobody else, that it goes on by event and schedule, and its rights."""
    resource_checks.route(template, SYSTEM, "DeleteIngestIngestId")
    deleting = [one for one in of_type(template, "AWS::ApiGateway::Method").values() if one["HttpMethod"] == "DELETE"]
    assert deleting == [properties(template, "DeleteIngestIngestId")]
    # Nothing but the id says what is taken back.
    assert deleting[0]["RequestParameters"] == {"method.request.path.ingestId": True}
    # Of the API's calls this one alone, so that who may read or post may not take back.
    of_api = {
        title
        for title, one in of_type(template, "AWS::Lambda::Permission").items()
        if (one["FunctionName"], one["Principal"]) == (ref("DataRevision"), "apigateway.amazonaws.com")
    }
    assert of_api == {"DataRevisionInvokedByDeleteIngestIngestId"}
    resource_checks.invoked_by_rules(template, "DataRevision", "RevisionWaiting", "RevisionSchedule")
    waiting = properties(template, "RevisionWaiting", "AWS::Events::Rule")
    assert waiting["EventPattern"] == {"source": [_REVISION], "detail-type": ["RevisionWaiting"]}
    schedule = properties(template, "RevisionSchedule", "AWS::Events::Rule")
    assert schedule["ScheduleExpression"] == "rate(5 minutes)"
    for rule in (waiting, schedule):
        assert rule["State"] == "ENABLED"
        assert at(rule, "Targets", 0, "RetryPolicy", "MaximumRetryAttempts") >= 1
        assert at(rule, "Targets", 0, "RetryPolicy", "MaximumEventAgeInSeconds") >= 3600
        assert at(rule, "Targets", 0, "DeadLetterConfig", "Arn") == arn_of("RuleDeadLetterQueue")
    # It orders what is left for itself, and has DataAggregator mend hours; that orders what was refused in part.
    for function in ("DataRevision", "DataAggregator"):
        put = at(statements(template, f"{function}Role"), "PutEvents")
        assert put["Condition"] == {"StringEquals": {"events:source": [_CALLS, _REVISION]}}
        bus = properties(template, function)["Environment"]["Variables"]["EVENT_BUS_NAME"]
        assert waiting["EventBusName"] == bus == "default"
        assert put["Resource"] == [arn("events", f"event-bus/{bus}")]
    resource_checks.asynchronous(template, SYSTEM, "DataRevision", "RevisionDeadLetterQueue")
    # As long as Lambda allows: an ingest may have 250,000 hours, each of which is looked at.
    assert properties(template, "DataRevision")["Timeout"] == 900
    allowed = [one for one in statements(template, "DataRevisionRole") if one["Effect"] == "Allow"]
    services = {action.partition(":")[0] for one in allowed for action in one["Action"]}
    assert services == {"dynamodb", "events", "logs", "sqs", "xray"}, "no object is touched: what was sent stays"


def m29_lanes(template: Template) -> None:
    """Check what the rule captures by which DataAggregator is called, and that it may put that itself."""
    rule = properties(template, "LanesWaiting", "AWS::Events::Rule")
    assert rule["EventPattern"] == {"source": [_CALLS], "detail-type": ["LanesWaiting"]}
    assert rule["State"] == "ENABLED"
    put = at(statements(template, "DataAggregatorRole"), "PutEvents")
    assert put["Condition"] == {"StringEquals": {"events:source": [_CALLS, _REVISION]}}
    bus = properties(template, "DataAggregator")["Environment"]["Variables"]["EVENT_BUS_NAME"]
    assert rule["EventBusName"] == bus == "default"
    assert at(rule, "Targets", 0, "DeadLetterConfig", "Arn") == arn_of("RuleDeadLetterQueue")


def m10_schedule(template: Template) -> None:
    """Check the schedule."""
    rule = properties(template, "AggregationSchedule", "AWS::Events::Rule")
    assert rule["ScheduleExpression"] == "rate(5 minutes)"
    assert rule["State"] == "ENABLED"


def m11_api(template: Template) -> None:
    """Check the API and `POST /ingest`."""
    resource_checks.route(template, SYSTEM, "PostIngest")
    resource_checks.api_stage(template, SYSTEM)
    models = at(properties(template, "PostIngest"), "RequestModels")
    assert models == dict.fromkeys(("application/json", "$default"), ref("PostIngestEnvelope"))
    schema = at(properties(template, "PostIngestEnvelope", "AWS::ApiGateway::Model"), "Schema")
    assert schema["type"] == "object"


def m12_results(template: Template) -> None:
    """Check that results are served by POST and by GET, with the keys of the path required."""
    for title in ("GetBarsSymbol", "PostBars", "GetIngestIngestId"):
        resource_checks.route(template, SYSTEM, title)
    bars = at(properties(template, "GetBarsSymbol"), "RequestParameters")
    asked = {name.rsplit(".", 1)[1] for name in bars if "querystring" in name}
    assert asked == {"from", "to", "interval", "session", "hours", "fill", "limit", "nextToken"}
    assert at(properties(template, "PostBars"), "RequestModels")


def m13_roles(template: Template) -> None:
    """Check every role; metrics travel in the functions' logs, so that none has a right of its own for them."""
    stack_checks.roles(template, SYSTEM)


def m14_log_groups(template: Template) -> None:
    """Check the log groups."""
    stack_checks.log_groups(template, SYSTEM)


def m15_metric_filters(template: Template) -> None:
    """Check that errors are counted."""
    stack_checks.metric_filters(template, SYSTEM)


def m16_tags(template: Template) -> None:
    """Check the tags."""
    stack_checks.tags(template, SYSTEM)


def m17_names(template: Template) -> None:
    """Check the names."""
    stack_checks.names(template)


def m18_destroyable(template: Template) -> None:
    """Check that one deletion leaves nothing, and that those who write to the rejected bucket are gone before it."""
    stack_checks.destroyable(template, SYSTEM)
    for writer in (
        "DataIngestion",
        "DataProcessor",
        "DataProcessorFromProcessingQueue",
        "DataProcessorFromLargeRangeQueue",
        "DataIndexer",
        "DataIndexerFromIndexQueue",
    ):
        assert "RejectedMarketDataContents" in must_outlive(template, writer)


def m19_outputs(template: Template) -> None:
    """Check the outputs."""
    stack_checks.outputs(template, SYSTEM)


def m20_encryption(template: Template) -> None:
    """Check encryption at rest and in transit."""
    stack_checks.encryption(template, SYSTEM)


def m21_errors(template: Template) -> None:
    """Check logs and refusals, and that refused rows have a place."""
    stack_checks.errors(template, SYSTEM)
    for writer in ("DataIngestion", "DataProcessor", "DataIndexer"):
        rejected = properties(template, writer)["Environment"]["Variables"]["REJECTED_BUCKET"]
        assert rejected == ref("RejectedMarketData")


def m22_cost(template: Template) -> None:
    """Check that an idle stack costs nothing by the hour or month."""
    stack_checks.cost(template, SYSTEM)
