"""The faults that decide the fate of poison and curable files: requests of one stage, about one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.faults import FaultRule
from bench.file_processing.input_files import Nature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.file_processing.input_files import FeedFile
    from bench.stack.outputs import FileOutputs

#: What a stage cannot do without; each is answered 403, which AWS's clients do not try again: a hit is an attempt.
_NEEDED: Final = {
    "validator": ("s3", "HeadObject"),
    "processor": ("s3", "GetObject"),
    "aggregator": ("dynamodb", "GetItem"),
}
#: So often a curable file's stage fails. The third attempt is the last before a message is a dead letter.
TIMES: Final = 2


def stage_fails(outputs: FileOutputs, stage: str, key: str, times: int | None) -> FaultRule:
    """Return the fault by which a stage fails on the file of a key, so many times or (None) for good."""
    service, operation = _NEEDED[stage]
    return FaultRule(f"{stage}: {key}", service, operation, outputs.functions()[stage], key, times=times)


def rules_of(files: Iterable[FeedFile], outputs: FileOutputs) -> list[FaultRule]:
    """Return the faults of a feed."""
    rules = []
    for file in files:
        if file.nature in {Nature.POISON, Nature.CURABLE}:
            stage, _, _ = file.fault.partition(" ")
            times = TIMES if file.nature is Nature.CURABLE else None
            rules.append(stage_fails(outputs, stage, file.object.key, times))
    return rules
