"""Who may come in, over both templates as a whole: nothing that is not listed here, and a fault in it is noticed.

The rows' checks look at what must be there; these find what must not: one more permission, one more open statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.templates import file_processing_system, market_analytics_system, resource_checks, stack_checks
from tests.templates.planting import GONE, Fault, notice
from tests.templates.reading import ENV, Template, arn, at, of_type, properties, ref, statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.templates.systems import System

_MARKET = market_analytics_system.SYSTEM
_FILES = file_processing_system.SYSTEM

#: By logical id, which of the statements of resources' policies let somebody in.
OPENINGS = {
    "market-analytics": {("RuleDeadLetterQueuePolicy", "AllowUndeliveredEvents"), ("AlarmTopicPolicy", "AllowAlarms")},
    "file-processing": {("AlarmTopicPolicy", "AllowAlarms")},
}


def permissions(template: Template, system: System, rules: set[str]) -> None:
    """Check that the stack's own bucket, rules and routes may invoke functions, each by its name, and nobody else."""
    found = of_type(template, "AWS::Lambda::Permission")
    by_principal: dict[str, int] = {}
    for title, permission in found.items():
        by_principal[permission["Principal"]] = by_principal.get(permission["Principal"], 0) + 1
        assert permission["Action"] == "lambda:InvokeFunction"
        assert permission["SourceArn"], f"{title} lets in every {permission['Principal']}"
        # S3 alone: the other ARNs carry the account (SECURITY.md).
        wanted = ref("AWS::AccountId") if permission["Principal"] == "s3.amazonaws.com" else None
        assert permission.get("SourceAccount") == wanted, f"{title}: SourceAccount"
    callers = {"s3.amazonaws.com": 1, "apigateway.amazonaws.com": len(system.routes)}
    assert by_principal == callers | ({"events.amazonaws.com": len(rules)} if rules else {})


def openings(template: Template, pipeline: str) -> None:
    """Check that the policies of queues, buckets and topics let in who is listed, each on a condition."""
    found = set()
    for title in of_type(template, "AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy"):
        for statement in statements(template, title):
            if statement["Effect"] == "Allow":
                assert statement["Condition"], f"{title} lets in every {statement['Principal']}"
                assert "AWS" not in statement["Principal"], f"{title} lets in an account"
                found.add((title, statement["Sid"]))
    assert found == OPENINGS[pipeline]


