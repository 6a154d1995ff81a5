"""The lease and the wake-ups: one works, nobody's event is forgotten."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest

from market_analytics.data_aggregator_election import COALESCE_LOOKS, Ended
from services.memory_table import MemoryTable
from tests.unit.market_analytics.board_world import HOLD_MS, Clock, election, never, run
from tickstream.errors import ServiceIncomplete
from tickstream.items import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from market_analytics.data_aggregator_election import Lanes, Share
    from tickstream.items import Item


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still unless it is turned."""
    return Clock()


def test_the_lanes_of_a_dead_holder_come_free_in_time(clock: Clock) -> None:
    """Not a moment too early."""
    table = MemoryTable()

    def die() -> None:
        table.before_write = _dead
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(table, clock, die)
    table.before_write = None
    clock.ms += HOLD_MS - 1
    assert not run(table, clock, never)
    clock.ms += 1
    assert run(table, clock, lambda: None)


def _dead(_: object) -> None:
    raise KeyboardInterrupt


def test_who_comes_while_another_works_ends_at_once_and_is_served(clock: Clock) -> None:
    """The holder runs once more for the event that came in between, and then no more."""
    table = MemoryTable()
    runs: list[str] = []
    during = deque([lambda: runs.append(f"other worked: {run(table, clock, work)}")])

    def work() -> bool:
        runs.append("work")
        if during:
            during.popleft()()
        return True

    assert run(table, clock, work)
    assert runs == ["work", "other worked: False", "work"]


def test_no_event_is_lost_at_any_moment_of_the_holders_life(clock: Clock) -> None:
    """An event that arrives before any write of the holder is followed by work that begins after it."""
    arrivals = 0
    for position in range(100):
        table = MemoryTable()
        log: list[str] = []
        writes = 0

        def work(log: list[str] = log) -> bool:
            log.append("work")
            return True

        def arrive(
            _: object, table: MemoryTable = table, log: list[str] = log, position: int = position,
            work: Callable[[], bool] = work,
        ) -> None:  # fmt: skip
            nonlocal writes, arrivals
            writes += 1
            if writes == position + 1:
                table.before_write = None
                log.append("committed")
                run(table, clock, work)
                arrivals += 1

        table.before_write = arrive
        run(table, clock, work)
        if "committed" not in log:
            break
        assert "work" in log[log.index("committed") :], f"lost before write {position + 1}"
    else:
        pytest.fail("the holder never stopped writing")
    assert arrivals >= 3  # its wake-up, its lease, its release


def test_work_that_fails_releases_the_lease(clock: Clock) -> None:
    """The retry of its event need not wait for it to expire."""
    table = MemoryTable()

    def work() -> None:
        raise ServiceIncomplete("DynamoDB")

    with pytest.raises(ServiceIncomplete):
        run(table, clock, work)
    assert run(table, clock, lambda: True)


def test_a_throttled_counter_ends_the_event_quietly(clock: Clock) -> None:
    """So many events that one item cannot count them: somebody works already, and the work list keeps all."""
    table = MemoryTable()

    def throttle(_: object) -> None:
        raise ServiceIncomplete("throttled")

    table.before_write = throttle
    assert not run(table, clock, lambda: True)


class WorkList:
    """Work that waits, and events that ask for it. lists: how often the whole list was read."""

    def __init__(self, clock: Clock) -> None:
        self.table = MemoryTable()
        self.waiting: set[str] = set()
        self.lists = 0
        self._clock = clock

    def event(self, name: str) -> bool:
        """Something is committed, and its event comes."""
        self.waiting.add(name)
        return run(self.table, self._clock, self._everything, lambda: lambda: self._do({name}))

    def _everything(self) -> bool:
        self.lists += 1
        return self._do(set(self.waiting))

    def _do(self, found: set[str]) -> bool:
        # Others may come between what was found and what is done.
        self.table.put(key_of("rollup", 0))
        self.waiting -= found
        return True


def test_an_event_that_nobody_waits_beside_does_its_own_alone(clock: Clock) -> None:
    """While events come one after the other nobody reads the lists."""
    work = WorkList(clock)
    assert [work.event(name) for name in "abcd"] == [True] * 4
    assert work.waiting == set()
    assert work.lists == 0


def test_whoever_comes_when_nothing_is_left_waiting(clock: Clock) -> None:
    """Two more events, each before any write of the others: all three are served, whoever does it."""
    moments, lists = 60, set()
    for first in range(moments):
        for second in range(first, moments):
            work, writes = WorkList(clock), 0
            work.event("before")

            due = {first: "first", second + 1: "second"}

            def arrive(_: object, work: WorkList = work, due: dict[int, str] = due) -> None:
                nonlocal writes
                writes += 1
                if name := due.get(writes - 1):
                    work.event(name)

            work.table.before_write = arrive
            work.event("event")
            assert work.waiting == set(), f"left over after events before writes {first} and {second + 1}"
            lists.add(work.lists)
    assert lists > {1}  # some did their own alone, some found that they must read the list


