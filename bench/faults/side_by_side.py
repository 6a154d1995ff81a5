"""Rules about aggregators and DataRevision: run twice at a time, killed in between, not told of their work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.faults.rules import INVOCATION, Action, FaultRule
from tickstream import keys

if TYPE_CHECKING:
    from bench.faults.scene import Scene

#: How the sort key of a segment ends: the first digits of its suffix, which no slice's suffix has.
_SEGMENT: Final = str(keys.FIRST_SEGMENT_SUFFIX)[:16]


def two_aggregators(scene: Scene) -> tuple[FaultRule, ...]:
    """Have DataAggregator run twice at a time."""
    return _both_elected(scene.outputs.aggregator_function_name, 6)


def two_compactions(scene: Scene) -> tuple[FaultRule, ...]:
    """Have hours compacted twice at a time."""
    aggregator = scene.outputs.aggregator_function_name
    # Put twice, the number of a segment is taken when its own compaction comes with it.
    segment = FaultRule(
        "segment", "dynamodb", "PutItem", aggregator, _SEGMENT, times=20, action=Action.TWICE, rate=0.5, seed=scene.seed
    )
    return (segment, *_both_elected(aggregator, 4))


def _both_elected(aggregator: str, times: int) -> tuple[FaultRule, ...]:
    """Have the same event run twice at a time, and each believe that it alone rolls up."""
    return (
        FaultRule("invocation", *INVOCATION, aggregator, times=times, action=Action.TWICE),
        # Claims are set, names are added.
        FaultRule("claim", "dynamodb", "UpdateItem", aggregator, "SET #", times=2 * times, action=Action.DROP),
    )


def kill_revision(scene: Scene) -> tuple[FaultRule, ...]:
    """Kill DataRevision before its first writes, and after an invocation, whose answer is lost then."""
    revision = scene.outputs.revision_function_name
    kill = Action.KILL_BEFORE
    return (
        FaultRule("manifest", "dynamodb", "UpdateItem", revision, times=2, action=kill, skip=1),
        FaultRule("withdrawal", "dynamodb", "BatchWriteItem", revision, times=2, action=kill),
        FaultRule("answer", *INVOCATION, revision, times=1, action=Action.KILL_AFTER, skip=1),
    )


def two_revisions(scene: Scene) -> tuple[FaultRule, ...]:
    """Have DataRevision invoked twice at once."""
    return (FaultRule("invocation", *INVOCATION, scene.outputs.revision_function_name, times=6, action=Action.TWICE),)


def lost_orders(scene: Scene) -> tuple[FaultRule, ...]:
    """Have orders to DataRevision, and its calls for aggregators, lost."""
    return (FaultRule("all", "events", "PutEvents", scene.outputs.revision_function_name, action=Action.DROP, skip=1),)
