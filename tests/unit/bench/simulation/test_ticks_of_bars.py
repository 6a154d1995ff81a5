"""Ticks that show in their bars which of them were counted."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from bench.simulation.ticks import FIRST_MINUTE, Maker, TicksError, by_bar, counted
from market_analytics.data_query_bars import ToldBar, bar_fields
from tickstream.bars import bar_of, merge_bars
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.simulation.ticks import Tick as SimulatedTick


def test_a_bar_says_which_ticks_it_is_made_of_and_agrees_with_the_functions() -> None:
    """For every set of five ticks: folded here and there, the bar is the same, and gives the set back."""
    maker = Maker()
    ticks = [maker.tick("A", 3) for _ in range(5)]
    for number in range(1, 6):
        for some in combinations(ticks, number):
            assert set(counted([_bar(some)], "A", by_bar(ticks))) == set(some)


def test_a_tick_that_counts_twice_is_seen() -> None:
    """Its size carries into another bit, and the number of ticks does not fit."""
    maker = Maker()
    ticks = [maker.tick("A", 3) for _ in range(3)]
    with pytest.raises(TicksError, match="its ticks make"):
        counted([_bar([ticks[0], *ticks])], "A", by_bar(ticks))


def test_ticks_that_may_count_twice_are_told_from_others_whose_sizes_add_up_alike() -> None:
    """For every set of five ticks and each of them that is there once more: only as a whole group, and no other."""
    maker = Maker()
    ticks = [maker.tick("A", 3) for _ in range(5)]
    groups = [ticks[:2], ticks[2:3]]
    for some in combinations(ticks, 4):
        for group in groups:
            if set(group) <= set(some):
                found = counted([_bar([*some, *group])], "A", by_bar(ticks), groups)
                assert sorted(found) == sorted([*some, *group])
    with pytest.raises(TicksError, match="its ticks make"):
        counted([_bar([ticks[0], *ticks])], "A", by_bar(ticks), groups)


def _bar(ticks: Iterable[SimulatedTick]) -> dict[str, object]:
    made = [
        bar_of(Tick("A", tick.timestamp_ns, tick.price * 10**9, (1 << tick.bit) * 10**9), "s", "", position)
        for position, tick in enumerate(ticks)
    ]
    (bar,) = merge_bars(*[(one,) for one in made])
    assert bar.minute == FIRST_MINUTE + 3
    return bar_fields(ToldBar(bar, is_closed=True, is_filled=False))
