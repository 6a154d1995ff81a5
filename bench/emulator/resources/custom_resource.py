"""CloudFormation's custom resources for LocalStack, whose free edition has none.

As on AWS the function behind the ServiceToken is invoked asynchronously and answers by a PUT to the request's
ResponseURL; here that is a path of this LocalStack. What is returned as `Data` is what Fn::GetAtt gives.
"""

import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from bench.emulator.functions.failed_imports import FAILED_IMPORTS
from bench.engine import (
    ROUTER,
    OperationStatus,
    ProgressEvent,
    Request,
    ResourceProvider,
    ResourceRequest,
    Response,
    config,
)

_ANSWER_PATH: Final = "/_bench/custom-resource"
_DEFAULT_SERVICE_TIMEOUT_S: Final = 3600
_LOOK_S: Final = 0.5
# Where this provider keeps, in LocalStack's state of a resource, the properties of the template.
_PROPERTIES: Final = "__properties"


@dataclass(slots=True)
class _Waiting:
    """A request to a function, until it is answered. The first answer counts: a retried function answers again."""

    request_id: str
    answered: threading.Event = field(default_factory=threading.Event)
    answer: Mapping[str, Any] | None = None


class CustomResourceProvider(ResourceProvider[dict[str, Any]]):  # type: ignore[misc] # LocalStack is untyped here
    """Creates, updates and deletes a resource by asking a function to; blocks until it has answered."""

    TYPE = "AWS::CloudFormation::CustomResource"
    SCHEMA: ClassVar[dict[str, Any]] = {
        "typeName": TYPE,
        "primaryIdentifier": ["/properties/PhysicalResourceId"],
        "properties": {},
    }

    def create(self, request: ResourceRequest[dict[str, Any]]) -> ProgressEvent[dict[str, Any]]:
        """Ask for a Create."""
        return _ask(request, "Create", request.desired_state)

    def update(self, request: ResourceRequest[dict[str, Any]]) -> ProgressEvent[dict[str, Any]]:
        """Ask for an Update, and for the Delete of what it replaced if the physical id has changed.

        CloudFormation asks for that Delete when the whole update has succeeded; here it follows at once.
        """
        before = request.previous_state or {}
        old_id, old_properties = before.get("PhysicalResourceId"), before.get(_PROPERTIES, {})
        event = _ask(
            request,
            "Update",
            request.desired_state,
            PhysicalResourceId=old_id,
            OldResourceProperties=_as_strings(old_properties),
        )
        if event.status == OperationStatus.SUCCESS and event.resource_model["PhysicalResourceId"] != old_id:
            _ask(request, "Delete", old_properties, PhysicalResourceId=old_id)
        return event

    def delete(self, request: ResourceRequest[dict[str, Any]]) -> ProgressEvent[dict[str, Any]]:
        """Ask for a Delete; a resource whose Create never answered has no physical id and no Delete."""
        state = request.desired_state or request.previous_state or {}
        if "PhysicalResourceId" not in state:
            return ProgressEvent(status=OperationStatus.SUCCESS, resource_model={})
        return _ask(request, "Delete", state[_PROPERTIES], PhysicalResourceId=state["PhysicalResourceId"])


_waiting: Final[dict[str, _Waiting]] = {}


def add_route() -> None:
    """Serve the addresses at which functions answer; called once, while LocalStack starts."""
    ROUTER.add(f"{_ANSWER_PATH}/<token>", _take_answer, methods=["PUT"])


def _take_answer(request: Request, token: str) -> Response:
    waiting = _waiting.get(token)
    if waiting is None:
        return Response("no such request, or answered already", status=403)
    try:
        answer = json.loads(request.get_data())
    except ValueError:
        return Response("not JSON", status=400)
    if not isinstance(answer, dict) or answer.get("RequestId") != waiting.request_id:
        return Response("not an answer to this request", status=400)
    if not waiting.answered.is_set():
        waiting.answer = answer
        waiting.answered.set()
    return Response(status=200)


def _ask(
    request: ResourceRequest[dict[str, Any]], request_type: str, properties: Mapping[str, Any], **more: Any
) -> ProgressEvent[dict[str, Any]]:
    token, request_id = uuid.uuid4().hex, str(uuid.uuid4())
    waiting = _waiting[token] = _Waiting(request_id)
    timeout_s = int(properties.get("ServiceTimeout") or _DEFAULT_SERVICE_TIMEOUT_S)
    event = {
        "RequestType": request_type,
        "RequestId": request_id,
        "ResponseURL": f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}{_ANSWER_PATH}/{token}",
        "StackId": request.stack_id,
        "ResourceType": request.resource_type,
        "LogicalResourceId": request.logical_resource_id,
        "ServiceToken": properties["ServiceToken"],
        "ResourceProperties": _as_strings(properties),
        **more,
    }
    function = str(properties["ServiceToken"]).rpartition(":")[2]
    # What was there before counts for nothing: the code may be new.
    FAILED_IMPORTS.note(function, None)
    try:
        request.aws_client_factory.lambda_.invoke(
            FunctionName=properties["ServiceToken"], InvocationType="Event", Payload=json.dumps(event)
        )
        failed = _wait(waiting, function, timeout_s)
    finally:
        del _waiting[token]
    if failed:
        return ProgressEvent(status=OperationStatus.FAILED, resource_model={}, message=failed)
    return _result(waiting.answer, properties, timeout_s)


def _wait(waiting: _Waiting, function: str, timeout_s: float) -> str:
    """Wait for the answer; returns why there will be none, where the function cannot be imported: AWS just waits."""
    deadline = time.monotonic() + timeout_s
    while not waiting.answered.wait(_LOOK_S):
        if said := FAILED_IMPORTS.all().get(function):
            return f"the function {function} cannot be imported: {said}"
        if time.monotonic() >= deadline:
            break
    return ""


def _result(
    answer: Mapping[str, Any] | None, properties: Mapping[str, Any], timeout_s: int
) -> ProgressEvent[dict[str, Any]]:
    if answer is None:
        reason = f"CloudFormation did not receive a response from your Custom Resource within {timeout_s} s"
        return ProgressEvent(status=OperationStatus.FAILED, resource_model={}, message=reason)
    if answer.get("Status") != "SUCCESS":
        reason = f"Received response status [{answer.get('Status')}] from custom resource: {answer.get('Reason')}"
        return ProgressEvent(status=OperationStatus.FAILED, resource_model={}, message=reason)
    model = {
        **(answer.get("Data") or {}),
        "PhysicalResourceId": answer["PhysicalResourceId"],
        _PROPERTIES: dict(properties),
    }
    return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)


def _as_strings(value: Any) -> Any:
    """Return properties as CloudFormation sends them: every scalar a string."""
    if isinstance(value, Mapping):
        return {key: _as_strings(element) for key, element in value.items() if key != _PROPERTIES}
    if isinstance(value, list):
        return [_as_strings(element) for element in value]
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None else str(value)
