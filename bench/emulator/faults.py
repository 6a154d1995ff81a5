"""Refuses requests by order, in LocalStack's request chain, and notes how often FIFO messages are received.

`bench.faults` is the other side: what a rule says, and the client of these routes.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from localstack.aws import handlers
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.http import Request, Response
from localstack.services.edge import ROUTER
from localstack.utils.aws.request_context import extract_access_key_id_from_auth_header
from moto.sts.models import sts_backends

from bench.faults import FAULTS_PATH, RECEIVES_PATH, FaultRule


class Faults:
    """The rules that apply, and how many requests each has refused. Called from as many threads as requests come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: dict[str, FaultRule] = {}
        self._hits: dict[str, int] = {}

    def add(self, rules: Sequence[FaultRule]) -> None:
        """Have rules apply; one of a name that is there replaces it."""
        with self._lock:
            for rule in rules:
                self._rules[rule.name] = rule
                self._hits[rule.name] = 0

    def remove(self, name: str | None) -> None:
        """Have one rule apply no more, or (None) none at all."""
        with self._lock:
            for gone in [name] if name is not None else list(self._rules):
                self._rules.pop(gone, None)
                self._hits.pop(gone, None)

    def __bool__(self) -> bool:
        """Whether there is any rule. Asked without the lock: a rule counts from when it is seen."""
        return bool(self._rules)

    def hits(self) -> dict[str, int]:
        """Return refused requests by rule."""
        with self._lock:
            return dict(self._hits)

    def refusal_of(self, service: str, operation: str, function: str, parameters: object) -> FaultRule | None:
        """Return the rule that refuses this request, counting the refusal; None where none does."""
        texts = tuple(_texts(parameters))
        with self._lock:
            for rule in self._rules.values():
                applies = (
                    (rule.service, rule.operation) == (service, operation)
                    and rule.function in {"", function}
                    and (rule.times is None or self._hits[rule.name] < rule.times)
                    and any(rule.contains in text for text in texts)
                )
                if applies:
                    self._hits[rule.name] += 1
                    return rule
        return None


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
    faults, receives = Faults(), Receives()

    def refuse(_chain: Any, context: RequestContext, _response: Response) -> None:
        # Without rules it must cost nothing. What LocalStack's services ask of each other is not the pipeline's.
        if not faults or not context.service or not context.operation or context.is_internal_call:
            return
        service, operation = context.service.service_name, context.operation.name
        rule = faults.refusal_of(service, operation, _function_of(context), context.service_request)
        if rule is not None:
            raise CommonServiceException(rule.code, f"refused by the bench: {rule.name}", status_code=rule.status)

    def note_receives(_chain: Any, context: RequestContext, _response: Response) -> None:
        if context.service_operation != _RECEIVE or not context.service_response:
            return
        queue = str((context.service_request or {}).get("QueueUrl", "")).rpartition("/")[2]
        if queue.endswith(".fifo"):
            receives.note(queue, context.service_response.get("Messages") or [])

    handlers.serve_custom_service_request_handlers.append(refuse)
    handlers.run_custom_response_handlers.append(note_receives)
    ROUTER.add(FAULTS_PATH, _FaultsRoute(faults), methods=["GET", "POST", "DELETE"])
    ROUTER.add(RECEIVES_PATH, lambda *_, **__: _json(receives.counts()), methods=["GET"])


_RECEIVE: Final = ("sqs", "ReceiveMessage")


class _FaultsRoute:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def __call__(self, request: Request, **_: Any) -> Response:
        try:
            if request.method == "POST":
                self._faults.add([FaultRule.from_fields(fields) for fields in json.loads(request.data)])
            elif request.method == "DELETE":
                self._faults.remove(json.loads(request.data)["name"] if request.data else None)
        except (ValueError, TypeError, KeyError) as error:
            return _json({"error": f"no fault rules: {error}"}, 400)
        return _json(self._faults.hits())


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


def _function_of(context: RequestContext) -> str:
    """Return the name of the function that sent a request, by its credentials; empty where no function did.

    LocalStack gives an execution environment the credentials of its role in a session named after the function.
    """
    access_key_id = extract_access_key_id_from_auth_header(context.request.headers)
    if not access_key_id:
        return ""
    session = sts_backends[context.account_id][context.partition].get_assumed_role_from_access_key(access_key_id)
    return str(session.session_name) if session else ""


def _texts(value: object) -> Iterator[str]:
    """Yield every text among a request's parameters, keys of mappings excepted."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
