"""How long it takes until there is something to test against: LocalStack up and the stack deployed, from nothing."""

from __future__ import annotations

import resource
import time
from typing import Final

from bench.perf.figures import Better, Figure, Unit
from bench.stack import deployment
from bench.targets import Kind, TargetChoice, open_target

_ENVIRONMENT: Final = "perf"
#: Each takes seconds: fewer than of what takes milliseconds.
_MOST_REPEATS: Final = 3


def up_and_deployed(repeats: int) -> tuple[Figure, ...]:
    """Start LocalStack and deploy market analytics, some times over; bundles are built before the first."""
    template = deployment.generate(_ENVIRONMENT)
    started_s, both_s, cpu_s = [], [], []
    for _ in range(min(repeats, _MOST_REPEATS)):
        target = open_target(TargetChoice(Kind.EMBEDDED))
        build = deployment.assemble(
            _ENVIRONMENT, template, pipeline=deployment.PIPELINE, architecture=target.architecture
        )
        began, began_cpu_s = time.perf_counter(), _cpu_s()
        with target:
            started_s.append(time.perf_counter() - began)
            deployment.create(target, _ENVIRONMENT, build)
            both_s.append(time.perf_counter() - began)
        cpu_s.append(_cpu_s() - began_cpu_s)
    return (
        Figure(
            name="LocalStack up and the stack deployed", unit=Unit.SECONDS, better=Better.LESS,
            samples=tuple(both_s), goal=8.0, about="market analytics, with its bundles built before",
        ),
        Figure(name="LocalStack up", unit=Unit.SECONDS, better=Better.LESS, samples=tuple(started_s)),
        Figure(
            name="LocalStack up, the stack deployed, and all ended, CPU", unit=Unit.SECONDS, better=Better.LESS,
            samples=tuple(cpu_s), about="of this process and its children",
        ),
    )  # fmt: skip


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of its children that have ended, theirs among them."""
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + of_children.ru_utime + of_children.ru_stime
