"""What all services have in common: a call takes time, others go on meanwhile, and it may go wrong in every way.

A call happens at one moment, or in two where it is torn: the caller sleeps before it, and everybody else may do
something then. What happens between two calls of a function concerns only itself, so these are all the places where an
order can matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, ReadTimeoutError

from bench.simulation.decisions import Fault
from bench.simulation.scheduler import EPOCH_MS, Killed

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.simulation.decisions import Choices, Decision
    from bench.simulation.scheduler import Actor, Scheduler

#: What a call takes.
LATENCY_MS: Final = 5


class Calls:
    """Where the calls of all services pass."""

    def __init__(self, scheduler: Scheduler, choices: Choices) -> None:
        self.scheduler = scheduler
        self.choices = choices
        #: What happens, line by line, where somebody wants to read it.
        self.trace: Callable[[str], None] | None = None

    def make[Answer](
        self,
        call: str,
        perform: Callable[[], Answer],
        partly: Callable[[int], Answer] | None = None,
    ) -> Answer:
        """Make a call, in the name of the current actor; without one nothing can go wrong.

        partly: does the first part of it, and says in its answer what is left, for the caller to ask again.
        Raises what botocore raises, or Killed.
        """
        scheduler = self.scheduler
        actor = scheduler.current
        if actor is None:
            return perform()
        if actor.is_killed:
            raise Killed
        actor.calls += 1
        decision = self.choices.at_call(actor.label, actor.calls, call)
        if self.trace is not None:
            went = "" if decision is None else f": {decision.fault.value}"
            self.trace(f"{scheduler.now_ms - EPOCH_MS:>9} ms  {actor.label}, call {actor.calls}: {call}{went}")
        if decision is None:
            scheduler.sleep(LATENCY_MS)
            if _is_refused(actor, call):
                raise _throttled(call)
            return perform()
        return self._gone_wrong(actor, call, decision, perform, partly)

    def _gone_wrong[Answer](
        self,
        actor: Actor,
        call: str,
        decision: Decision,
        perform: Callable[[], Answer],
        partly: Callable[[int], Answer] | None,
    ) -> Answer:
        scheduler = self.scheduler
        fault, amount, _ = decision
        if fault is Fault.KILLED:
            actor.is_killed = True
        scheduler.sleep(LATENCY_MS + (amount if fault is Fault.PAUSED else 0))
        if fault is Fault.CUT_OFF:
            actor.is_cut_off = True
        if fault is Fault.THROTTLED:
            actor.is_throttled = True
        if fault is Fault.REFUSED or _is_refused(actor, call):
            raise _throttled(call)
        if fault is Fault.TORN and partly is not None:
            return partly(amount)
        answer = perform()
        if fault is Fault.KILLED_AFTER:
            actor.is_killed = True
            raise Killed
        if fault is Fault.LOST:
            scheduler.sleep(amount)
            raise ReadTimeoutError(endpoint_url="https://simulated")
        if fault in {Fault.ANSWERED_LATE, Fault.REPEATED}:
            scheduler.sleep(amount)
        return perform() if fault is Fault.REPEATED else answer


def _is_refused(actor: Actor, call: str) -> bool:
    return actor.is_cut_off or (actor.is_throttled and call.startswith("BatchWriteItem "))


def _throttled(call: str) -> ClientError:
    operation = call.partition(" ")[0]
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "simulated"}}, operation)


def refused(code: str, operation: str, status: int = 400) -> ClientError:
    """Build what botocore raises where a service refuses."""
    about: Any = {
        "Error": {"Code": code, "Message": "simulated"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(about, operation)
