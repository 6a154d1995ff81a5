"""CloudFormation's `AWS::Logs::MetricFilter` for LocalStack, which has the API but no provider for the resource.

It puts and deletes the filter, so that a stack deploys, updates and deletes; what a filter counts is the business of
`bench.emulator.observed.metric_counts`.
"""

import contextlib
from typing import Any

from bench.emulator.observed import filter_patterns
from bench.engine import OperationStatus, ProgressEvent, ResourceProvider, ResourceRequest


class MetricFilterProvider(ResourceProvider[dict[str, Any]]):  # type: ignore[misc] # LocalStack is untyped here
    """Creates, updates and deletes one metric filter; its name and its group together identify it."""

    TYPE = "AWS::Logs::MetricFilter"
    SCHEMA = {  # noqa: RUF012 - LocalStack's interface: a plain class attribute
        "typeName": TYPE,
        "primaryIdentifier": ["/properties/LogGroupName", "/properties/FilterName"],
        "createOnlyProperties": ["/properties/FilterName", "/properties/LogGroupName"],
        "required": ["FilterPattern", "LogGroupName", "MetricTransformations"],
        "properties": {
            "FilterName": {"type": "string"},
            "FilterPattern": {"type": "string"},
            "LogGroupName": {"type": "string"},
            "MetricTransformations": {"type": "array"},
        },
    }

    def create(self, request: ResourceRequest[dict[str, Any]]) -> ProgressEvent[dict[str, Any]]:
        """Put the filter; a name that the template leaves out is made of the stack's and the resource's."""
        model = request.desired_state
        model.setdefault("FilterName", f"{request.stack_name}-{request.logical_resource_id}")
        return _put(request)

    def update(self, request: ResourceRequest[dict[str, Any]]) -> ProgressEvent[dict[str, Any]]:
        """Put the filter anew: on AWS that replaces the one of the same name, here it would stand beside it."""
        before = request.previous_state or {}
        for key in ("FilterName", "LogGroupName"):
            if before.get(key):
                request.desired_state.setdefault(key, before[key])
        _delete(request, before)
        return _put(request)

    def delete(self, request: ResourceRequest[dict[str, Any]]) -> ProgressEvent[dict[str, Any]]:
        """Delete the filter; one that went with its log group is deleted already."""
        _delete(request, request.desired_state)
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=request.desired_state)


def _delete(request: ResourceRequest[dict[str, Any]], model: dict[str, Any]) -> None:
    logs = request.aws_client_factory.logs
    with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
        logs.delete_metric_filter(logGroupName=model["LogGroupName"], filterName=model["FilterName"])


def _put(request: ResourceRequest[dict[str, Any]]) -> ProgressEvent[dict[str, Any]]:
    model = request.desired_state
    try:
        filter_patterns.compiled(model["FilterPattern"])
    except ValueError as error:
        return ProgressEvent(status=OperationStatus.FAILED, resource_model=model, message=str(error))
    names = {"MetricName", "MetricNamespace", "MetricValue", "DefaultValue", "Unit"}
    transformations = [
        {name[0].lower() + name[1:]: value for name, value in transformation.items() if name in names}
        for transformation in model["MetricTransformations"]
    ]
    for transformation in transformations:
        if "defaultValue" in transformation:
            transformation["defaultValue"] = float(transformation["defaultValue"])
    request.aws_client_factory.logs.put_metric_filter(
        logGroupName=model["LogGroupName"],
        filterName=model["FilterName"],
        filterPattern=model["FilterPattern"],
        metricTransformations=transformations,
    )
    return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)
