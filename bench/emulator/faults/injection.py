"""Carries out the bench's faults in LocalStack's request chain, and notes how often FIFO messages are received.

`bench.faults` is the other side: what a rule says, and the client of these routes. What happens to a request happens
after it was parsed and before its service sees it, or after its service and before it is answered, so the functions
run as they are deployed. Faults of invocations are carried out by `bench.emulator.functions.process_executor`.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore import xform_name
from botocore.exceptions import ClientError
from moto.dynamodb.models import dynamodb_backends

from bench.emulator.access.sessions import Sessions
from bench.emulator.dynamodb.requests import ITEM_OPERATIONS, with_binaries
from bench.emulator.faults.answers import Answer, Parameters, answer_dropped, answer_in_part
from bench.emulator.faults.matching import FAULTS, Faults
from bench.emulator.faults.update import updated_attributes
from bench.emulator.observed.running import RUNNING, TRACE_HEADER
from bench.engine import (
    ROUTER,
    CommonServiceException,
    HandlerChain,
    Request,
    RequestContext,
    Response,
    connect_to,
    create_serializer,
    handlers,
)
from bench.errors import BenchError
from bench.faults import FAULTS_PATH, MARKS_PATH, RECEIVES_PATH, Action, FaultRule

_LOG: Final = logging.getLogger(__name__)
_RECEIVE: Final = ("sqs", "ReceiveMessage")


class Receives:
    """The largest receive count seen of the messages of each group, by the name of the FIFO queue."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[str, int]] = {}

    def note(self, queue: str, messages: Sequence[Mapping[str, Any]]) -> None:
        """Note an answer to ReceiveMessage; messages without a group, or without these attributes, do not count."""
        with self._lock:
            counts = self._counts.setdefault(queue, {})
            for message in messages:
                attributes = message.get("Attributes") or {}
                if group := attributes.get("MessageGroupId"):
                    count = int(attributes.get("ApproximateReceiveCount", 0))
                    counts[group] = max(counts.get(group, 0), count)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return a copy: queue, group, count."""
        with self._lock:
            return {queue: dict(groups) for queue, groups in self._counts.items()}


def install() -> None:
    """Put both into the chain and serve their routes; called once, while LocalStack starts."""
    receives = Receives()

    def note_receives(_chain: HandlerChain, context: RequestContext, _response: Response) -> None:
        if context.service_operation != _RECEIVE or not context.service_response:
            return
        queue = str((context.service_request or {}).get("QueueUrl", "")).rpartition("/")[2]
        if queue.endswith(".fifo"):
            receives.note(queue, context.service_response.get("Messages") or [])

    handlers.serve_custom_service_request_handlers.append(_before)
    handlers.run_custom_response_handlers.append(note_receives)
    handlers.run_custom_response_handlers.append(_after)
    ROUTER.add(FAULTS_PATH, _FaultsRoute(FAULTS), methods=["GET", "POST", "DELETE"])
    ROUTER.add(MARKS_PATH, lambda *_, **__: _json(FAULTS.marks()), methods=["GET"])
    ROUTER.add(RECEIVES_PATH, lambda *_, **__: _json(receives.counts()), methods=["GET"])


@dataclass(frozen=True, slots=True)
class _Hit:
    """What is still to happen to a request when its service has carried it out."""

    rule: FaultRule
    kill: Callable[[], bool] | None


def _before(chain: HandlerChain, context: RequestContext, response: Response) -> None:
    """Let a rule act before the service does."""
    # What LocalStack's services ask of each other is not the pipeline's, nor is what is asked from here.
    if not context.service or not context.operation or context.is_internal_call:
        return
    service, operation = context.service.service_name, context.operation.name
    if not FAULTS.concern(service, operation):
        return
    kill = RUNNING.sender(context.request.headers.get(TRACE_HEADER))
    request = context.service_request or {}
    rule = FAULTS.hit(service, operation, _function_of(context), request, killable=kill is not None)
    if rule is None:
        return
    if service == "dynamodb" and operation in ITEM_OPERATIONS:
        request = with_binaries(request)
    match rule.action:
        case Action.REFUSE:
            raise CommonServiceException(rule.code, f"refused by the bench: {rule.name}", status_code=rule.status)
        case Action.DROP:
            _answer(chain, context, response, _dropped(context, request))
        case Action.PARTIAL:
            _answer(chain, context, response, answer_in_part(operation, request, lambda part: _send(context, part)))
        case Action.TWICE:
            try:
                _send(context, request)
            except CommonServiceException as error:
                # The request itself follows and is answered for what it meets.
                _LOG.info("%s: the first of two was answered %s", rule.name, error.code)
        case Action.KILL_BEFORE:
            _kill(rule, kill)
            # Nobody hears it.
            raise CommonServiceException("ServiceUnavailable", f"killed by the bench: {rule.name}", status_code=503)
        case Action.KILL_AFTER | Action.DELAY:
            context.bench_fault = _Hit(rule, kill)


def _after(_chain: HandlerChain, context: RequestContext, _response: Response) -> None:
    """Let a rule act when the service has, before anything of the answer is sent."""
    hit: _Hit | None = context.get("bench_fault")
    if hit is None:
        return
    if hit.rule.action is Action.KILL_AFTER:
        _kill(hit.rule, hit.kill)
    else:
        FAULTS.hold(hit.rule)


def _kill(rule: FaultRule, kill: Callable[[], bool] | None) -> None:
    if kill is None or not kill():
        # Its invocation ended while the request was on its way: then nothing waits for the answer either.
        _LOG.warning("%s: the sender was gone", rule.name)


def _send(context: RequestContext, parameters: Parameters) -> Answer:
    """Send a request of the same operation for the same account, past all rules; return the answer.

    Raises CommonServiceException for what the service refuses.
    """
    client = getattr(_account(context), context.service.service_name)
    try:
        answer: Answer = getattr(client, xform_name(context.operation.name))(**parameters)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        raise CommonServiceException(error.response["Error"]["Code"], str(error), status_code=status) from error
    del answer["ResponseMetadata"]
    return answer


def _account(context: RequestContext) -> Any:
    """Return LocalStack's own clients for the account and region of a request."""
    return connect_to(aws_access_key_id=context.account_id, region_name=context.region)


