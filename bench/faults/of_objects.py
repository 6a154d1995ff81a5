"""Rules about the fate of single objects, each its own, and about the index of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.faults.rules import Action, FaultRule
from bench.faults.scene import VICTIMS, Scene, Victim
from tickstream import keys

_UNREAD_BY_INGESTION, _UNREAD_BY_PROCESSOR, _LATE, _WITHOUT_RECEIPT, _UNSEEN, _DEADLY = range(VICTIMS)
#: So often an object is not there yet: DataIngestion's third attempt is its last.
_UNSEEN_TIMES: Final = 2


def poison_objects(scene: Scene) -> tuple[FaultRule, ...]:
    """Have one object unread by DataIngestion, and one by DataProcessor."""
    ingestion, processor = scene.outputs.ingestion_function_name, scene.outputs.processor_function_name
    return (
        *(FaultRule("ingestion", "s3", "GetObject", ingestion, one.key) for one in scene.victim(_UNREAD_BY_INGESTION)),
        *(FaultRule("processor", "s3", "GetObject", processor, one.key) for one in scene.victim(_UNREAD_BY_PROCESSOR)),
    )


def dead_letter_redrive(scene: Scene) -> tuple[FaultRule, ...]:
    """Have the receipts of one object refused."""
    # Its slices are written and counted by readers, its receipt is not: the worst place to stop at.
    processor = scene.outputs.processor_function_name
    return tuple(
        FaultRule("receipt", "dynamodb", "BatchWriteItem", processor, keys.ingest_partition(one.ingest_id))
        for one in scene.victim(_WITHOUT_RECEIPT)
    )


def late_object(scene: Scene) -> tuple[FaultRule, ...]:
    """Have one object come late."""
    processor = scene.outputs.processor_function_name
    return tuple(FaultRule("late", "s3", "GetObject", processor, one.key) for one in scene.victim(_LATE))


def late_victim(scene: Scene) -> tuple[Victim, ...]:
    """Return the object that comes late, which readers are to see while it is in no rollup."""
    return scene.victim(_LATE)


def stuck_victim(scene: Scene) -> tuple[Victim, ...]:
    """Return the object whose slices are written and whose ranges wait in a dead-letter queue to be committed."""
    return scene.victim(_WITHOUT_RECEIPT)


def unseen_object(scene: Scene) -> tuple[FaultRule, ...]:
    """Have S3 say at first that one object is not there, though it lists it."""
    outputs = scene.outputs
    readers = (outputs.ingestion_function_name, outputs.processor_function_name)
    return tuple(
        FaultRule(function, "s3", "GetObject", function, one.key, code="NoSuchVersion", status=404, times=_UNSEEN_TIMES)
        for one in scene.victim(_UNSEEN)
        for function in readers
    )


def deadly_object(scene: Scene) -> tuple[FaultRule, ...]:
    """Have DataProcessor die of one object, in the batch in which it comes and when it comes again."""
    processor = scene.outputs.processor_function_name
    return tuple(
        FaultRule("deadly", "s3", "GetObject", processor, one.key, times=2, action=Action.KILL_BEFORE)
        for one in scene.victim(_DEADLY)
    )


def lost_index(scene: Scene) -> tuple[FaultRule, ...]:
    """Have parts of an index gone."""
    gone = FaultRule("entry", "s3", "GetObject", scene.outputs.processor_function_name, "index/", "NoSuchKey", 404)
    return (
        # Between two ranges; and when it is looked whether it is there by now, so that it is made again.
        replace(gone, times=3, skip=1),
        replace(gone, name="part", function=scene.outputs.indexer_function_name, times=2, skip=1),
    )