@pytest.mark.parametrize("dead", [False, True])
def test_after_one_that_failed_or_died_the_list_is_read(clock: Clock, *, dead: bool) -> None:
    """What it left undone waits for no event of its own."""
    work = WorkList(clock)
    work.event("before")

    def fail(identity: object) -> None:
        if identity == ("rollup", 0):
            work.table.before_write = _nothing if not dead else killed
            raise KeyboardInterrupt

    def killed(_: object) -> None:
        raise KeyboardInterrupt  # not even the lease is released

    work.table.before_write = fail
    with pytest.raises(KeyboardInterrupt):
        work.event("undone")
    work.table.before_write = None
    clock.ms += HOLD_MS
    assert work.event("next")
    assert work.waiting == set()
    assert work.lists == 1


def _nothing(_: object) -> None:
    """Let a write be."""


def test_who_is_found_at_work_costs_one_request(clock: Clock) -> None:
    """An event that comes meanwhile counts itself, and neither reads nor writes anything else."""
    table = MemoryTable()
    during: list[object] = []

    def work() -> bool:
        table.before_write = during.append
        if not during:
            assert not run(table, clock, lambda: True, _not_asked)
            assert len(during) == 1
        return True

    assert run(table, clock, work)


def _not_asked() -> None:
    raise AssertionError("asked for its own part while somebody is at work")


def test_a_pass_waits_for_those_who_come_and_for_nobody_else(clock: Clock) -> None:
    """Events that come while a pass waits are in it; one look without any is the last, and there is a last one."""
    for others in range(COALESCE_LOOKS + 3):
        table = MemoryTable()
        looks: list[float] = []
        passes: list[Lanes] = []

        def wait(seconds: float, table: MemoryTable = table, looks: list[float] = looks, others: int = others) -> None:
            looks.append(seconds)
            if len(looks) <= others:
                assert not run(table, clock, never, lanes=[len(looks)])

        def work(lanes: Lanes, _: Share, passes: list[Lanes] = passes) -> Ended:
            passes.append(lanes)
            return Ended.FINISHED

        assert election(table, clock, wait=wait).run([0], work)
        came = min(others, COALESCE_LOOKS)
        assert passes == [frozenset(range(came + 1))]
        assert len(looks) == min(others + 1, COALESCE_LOOKS)


def test_a_lease_released_with_the_answer_lost_is_released(clock: Clock) -> None:
    """The second try of the client meets the first one; nothing is done twice, and the next event works."""

    class AnswersLost(MemoryTable):
        def change_if_equal(
            self, key: Item, changes: Mapping[str, Item | None], expected: Mapping[str, Item | None]
        ) -> Item | None:
            super().change_if_equal(key, changes, expected)
            return super().change_if_equal(key, changes, expected)

    table = AnswersLost()
    runs: list[int] = []
    for number in (1, 2):
        assert run(table, clock, lambda number=number: runs.append(number))  # type: ignore[misc]
    assert runs == [1, 2]


def test_one_that_fails_beside_others_releases_the_lease_all_the_same(clock: Clock) -> None:
    """The event that came meanwhile has ended; the next one works, on the shards of both."""
    table = MemoryTable()

    def work() -> None:
        assert not run(table, clock, never, lanes=[2])
        raise ServiceIncomplete("DynamoDB")

    with pytest.raises(ServiceIncomplete):
        run(table, clock, work)
    seen: list[Lanes] = []
    assert election(table, clock).run([3], lambda lanes, _: seen.append(lanes) or Ended.FINISHED)  # type: ignore[func-returns-value]
    assert seen == [{1, 2, 3}]


def test_a_retry_whose_own_ranges_are_done_finishes_what_its_failed_pass_left(clock: Clock) -> None:
    """A pass did its own ranges and failed on those of an event that ended meanwhile: Lambda's retry does them."""
    table = MemoryTable()
    done: list[str] = []

    def failing() -> bool:
        raise ServiceIncomplete("a read was throttled")

    with pytest.raises(ServiceIncomplete):
        run(table, clock, failing)

    def work() -> bool:
        done.append("the rest")
        return True

    assert run(table, clock, work, lambda: None)
    assert done == ["the rest"]
    # From now on it is known that nothing is left.
    assert not run(table, clock, work, lambda: None)
    assert done == ["the rest"]
