"""Settling by search through all orders: what is confirmed stays in the rollup, for its slices will expire."""

from __future__ import annotations

import pytest

from tests.unit.market_analytics.exploring import explore
from tests.unit.market_analytics.settling_model import RANGES, Mistake, State, steps_with, wrong


def test_in_every_order_what_is_confirmed_stays_rolled_up() -> None:
    """Whoever rolls up and settles when, from however old a rollup, and dies wherever."""
    found = explore(State(), steps_with(Mistake.NONE), wrong)
    assert found.broken == ()
    assert found.stuck == 0
    assert any(len(state.confirmed) == RANGES for state in found.at_rest)  # it is not that nothing is ever confirmed
    assert found.states > 10_000


@pytest.mark.parametrize("mistake", [mistake for mistake in Mistake if mistake is not Mistake.NONE])
def test_the_search_finds_what_is_planted_in_settling(mistake: Mistake) -> None:
    """Each of them confirms a range that is in no rollup, or is overwritten by an older one."""
    found = explore(State(), steps_with(mistake), wrong)
    assert found.broken
    assert "confirmed, and in no rollup" in found.broken[-1]
