"""The M rows as functions over a parsed template: run on the good one, and on ones with a planted fault."""

from __future__ import annotations

from tests.templates import resource_checks, stack_checks
from tests.templates.market_analytics_system import SYSTEM
from tests.templates.reading import ENV, Template, arn, arn_of, at, must_outlive, of_type, properties, ref, statements


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


def m03_ingestion(template: Template) -> None:
    """Check that objects and calls reach DataIngestion, and that S3 may invoke it before the bucket says so."""
    resource_checks.notification(template, SYSTEM, "MarketData", "DataIngestion")
    assert "NotificationConfiguration" not in properties(template, "RejectedMarketData")
    resource_checks.route(template, SYSTEM, "PostIngest")


def m04_processor(template: Template) -> None:
    """Check that SQS feeds DataProcessor and DataIndexer, and takes back only the messages that failed."""
    mapping = resource_checks.mapping(template, "DataProcessor", "ProcessingQueue", batch_size=5)
    assert at(mapping, "ScalingConfig", "MaximumConcurrency") == ref("ProcessorMaxConcurrency")
    indexing = resource_checks.mapping(template, "DataIndexer", "IndexQueue", batch_size=1)
    assert at(indexing, "ScalingConfig", "MaximumConcurrency") == 20
    # As long as Lambda allows: what an object of gigabytes takes, in as few lives as can be.
    assert properties(template, "DataIndexer")["Timeout"] == 900


def m05_aggregator(template: Template) -> None:
    """Check that both rules reach DataAggregator, and may."""
    for rule in ("MarketDataProcessed", "AggregationSchedule"):
        targets = properties(template, rule, "AWS::Events::Rule")["Targets"]
        assert [target["Arn"] for target in targets] == [arn_of("DataAggregator")]
        assert properties(template, f"DataAggregatorInvokedBy{rule}", "AWS::Lambda::Permission") == {
            "Action": "lambda:InvokeFunction",
            "FunctionName": ref("DataAggregator"),
            "Principal": "events.amazonaws.com",
            "SourceArn": arn_of(rule),
        }


def m06_functions(template: Template) -> None:
    """Check runtime, memory, tracing, code and handler of every function."""
    resource_checks.functions(template, SYSTEM)


def m07_queue(template: Template) -> None:
    """Check retention, visibility, encryption, transport and redrive of the queues."""
    resource_checks.queues(template, SYSTEM)
    for title, consumer, dead in (
        ("ProcessingQueue", "DataProcessor", "ProcessingDeadLetterQueue"),
        ("IndexQueue", "DataIndexer", "IndexDeadLetterQueue"),
    ):
        queue = properties(template, title)
        assert queue["MessageRetentionPeriod"] == 4 * 24 * 3600
        resource_checks.redrive(template, title, dead)
        assert properties(template, consumer)["Timeout"] * 6 <= queue["VisibilityTimeout"]


def m08_dead_letters(template: Template) -> None:
    """Check that whatever is delivered asynchronously has a standard queue to end in, and may write to it."""
    resource_checks.queues(template, SYSTEM)
    resource_checks.asynchronous(template, SYSTEM, "DataIngestion", "IngestionDeadLetterQueue")
    resource_checks.asynchronous(template, SYSTEM, "DataAggregator", "AggregatorDeadLetterQueue")
    rules = of_type(template, "AWS::Events::Rule")
    for rule in rules.values():
        for target in rule["Targets"]:
            assert at(target, "DeadLetterConfig", "Arn") == arn_of("RuleDeadLetterQueue")
    sends = at(statements(template, "RuleDeadLetterQueuePolicy"), "AllowUndeliveredEvents")
    assert sends["Effect"] == "Allow"
    assert sends["Principal"] == {"Service": "events.amazonaws.com"}
    assert sends["Action"] == ["sqs:SendMessage"]
    sources = [arn("events", f"rule/{title}-{ENV}") for title in sorted(rules, reverse=True)]
    assert sends["Condition"] == {"ArnEquals": {"aws:SourceArn": sources}}
    dead = [title for title in SYSTEM.queues if title.endswith("DeadLetterQueue")]
    assert len(dead) == 5
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
    assert asked == {"from", "to", "interval", "session", "hours", "limit", "nextToken"}
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
        "DataProcessor",
        "DataProcessorFromProcessingQueue",
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
    for writer in ("DataProcessor", "DataIndexer"):
        rejected = properties(template, writer)["Environment"]["Variables"]["REJECTED_BUCKET"]
        assert rejected == ref("RejectedMarketData")


def m22_cost(template: Template) -> None:
    """Check that an idle stack costs nothing by the hour or month."""
    stack_checks.cost(template, SYSTEM)
