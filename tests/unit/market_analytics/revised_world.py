"""A market in memory of which ingests are taken back."""

from __future__ import annotations

from dataclasses import dataclass

from market_analytics.data_query_ingest import ingest_status
from tests.unit.market_analytics.aggregator_world import PASS_MS, World, ingest_id_of
from tickstream import keys

DAY_MS = 24 * 3600 * 1000


@dataclass
class Revised(World):
    """A world with an ingest "wrong" that is taken back, and others that stay."""

    def state(self, ingest: str = "wrong") -> str:
        """What GET /ingest says."""
        return str(ingest_status(self.table, ingest_id_of(ingest), self.now_ms, 900)["state"])

    def settle(self) -> None:
        """Time passes, and the schedules run, until nothing is listed any more."""
        for _ in range(4):
            self.now_ms += PASS_MS
            self.revision().on_schedule()
            self.serve_orders()
            self.schedule()

    def begin_late(self, ranges: int = 1, *, rolled_up: bool = True) -> None:
        """A new ingest in A's old hour, long after the others came."""
        self.begin("new", ranges)
        for index in range(ranges):
            self.process("new", index, ["A"])
        if rolled_up:
            self.roll_up()

    def is_done(self) -> bool:
        """Nothing of the list of retractions is left."""
        return not self.table.query_each(keys.revising_partitions())

    def check_as_if_never_been(self, ingest: str = "wrong") -> None:
        """Readers see nothing of it; nor do rollups and segments by themselves, once all is settled."""
        self.retracted.add(ingest)
        self.check_readers()
        self.settle()
        self.check_confirmed()
        assert self.is_done()


def world_of(others: int, *, rolled_up: bool = True) -> Revised:
    """Two ranges of the wrong ingest in A and B, others in A: with more than a compaction takes, there are segments."""
    world = Revised()
    for ingest, ranges in (("wrong", 2), ("right", others)):
        world.begin(ingest, ranges)
        world.open(ingest, ranges)
    half = others // 2
    for index in range(half):
        world.process("right", index, ["A"])
    world.process("wrong", 0, ["A", "B"], hours=2)
    world.process("wrong", 1, ["A"])
    for index in range(half, others):
        world.process("right", index, ["A"])
    if rolled_up:
        world.roll_up()
    return world
