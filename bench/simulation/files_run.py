"""One schedule of file processing from beginning to end: with faults, then without them, and at rest."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from bench.simulation.decisions import AT_CALLS, IN_DELIVERIES, Drawn, Fault, Odds
from bench.simulation.files import FilesWorld
from bench.simulation.files_inputs import files
from bench.simulation.parts import Part
from bench.simulation.scheduler import EPOCH_MS, EndlessError
from bench.simulation.seams import on_stage
from bench.simulation.verdicts import Outcome, Quiet, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.simulation.decisions import Recorded
    from bench.simulation.files_inputs import FilesScenario

#: From when on nothing goes wrong any more: late enough for a message to die of three receives of five minutes.
FAULTS_END_MS: Final = 25 * 60_000
#: Somebody redrives what is parked so often, so many times: a file whose last attempt is dead needs one, and whatever
#: was parked meanwhile another one.
REDRIVE_MS: Final = 330_000
REDRIVES: Final = 8


def drawn(seed: int) -> tuple[FilesScenario, Drawn]:
    """Draw a schedule's scenario, and who decides in it."""
    rng = random.Random(f"{Part.FILES} {seed}")  # noqa: S311 - no secret
    scenario = files(rng, rng.choice((300, 10_000, 400_000)))
    is_deadly = rng.random() < 0.5
    odds = Odds(
        at_calls=rng.choice((0.1, 0.3) if is_deadly else (0.02, 0.1)),
        in_deliveries=rng.choice((0, 0.3)),
        skews=rng.choice((0, 0.3)),
        calls=(Fault.KILLED, Fault.KILLED_AFTER, Fault.LOST) if is_deadly else AT_CALLS,
        deliveries=IN_DELIVERIES,
        pauses_ms=rng.choice(((10, 100, 2_000), (5_000, 30_000, 310_000))),
    )
    return scenario, Drawn(rng, odds)


def run(scenario: FilesScenario, choices: Drawn | Recorded, trace: Callable[[str], None] | None = None) -> Outcome:
    """Run a schedule and judge it. trace: gets a line for each call."""
    quiet = Quiet(choices)
    world = FilesWorld(scenario, quiet)
    world.calls.trace = trace
    with on_stage(world):
        try:
            found = list(_phases(world, quiet))
        except EndlessError as error:
            found = [Violation("no rest", str(error))]
        finally:
            world.scheduler.close()
    return Outcome((*world.violations, *found), dict(choices.made), world.scheduler.step)


def _phases(world: FilesWorld, quiet: Quiet) -> Iterator[Violation]:
    world.scheduler.run(EPOCH_MS + FAULTS_END_MS)
    quiet.is_over = True
    for _ in range(REDRIVES):
        world.redrive()
        world.scheduler.run(world.scheduler.now_ms + REDRIVE_MS)
        if not world.left():
            break
    if left := world.left():
        yield Violation("not settled in time", f"left are {', '.join(left)}")
    world.scheduler.rest()
    yield from world.unfinished()
