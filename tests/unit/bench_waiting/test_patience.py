"""Patience: counted in what the awaited processes had, not in what the clock says."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench.waiting import Activity, Patience, activity_of, processes_of, wait_for
from tests.patience import wait_until_true

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class World:
    """A clock and some processes: of each second of the clock they run for `share`, and want to if `is_wanting`."""

    def __init__(self, *, share: float, is_wanting: bool) -> None:
        self.share, self.is_wanting, self.passed_s = share, is_wanting, 0.0

    def activity(self) -> Activity:
        """Look at them."""
        return Activity(self.passed_s * self.share, self.is_wanting)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.passed_s += seconds

    def patience(self, seconds: float) -> Patience:
        """Have patience in this world."""
        return Patience(seconds, self.activity, lambda: self.passed_s)


@pytest.mark.parametrize(
    ("share", "is_wanting", "waited_s"),
    [
        (0.0, False, 10),  # idle: nothing will come of it
        (1.0, True, 10),  # runs in circles
        (2.0, True, 10),  # on two processors
        (0.1, True, 100),  # has a tenth of a processor: it gets ten times as long
    ],
)
def test_patience_is_what_the_awaited_had(share: float, waited_s: float, *, is_wanting: bool) -> None:
    """Idle and busy processes exhaust it in the same time; those that are starved by others do not."""
    world = World(share=share, is_wanting=is_wanting)
    assert wait_for(lambda: None, world.patience(10), poll_s=1, sleep=world.sleep) is None
    assert world.passed_s == pytest.approx(waited_s, abs=1)


def test_what_moves_is_waited_for() -> None:
    """As long as the figure changes the wait goes on, and ends so many seconds after its last change."""
    world = World(share=0.0, is_wanting=False)
    moves: Callable[[], float] = lambda: min(world.passed_s, 50)  # noqa: E731 - a figure
    assert wait_for(lambda: None, world.patience(10), poll_s=1, figure=moves, sleep=world.sleep) is None
    assert world.passed_s == pytest.approx(60, abs=1)


def test_the_answer_ends_the_wait() -> None:
    """The first answer is returned at once."""
    world = World(share=0.0, is_wanting=False)
    assert wait_for(lambda: 7 if world.passed_s >= 3 else None, world.patience(10), poll_s=1, sleep=world.sleep) == 7
    assert world.passed_s == 3


@pytest.fixture
def child() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start processes that run a line of Python, and end them."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        started.append(subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_process_that_waits_wants_nothing(child: Callable[[str], subprocess.Popen[str]]) -> None:
    """One that sleeps is seen idle in the end; one that computes, in a second thread, is seen wanting."""
    idle = child("input()")
    busy = child("import threading\nthreading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()\ninput()")
    wait_until_true("the idle one to be idle", lambda: not activity_of(idle.pid).is_wanting)
    wait_until_true("the busy one to have run", lambda: activity_of(busy.pid).processor_s > 0.2)
    assert activity_of(busy.pid).is_wanting


def test_what_a_process_starts_counts_as_its_own(child: Callable[[str], subprocess.Popen[str]]) -> None:
    """The processes below it are found, and one that has ended does nothing."""
    parent = child("import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'input()'])")
    wait_until_true("the child's child", lambda: len(processes_of(parent.pid)) == 2)
    parent.communicate("")
    assert activity_of(parent.pid) == Activity()
