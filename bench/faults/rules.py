"""What a fault is, as data: which requests it hits, and what is done to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A rule of this service and operation is about invocations of its `function` rather than about requests.
INVOCATION: Final = ("lambda", "Invocation")


class Action(StrEnum):
    """What becomes of a request that a rule hits."""

    #: Answered with the rule's code and status; it never reaches its service. An invocation crashes without running.
    REFUSE = "refuse"
    #: Answered as if it were done; it is not.
    DROP = "drop"
    #: Part of the batch is done, the rest comes back as the service gives back what it left undone.
    PARTIAL = "partial"
    #: The process that sent it is killed; it is not carried out.
    KILL_BEFORE = "kill-before"
    #: It is carried out, then the process that sent it is killed, before it is answered. An invocation runs to its
    #: end, its answer is thrown away and its process killed.
    KILL_AFTER = "kill-after"
    #: Carried out at once and answered `delay_s` later, or when the rule is removed. An invocation runs and is never
    #: heard of: after `delay_s`, or its function's timeout where that is shorter, its process is killed and it is
    #: reported as timed out.
    DELAY = "delay"
    #: Carried out twice, and answered what the second one gave, as after an answer that got lost and the client's own
    #: retry. An invocation runs a second time at the same time, in another environment; the first one's answer counts.
    TWICE = "twice"


#: Which actions an invocation can meet: it has no answer to shape, and no request that could be dropped.
_OF_INVOCATIONS: Final = frozenset({Action.REFUSE, Action.KILL_AFTER, Action.DELAY, Action.TWICE})
#: What is sent once, as a stream, cannot be carried out twice.
_STREAMED: Final = frozenset({("s3", "PutObject"), ("s3", "UploadPart")})
#: Operations whose answers name what was left undone. Of two entries or more, at least one is done.
PARTIAL_OPERATIONS: Final = frozenset(
    {
        ("dynamodb", "BatchWriteItem"),
        ("dynamodb", "BatchGetItem"),
        ("sqs", "SendMessageBatch"),
        ("events", "PutEvents"),
    }
)


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Requests that something happens to, in LocalStack's request chain.

    name: tells rules apart; a rule of a name that is there replaces it, and its hits begin at 0.
    service, operation: as AWS names them (`s3`, `GetObject`); `lambda`, `Invocation` for a function's invocations.
    function: whose requests (by its role's session credentials), or whose invocations; empty for anybody's.
    contains: what some text among the request's parameters contains, such as an object's key; in an invocation's
        event too.
    code, status: what a refused request is answered. 403 is given up at once by AWS's clients, 500 is tried again.
    times: how many requests are hit before the fault is over; None for ever.
    action: what becomes of them. Killing needs a function's process: requests of anybody else are left alone.
    rate, seed: the chance of a matching request to be hit, decided by seed and count: the same requests in the same
        order are hit again.
    delay_s: how long an answer is held (DELAY).
    skip: so many matching requests pass first.

    Raises BenchError for an action that the operation cannot have, and for figures out of range.
    """

    name: str
    service: str
    operation: str
    function: str = ""
    contains: str = ""
    code: str = "AccessDenied"
    status: int = 403
    times: int | None = None
    action: Action = Action.REFUSE
    rate: float = 1.0
    seed: int = 0
    delay_s: float = 0.0
    skip: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1 or self.delay_s < 0 or self.skip < 0:
            raise BenchError(f"fault {self.name}: rate is 0 to 1, delay_s and skip are not negative")
        if (self.service, self.operation) == INVOCATION:
            possible = self.action in _OF_INVOCATIONS
        elif self.action is Action.PARTIAL:
            possible = (self.service, self.operation) in PARTIAL_OPERATIONS
        else:
            possible = self.action is not Action.TWICE or (self.service, self.operation) not in _STREAMED
        if not possible:
            raise BenchError(f"fault {self.name}: {self.service} {self.operation} cannot have {self.action}")

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Read what `asdict` made. Raises TypeError, ValueError or BenchError for anything else."""
        return cls(**{**fields, "action": Action(fields.get("action", Action.REFUSE))})
