"""Templates against code: what a function's own modules ask for is what its role and its environment give, exactly."""

from __future__ import annotations

import ast
import json
from itertools import batched
from typing import TYPE_CHECKING

import pytest

from generator.bundles import BUNDLES, Bundle, own_files
from tests.templates import file_processing_system, market_analytics_system
from tests.templates.permissions import consume, send
from tests.templates.planting import plant
from tests.templates.reading import ENV, Json, Template, at, of_type, properties
from tickstream.messages import CALL_DETAIL_TYPE, CALL_SOURCE, EVENT_DETAIL_TYPE, EVENT_SOURCE
from tickstream.revisions import ORDER_DETAIL_TYPE, ORDER_SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Set
    from pathlib import Path

    from tests.templates.systems import System

SYSTEMS = {"market-analytics": market_analytics_system.SYSTEM, "file-processing": file_processing_system.SYSTEM}

AWS_METRICS = {
    "AWS/SQS": ({"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"}, {"QueueName"}),
    "AWS/Lambda": ({"Duration", "Errors", "Throttles"}, {"FunctionName"}),
    "AWS/ApiGateway": ({"5XXError", "Latency"}, {"ApiName", "Stage"}),
}
"""What is used of the metrics that services publish by themselves, each with its dimensions.

SQS developer guide, "Available CloudWatch metrics for Amazon SQS"; Lambda developer guide, "Types of metrics for Lambda
functions"; API Gateway developer guide, "Amazon API Gateway dimensions and metrics".
"""

TABLE = {
    "change_if_equal": "UpdateItem",
    "count": "UpdateItem",
    "batch_get": "BatchGetItem",
    "batch_write": "BatchWriteItem",
    "get": "GetItem",
    "put": "PutItem",
    "put_if_absent": "PutItem",
    "put_if_equal": "PutItem",
    "put_in_order": "BatchWriteItem",
    "query": "Query",
    "query_each": "Query",
}
"""Each method of `services.table.Table` and DynamoDB's action that it takes."""

STATUS_TABLE = {
    "get": "GetItem",
    "get_each": "GetItem",
    "get_statistics": "GetItem",
    "list_each": "Query",
    "put_statistics": "PutItem",
    "replace": "PutItem",
}
"""Each method of `services.status_table.StatusTable` and DynamoDB's action that it takes."""

_READ = {"s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"}

SERVICES = {
    # ListBucket is not called: with it a missing object is a 404 and not a 403.
    "ObjectReader": _READ,
    "as_stored": _READ,
    "stored_checksum": _READ,
    "LineWriter": {"s3:PutObject", "s3:AbortMultipartUpload"},
    "put_line": {"s3:PutObject"},
    "Queue": {"sqs:SendMessage"},
    "EventBus": {"events:PutEvents"},
    "IndexParts": {"s3:GetObject", "s3:ListBucket"},
    "make_move": {"dynamodb:GetItem", "dynamodb:PutItem"},
}
"""What may be imported from `services` and called, and the actions that it takes."""

HARMLESS = {
    "Deadline",
    "DynamoStatusTable",  # its methods count where they are called
    "DynamoTable",
    "History",  # reads a record
    "MAX_MESSAGE_BYTES",
    "PARALLEL_REQUESTS",
    "Metric",
    "answer_with",
    "body_of",
    "parameters_of",
    "decode_apart",  # reads what it is given to read with
    "decode_pieces_apart",
    "failures_answer",
    "one_line",
    "side_by_side",  # whatever it is given
    "process_created",
    "process_in_order",
    "publish",  # by way of the log
    "reading_ahead",  # through an ObjectReader
    "settings",
    "url_of_source",
}
"""What is imported from `services` and asks nothing of AWS by itself."""

FUNCTIONS = [
    pytest.param(pipeline, bundle, id=f"{pipeline}:{bundle.name}")
    for pipeline, bundles in BUNDLES.items()
    for bundle in bundles
    # The emptier speaks to S3 without `services`; its rights are what it needs of a bucket and nothing else has.
    if bundle.name != "BucketEmptier"
]


@pytest.fixture
def templates(template: Template, files: Template) -> dict[str, Template]:
    """Return both committed templates by pipeline."""
    return {"market-analytics": template, "file-processing": files}


def own_trees(bundle: Bundle) -> Iterator[ast.Module]:
    """Yield the syntax of a function's own modules: those of its package, and no other function's."""
    for name, content in own_files(bundle):
        if name.startswith(f"{bundle.package}/"):
            yield ast.parse(content)


def calls(bundle: Bundle) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call of a function's own modules with the source of what is called."""
    for tree in own_trees(bundle):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), node