def rule_dead_letters(template: Template) -> None:
    """Check that EventBridge may keep undelivered events of this stack's rules, and of no other's."""
    sends = at(statements(template, "RuleDeadLetterQueuePolicy"), "AllowUndeliveredEvents")
    names = [rule["Name"] for rule in of_type(template, "AWS::Events::Rule").values()]
    assert sends["Action"] == ["sqs:SendMessage"]
    assert sends["Resource"] == [arn("sqs", f"RuleDeadLetterQueue-{ENV}")]
    sources = sends["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert sorted(sources, key=str) == sorted((arn("events", f"rule/{name}") for name in names), key=str)


def ceilings(template: Template, system: System) -> None:
    """Check that concurrency has a ceiling where work waits for it, and that none is reserved by itself."""
    stack_checks.cost(template, system)
    for title, mapping in of_type(template, "AWS::Lambda::EventSourceMapping").items():
        # The recorder's queues are nearly always empty: without a ceiling Lambda polls them less.
        if not title.startswith("DeadLetterRecorder"):
            ceiling = at(mapping, "ScalingConfig", "MaximumConcurrency")
            if title == "DataIndexerFromIndexQueue":
                assert ceiling == 20, "objects of gigabytes are few: nobody has to tune it"
            else:
                assert ceiling["Ref"].endswith("MaxConcurrency")


def models(template: Template) -> None:
    """Check that a body of whatever content type is held against a model."""
    for title, method in of_type(template, "AWS::ApiGateway::Method").items():
        if method["HttpMethod"] == "POST":
            wanted = at(method, "RequestModels")
            assert wanted.keys() == {"application/json", "$default"}, f"{title}: a body that nobody looks at"
            for model in wanted.values():
                assert properties(template, model["Ref"], "AWS::ApiGateway::Model")["Schema"]["type"] == "object"


def _permissions(template: Template) -> None:
    permissions(
        template,
        _MARKET,
        {"MarketDataProcessed", "LanesWaiting", "AggregationSchedule", "RevisionWaiting", "RevisionSchedule"},
    )


def _openings(template: Template) -> None:
    openings(template, "market-analytics")


def _queues(template: Template) -> None:
    resource_checks.queues(template, _MARKET)


def _ceilings(template: Template) -> None:
    ceilings(template, _MARKET)


def _roles(template: Template) -> None:
    stack_checks.roles(template, _MARKET)


def _logs(template: Template) -> None:
    stack_checks.log_groups(template, _MARKET)


_POLICY = ("PolicyDocument", "Statement")
_ROLE = ("Policies", 0, *_POLICY)
_UNDELIVERED = ("RuleDeadLetterQueuePolicy", *_POLICY, "AllowUndeliveredEvents")

FAULTS = [
    Fault("any API may invoke", _permissions, ("DataQueryInvokedByPostBars", "SourceArn"), GONE),
    Fault("any rule may invoke", _permissions, ("DataAggregatorInvokedByAggregationSchedule", "SourceArn"), ""),
    Fault("any account's bucket may invoke", _permissions, ("DataIngestionInvokedByMarketData", "SourceAccount"), GONE),
    Fault("a person may invoke", _permissions, ("DataQueryInvokedByPostBars", "Principal"), "*"),
    Fault("a permission too many", _permissions, ("DataQueryInvokedByPostBars", "Principal"), "events.amazonaws.com"),
    Fault("a queue is open", _openings, ("ProcessingQueuePolicy", *_POLICY, "DenyStrangers", "Effect"), "Allow"),
    Fault("any service may send", _openings, (*_UNDELIVERED, "Condition"), {}),
    Fault("an account may send", _openings, (*_UNDELIVERED, "Principal"), {"AWS": "123456789012"}),
    Fault(
        "another stack's rules may send",
        rule_dead_letters,
        (*_UNDELIVERED, "Condition", "ArnEquals", "aws:SourceArn"),
        [arn("events", "rule/*")],
    ),
    Fault("undelivered events may do anything", rule_dead_letters, (*_UNDELIVERED, "Action"), ["sqs:*"]),
    Fault("any queue may redrive to it", _queues, ("RuleDeadLetterQueue", "RedriveAllowPolicy"), GONE),
    Fault(
        "all queues may redrive to it",
        _queues,
        ("ProcessingDeadLetterQueue", "RedriveAllowPolicy", "redrivePermission"),
        "allowAll",
    ),
    Fault("bodies of other types pass", models, ("PostBars", "RequestModels", "$default"), GONE),
    Fault("any body passes", models, ("PostBarsEnvelope", "Schema"), {"type": "string"}),
    Fault("concurrency is reserved", _ceilings, ("DataProcessor", "ReservedConcurrentExecutions"), 10),
    Fault("the processor takes the account", _ceilings, ("DataProcessorFromProcessingQueue", "ScalingConfig"), GONE),
    Fault("the indexer takes the account", _ceilings, ("DataIndexerFromIndexQueue", "ScalingConfig"), GONE),
    Fault(
        "a function may make log groups",
        _roles,
        ("DataQueryRole", *_ROLE, "WriteOwnLogs", "Action"),
        ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    ),
    Fault(
        "making log groups is not denied",
        _logs,
        ("DataQueryRole", *_ROLE, "DenyDestruction", "Action"),
        ["dynamodb:DeleteTable", "s3:DeleteBucket", "sqs:DeleteQueue"],
    ),
    Fault("the gateway makes its own group", _logs, ("MarketDataAPILogGroup", "LogGroupName"), f"execution-{ENV}"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.says)
def test_a_planted_opening_is_noticed(template: Template, fault: Fault) -> None:
    """The check passes on the good template and fails on the one with the fault."""
    notice(template, fault)


@pytest.mark.parametrize(
    "check",
    [
        lambda template: permissions(template, _FILES, set()),
        lambda template: openings(template, "file-processing"),
        lambda template: ceilings(template, _FILES),
    ],
    ids=["permissions", "openings", "ceilings"],
)
def test_f08_file_processing_lets_nobody_else_in(files: Template, check: Callable[[Template], None]) -> None:
    """The other pipeline, whose parts are made by the same blocks."""
    check(files)


def test_m11_every_call_with_a_body_has_a_model(template: Template, files: Template) -> None:
    """A body of any content type is looked at before a function is paid for it."""
    models(template)
    models(files)
