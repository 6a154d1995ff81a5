"""The permissions that AWS's services use in a role's name, and that LocalStack never asks for.

No run can show that they are needed: each stands here with the page of AWS that demands it, and is looked for in the
roles of what is deployed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.permissions.granted import resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.targets import Target

_LAMBDA: Final = "https://docs.aws.amazon.com/lambda/latest/dg"


@dataclass(frozen=True, slots=True)
class Demand:
    """One action that a service needs a role to be allowed. resource: an example where any of a kind are meant."""

    role: str
    action: str
    resource: str
    what_for: str
    page: str


@dataclass(frozen=True, slots=True)
class ServiceUse:
    """What a service does with a role. resources: which, from a function's configuration; none where it does not."""

    what_for: str
    actions: tuple[str, ...]
    page: str
    resources: Callable[[Deployed], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A function as Lambda describes it, and the ARNs of the queues that it is fed from."""

    configuration: Mapping[str, Any]
    queues: tuple[str, ...]


def _own_stream(function: Deployed) -> tuple[str, ...]:
    arn = str(function.configuration["FunctionArn"]).split(":")
    group = function.configuration["LoggingConfig"]["LogGroup"]
    return (f"{':'.join(arn[:2])}:logs:{arn[3]}:{arn[4]}:log-group:{group}:log-stream:any",)


def _traces(function: Deployed) -> tuple[str, ...]:
    return ("*",) if function.configuration.get("TracingConfig", {}).get("Mode") == "Active" else ()


def _dead_letters(function: Deployed) -> tuple[str, ...]:
    arn = function.configuration.get("DeadLetterConfig", {}).get("TargetArn")
    return (arn,) if arn else ()


SERVICE_USES: Final = (
    ServiceUse(
        "Lambda polls the queue",
        ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
        "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/"
        "sqs-configure-lambda-function-trigger.html",
        lambda function: function.queues,
    ),
    ServiceUse(
        "Lambda delivers the log",
        ("logs:CreateLogStream", "logs:PutLogEvents"),
        f"{_LAMBDA}/lambda-intro-execution-role.html",
        _own_stream,
    ),
    ServiceUse(
        "Lambda sends traces",
        ("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
        f"{_LAMBDA}/services-xray.html",
        _traces,
    ),
    ServiceUse(
        "Lambda gives an event up",
        ("sqs:SendMessage",),
        f"{_LAMBDA}/invocation-async-retain-records.html",
        _dead_letters,
    ),
)
#: What API Gateway's logging role must be allowed, on every group of the region.
_GATEWAY_LOGS: Final = (
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "logs:PutLogEvents",
)
_GATEWAY_PAGE: Final = "https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html"


def demanded_of(target: Target, environment: str, pipeline: str) -> tuple[Demand, ...]:
    """Return what AWS's services will use of a deployed stack's roles."""
    return (*_of_functions(target, environment, pipeline), *_of_gateway(target, environment, pipeline))


def _of_functions(target: Target, environment: str, pipeline: str) -> Iterator[Demand]:
    client = target.client("lambda")
    for entry in resources(target, environment, pipeline, "AWS::Lambda::Function"):
        name = entry["PhysicalResourceId"]
        mappings = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        function = Deployed(
            client.get_function_configuration(FunctionName=name),
            tuple(sorted(mapping["EventSourceArn"] for mapping in mappings)),
        )
        role = str(function.configuration["Role"]).rpartition("/")[2]
        for use in SERVICE_USES:
            for resource in use.resources(function):
                yield from (Demand(role, action, resource, use.what_for, use.page) for action in use.actions)


def _of_gateway(target: Target, environment: str, pipeline: str) -> Iterator[Demand]:
    for _ in resources(target, environment, pipeline, "AWS::ApiGateway::Account"):
        arn = target.client("apigateway").get_account()["cloudwatchRoleArn"]
        role = str(arn).rpartition("/")[2]
        yield from (Demand(role, action, "*", "API Gateway writes its logs", _GATEWAY_PAGE) for action in _GATEWAY_LOGS)