def methods_called(bundle: Bundle, owner: str) -> set[str]:
    """Return the methods that are called on anything whose name ends with `owner`."""
    split = (called.rpartition(".") for called, _ in calls(bundle))
    return {method for whose, _, method in split if whose.rpartition(".")[2].removeprefix("_").endswith(owner)}


def imported(bundle: Bundle) -> set[str]:
    """Return the names that a function's own modules import from `services` to run."""
    found: set[str] = set()
    for tree in own_trees(bundle):
        guarded = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and id(node) not in guarded:
                package = (node.module or "").split(".")[0]
                found |= {alias.name for alias in node.names} if package == "services" else set()
    return found


def asked_for(bundle: Bundle) -> set[str]:
    """Return the actions that a function's own modules take."""
    tables, statuses = methods_called(bundle, "table"), methods_called(bundle, "statuses")
    assert tables <= TABLE.keys(), "a method of the table that this test does not know"
    assert statuses <= STATUS_TABLE.keys(), "a method of the status table that this test does not know"
    names = imported(bundle)
    assert names <= SERVICES.keys() | HARMLESS, "a service that this test does not know"
    actions = {f"dynamodb:{TABLE[method]}" for method in tables}
    actions |= {f"dynamodb:{STATUS_TABLE[method]}" for method in statuses}
    # Whoever has indexes may read them; who makes them puts their parts.
    if "IndexParts" in names:
        asked = methods_called(bundle, "parts")
        actions |= {"s3:PutObject"} if asked & {"put", "put_copy"} else set()
        actions |= {"s3:AbortMultipartUpload"} if "put_copy" in asked else set()
    return actions.union(*(SERVICES[name] for name in names & SERVICES.keys()))


def granted(system: System, template: Template, function: str) -> set[str]:
    """Return what a role allows to the function's own code: without its trigger's and its dead-letter queue's part."""
    grants = list(system.grants[function])
    for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values():
        if at(mapping, "FunctionName", "Ref") == function:
            grants.remove(consume(system.queues[at(mapping, "EventSourceArn", "Fn::GetAtt", 0)].name))
    dead_letters = properties(template, function).get("DeadLetterConfig")
    if dead_letters is not None:
        grants.remove(send(system.queues[at(dead_letters, "TargetArn", "Fn::GetAtt", 0)].name))
    return {action for actions, _ in grants for action in actions}


@pytest.mark.parametrize(("pipeline", "bundle"), FUNCTIONS)
def test_a_role_allows_what_its_function_asks_for(
    pipeline: str, bundle: Bundle, templates: dict[str, Template]
) -> None:
    """A call that the role does not allow fails on AWS only, and a right that nothing uses is one too many."""
    assert granted(SYSTEMS[pipeline], templates[pipeline], bundle.name) == asked_for(bundle)


