"""Keeps the journal: every request of AWS's services with who sent it, and when each range came how far.

`bench.measure.journal` is the other side. It looks at what was answered, after the service and before anything is
sent, so that it sees what its caller sees, faults included. Requests that LocalStack's own routes serve are none of
AWS's, but for those of the API Gateway.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from bench.emulator.access.sessions import Sessions
from bench.emulator.dynamodb.units import units_of
from bench.emulator.observed.billed_chunks import chunks_of
from bench.emulator.observed.served import Parameters, Served
from bench.engine import (
    ROUTER,
    ExecutionEnvironment,
    HandlerChain,
    InvocationResult,
    LambdaVersionManager,
    Request,
    RequestContext,
    Response,
    handlers,
    patch,
)
from bench.measure.journal import JOURNAL_PATH, FunctionUse, RequestCount
from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.messages import EVENT_DETAIL_TYPE, EVENT_SOURCE, ranges_from_detail

OUTSIDE: Final = "bench"
EMULATOR: Final = "localstack"
_PENDING_PREFIX: Final = "pending#"
_API_CALL: Final = re.compile(r"/_aws/execute-api/[^/]+/[^/]+/(?P<resource>[^/]*)")
_REPORT: Final = re.compile(
    r"^REPORT RequestId: .*\tBilled Duration: (?P<billed_ms>\d+) ms\tMemory Size: (?P<memory_mb>\d+) MB", re.MULTILINE
)
#: What CloudWatch Logs adds to each event when it counts what it ingests.
_LOG_LINE_BYTES: Final = 26


@dataclass(slots=True)
class _Tally:
    """Requests of one kind so far."""

    requests: int = 0
    errors: int = 0
    items: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    write_units: int = 0
    read_half_units: int = 0
    chunks: int = 0
    fifo_chunks: int = 0


@dataclass(slots=True)
class _Use:
    """Invocations of one function so far."""

    invocations: int = 0
    errors: int = 0
    billed_ms: int = 0
    log_bytes: int = 0


@dataclass(slots=True)
class _Times:
    """What is known of one range, epoch ms."""

    announced_ms: int | None = None
    rolled_up_ms: int | None = None


@dataclass(slots=True)
class _Record:
    """All that the journal keeps; replaced at a reset, but for the ranges."""

    requests: dict[tuple[str, str, str], _Tally] = field(default_factory=dict)
    functions: dict[tuple[str, int], _Use] = field(default_factory=dict)
    ranges: dict[int, _Times] = field(default_factory=dict)


class Journal:
    """Counts from as many threads as requests come."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._record = _Record()

    def note(self, served: Served) -> None:
        """Count a request, and mark the ranges that it brought further."""
        failed = served.status >= 400
        done = _Done() if failed else _done(served)
        chunks = chunks_of(served)
        is_fifo = served.service == "sqs" and str(served.request.get("QueueUrl", "")).endswith(".fifo")
        now_ms = self._now_ms()
        with self._lock:
            record = self._record
            tally = record.requests.setdefault((served.service, served.operation, served.caller), _Tally())
            tally.requests += 1
            tally.errors += failed
            tally.items += done.items
            tally.request_bytes += served.request_bytes
            tally.response_bytes += served.response_bytes
            tally.write_units += served.units.write
            tally.read_half_units += served.units.read_halves
            tally.chunks += 0 if is_fifo else chunks
            tally.fifo_chunks += chunks if is_fifo else 0
            # The first time counts: after a redelivery a range is announced and listed again.
            for range_id in done.announced:
                times = record.ranges.setdefault(range_id, _Times())
                times.announced_ms = times.announced_ms or now_ms
            for range_id in done.rolled_up:
                times = record.ranges.setdefault(range_id, _Times())
                times.rolled_up_ms = now_ms  # the last of its lanes counts

    def note_invocation(self, function: str, log: str, *, failed: bool) -> None:
        """Count an invocation by the REPORT lines in its log, of which an event that ran twice has two."""
        log_bytes = len(log.encode()) + _LOG_LINE_BYTES * log.count("\n")
        with self._lock:
            for found in _REPORT.finditer(log):
                use = self._record.functions.setdefault((function, int(found["memory_mb"])), _Use())
                use.invocations += 1
                use.errors += failed
                use.billed_ms += int(found["billed_ms"])
                use.log_bytes += log_bytes
                log_bytes = 0

    def reset(self) -> None:
        """Forget all counts. Ranges stay: their ids tell runs apart, and another run may go on beside this one."""
        with self._lock:
            self._record = _Record(ranges=self._record.ranges)

    def facts(self) -> dict[str, Any]:
        """Return all in plain JSON, as `bench.measure.journal` reads it."""
        with self._lock:
            record = self._record
            requests = [
                RequestCount(service, operation, caller, **asdict(tally))
                for (service, operation, caller), tally in sorted(record.requests.items())
            ]
            functions = [
                FunctionUse(function, memory_mb, **asdict(use))
                for (function, memory_mb), use in sorted(record.functions.items())
            ]
            # As text: no reader of JSON takes 67 bits for an integer without being asked to.
            ranges = {str(name): (times.announced_ms, times.rolled_up_ms) for name, times in record.ranges.items()}
        return {
            "requests": [asdict(one) for one in requests],
            "functions": [asdict(one) for one in functions],
            "ranges": ranges,
        }


