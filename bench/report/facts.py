"""What a result file says of one run about its target."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.targets import Target


def target_facts(target: Target) -> dict[str, Any]:
    """What the numbers depend on; to be asked for while the target runs."""
    return {
        "target": dict(target.describe()),
        "target_settings": dict(target.settings),
        "not_emulated": list(target.not_emulated),
        "peak_memory_bench_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_memory_target_bytes": target.memory_bytes(),
    }
