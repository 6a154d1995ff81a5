"""Confirming among aggregators that sleep before their writes: what is confirmed must not be lost afterwards.

Leases are honoured, clocks are equal, and nobody outlives its timeout.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from market_analytics import data_aggregator_check as check
from market_analytics import data_aggregator_confirmation as confirmation
from tests.unit.market_analytics.aggregator_world import (
    HOUR,
    PASS_MS,
    SIXTY_DAYS_MS,
    Died,
    World,
    old_rollup,
)
from tickstream import keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

ROLLUP_OF_A = ("A", keys.sort_key(HOUR, 0))


@pytest.mark.parametrize("redelivered", [0, 1, 2])
@pytest.mark.parametrize("bound", [(check, "RANGES_A_CHECK"), (confirmation, "RANGES_A_GROUP")], ids=["check", "group"])
def test_i1_what_is_listed_again_is_not_confirmed_in_the_same_pass(
    monkeypatch: pytest.MonkeyPatch, bound: tuple[ModuleType, str], redelivered: int
) -> None:
    """An aggregator that sleeps with an older rollup in hand may write it over what is repaired meanwhile.

    Leases are honoured, clocks are equal, nobody outlives its timeout; one range comes twice.
    """
    monkeypatch.setattr(*bound, 1)
    world = World(threshold=100)
    world.process("first", 0, ["A"])
    world.roll_up()
    old = old_rollup(world)
    for number in range(3):
        world.open(f"file-{number}", 1)
        world.process(f"file-{number}", 0, ["A"])
    world.roll_up()
    world.table.put(old)  # by somebody who slept: now the files' ranges are in no rollup and on no work list
    world.now_ms += PASS_MS
    world.process_again(f"file-{redelivered}", 0)

    def sleep(identity: tuple[str, int]) -> None:
        if identity == ROLLUP_OF_A:
            world.table.before_write = None
            world.now_ms += 1_000
            world.schedule()  # it finds the lane taken, and lists the files again

    world.table.before_write = sleep
    assert world.event(f"file-{redelivered}", 0)  # it writes the first range and the redelivered one
    for _ in range(4):
        world.now_ms += PASS_MS
        world.schedule()
    assert world.open_ingests() == 0
    world.now_ms += SIXTY_DAYS_MS
    world.check_confirmed()


@dataclass
class Simulation:
    """Events, redeliveries and schedules that overtake each other before any write, as a seed has it.

    begun: when the processes began that are at work, the one that runs last. names: the ingests, of one range each.
    """

    rng: random.Random
    world: World
    begun: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def lose_some(self) -> None:
        """Have four ingests rolled up and somebody write an old rollup back."""
        self.ingest()
        self.world.roll_up()
        old = old_rollup(self.world)
        for _ in range(3):
            self.ingest()
        self.world.roll_up()
        self.world.table.put(old)
        self.world.now_ms += PASS_MS

    def ingest(self) -> str:
        """A new ingest; its event is not delivered yet."""
        name = f"ingest-{len(self.names)}"
        self.names.append(name)
        self.world.open(name, 1)
        self.world.process(name, 0, ["A"])
        return name

    def act(self) -> None:
        """One process from its beginning to its end, or its death."""
        what = self.rng.random()
        if what < 0.4:
            self._run(self.world.schedule)
            return
        # What DataProcessor writes nobody sleeps before: its writes are the truth, and in no order with these.
        self.world.table.before_write = None
        if what < 0.8:
            name = self.rng.choice(self.names)
            self.world.process_again(name, 0)
        else:
            name = self.ingest()
        self.world.table.before_write = self.sleep
        self._run(lambda: self.world.event(name, 0))

    def sleep(self, identity: tuple[str, int]) -> None:
        """Let others work before a write; who has slept for longer than it lives dies before it."""
        if len(self.begun) < 3 and self.rng.random() < (0.7 if identity[0] == "A" else 0.1):
            self.world.now_ms += self.rng.choice([1_000, 10_000, 30_000])
            self.act()
        if self.world.now_ms - self.begun[-1] > confirmation.FUNCTION_TIMEOUT_MS:
            raise Died

    def _run(self, process: Callable[[], object]) -> None:
        self.begun.append(self.world.now_ms)
        try:
            process()
        except Died:
            pass
        finally:
            self.begun.pop()


@pytest.mark.parametrize("seed", range(150))
def test_i1_whoever_sleeps_before_whatever_write_no_confirmed_tick_is_lost(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """However they overtake each other, the bars of 60 days later have every tick."""
    monkeypatch.setattr(check, "RANGES_A_CHECK", 1)
    rng = random.Random(seed)  # noqa: S311 - no secret
    world = World(threshold=rng.choice([3, 100, 100]))
    simulation = Simulation(rng, world)
    simulation.lose_some()
    world.table.before_write = simulation.sleep
    for _ in range(6):
        simulation.act()
        world.now_ms += rng.choice([1_000, 30_000, 100_000])
    world.table.before_write = None
    for _ in range(6):
        world.now_ms += PASS_MS
        world.schedule()
    assert world.open_ingests() == 0
    world.now_ms += SIXTY_DAYS_MS
    world.check_confirmed()