# --- what a request did -------------------------------------------------------------------------------------------

type _Count = Callable[[Parameters, Parameters], int]


def _count(batch: Mapping[str, Any] | None) -> int:
    return sum(map(len, (batch or {}).values()))


_ITEMS: Final[Mapping[tuple[str, str], _Count]] = {
    ("dynamodb", "BatchWriteItem"): lambda request, answer: (
        _count(request["RequestItems"]) - _count(answer.get("UnprocessedItems"))
    ),
    ("dynamodb", "BatchGetItem"): lambda _, answer: _count(answer.get("Responses")),
    ("dynamodb", "GetItem"): lambda _, answer: int("Item" in answer),
    ("dynamodb", "Query"): lambda _, answer: len(answer.get("Items", ())),
    ("dynamodb", "Scan"): lambda _, answer: len(answer.get("Items", ())),
    ("dynamodb", "TransactWriteItems"): lambda request, _: len(request["TransactItems"]),
    ("events", "PutEvents"): lambda request, answer: len(request["Entries"]) - answer.get("FailedEntryCount", 0),
    ("s3", "DeleteObjects"): lambda request, _: len(request["Delete"]["Objects"]),
    ("s3", "ListObjectsV2"): lambda _, answer: len(answer.get("Contents") or ()),
    ("sqs", "DeleteMessageBatch"): lambda request, answer: len(request["Entries"]) - len(answer.get("Failed") or ()),
    ("sqs", "ReceiveMessage"): lambda _, answer: len(answer.get("Messages") or ()),
    ("sqs", "SendMessageBatch"): lambda request, answer: len(request["Entries"]) - len(answer.get("Failed") or ()),
}


@dataclass(frozen=True, slots=True)
class _Done:
    """What a request did: items as of `RequestCount`, and the ids of the ranges that it brought further."""

    items: int = 0
    announced: tuple[int, ...] = ()
    rolled_up: tuple[int, ...] = ()


def _done(served: Served) -> _Done:
    request, answer = served.request, served.answer or {}
    of = (served.service, served.operation)
    count = _ITEMS.get(of)
    return _Done(
        items=count(request, answer) if count else 1,
        announced=tuple(_announced(request, answer)) if of == ("events", "PutEvents") else (),
        rolled_up=tuple(_rolled_up(request, answer)) if of == ("dynamodb", "BatchWriteItem") else (),
    )


