"""Market analytics with faults planted in how ingests are taken back."""

from __future__ import annotations

import pytest

from tests.templates import market_analytics_checks as checks
from tests.templates.planting import GONE, Fault, notice
from tests.templates.reading import ENV, Template, arn, arn_of, ref, sub

_ROLE = ("Policies", 0, "PolicyDocument", "Statement")
_TAKEN_BACK = ("DeleteIngestIngestId", "RequestParameters")
_ASKED_WITH = "method.request.querystring.force"
_ORDERED = "RevisionWaiting"
_ORDER_TARGET = (_ORDERED, "Targets", 0)
_TABLE_ACTIONS = ("BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query", "UpdateItem")

FAULTS = [
    Fault("anyone may take back", checks.m25_retraction, ("DeleteIngestIngestId", "AuthorizationType"), "NONE"),
    Fault(
        "who answers questions takes back",
        checks.m25_retraction,
        ("DeleteIngestIngestId", "Integration", "Uri"),
        sub(
            "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
            "${DataQuery.Arn}/invocations"
        ),
    ),
    Fault("posting takes back", checks.m25_retraction, ("DeleteIngestIngestId", "HttpMethod"), "POST"),
    Fault("reading may delete as well", checks.m25_retraction, ("GetIngestIngestId", "HttpMethod"), "DELETE"),
    Fault(
        "any call may take back",
        checks.m25_retraction,
        ("DataRevisionInvokedByDeleteIngestIngestId", "SourceArn"),
        arn("execute-api", f"${{MarketDataAPI}}/{ENV}/*/ingest/*"),
    ),
    Fault(
        "another call takes back",
        checks.m25_retraction,
        ("DataQueryInvokedByPostBars", "FunctionName"),
        ref("DataRevision"),
    ),
    Fault("a retraction may be asked for more", checks.m25_retraction, (*_TAKEN_BACK, _ASKED_WITH), value=False),
    Fault("orders that nobody hears", checks.m25_retraction, (_ORDERED, "EventPattern", "detail-type"), ["Waiting"]),
    Fault("orders of whoever", checks.m25_retraction, (_ORDERED, "EventPattern", "source"), ["market.analytics.query"]),
    Fault("orders that are not looked at", checks.m25_retraction, (_ORDERED, "State"), "DISABLED"),
    Fault("orders to the aggregator", checks.m25_retraction, (*_ORDER_TARGET, "Arn"), arn_of("DataAggregator")),
    Fault("undelivered orders vanish", checks.m25_retraction, (*_ORDER_TARGET, "DeadLetterConfig"), GONE),
    Fault("orders are sent once", checks.m25_retraction, (*_ORDER_TARGET, "RetryPolicy", "MaximumRetryAttempts"), 0),
    Fault(
        "EventBridge may not order",
        checks.m25_retraction,
        ("DataRevisionInvokedByRevisionWaiting", "SourceArn"),
        arn_of("LanesWaiting"),
    ),
    Fault("nobody goes on", checks.m25_retraction, ("RevisionSchedule", "State"), "DISABLED"),
    Fault("one goes on by the day", checks.m25_retraction, ("RevisionSchedule", "ScheduleExpression"), "rate(1 day)"),
    Fault(
        "the schedule wakes another",
        checks.m25_retraction,
        ("RevisionSchedule", "Targets", 0, "Arn"),
        arn_of("DataAggregator"),
    ),
    Fault(
        "undelivered schedules vanish",
        checks.m25_retraction,
        ("RevisionSchedule", "Targets", 0, "DeadLetterConfig"),
        GONE,
    ),
    Fault(
        "the schedule may not wake it",
        checks.m25_retraction,
        ("DataRevisionInvokedByRevisionSchedule", "SourceArn"),
        arn_of("AggregationSchedule"),
    ),
    Fault("failed orders vanish", checks.m25_retraction, ("DataRevision", "DeadLetterConfig"), GONE),
    Fault(
        "failed orders lie with others",
        checks.m25_retraction,
        ("DataRevision", "DeadLetterConfig", "TargetArn"),
        arn_of("AggregatorDeadLetterQueue"),
    ),
    Fault("orders fail at once", checks.m25_retraction, ("DataRevisionAsyncConfig", "MaximumRetryAttempts"), 0),
    Fault(
        "orders are kept a day", checks.m08_dead_letters, ("RevisionDeadLetterQueue", "MessageRetentionPeriod"), 86_400
    ),
    Fault("a life too short for a year", checks.m25_retraction, ("DataRevision", "Timeout"), 50),
    Fault("orders of any source", checks.m25_retraction, ("DataRevisionRole", *_ROLE, "PutEvents", "Condition"), {}),
    Fault(
        "no hour is mended",
        checks.m25_retraction,
        ("DataRevisionRole", *_ROLE, "PutEvents", "Condition"),
        {"StringEquals": {"events:source": ["market.analytics.revision"]}},
    ),
    Fault(
        "what is refused in part stays",
        checks.m25_retraction,
        ("DataAggregatorRole", *_ROLE, "PutEvents", "Condition"),
        {"StringEquals": {"events:source": ["market.analytics.aggregator"]}},
    ),
    Fault(
        "events on any bus",
        checks.m25_retraction,
        ("DataRevisionRole", *_ROLE, "PutEvents", "Resource"),
        [arn("events", "event-bus/*")],
    ),
    Fault(
        "objects are taken back too",
        checks.m25_retraction,
        ("DataRevisionRole", *_ROLE, "SendToRevisionDeadLetterQueue", "Action"),
        ["s3:DeleteObjectVersion", "sqs:SendMessage"],
    ),
    Fault(
        "taking back deletes",
        checks.m13_roles,
        ("DataRevisionRole", *_ROLE, "UseMarketDataState", "Action"),
        [*(f"dynamodb:{action}" for action in (*_TABLE_ACTIONS, "DeleteItem"))],
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.says)
def test_m25_a_planted_fault_is_noticed(template: Template, fault: Fault) -> None:
    """Who may take back, what it leads to and what it may touch: the check fails on the template with the fault."""
    notice(template, fault)
