"""Actors in virtual time: switched at their calls, killed where nothing can hold it up."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.simulation.scheduler import EPOCH_MS, Actor, EndlessError, Killed, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


# Coverage does not follow greenlets unless it is told to, which makes all other tests half as slow again.
pytestmark = pytest.mark.no_cover


def start(scheduler: Scheduler, label: str, work: Callable[[], object], life_ms: int = 10_000) -> Actor:
    """Have somebody work, whose end nobody waits for."""
    actor = Actor(label, work, scheduler.now_ms, life_ms)
    scheduler.start(actor, lambda _: None)
    return actor


def test_actors_take_turns_where_they_sleep() -> None:
    """Who sleeps shorter goes on first, and no time passes but the virtual one."""
    scheduler, said = Scheduler(), list[str]()

    def sleeper(name: str, delay_ms: int) -> Callable[[], None]:
        def work() -> None:
            for _ in range(2):
                scheduler.sleep(delay_ms)
                said.append(f"{name} {scheduler.now_ms - EPOCH_MS}")

        return work

    start(scheduler, "slow", sleeper("slow", 50))
    start(scheduler, "fast", sleeper("fast", 20))
    scheduler.rest()
    assert said == ["fast 20", "fast 40", "slow 50", "slow 100"]


def test_nothing_that_a_function_does_holds_up_its_death() -> None:
    """Neither `except Exception` nor what a `finally` wants to call: the process is gone."""
    scheduler, done = Scheduler(), list[str]()

    def work() -> None:
        try:
            scheduler.sleep(20_000)
            done.append("lived")
        except Exception:  # noqa: BLE001 - as handlers do
            done.append("survived")
        finally:
            scheduler.sleep(1)
            done.append("wrote")

    actor = start(scheduler, "function", work)
    scheduler.rest()
    assert done == []
    assert isinstance(actor.error, Killed)
    assert scheduler.now_ms == EPOCH_MS + 10_000  # when its time was over


def test_who_has_ended_is_no_garbage() -> None:
    """Nothing refers in a circle to an invocation that is over: schedules have thousands of them."""
    scheduler = Scheduler()
    enabled = gc.isenabled()
    gc.disable()
    try:
        actors = [start(scheduler, "function", partial(scheduler.sleep, delay_ms)) for delay_ms in (5, 20_000)]
        seen = [weakref.ref(what) for actor in actors for what in (actor.work, actor.wake)]
        assert all(what() is not None for what in seen)
        scheduler.rest()
        assert [what() for what in seen] == [None] * 4
    finally:
        if enabled:
            gc.enable()


def test_what_never_rests_ends_with_an_error() -> None:
    """A loop without end in a function must not be one of the simulation."""
    scheduler = Scheduler()

    def again() -> None:
        scheduler.after(1, again)

    again()
    with pytest.raises(EndlessError):
        scheduler.rest()


def test_a_loop_without_end_in_a_function_ends_with_an_error_too() -> None:
    """Also of one that is alone, never gives way, and catches whatever is raised in it."""
    scheduler = Scheduler()

    def work() -> None:
        while True:
            with suppress(Exception):
                scheduler.sleep(0)

    start(scheduler, "function", work)
    with pytest.raises(EndlessError):
        scheduler.rest()
    scheduler.close()


@given(
    actors=st.lists(
        st.tuples(st.integers(0, 30), st.lists(st.integers(0, 10), max_size=6), st.booleans()), min_size=1, max_size=5
    ),
    until_ms=st.integers(0, 60),
)
def test_who_need_not_fall_asleep_does_what_it_would_have_done(
    actors: list[tuple[int, list[int], bool]], until_ms: int
) -> None:
    """Going on without giving way is the same history, step by step, as always giving way; also up to a moment."""
    assert _history(Scheduler(), actors, until_ms) == _history(_GivesWay(), actors, until_ms)


class _GivesWay(Scheduler):
    def _is_next(self, due_ms: int) -> bool:
        return False


def _history(
    scheduler: Scheduler, actors: Sequence[tuple[int, list[int], bool]], until_ms: int
) -> list[tuple[str, int, int]]:
    """Return who was awake when, and at which step: each begins, sleeps so long each time, and some begin another."""
    said: list[tuple[str, int, int]] = []

    def say(name: str) -> None:
        said.append((name, scheduler.now_ms - EPOCH_MS, scheduler.step))

    def begin(name: str, delays_ms: Sequence[int], has_companion: bool) -> None:  # noqa: FBT001
        def work() -> None:
            say(name)
            for delay_ms in delays_ms:
                scheduler.sleep(delay_ms)
                say(name)

        start(scheduler, name, work)
        if has_companion:
            begin(f"{name}'s companion", delays_ms, False)  # noqa: FBT003
        say(f"{name} begun")

    for number, (at_ms, delays_ms, has_companion) in enumerate(actors):
        scheduler.at(EPOCH_MS + at_ms, partial(begin, str(number), delays_ms, has_companion))
    scheduler.run(EPOCH_MS + until_ms)
    say("in between")
    scheduler.rest()
    say("at rest")
    return said
