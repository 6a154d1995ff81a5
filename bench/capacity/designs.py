"""How the pipeline is built, as far as the model knows: as SCALE.md found it, and with lanes, as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class DesignName(StrEnum):
    """Which design."""

    OLD = "old"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class QueueDesign:
    """A queue and its mapping. batch: ranges an invocation. ceiling: invocations at a time."""

    batch: int
    ceiling: int


@dataclass(frozen=True, slots=True)
class Design:
    """What differs between the designs. Figures without a unit are numbers.

    lanes: of the work list, each with one aggregator at most; survey_lanes: of the open ingests, in which work left
    over goes on at once where there are several.
    small: the queue of ranges that are written together. large: the queue of large ranges. shares_queue: whether both
    are one.
    max_receives: then a message is a dead letter. spends_receives: whether a throttled range's message counts as
    received, and its writes are lost; otherwise it goes back with a delay, longer each time, and keeps them.
    put_off_counts: whether what an invocation had no time to begin counts as received.
    writes_end_s: so long before its end an invocation writes no more.
    wakes_next: whether a pass whose time is up calls the next one; otherwise the schedule finds what is left.
    coalesce_look_s, coalesce_looks: how long an aggregator waits for others' ranges before a pass, and how often while
    they come.
    lists_of_object, lists_of_post: by which an ingest is found, written when it begins.
    begins_again: whether a pass reads the hours that have a segment one after the other, and again each time, and a
    range is only done when all of its hours were in one pass; otherwise they are read side by side, once.
    warm_write_units: of the table from the beginning (`WarmThroughput`); None: a new table's.
    """

    name: DesignName
    lanes: int
    survey_lanes: int
    small: QueueDesign
    large: QueueDesign
    shares_queue: bool
    spends_receives: bool
    put_off_counts: bool
    writes_end_s: float
    wakes_next: bool
    begins_again: bool
    coalesce_look_s: float
    coalesce_looks: int
    lists_of_object: int
    lists_of_post: int
    max_receives: int = 3
    back_s: float = 5.0
    longest_back_s: float = 120.0
    visibility_s: float = 300.0
    processor_timeout_s: float = 50.0
    seconds_a_range: float = 20.0
    aggregator_timeout_s: float = 50.0
    work_reserve_s: float = 12.0
    survey_reserve_s: float = 25.0
    confirm_after_s: float = 100.0
    schedule_s: float = 300.0
    schedule_overhead_s: float = 2.0
    compaction_threshold: int = 1000
    slices_a_group: int = 20_000
    memory_mb: int = 3072
    warm_write_units: int | None = None


_SMALL: Final = QueueDesign(batch=5, ceiling=200)

#: One work list, one aggregator at a time, one queue; what was not begun counts as received.
OLD: Final = Design(
    name=DesignName.OLD,
    lanes=1,
    survey_lanes=1,
    small=_SMALL,
    large=_SMALL,
    shares_queue=True,
    spends_receives=True,
    put_off_counts=True,
    writes_end_s=0.0,
    wakes_next=False,
    begins_again=True,
    coalesce_look_s=0.4,
    coalesce_looks=5,
    lists_of_object=0,
    lists_of_post=0,
)
#: Sixteen lanes, each with one aggregator at most; large ranges have a queue of their own.
NEW: Final = Design(
    name=DesignName.NEW,
    lanes=16,
    survey_lanes=16,
    small=QueueDesign(batch=10, ceiling=200),
    large=QueueDesign(batch=1, ceiling=20),
    shares_queue=False,
    spends_receives=False,
    put_off_counts=False,
    writes_end_s=10.0,
    wakes_next=True,
    begins_again=False,
    coalesce_look_s=0.8,
    coalesce_looks=3,
    lists_of_object=2,
    lists_of_post=1,
)
DESIGNS: Final = {design.name: design for design in (OLD, NEW)}
