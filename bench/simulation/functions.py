"""Lambda in memory: invocations, retries of asynchronous ones, event source mappings; and EventBridge before it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from inspect import unwrap
from typing import TYPE_CHECKING, Any, Final

from bench.simulation.decisions import Fault
from bench.simulation.scheduler import Actor
from bench.simulation.seams import STAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.simulation.decisions import Choices, Decision
    from bench.simulation.queues import Message, Queue
    from bench.simulation.scheduler import Scheduler
    from bench.simulation.services import Calls

#: From a message or an event to its function.
DELIVERY_MS: Final = 20
#: Lambda waits so long before it tries an asynchronous invocation again.
RETRIES_AFTER_MS: Final = (60_000, 120_000)
_bare: Final = cache(unwrap)


class Context:
    """What a handler gets beside its event."""

    function_name = "simulated"
    function_version = "1"
    memory_limit_in_mb = 3072
    invoked_function_arn = "arn:aws:lambda:eu-central-1:000000000000:function:simulated"

    def __init__(self, scheduler: Scheduler, actor: Actor) -> None:
        self.aws_request_id = actor.label
        self._scheduler = scheduler
        self._actor = actor

    def get_remaining_time_in_millis(self) -> int:
        """See Lambda."""
        return self._actor.born_ms + self._actor.life_ms - self._scheduler.now_ms


@dataclass(slots=True, eq=False)
class Function:
    """A function as it is deployed: its handler, timeout and environment. invocations: how many there were.

    What powertools wraps a handler in is left out: it puts names into log lines, and a tenth of the time.
    """

    name: str
    handler: Callable[[Any, Any], Any]
    timeout_ms: int
    scheduler: Scheduler
    choices: Choices
    environment: Mapping[str, str] = field(default_factory=dict)
    dead_letters: Queue | None = None
    invocations: int = 0

    def invoke(self, event: Any, on_end: Callable[[Actor], None]) -> None:
        """Invoke it now; `on_end` hears of how it went."""
        self.invocations += 1
        label = f"{self.name} {self.invocations}"
        handle = _bare(self.handler)
        actor = Actor(
            label,
            lambda: handle(event, Context(self.scheduler, actor)),
            self.scheduler.now_ms,
            self.timeout_ms,
            self.choices.skew_ms(label),
            self.environment,
        )

        def ended(actor: Actor) -> None:
            if isinstance(actor.error, Exception):
                STAGE.here.logged("exception", f"{label} failed", actor.error)
            on_end(actor)

        self.scheduler.start(actor, ended)

    def invoke_later(self, event: Any, what: str, *, may_be_lost: bool) -> None:
        """Invoke it asynchronously: tried twice more where it fails, then a dead letter.

        what: the delivery's name. may_be_lost: whether it may never come; S3's events always do.
        """
        decision = self.choices.in_delivery(what)
        if decision is not None and decision.fault is Fault.DROPPED and may_be_lost:
            return
        self._deliver(event, DELIVERY_MS, decision, 0)

    def _deliver(self, event: Any, delay_ms: int, decision: Decision | None, tries: int) -> None:
        times = [delay_ms]
        if decision is not None:
            late_ms = delay_ms + decision.amount
            times = [delay_ms, late_ms] if decision.fault is Fault.TWICE else [late_ms]
        for time_ms in times:
            self.scheduler.after(time_ms, lambda: self.invoke(event, lambda actor: self._ended(actor, event, tries)))

    def _ended(self, actor: Actor, event: Any, tries: int) -> None:
        if actor.error is None:
            return
        if tries < len(RETRIES_AFTER_MS):
            self._deliver(event, RETRIES_AFTER_MS[tries], None, tries + 1)
        elif self.dead_letters is not None:
            self.dead_letters.send(json.dumps(event))


class EventSource:
    """An event source mapping: what stands in a queue goes to a function, in batches of which it returns the failed.

    batch_size: messages of one invocation at most. at_a_time: invocations.
    """

    def __init__(self, queue: Queue, function: Function, *, batch_size: int, at_a_time: int = 3) -> None:
        self._queue = queue
        self._function = function
        self._batch_size = batch_size
        self._at_a_time = at_a_time
        self._at_work = 0
        self._polls_ms: set[int] = set()
        queue.on_message = self._poll_at

    def _poll_at(self, visible_ms: int) -> None:
        scheduler = self._function.scheduler
        due_ms = max(visible_ms, scheduler.now_ms) + DELIVERY_MS
        if due_ms not in self._polls_ms:
            self._polls_ms.add(due_ms)
            scheduler.at(due_ms, lambda: self._poll(due_ms))

    def _poll(self, due_ms: int) -> None:
        self._polls_ms.discard(due_ms)
        while self._at_work < self._at_a_time:
            messages = self._queue.receive(self._batch_size)
            if not messages:
                return
            self._at_work += 1
            event = {"Records": [self._queue.record(message) for message in messages]}
            self._function.invoke(event, lambda actor, batch=messages: self._ended(actor, batch))  # type: ignore[misc]

    def _ended(self, actor: Actor, batch: Sequence[Message]) -> None:
        self._at_work -= 1
        failed = {message.id for message in batch}
        if actor.error is None:
            failed = {one["itemIdentifier"] for one in (actor.result or {}).get("batchItemFailures", ())}
        for message in batch:
            if message.id not in failed:
                self._queue.delete(message.id)
        self._queue.show_again([message for message in batch if message.id in failed])
        self._poll_at(self._function.scheduler.now_ms)


class BusClient:
    """boto3's client of EventBridge, as far as the functions use it. targets: where the events of a source go."""

    def __init__(self, targets: Mapping[str, Function], calls: Calls) -> None:
        self._targets = targets
        self._calls = calls
        self._events = 0

    def put_events(self, *, Entries: Sequence[Mapping[str, Any]]) -> Any:  # noqa: N803 - boto3's name
        """See EventBridge. Torn, it fails for some entries."""

        def put(most: int) -> Any:
            for entry in Entries[:most]:
                self._events += 1
                event = {
                    "source": entry["Source"],
                    "detail-type": entry["DetailType"],
                    "detail": json.loads(entry["Detail"]),
                }
                target = self._targets[entry["Source"]]
                target.invoke_later(event, f"event {self._events}", may_be_lost=True)
            undone = {"ErrorCode": "ThrottlingException", "ErrorMessage": "simulated"}
            return {"Entries": [{} if number < most else undone for number in range(len(Entries))]}

        return self._calls.make("PutEvents", lambda: put(len(Entries)), put)
