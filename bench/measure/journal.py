"""The journal that the bench's LocalStack keeps: what was asked of AWS's services, and when each range came how far.

`bench.emulator.observed.journal` keeps it. Targets without `Capability.JOURNAL` have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import urllib3

from bench.errors import TargetError
from bench.targets import Capability
from tickstream import keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.targets import Target

JOURNAL_PATH: Final = "/_bench/journal"
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class RequestCount:
    """Requests of one caller for one operation.

    caller: the function's name; `bench` for all from outside; `aws:sqs`-like, such as `aws:lambda`, for what a service
    of AWS sends in the pipeline's name and AWS bills; `localstack` for what LocalStack asks itself.
    errors: answered with a status of 400 or more; they have no items. items: entries that were done, items that were
    written or returned. request_bytes, response_bytes: bodies alone.

    What AWS bills by, errors included where it bills them: write_units, read_half_units: of DynamoDB, request units of
    writes and halves of those of reads. chunks: begun 64 KB of each request to SQS or of each event to EventBridge;
    fifo_chunks: those of requests to FIFO queues, which cost more, and are not in chunks.
    """

    service: str
    operation: str
    caller: str
    requests: int
    errors: int
    items: int
    request_bytes: int
    response_bytes: int
    write_units: int = 0
    read_half_units: int = 0
    chunks: int = 0
    fifo_chunks: int = 0


@dataclass(frozen=True, slots=True)
class FunctionUse:
    """What Lambda bills of one function. billed_ms: the sum of the REPORT lines' billed durations.

    log_bytes: what CloudWatch Logs bills of its log: UTF-8, and 26 bytes a line.
    """

    function: str
    memory_mb: int
    invocations: int
    errors: int
    billed_ms: int
    log_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RangeTimes:
    """When (epoch ms) a range was first announced, and first taken off the list of what is to be rolled up."""

    announced_ms: int | None
    rolled_up_ms: int | None


_NEVER: Final = RangeTimes(None, None)


@dataclass(frozen=True, slots=True)
class Journal:
    """All since LocalStack's start or the last reset. ranges: by the range's id (see `tickstream.keys.range_id`)."""

    requests: tuple[RequestCount, ...]
    functions: tuple[FunctionUse, ...]
    ranges: Mapping[int, RangeTimes]

    def times_of(self, ingest_id: str, index: int) -> RangeTimes:
        """Return what is known of a range. An event that a fault dropped was announced: its sender was told so."""
        return self.ranges.get(keys.range_id(ingest_id, index), _NEVER)


def read_journal(target: Target) -> Journal | None:
    """Return the journal, None where the target keeps none. Raises TargetError where nobody answers."""
    if Capability.JOURNAL not in target.capabilities:
        return None
    fields = _call(target, "GET")
    return Journal(
        requests=tuple(RequestCount(**one) for one in fields["requests"]),
        functions=tuple(FunctionUse(**one) for one in fields["functions"]),
        ranges={int(name): RangeTimes(*times) for name, times in fields["ranges"].items()},
    )


def reset_journal(target: Target) -> None:
    """Have the journal count anew; what it has of ranges stays. Does nothing where the target keeps none.

    Raises TargetError where nobody answers.
    """
    if Capability.JOURNAL in target.capabilities:
        _call(target, "DELETE")


def _call(target: Target, method: str) -> Any:
    return ask(target, method, JOURNAL_PATH)


def ask(target: Target, method: str, path: str) -> Any:
    """Call a route of the bench's own in its LocalStack. Raises TargetError where nobody answers."""
    url = f"{target.endpoint_url}{path}"
    try:
        answer = urllib3.request(method, url, timeout=_TIMEOUT_S, retries=False)
        if answer.status != 200:
            raise TargetError(f"{method} {path} was answered {answer.status}")
        return answer.json()
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise TargetError(f"{method} {path} failed: {error}") from error
