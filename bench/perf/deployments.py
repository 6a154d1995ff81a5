"""How long it takes until there is something to test against: LocalStack up and the stack deployed, from nothing."""

from __future__ import annotations

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
    started_s, both_s = [], []
    for _ in range(min(repeats, _MOST_REPEATS)):
        target = open_target(TargetChoice(Kind.EMBEDDED))
        build = deployment.assemble(
            _ENVIRONMENT, template, pipeline=deployment.PIPELINE, architecture=target.architecture
        )
        began = time.perf_counter()
        with target:
            started_s.append(time.perf_counter() - began)
            deployment.create(target, _ENVIRONMENT, build)
            both_s.append(time.perf_counter() - began)
    return (
        Figure(
            name="LocalStack up and the stack deployed", unit=Unit.SECONDS, better=Better.LESS,
            samples=tuple(both_s), goal=8.0, about="market analytics, with its bundles built before",
        ),
        Figure(name="LocalStack up", unit=Unit.SECONDS, better=Better.LESS, samples=tuple(started_s)),
    )  # fmt: skip
