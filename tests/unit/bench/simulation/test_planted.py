"""Planted faults, and what becomes of a failing schedule."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bench.errors import BenchError
from bench.mutants.build import source_text
from bench.simulation.decisions import Decision, Fault, Place, described
from bench.simulation.parts import Part
from bench.simulation.planted import PLANTED, Planted
from bench.simulation.planting import plant
from bench.simulation.shrink import shrink
from bench.simulation.simulations import Simulation
from bench.simulation.verdicts import Outcome, Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.simulation.decisions import Drawn, Recorded


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_every_planted_fault_applies(planted: Planted) -> None:
    """Each edit fits the present source exactly once, changes it, and leaves a module that parses."""
    for file, text in planted.mutant.mutated(source_text).items():
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(source_text(file))), file


def test_each_part_has_planted_faults_of_different_names() -> None:
    """Ten and more in all: each is asked for by its name."""
    names = [planted.name for planted in PLANTED]
    assert len(set(names)) == len(names) >= 10
    assert {planted.part for planted in PLANTED} == set(Part)


def test_reading_the_catalog_loads_no_module_that_a_fault_is_planted_in() -> None:
    """A worker reads it first: what is loaded then runs as it is, and the fault could not be planted at all."""
    code = (
        "import sys, bench.simulation.worker\n"
        "from bench.mutants.build import source_text\n"
        "from bench.simulation.planted import PLANTED\n"
        "files = {file for one in PLANTED for file in one.mutant.mutated(source_text)}\n"
        "print(sorted(file for file in files if file.removesuffix('.py').replace('/', '.') in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_a_fault_is_planted_only_before_its_module_is_loaded() -> None:
    """Otherwise the real function would run, and nothing be found."""
    with pytest.raises(BenchError, match=r"tickstream\.keys is loaded already"):
        plant({"tickstream/keys.py": ""})


@dataclass(frozen=True)
class Numbers:
    """A scenario."""

    inputs: tuple[int, ...]


def test_a_failing_schedule_keeps_only_what_it_fails_by() -> None:
    """One input of a hundred, and two decisions of fifty."""
    wanted = {Place("actor", 7), Place("actor", 31)}

    def run(scenario: Any, choices: Drawn | Recorded, _: Callable[[str], None] | None) -> Outcome:
        fails = 42 in scenario.inputs and wanted <= choices.made.keys()
        found = (Violation("other", "always"), *([Violation("lost", "a tick")] if fails else []))
        return Outcome(found[::-1], choices.made, 1)

    def nothing(_: int) -> Any:
        raise AssertionError

    simulation = Simulation((), dict, nothing, run)
    made = {Place("actor", number): Decision(Fault.PAUSED, 1_500, "PutItem x") for number in range(1, 51)}
    first = Outcome((Violation("lost", "a tick"),), made, 1)
    shrunk = shrink(simulation, Numbers(tuple(range(100))), first)
    assert shrunk.scenario.inputs == (42,)
    assert set(shrunk.made) == wanted
    assert shrunk.lines() == [
        "42",
        "actor, call 7 (PutItem x): goes on late, by 1.5 s",
        "actor, call 31 (PutItem x): goes on late, by 1.5 s",
        "lost: a tick",
    ]


def test_decisions_are_said_in_words() -> None:
    """By who reads a history."""
    assert described(Place("event 3", 0), Decision(Fault.DROPPED, 10, "")) == "event 3: never comes"
    assert described(Place("A 1", 0), Decision(Fault.SKEWED, -7, "")) == "A 1: has a clock that is off by -7 ms"
    assert described(Place("A 1", 2), Decision(Fault.TORN, 3, "Query x")).endswith("part of it done at first, 3")
