"""What one invocation by the schedule costs while there is nothing to do."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from bench.errors import TargetError
from bench.measure.journal import Journal, read_journal, reset_journal
from bench.targets import Capability
from bench.waiting import Patience, wait_for

if TYPE_CHECKING:
    from bench.measure.journal import FunctionUse, RequestCount
    from bench.stack.outputs import Outputs
    from bench.targets import Target

_PATIENCE_S: Final = 30.0
_POLL_S: Final = 0.05


def idle_facts(target: Target, outputs: Outputs) -> dict[str, Any] | None:
    """Call functions as their schedules do on a stack at rest, and return what they asked; None without a journal.

    Each twice, and the second counts: a schedule of five minutes finds its function's environment warm. Resets the
    journal. Raises TargetError where a function fails, or the journal does not show it.
    """
    if Capability.JOURNAL not in target.capabilities:
        return None
    measured = [_measured(target, name) for name in (outputs.aggregator_function_name, outputs.revision_function_name)]
    return {
        "invocations": sum(use.invocations for uses, _ in measured for use in uses),
        "requests": [asdict(row) for _, rows in measured for row in rows],
        "functions": [asdict(use) for uses, _ in measured for use in uses],
    }


def _measured(target: Target, name: str) -> tuple[list[FunctionUse], list[RequestCount]]:
    _call(target, name)
    _ended(target, name)
    reset_journal(target)
    _call(target, name)
    journal = _ended(target, name)
    return (
        [use for use in journal.functions if use.function == name],
        [row for row in journal.requests if row.caller == name],
    )


def _call(target: Target, name: str) -> None:
    event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    answer = target.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
    if "FunctionError" in answer:
        raise TargetError(
            f"{name} failed on a stack at rest: {answer['Payload'].read().decode(errors='replace')[:200]}"
        )


def _ended(target: Target, name: str) -> Journal:
    """Wait for the invocation's REPORT: it is noted after the answer."""

    def look() -> Journal | None:
        journal = read_journal(target)
        return journal if journal and any(use.function == name for use in journal.functions) else None

    found = wait_for(look, Patience(_PATIENCE_S), poll_s=_POLL_S)
    if found is None:
        raise TargetError(f"the journal shows no end of {name}, {_PATIENCE_S:.0f} s after its answer")
    return found