@pytest.mark.parametrize(("pipeline", "bundle"), FUNCTIONS)
def test_an_environment_has_what_its_function_reads(
    pipeline: str, bundle: Bundle, templates: dict[str, Template]
) -> None:
    """A variable that is missing fails the first invocation, and one that nobody reads misleads."""
    read = {
        ast.literal_eval(call.args[0])
        for called, call in calls(bundle)
        if called in {"settings.text", "settings.whole_number"}
    }
    given: Set[str] = at(properties(templates[pipeline], bundle.name), "Environment", "Variables").keys()
    assert given - {"LOG_LEVEL", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME"} == read


@pytest.mark.parametrize(
    ("file", "interface", "known"),
    [("services/table.py", "Table", TABLE), ("services/status_table.py", "StatusTable", STATUS_TABLE)],
)
def test_every_method_of_a_table_is_known(file: str, interface: str, known: dict[str, str]) -> None:
    """The lists above are the whole interfaces, so that a new method cannot be forgotten."""
    sources = dict(own_files(BUNDLES["market-analytics"][0]))
    methods = {
        node.name
        for owner in ast.parse(sources[file]).body
        if isinstance(owner, ast.ClassDef) and owner.name == interface
        for node in owner.body
        if isinstance(node, ast.FunctionDef)
    }
    assert methods == known.keys()


def test_a8_dead_letters_have_the_days_that_the_docs_say(root: Path, templates: dict[str, Template]) -> None:
    """A message of a standard queue is moved with its age: what is sure is what its source's retention leaves."""
    day_s = 24 * 3600
    sure_days = set()
    for template in templates.values():
        queues = of_type(template, "AWS::SQS::Queue")
        for queue in queues.values():
            if "RedrivePolicy" not in queue:
                continue
            dead = queues[queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]]
            assert dead.get("FifoQueue", False) == queue.get("FifoQueue", False)
            kept_s = int(dead["MessageRetentionPeriod"])
            # Of FIFO queues the count begins anew.
            used_s = 0 if queue.get("FifoQueue") else int(queue["MessageRetentionPeriod"])
            sure_days.add((kept_s - used_s) // day_s)
    assert sure_days == {4, 10, 14}
    said = (root / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "**10 to 14**" in said
    assert "**4 to 14**" in said


type Published = tuple[str, str, frozenset[tuple[str, str]]]
"""A metric: its namespace, its name, its dimensions."""


def published(pipeline: str, template: Template) -> set[Published]:
    """Return what comes to be in the stack's own namespace: what functions publish, and what filters count."""
    found: set[Published] = set()
    for bundle in BUNDLES[pipeline]:
        variables = at(properties(template, bundle.name), "Environment", "Variables")
        namespace, service = variables["POWERTOOLS_METRICS_NAMESPACE"], variables["POWERTOOLS_SERVICE_NAME"]
        names = {ast.literal_eval(call.args[0]) for called, call in calls(bundle) if called == "Metric"}
        found |= {(namespace, name, frozenset({("service", service)})) for name in names}
    for one in of_type(template, "AWS::Logs::MetricFilter").values():
        (counted,) = one["MetricTransformations"]
        found.add((counted["MetricNamespace"], counted["MetricName"], frozenset()))
    return found


def watched(template: Template) -> set[Published]:
    """Return every metric that an alarm watches or the dashboard draws."""
    alarms = of_type(template, "AWS::CloudWatch::Alarm").values()
    plain = [alarm for alarm in alarms if "Metrics" not in alarm]
    stats = [one["MetricStat"]["Metric"] for alarm in alarms for one in alarm.get("Metrics", ()) if "MetricStat" in one]
    found = {
        (
            one["Namespace"],
            one["MetricName"],
            frozenset((dimension["Name"], dimension["Value"]) for dimension in one["Dimensions"]),
        )
        for one in (*plain, *stats)
    }
    (board,) = of_type(template, "AWS::CloudWatch::Dashboard").values()
    for widget in json.loads(board["DashboardBody"]["Fn::Sub"])["widgets"]:
        for namespace, name, *dimensions, _how in widget["properties"]["metrics"]:
            found.add((namespace, name, frozenset(batched(dimensions, 2, strict=True))))
    return found


@pytest.mark.parametrize("pipeline", SYSTEMS)
def test_what_is_watched_is_published(pipeline: str, templates: dict[str, Template]) -> None:
    """An alarm on a metric that nothing publishes, or under other dimensions, never calls."""
    template = templates[pipeline]
    names = {name for queue in of_type(template, "AWS::SQS::Queue").values() for name in [queue["QueueName"]]}
    names |= {function["FunctionName"] for function in of_type(template, "AWS::Lambda::Function").values()}
    names |= {api["Name"] for api in of_type(template, "AWS::ApiGateway::RestApi").values()} | {ENV}
    for metric in watched(template) - published(pipeline, template):
        namespace, name, dimensions = metric
        known, keys = AWS_METRICS.get(namespace, (set(), set()))
        assert name in known, f"nothing publishes {metric}"
        assert {key for key, _ in dimensions} == keys, f"{name} has other dimensions"
        assert {value for _, value in dimensions} <= names, f"{metric} is of nothing in this stack"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["Dimensions"], []),
        (["Dimensions", 0, "Value"], "DataProcessor"),
        (["MetricName"], "IngestsOverdue"),
        (["Namespace"], "MarketAnalytics"),
    ],
)
def test_an_alarm_on_what_nothing_publishes_is_noticed(
    templates: dict[str, Template], path: list[str | int], value: Json
) -> None:
    """Each part of a metric's identity counts."""
    template = templates["market-analytics"]
    plant(template, ["Resources", "OverdueIngestsAlarm", "Properties", *path], value)
    with pytest.raises(AssertionError):
        test_what_is_watched_is_published("market-analytics", templates)


def test_m09_m25_m29_rules_hear_what_the_functions_say(templates: dict[str, Template]) -> None:
    """An event that no rule captures is taken by the bus and lost: nothing else would show that nobody is called."""
    template = templates["market-analytics"]
    said = {
        "MarketDataProcessed": (EVENT_SOURCE, EVENT_DETAIL_TYPE),
        "LanesWaiting": (CALL_SOURCE, CALL_DETAIL_TYPE),
        "RevisionWaiting": (ORDER_SOURCE, ORDER_DETAIL_TYPE),
    }
    patterns = {title for title, rule in of_type(template, "AWS::Events::Rule").items() if "EventPattern" in rule}
    assert patterns == said.keys()
    for title, (source, detail_type) in said.items():
        pattern = of_type(template, "AWS::Events::Rule")[title]["EventPattern"]
        assert pattern == {"source": [source], "detail-type": [detail_type]}
