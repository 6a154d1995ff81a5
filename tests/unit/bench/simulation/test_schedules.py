"""Whole schedules of the real functions: none violates anything, and one seed is one history."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

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

SCHEDULES = {Part.WHOLE: 120, Part.AGGREGATORS: 300, Part.REPLACEMENTS: 120, Part.FILES: 150}
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
        lanes: int = keys.LANES
        assert lanes == 2
    assert vars(services.deadlines)["time"] is time
    assert keys.LANES == 16
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


@pytest.mark.parametrize(
    ("part", "scenario", "made"),
    [
        # A message comes once more when all is over: the fast way merged it, and nobody mended that any more.
        (
            Part.AGGREGATORS,
            Scenario(
                (
                    Input(80_858, Do.COMMIT, 2),
                    Input(163_435, Do.COMMIT, 0),
                    Input(213_853, Do.RETRACT, 2),
                    Input(413_052, Do.REDELIVER, 2),
                ),
                threshold=500,
            ),
            {},
        ),
        # A post is taken back before it was answered, and sent again: its manifest was put over the one that said so.
        (
            Part.WHOLE,
            Scenario((Input(25_061, Do.POST, 2), Input(25_361, Do.RETRACT, 0)), threshold=4),
            {Place("DataIngestion 1", 3): Decision(Fault.KILLED_AFTER, 0, "")},
        ),
        # Bytes are put again before it is decided that they cannot be taken back: they counted twice.
        (
            Part.WHOLE,
            Scenario(
                (
                    Input(141, Do.UPLOAD, 3),
                    Input(145, Do.UPLOAD, 7),
                    Input(151, Do.POST, 10),
                    Input(100_141, Do.RETRACT_OBJECT, 3),
                    Input(100_151, Do.UPLOAD, 3),
                ),
                threshold=2,
                range_bytes=60,
                max_compacted=3,
            ),
            {},
        ),
        # The delivery that began an ingest fails and comes again when that was taken back, by a clock that is behind.
        (
            Part.WHOLE,
            Scenario((Input(106_503, Do.UPLOAD, 10), Input(106_803, Do.RETRACT_OBJECT, 10)), threshold=4),
            {
                Place("DataIngestion 1", 1): Decision(Fault.THROTTLED, 0, ""),
                Place("DataRevision 2", 0): Decision(Fault.SKEWED, -1_747, ""),
            },
        ),
    ],
)
def test_what_the_simulation_found_of_retractions_stays_cured(
    simulated: Simulated, part: Part, scenario: Scenario, made: dict[Place, Decision]
) -> None:
    """Shrunk, as it was found."""
    with simulated(part) as simulation:
        assert simulation.run(scenario, Recorded(made), None).violations == ()


@pytest.mark.parametrize(
    ("inputs", "made"),
    [
        # The same bytes are put again, after others: they stood where they were put first, and the others stayed.
        (((1_021, Do.PUT, 0), (1_321, Do.PUT, 2), (1_622, Do.PUT, 0)), {}),
        # What is to be added stood where it was received, after what was put after it: both counted.
        (((2_179, Do.PUT_ADDING, 1), (2_186, Do.PUT, 2)), {}),
        # A range of what was to be added is committed when that is replaced: it was seen beside the new version.
        (
            ((164, Do.PUT_ADDING, 5), (130_165, Do.PUT, 4), (350_407, Do.READ, 1)),
            {Place("DataProcessor 1", 3): Decision(Fault.CUT_OFF, 0, "")},
        ),
        # Hours that the new version has nothing of went range by range, and only when the old one's turn came.
        (
            ((451, Do.PUT, 6), (501, Do.PUT, 5), (2_379, Do.ASK, 1), (4_456, Do.READ, 0)),
            {Place("event 6", 0): Decision(Fault.DROPPED, 0, "")},
        ),
        # A newer version looked before the older one was listed, and was published after it: both counted.
        (
            ((195_361, Do.PUT, 0), (195_411, Do.PUT, 2)),
            {
                Place("announcement 1", 0): Decision(Fault.LATE, 5_000, ""),
                Place("DataRevision 1", 7): Decision(Fault.PAUSED, 5_000, ""),
                Place("DataRevision 2", 7): Decision(Fault.PAUSED, 5_000, ""),
                Place("DataRevision 3", 7): Decision(Fault.PAUSED, 5_000, ""),
            },
        ),
        # Who marked a version as replaced lost the answer, and nobody went on with it.
        (
            ((127, Do.PUT, 2), (177, Do.PUT, 0)),
            {
                Place("DataIngestion, replacing 1", 3): Decision(Fault.CUT_OFF, 0, ""),
                Place("DataRevision 5", 7): Decision(Fault.LOST, 0, ""),
            },
        ),
        # The next version marked one that was looked at once more: it was hidden before the next was seen.
        (
            (
                (0, Do.PUT, 0),
                (50, Do.PUT, 1),
                (58, Do.PUT, 2),
                (273, Do.READ, 0),
                (13_515, Do.READ, 0),
            ),
            {Place("DataRevision 3", 23): Decision(Fault.PAUSED, 15_000, "")},
        ),
    ],
)
def test_what_the_simulation_found_of_replacements_stays_cured(
    simulated: Simulated, inputs: tuple[tuple[int, Do, int], ...], made: dict[Place, Decision]
) -> None:
    """Shrunk, as it was found."""
    scenario = Scenario(tuple(Input(*one) for one in inputs), threshold=3, range_bytes=60)
    with simulated(Part.REPLACEMENTS) as simulation:
        assert simulation.run(scenario, Recorded(made), None).violations == ()


def _puts(*inputs: tuple[int, Do, int], threshold: int = 3, **more: Any) -> Scenario:
    return Scenario(tuple(Input(*one) for one in inputs), threshold=threshold, **more)


@pytest.mark.parametrize(
    ("scenario", "made"),
    [
        # Of two looks at one version one saw an hour of too many ranges, and one marked what was there.
        (
            _puts(
                (28_039, Do.PUT, 5), (46_954, Do.PUT, 2), (47_004, Do.PUT, 1), (47_055, Do.PUT, 0), (47_107, Do.PUT, 1),
                threshold=4, range_bytes=60, batch_size=5, max_compacted=3,
            ),
            {},
        ),
        # Who looked before an older one came wrote over what whoever looked after that had written.
        (
            _puts(
                (59, Do.PUT_ADDING, 6), (359, Do.PUT, 5), (4_541, Do.ANNOUNCE_AGAIN, 0), (23_061, Do.READ, 0),
                range_bytes=100, batch_size=5,
            ),
            {
                Place("DataIngestion 1", 1): Decision(Fault.KILLED, 30_000, ""),
                Place("event 2", 0): Decision(Fault.TWICE, 5_000, ""),
                Place("DataRevision 1", 5): Decision(Fault.PAUSED, 15_000, ""),
                Place("DataRevision 2", 5): Decision(Fault.KILLED, 30_000, ""),
                Place("message large-ranges 3", 0): Decision(Fault.LATE, 15_000, ""),
            },
        ),
        # The last version is taken back in the middle of its publication, and an older one comes late: both were seen.
        (
            _puts(
                (76_043, Do.PUT, 1), (76_093, Do.PUT, 0), (76_144, Do.PUT, 2), (78_093, Do.RETRACT_KEY, 0),
                (259_457, Do.READ, 2),
                range_bytes=10**6, batch_size=2,
            ),
            {
                Place("DataIngestion, replacing 2", 2): Decision(Fault.PAUSED, 2_000, ""),
                Place("event 2", 0): Decision(Fault.DROPPED, 0, ""),
                Place("DataRevision 2", 17): Decision(Fault.PAUSED, 2_000, ""),
                Place("event 5", 0): Decision(Fault.DROPPED, 0, ""),
                Place("event 9", 0): Decision(Fault.DROPPED, 0, ""),
            },
        ),
    ],
)  # fmt: skip
def test_what_the_simulation_found_of_versions_that_meet_stays_cured(
    simulated: Simulated, scenario: Scenario, made: dict[Place, Decision]
) -> None:
    """Shrunk, as it was found, with ranges and bounds of its own."""
    with simulated(Part.REPLACEMENTS) as simulation:
        assert simulation.run(scenario, Recorded(made), None).violations == ()
