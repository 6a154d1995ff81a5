"""Whole schedules of the real functions: none violates anything, and one seed is one history."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

import services.deadlines
import services.settings
from bench.errors import BenchError
from bench.simulation.decisions import Decision, Fault, Place, Recorded
from bench.simulation.market import HANDLERS
from bench.simulation.market_inputs import Do, Input, Scenario
from bench.simulation.parts import Part
from bench.simulation.seams import taken_over
from tickstream import keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from bench.simulation.simulations import Simulation

    type Simulated = Callable[[Part], AbstractContextManager[Simulation]]

# Coverage does not follow greenlets unless it is told to, which makes all other tests half as slow again.
pytestmark = pytest.mark.no_cover

SCHEDULES = {Part.WHOLE: 120, Part.AGGREGATORS: 300, Part.FILES: 150}
#: Beyond those that anybody else runs by default.
FIRST = 1_000_000


@pytest.mark.parametrize("part", Part)
def test_no_schedule_violates_anything(simulated: Simulated, part: Part) -> None:
    """Some hundreds of them, of which most have faults."""
    faults = 0
    with simulated(part) as simulation:
        for seed in range(FIRST, FIRST + SCHEDULES[part]):
            scenario, choices = simulation.draw(seed)
            outcome = simulation.run(scenario, choices, None)
            assert outcome.violations == (), f"python -m bench simulate --pipeline {part} --seed {seed}"
            faults += bool(outcome.made)
    assert faults > SCHEDULES[part] // 2


@pytest.mark.parametrize("part", Part)
def test_a_seed_and_the_record_of_its_decisions_give_the_same_history(simulated: Simulated, part: Part) -> None:
    """Call by call: so a failing schedule can be replayed, and made small."""
    with simulated(part) as simulation:
        for seed in range(FIRST, FIRST + 10):
            scenario, choices = simulation.draw(seed)
            first, second, replayed = list[str](), list[str](), list[str]()
            simulation.run(scenario, choices, first.append)
            simulation.run(*simulation.draw(seed), second.append)
            simulation.run(scenario, Recorded(choices.made), replayed.append)
            assert first
            assert first == second == replayed


def test_another_seed_is_another_history(simulated: Simulated) -> None:
    """Seeds are not all the same schedule."""
    with simulated(Part.AGGREGATORS) as simulation:
        drawn = {simulation.draw(seed)[0] for seed in range(20)}
    assert len(drawn) == 20


def test_afterwards_the_functions_are_what_they_were(simulated: Simulated) -> None:
    """Other tests of this process run them too."""
    defaults = services.settings.text.__defaults__
    with simulated(Part.WHOLE):
        assert vars(services.deadlines)["time"] is not time
        assert keys.pending_partitions() == ("pending#0", "pending#1")
    assert vars(services.deadlines)["time"] is time
    assert len(keys.pending_partitions()) == 16
    assert services.settings.text.__defaults__ is defaults


def test_a_seam_that_is_gone_is_an_error() -> None:
    """What the simulation sets in a module and nobody reads would silently change nothing."""
    with (
        pytest.raises(BenchError, match=r"tickstream\.keys has no SHARDS any more"),
        taken_over(HANDLERS, {"tickstream.keys": {"SHARDS": 2}}),
    ):
        pass


@pytest.mark.parametrize(
    ("inputs", "actor", "call"),
    [
        # The lease cannot be released: it stands there until it expires, and the other event ends at it.
        ((Input(395, Do.COMMIT, 2), Input(967, Do.COMMIT, 1)), "DataAggregator 1", 10),
        # A pass fails when its own range is done, and others' are not.
        (
            (Input(46, Do.COMMIT, 0), Input(98, Do.COMMIT, 6), Input(116, Do.COMMIT, 1), Input(161, Do.COMMIT, 2)),
            "DataAggregator 2",
            19,
        ),
    ],
)
def test_one_throttled_request_leaves_no_range_for_the_schedule(
    simulated: Simulated, inputs: tuple[Input, ...], actor: str, call: int
) -> None:
    """What the simulation found: the retry looked at its own range only, and others' waited for five minutes."""
    scenario = Scenario(inputs, threshold=3, scheduled=False)
    throttled = Recorded([(Place(actor, call), Decision(Fault.REFUSED, 0, ""))])
    with simulated(Part.AGGREGATORS) as simulation:
        assert simulation.run(scenario, throttled, None).violations == ()