def _announced(request: Parameters, answer: Parameters) -> Iterator[int]:
    """Yield the ids of the ranges whose events were taken."""
    for entry, result in zip(request["Entries"], answer.get("Entries", ()), strict=False):
        if result.get("ErrorCode") or (entry.get("Source"), entry.get("DetailType")) != _EVENT:
            continue
        try:
            ranges = ranges_from_detail(json.loads(entry["Detail"]))
        except (ValueError, KeyError, MalformedItem):
            continue  # what the pipeline does not send announces nothing
        yield from (keys.range_id(one.ingest_id, one.index) for one in ranges)


_EVENT: Final = (EVENT_SOURCE, EVENT_DETAIL_TYPE)


def _rolled_up(request: Parameters, answer: Parameters) -> Iterator[int]:
    """Yield the ids of the ranges whose entries in the list of what is to be rolled up were deleted."""
    undone = set(_deleted_pending(answer.get("UnprocessedItems")))
    yield from (range_id for range_id in _deleted_pending(request["RequestItems"]) if range_id not in undone)


def _deleted_pending(batch: Mapping[str, Any] | None) -> Iterator[int]:
    for writes in (batch or {}).values():
        for write in writes:
            if not (delete := write.get("DeleteRequest")):
                continue
            # A table of another pipeline has other keys.
            partition, sort_key = delete["Key"].get("symbol", {}), delete["Key"].get("timestamp", {})
            if partition.get("S", "").startswith(_PENDING_PREFIX):
                yield int(sort_key["N"]) % keys.SUFFIX_SPAN


# --- in LocalStack ------------------------------------------------------------------------------------------------


class Callers:
    """Whose requests are whose, by their credentials."""

    def __init__(self) -> None:
        # LocalStack gives an environment the credentials of its role in a session named after the function.
        self._sessions = Sessions()

    def of(self, context: RequestContext) -> str:
        """Return who sent a request: see `bench.measure.journal.RequestCount`."""
        if context.is_internal_call:
            # The queue's owner pays for what Lambda, S3 and EventBridge ask of SQS; for nothing else of that kind.
            principal = context.internal_request_params.get("service_principal")
            return f"aws:{principal}" if principal and context.service.service_name == "sqs" else EMULATOR
        session = self._sessions.of(context)
        return session.name if session else OUTSIDE


def served_of(context: RequestContext, response: Response, callers: Callers) -> Served | None:
    """Return what was served, None where it was nothing of AWS's."""
    if context.service and context.operation:
        service, operation, caller = context.service.service_name, context.operation.name, callers.of(context)
    elif found := _API_CALL.match(context.request.path):
        # Ids and symbols in the path are data, and would each be an operation of its own.
        service, operation, caller = "execute-api", f"{context.request.method} /{found['resource']}", OUTSIDE
    else:
        return None
    length = response.content_length
    return Served(
        service=service,
        operation=operation,
        caller=caller,
        status=response.status_code,
        request_bytes=context.request.content_length or 0,
        response_bytes=(response.calculate_content_length() or 0) if length is None else length,
        request=context.service_request or {},
        answer=context.service_response if isinstance(context.service_response, Mapping) else None,
        units=units_of(context),
    )


def install() -> None:
    """Begin the journal and serve its route; called once, while LocalStack starts.

    Before the faults are installed: what holds an answer back comes after what notes its time.
    """
    journal, callers = Journal(), Callers()

    def note(_chain: HandlerChain, context: RequestContext, response: Response) -> None:
        served = served_of(context, response, callers)
        if served is not None:
            journal.note(served)

    @patch(LambdaVersionManager.store_logs)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def store_logs(
        store: Any, self: LambdaVersionManager, invocation_result: InvocationResult, execution_env: ExecutionEnvironment
    ) -> None:
        function = execution_env.function_version.id.function_name
        journal.note_invocation(function, invocation_result.logs or "", failed=invocation_result.is_error)
        store(self, invocation_result=invocation_result, execution_env=execution_env)

    def serve(request: Request, **_: Any) -> Response:
        if request.method == "DELETE":
            journal.reset()
        return Response(json.dumps(journal.facts()), content_type="application/json")

    handlers.run_custom_response_handlers.append(note)
    ROUTER.add(JOURNAL_PATH, serve, methods=["GET", "DELETE"])
