"""Actors in virtual time: switched at their calls, killed where nothing can hold it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.simulation.scheduler import EPOCH_MS, Actor, EndlessError, Killed, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable


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


def test_what_never_rests_ends_with_an_error() -> None:
    """A loop without end in a function must not be one of the simulation."""
    scheduler = Scheduler()

    def again() -> None:
        scheduler.after(1, again)

    again()
    with pytest.raises(EndlessError):
        scheduler.rest()
