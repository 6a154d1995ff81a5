"""The F rows as functions over a parsed template: run on the good one, and on ones with a planted fault."""

from __future__ import annotations

from tests.templates import resource_checks, stack_checks
from tests.templates.file_processing_system import SYSTEM
from tests.templates.reading import ENV, Json, Template, arn, at, of_type, properties, ref, statements

STAGES = ("FileValidator", "DataProcessor", "ResultAggregator")
CHAIN = {"DataProcessorQueue": ("FileValidator", "DataProcessor"), "ResultAggregatorQueue": STAGES[1:]}
"""Each queue between two stages, with the function that feeds it and the one that it feeds."""


def variables(template: Template, function: str) -> Json:
    """Return a function's environment variables, without those that every function has."""
    found = at(properties(template, function), "Environment", "Variables")
    return {key: value for key, value in found.items() if not key.startswith("POWERTOOLS_") and key != "LOG_LEVEL"}


def f01_bucket(template: Template) -> None:
    """Check the bucket, and that its objects, of any size and version, are archived and never expire."""
    resource_checks.buckets(template, SYSTEM)
    lifecycle = at(properties(template, "Files"), "LifecycleConfiguration")
    assert lifecycle["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    (rule,) = lifecycle["Rules"]
    assert rule["Status"] == "Enabled"
    to_glacier = [{"StorageClass": "GLACIER", "TransitionInDays": 90}]
    assert rule["Transitions"] == rule["NoncurrentVersionTransitions"] == to_glacier
    assert not rule.keys() & {"Prefix", "TagFilters", "ObjectSizeGreaterThan", "ObjectSizeLessThan"}
    assert not [key for key in rule if "Expir" in key]
    assert at(rule, "AbortIncompleteMultipartUpload", "DaysAfterInitiation") == 30


def f02_table(template: Template) -> None:
    """Check keys, billing, recovery, expiry and encryption of the table."""
    keys = {"fileId": ("S", "HASH")}
    indexes = {"Arrivals": {"listed": ("S", "HASH"), "arrival": ("N", "RANGE")}}
    name = f"processing-status-{ENV}"
    resource_checks.table(template, "ProcessingStatus", name, keys, expiry="expirationTime", indexes=indexes)


def f03_chain(template: Template) -> None:
    """Check the functions, and that each stage feeds the queue of the next one and no other."""
    resource_checks.functions(template, SYSTEM)
    resource_checks.notification(template, SYSTEM, "Files", "FileValidator")
    resource_checks.ceiling(template, "FileValidator", "ValidatorMaxConcurrency")
    for queue, (feeder, consumer) in CHAIN.items():
        assert variables(template, feeder)["QUEUE_URL"] == ref(queue)
        # A file of the largest size takes most of an invocation, and whoever dies of one takes no other with it.
        mapping = resource_checks.mapping(template, consumer, queue, batch_size=1)
        assert at(mapping, "ScalingConfig", "MaximumConcurrency") == ref("StageMaxConcurrency")
    assert "QUEUE_URL" not in variables(template, "ResultAggregator")
    for stage in STAGES:
        assert variables(template, stage)["TABLE_NAME"] == ref("ProcessingStatus")
    mappings = of_type(template, "AWS::Lambda::EventSourceMapping").values()
    consumers = {at(one, "EventSourceArn", "Fn::GetAtt", 0): one["FunctionName"] for one in mappings}
    assert len(consumers) == len(mappings), "two functions would share a queue's messages"
    assert "ParkedQueue" not in consumers


def f04_queues(template: Template) -> None:
    """Check the queues, that each stage has a dead-letter queue of its own, and the way of the validator's events."""
    resource_checks.queues(template, SYSTEM)
    for queue in CHAIN:
        assert properties(template, queue)["QueueName"].endswith(".fifo")
        resource_checks.redrive(template, queue, queue.replace("Queue", "DeadLetterQueue"))
    resource_checks.asynchronous(template, SYSTEM, "FileValidator", "FileValidatorDeadLetterQueue")


def f05_status(template: Template) -> None:
    """Check both routes of the status."""
    for title in SYSTEM.routes:
        resource_checks.route(template, SYSTEM, title)
    wanted = {"TABLE_NAME": ref("ProcessingStatus"), "DATA_BUCKET": ref("Files")}
    assert variables(template, "StatusQuery") == wanted


def f06_throttling(template: Template) -> None:
    """Check the stage and what it admits."""
    resource_checks.api_stage(template, SYSTEM)


def f07_dead_letters(template: Template) -> None:
    """Check that every stage's dead letters reach the recorder, which parks them where nothing else happens to them."""
    for stage in STAGES:
        queue = f"{stage}DeadLetterQueue"
        resource_checks.mapping(template, "DeadLetterRecorder", queue, batch_size=10)
        # What the recorder cannot record comes again until it can: nothing may take it away before.
        assert "RedrivePolicy" not in properties(template, queue)
        assert properties(template, queue)["MessageRetentionPeriod"] == 14 * 24 * 3600
    wanted = {"TABLE_NAME": ref("ProcessingStatus"), "PARKED_QUEUE_URL": ref("ParkedQueue")}
    assert variables(template, "DeadLetterRecorder") == wanted
    assert properties(template, "ParkedQueue")["MessageRetentionPeriod"] == 14 * 24 * 3600
    senders = {
        function
        for function in SYSTEM.functions
        for one in statements(template, f"{function}Role")
        if one["Effect"] == "Allow" and arn("sqs", SYSTEM.queues["ParkedQueue"].name) in one["Resource"]
    }
    assert senders == {"DeadLetterRecorder"}


def f08_stack(template: Template) -> None:
    """Check roles, logs, error counts, tags, names, deletion, encryption and cost."""
    stack_checks.roles(template, SYSTEM)
    stack_checks.log_groups(template, SYSTEM)
    stack_checks.metric_filters(template, SYSTEM)
    stack_checks.tags(template, SYSTEM)
    stack_checks.names(template)
    stack_checks.destroyable(template, SYSTEM)
    stack_checks.encryption(template, SYSTEM)
    stack_checks.errors(template, SYSTEM)
    stack_checks.cost(template, SYSTEM)


def f09_outputs(template: Template) -> None:
    """Check the outputs: a queue is named after who feeds it there, and after who consumes it everywhere else."""
    stack_checks.outputs(template, SYSTEM)


def f10_no_surroundings(template: Template) -> None:
    """Check that tags of a CI run are in no resource: they are the stack's, given when it is deployed."""
    of_a_run = {"Repository", "Author", "PRNumber", "CreatedAt"}
    for title, resource in template["Resources"].items():
        tags = resource.get("Properties", {}).get("Tags", [])
        assert not of_a_run & {tag["Key"] for tag in tags}, f"{title} changes with each run"
    assert not of_a_run & template["Parameters"].keys()


def f12_fate(template: Template) -> None:
    """Check that what became of files may be asked for, and that refused ones are counted and call."""
    resource_checks.route(template, SYSTEM, "GetFiles")
    asked = {name.rsplit(".", 1)[1] for name in at(properties(template, "GetFiles"), "RequestParameters")}
    assert asked == {"bucket", "key", "state", "from", "to", "limit", "nextToken"}
    alarm = properties(template, "FilesRefusedAlarm", "AWS::CloudWatch::Alarm")
    assert (alarm["MetricName"], alarm["Dimensions"], alarm["Statistic"]) == ("FilesRefused", [], "Sum")
    counted = [one["MetricTransformations"][0] for one in of_type(template, "AWS::Logs::MetricFilter").values()]
    assert sum(one["MetricName"] == "FilesRefused" for one in counted) == 2


def f11_work(template: Template) -> None:
    """Check that stages may read what they check and process, and are told the largest file."""
    assert variables(template, "FileValidator")["MAX_FILE_BYTES"] == ref("MaxFileBytes")
    assert at(template, "Parameters", "MaxFileBytes", "Default") == 32 * 1024 * 1024
    for stage in ("FileValidator", "DataProcessor"):
        read = at(statements(template, f"{stage}Role"), "ReadFiles")
        assert sorted(read["Action"]) == ["s3:GetObjectVersion"]
