"""Runs mutants, each as a stack of its own, and says which of them the verdict noticed."""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from rich.console import Console

from bench.mutants.build import build_mutant
from bench.mutants.mutant import Mutant
from bench.mutants.trial import MutantTrial
from bench.mutants.vendor import CHANGED
from bench.report.console import Reporter
from bench.stack import deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Executor

    from bench.ledger.verdict import Check
    from bench.mutants.conditions import Condition
    from bench.targets import Target


_TURN_S: Final = 0.5


class Fate(StrEnum):
    """What became of a pipeline."""

    #: The real one: nothing is red but what the condition makes impossible.
    PASSED = "passed"
    #: The real one, and yet something is red: what its mutants show under that condition means nothing.
    FAILED = "failed"
    #: Every check that should notice did.
    KILLED = "killed"
    #: Something is red, but not what should be.
    KILLED_BY_OTHERS = "killed by another check"
    #: Nothing is red that is not red of the real one too.
    SURVIVED = "survived"


#: What a run is good with.
GOOD: Final = frozenset({Fate.PASSED, Fate.KILLED})


@dataclass(frozen=True, slots=True)
class Finding:
    """What one run has shown. `red`: the checks that failed; `seconds`: of the whole run."""

    mutant: Mutant
    fate: Fate
    red: tuple[Check, ...]
    seconds: float


def control(condition: Condition) -> Mutant:
    """Return the real pipeline under a condition."""
    return Mutant(f"real pipeline, {condition.name}", condition.meaning, (), (), condition)


def with_controls(mutants: Sequence[Mutant]) -> tuple[Mutant, ...]:
    """Put the real pipeline under each condition that the mutants need before them."""
    conditions = dict.fromkeys(mutant.under.name for mutant in mutants)
    by_name = {mutant.under.name: mutant.under for mutant in mutants}
    return (*(control(by_name[name]) for name in conditions), *mutants)


def fate_of(mutant: Mutant, red: Iterable[str]) -> Fate:
    """Judge from the names of the checks that failed."""
    strange = set(red) - set(mutant.under.red)
    if not mutant.edits:
        return Fate.FAILED if strange else Fate.PASSED
    if set(mutant.killed_by) <= strange:
        return Fate.KILLED
    return Fate.KILLED_BY_OTHERS if strange else Fate.SURVIVED


def run_mutants(
    mutants: Sequence[Mutant], targets: Sequence[Target], pool: Executor, found: Callable[[Finding], None]
) -> tuple[Finding, ...]:
    """Run all of them, one at a time on each target; `found` gets each finding as it comes.

    One at a time, because faults and the journal are a target's, not a stack's. The pool should be entered before the
    targets: an interrupt then ends the targets first, and with them whatever the pool's threads are waiting for.
    Raises BenchError or GeneratorError where a run could not be made.
    """
    # Dependencies that are not in the cache are installed once, here, and not by each thread.
    deployment.assemble("mut")
    free: SimpleQueue[Target] = SimpleQueue()
    for target in targets:
        free.put(target)

    def run(mutant: Mutant, environment: str) -> Finding:
        target = free.get()
        try:
            return _run(mutant, environment, target)
        finally:
            free.put(target)

    runs = [pool.submit(run, mutant, f"mut{number}") for number, mutant in enumerate(mutants)]
    waiting = set(runs)
    try:
        while waiting:
            # In turns: a wait without an end may not hear of an interrupt.
            done, waiting = wait(waiting, timeout=_TURN_S, return_when=FIRST_COMPLETED)
            for one in done:
                found(one.result())
    finally:
        for one in runs:
            one.cancel()
    return tuple(one.result() for one in runs)


def _run(mutant: Mutant, environment: str, target: Target) -> Finding:
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-", dir=target.scratch_dir) as name:
        folder = Path(name)
        build = build_mutant(mutant, environment, folder)
        later = folder / "later"
        later.mkdir()
        updated = build_mutant(mutant, environment, later, CHANGED) if mutant.under.feed_changes else None
        trial = MutantTrial(mutant.under, intact=not mutant.edits, updated=updated)
        deployment.create(target, environment, build, trial.parameters)
        trial.prepare(folder)
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            trial.push(target, environment, Reporter(Console(file=nowhere)))
        red = tuple(check for check in trial.verify().checks if not check.passed)
        deployment.destroy(target, environment)
    return Finding(mutant, fate_of(mutant, map(name_of, red)), red, time.monotonic() - started_s)


def name_of(check: Check) -> str:
    """Return the name of a check without what some names say in parentheses."""
    return check.name.partition(" (")[0]
