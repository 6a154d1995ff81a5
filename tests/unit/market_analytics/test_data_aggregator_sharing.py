"""Too much for one, or out of time: lanes are shared, and others are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from market_analytics.data_aggregator_election import ROLLING_UP, Election, Ended
from services.memory_table import MemoryTable
from tests.unit.market_analytics.board_world import HOLD_MS, Clock, Heard, board, election, finished, never, run

if TYPE_CHECKING:
    from market_analytics.data_aggregator_election import Lanes, Share
    from tickstream.items import Item


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still unless it is turned."""
    return Clock()


def test_m29_work_that_is_out_of_time_calls_the_next_one(clock: Clock) -> None:
    """What is left, and what came meanwhile, is for whoever is called; it need not wait for the schedule."""
    table = MemoryTable()
    runs: list[Lanes] = []
    calls: Heard = []

    def work(lanes: Lanes, _: Share) -> Ended:
        runs.append(lanes)
        if len(runs) > 1:
            return Ended.FINISHED
        assert not run(table, clock, never, lanes=[2])
        return Ended.OUT_OF_TIME

    assert election(table, clock, calls=calls).run([1], work)
    assert runs == [{1}]
    assert calls == [{1, 2}]
    assert election(table, clock, calls=calls).run_called(calls.pop(), work)
    assert runs == [{1}, {1, 2}]
    assert not calls
    assert not election(table, clock).run_called(frozenset({1, 2}), work)  # the call came twice


def test_m29_work_that_did_nothing_in_all_its_time_is_not_begun_again_at_once(clock: Clock) -> None:
    """It would come to nothing for ever, and be billed; what came meanwhile has somebody called for it."""
    table = MemoryTable()
    calls: Heard = []

    def work(_lanes: Lanes, _share: Share) -> Ended:
        assert not run(table, clock, never, lanes=[2])
        return Ended.STUCK

    assert election(table, clock, calls=calls).run([1], work)
    assert calls == [{2}]
    seen: list[Lanes] = []
    assert election(table, clock).run([3], lambda lanes, _: seen.append(lanes) or Ended.FINISHED)  # type: ignore[func-returns-value]
    assert seen == [{1, 2, 3}]  # the next event, or the schedule, takes it all


def test_m29_without_time_for_another_pass_the_next_one_is_called(clock: Clock) -> None:
    """A pass that came to its end finds that somebody came meanwhile, and has no time left."""
    table = MemoryTable()
    calls: Heard = []
    late = Election(table, ROLLING_UP, HOLD_MS, clock.now_ms, lambda: True, calls.append)
    assert late.run([1], finished(lambda: run(table, clock, never, lanes=[2])))
    assert calls == [{1, 2}]


@pytest.mark.parametrize("lanes", [2, 5, 16])
def test_m29_one_that_has_too_much_shares_until_all_lanes_have_somebody(clock: Clock, lanes: int) -> None:
    """Each gives half of its lanes away as long as it has two: each lane is worked on by one, all at once."""
    table = MemoryTable()
    at_work: set[int] = set()
    calls: Heard = []

    def work(mine: Lanes, share: Share) -> Ended:
        while len(mine) > 1:
            mine = share()
        assert not mine & at_work
        at_work.update(mine)
        while calls:  # while this one is at work
            assert election(table, clock, calls=calls).run_called(calls.pop(0), work)
        return Ended.FINISHED

    assert election(table, clock, calls=calls).run(range(lanes), work)
    assert at_work == set(range(lanes))
    assert board(table).keys() == {"symbol", "timestamp", "v"}  # nobody has anything, and nothing waits


def test_m29_lanes_that_nobody_came_for_are_taken_back(clock: Clock) -> None:
    """A call that got lost costs a while, no work."""
    table = MemoryTable()
    passes: list[Lanes] = []

    def work(mine: Lanes, share: Share) -> Ended:
        passes.append(mine if passes else share())
        return Ended.FINISHED

    assert election(table, clock).run([1, 2, 3, 4], work)
    assert passes == [{3, 4}, {1, 2}]


def test_i6_the_board_stays_below_one_unit_a_write(clock: Clock) -> None:
    """With all lanes claimed and named: DynamoDB bills a write by the begun KB."""
    table = MemoryTable()
    clock.ms = 1_800_000_000_000
    items: list[Item] = []

    def look() -> None:
        if not items:
            for _ in range(99):
                run(table, clock, never, lanes=range(16))
            items.append(board(table))

    run(table, clock, look, lanes=range(16))
    (item,) = items
    assert len(item) == 2 * 16 + 3
    assert sum(len(name) + len(str(*value.values())) + 2 for name, value in item.items()) < 1_024