def _dropped(context: RequestContext, request: Parameters) -> Answer:
    if context.operation.name != "UpdateItem":
        return answer_dropped(context.operation.name, request)
    key = {"TableName": request["TableName"], "Key": request["Key"], "ConsistentRead": True}
    before = _account(context).dynamodb.get_item(**key).get("Item")
    table = dynamodb_backends[context.account_id][context.region].get_table(request["TableName"])
    return updated_attributes(table, request, before)


def _answer(chain: HandlerChain, context: RequestContext, response: Response, answer: Answer) -> None:
    """Answer in the service's stead, in the protocol of the request."""
    context.service_response = answer
    serializer = create_serializer(context.service, context.protocol)
    response.update_from(
        serializer.serialize_to_response(answer, context.operation, context.request.headers, context.request_id)
    )
    chain.stop()


class _FaultsRoute:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def __call__(self, request: Request, **_: Any) -> Response:
        try:
            if request.method == "POST":
                self._faults.add([FaultRule.from_fields(fields) for fields in json.loads(request.data)])
            elif request.method == "DELETE" and request.data:
                self._faults.remove(json.loads(request.data)["name"])
            elif request.method == "DELETE":
                self._faults.clear()
        except (BenchError, ValueError, TypeError, KeyError) as error:
            return _json({"error": f"no fault rules: {error}"}, 400)
        return _json(self._faults.hits())


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


def _function_of(context: RequestContext) -> str:
    """Return the name of the function that sent a request, by its credentials; empty where no function did."""
    session = _SESSIONS.of(context)
    return session.name if session else ""


_SESSIONS: Final = Sessions()
