"""What AWS's services need of a role, from what is deployed."""

from __future__ import annotations

from typing import Any

from bench.permissions.services import SERVICE_USES, Deployed

QUEUE = "arn:aws:sqs:us-east-1:1:work"
LETTERS = "arn:aws:sqs:us-east-1:1:letters"
CONFIGURATION: dict[str, Any] = {
    "FunctionArn": "arn:aws:lambda:us-east-1:1:function:f",
    "LoggingConfig": {"LogGroup": "/aws/lambda/f"},
    "TracingConfig": {"Mode": "Active"},
    "DeadLetterConfig": {"TargetArn": LETTERS},
}


def needed(configuration: dict[str, Any], *queues: str) -> set[tuple[str, str]]:
    """Return the actions and resources of all uses."""
    function = Deployed(configuration, queues)
    return {(action, found) for use in SERVICE_USES for found in use.resources(function) for action in use.actions}


def test_m13_services_need_what_the_functions_settings_say() -> None:
    """A queue is polled, an event that failed is sent on, traces and the own log are written."""
    stream = "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/f:log-stream:any"
    assert needed(CONFIGURATION, QUEUE) == {
        ("sqs:ReceiveMessage", QUEUE),
        ("sqs:DeleteMessage", QUEUE),
        ("sqs:GetQueueAttributes", QUEUE),
        ("sqs:SendMessage", LETTERS),
        ("xray:PutTraceSegments", "*"),
        ("xray:PutTelemetryRecords", "*"),
        ("logs:CreateLogStream", stream),
        ("logs:PutLogEvents", stream),
    }


def test_m13_a_function_without_queues_and_traces_needs_its_log_alone() -> None:
    """What is not set up is not demanded, so that a grant for it would be one too many."""
    bare = {name: CONFIGURATION[name] for name in ("FunctionArn", "LoggingConfig")}
    assert {action for action, _ in needed(bare)} == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_m13_every_use_names_the_page_that_demands_it() -> None:
    """Nobody has to take the table's word for it."""
    assert all(use.page.startswith("https://docs.aws.amazon.com/") for use in SERVICE_USES)
