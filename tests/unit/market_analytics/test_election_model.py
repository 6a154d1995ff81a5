"""The election by search through all orders: nobody's range is forgotten, and one works at a lane at a time."""

from __future__ import annotations

import random

import pytest

from tests.unit.market_analytics.election_in_steps import Real
from tests.unit.market_analytics.election_model import Mistake, steps_with, wrong
from tests.unit.market_analytics.election_states import State
from tests.unit.market_analytics.exploring import explore

#: Events, whether the schedule fires and lanes are given away, and how much goes wrong. Larger ones were walked through
#: once, without a violation: three events with all of that, and three with two faults (a minute each).
WALKS = [(3, False, False, 1), (2, True, False, 1), (3, False, True, 0), (2, False, True, 1)]


@pytest.mark.parametrize(("events", "scheduled", "shares", "faults"), WALKS)
def test_in_every_order_every_range_is_rolled_up_and_one_works_at_a_lane(
    *, events: int, scheduled: bool, shares: bool, faults: int
) -> None:
    """Whoever comes when, and whatever is lost, fails or dies: events alone leave nothing on the lists."""
    steps = steps_with(Mistake.NONE, events=events, scheduled=scheduled, shares=shares)
    found = explore(State(faults=faults), steps, wrong)
    assert found.broken == ()
    assert found.at_rest
    assert found.stuck == 0  # and nobody waits for another for ever
    assert found.states > 10_000


@pytest.mark.parametrize("mistake", [mistake for mistake in Mistake if mistake is not Mistake.NONE])
def test_the_search_finds_what_is_planted_in_the_election(mistake: Mistake) -> None:
    """Each mistake leaves a range on a list in some order, and the search says in which."""
    for events, scheduled, shares, faults in WALKS:
        steps = steps_with(mistake, events=events, scheduled=scheduled, shares=shares)
        if broken := explore(State(faults=faults), steps, wrong).broken:
            assert "nobody has rolled up" in broken[-1]
            return
    pytest.fail("not found")


@pytest.mark.no_cover  # coverage does not follow greenlets
def test_the_model_does_what_the_election_does() -> None:
    """Step by step, along random ways through the model: the same requests, and the same item after each."""
    rng = random.Random(1)  # noqa: S311 - no secret
    ended = 0
    for _ in range(300):
        real, state = Real(), State(faults=2)
        steps = steps_with(Mistake.NONE, scheduled=True)
        while following := list(steps(state)):
            name, state = rng.choice(following)
            real.do(name)
            real.compare(state, name)
        ended += not state.listed
    assert ended == 300
