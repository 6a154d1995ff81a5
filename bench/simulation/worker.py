"""A process that runs schedules: `python -m bench.simulation.worker JOB`, a job as JSON; it prints what it finds.

It is started with PYTHONHASHSEED=0, so that one seed is one history in every process: sets of texts are walked in an
order that depends on it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.simulation.parts import Part
from bench.simulation.seams import taken_over
from bench.simulation.shrink import shrink
from bench.simulation.simulations import simulation_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.simulation.simulations import Simulation

#: How often a worker says how far it is.
_TELL_S: Final = 1.0
#: Violations that are looked into; where there are more, the first ones say enough.
MOST_FOUND: Final = 3


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker does.

    seeds: from `first` to before `end`, each `step`th. planted: the name of a fault that is planted before, if any.
    most_found: after so many violations it stops. trace: whether each call is told.
    """

    part: str
    first: int
    end: int
    step: int = 1
    planted: str = ""
    most_found: int = MOST_FOUND
    trace: bool = False


def work(job: Job, tell: Callable[[dict[str, Any]], None]) -> None:
    """Run the schedules of a job. tell: gets what was found, and how far it is (`done`: since the last time)."""
    if job.planted:
        _plant(job.planted)
    simulation = simulation_of(Part(job.part))
    for handler in simulation.handlers:
        __import__(handler)
    # Worlds are many and small, and full of circles; what is imported stays. A ninth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    with taken_over(simulation.handlers, simulation.seams()):
        _run_all(job, simulation, tell)


def _run_all(job: Job, simulation: Simulation, tell: Callable[[dict[str, Any]], None]) -> None:
    done = steps = found = 0
    told_s = time.monotonic()
    for seed in range(job.first, job.end, job.step):
        scenario, choices = simulation.draw(seed)
        outcome = simulation.run(scenario, choices, _say if job.trace else None)
        done += 1
        steps += outcome.steps
        if outcome.violations:
            found += 1
            shrunk = shrink(simulation, scenario, outcome)
            events = len(outcome.made) + len(scenario.inputs)
            first = outcome.violations[0]
            tell(
                {
                    "part": job.part,
                    "seed": seed,
                    "kind": first.kind,
                    "text": first.text,
                    "events": events,
                    "lines": shrunk.lines(),
                }
            )
        if time.monotonic() - told_s > _TELL_S or found >= job.most_found:
            tell({"part": job.part, "done": done, "steps": steps})
            done = steps = 0
            told_s = time.monotonic()
        if found >= job.most_found:
            return
    tell({"part": job.part, "done": done, "steps": steps})


def _plant(name: str) -> None:
    from bench.mutants.build import source_text  # noqa: PLC0415 - only where one is planted
    from bench.simulation.planted import PLANTED  # noqa: PLC0415
    from bench.simulation.planting import plant  # noqa: PLC0415

    (planted,) = (one for one in PLANTED if one.name == name)
    plant(planted.mutant.mutated(source_text))


def _say(line: str) -> None:
    print(json.dumps({"trace": line}), flush=True)


def main(arguments: list[str]) -> int:
    """Do the job that is given; a defect ends it with a traceback."""
    work(Job(**json.loads(arguments[0])), lambda what: print(json.dumps(what), flush=True))
    return 0


def encoded(job: Job) -> str:
    """Write a job as a worker reads it."""
    return json.dumps(asdict(job))


if __name__ == "__main__":
    # Whatever logs in spite of all goes nowhere: standard output is for findings.
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    sys.exit(main(sys.argv[1:]))
