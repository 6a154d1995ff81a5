"""The schedule on a table in memory: what events missed, what is overdue, and when an ingest is done for good."""

from __future__ import annotations

import pytest

from market_analytics.data_aggregator_hours import read_hour
from tests.unit.market_analytics.aggregator_world import (
    HOUR,
    THRESHOLD,
    World,
    ingest_id_of,
)
from tickstream import keys
from tickstream.items import key_of


@pytest.mark.parametrize(
    ("meanwhile", "lost"),
    [
        ([1], 1),  # rolled up, and lost from the rollup
        ([2 * THRESHOLD], 0),  # all compacted: a segment has them, the old rollup is one to ignore
        ([2 * THRESHOLD, 1], 1),  # compacted, then one more in the rollup over the segment: lost
    ],
)
def test_a_paused_aggregator_that_writes_an_old_rollup_harms_no_reader(meanwhile: list[int], lost: int) -> None:
    """Others rolled up (and compacted) while it slept with its rollup in hand; confirming finds what that lost."""
    world = World()
    world.open("post", 1 + sum(meanwhile))
    world.process("post", 0, ["A"])

    def sleep(identity: tuple[str, int]) -> None:
        if identity == ("A", keys.sort_key(HOUR, 0)):
            world.table.before_write = None
            for count in meanwhile:
                for _ in range(count):
                    world.process("post", len(world.ranges), ["A"])
                world.roll_up()

    world.table.before_write = sleep
    world.roll_up()
    world.check_readers()
    hour = read_hour(world.table, ("A", HOUR), max_slices=10**6)
    assert hour.rollup is not None
    assert len(hour.rollup.ranges) == 1
    assert len(hour.loose_slices()) == lost

    world.now_ms += 101_000
    assert world.schedule()["OpenIngests"] == (1 if lost else 0)  # what was repaired just now is not believed yet
    world.check_confirmed()
    world.now_ms += 300_000
    assert world.schedule()["OpenIngests"] == 0
    world.check_confirmed()


def test_confirmed_ingests_do_not_need_their_slices() -> None:
    """60 days later DynamoDB has deleted slices, receipts and lists: the bars stay, and go on growing."""
    world = World()
    for index in range(6):
        world.process("file", index, ["A"])
        world.process("other", index, ["B"])
    world.open("file", 6)
    world.open("other", 6)
    world.schedule()
    world.now_ms += 101_000
    assert world.schedule()["OpenIngests"] == 0
    expired = [item for item in world.table.contents().values() if "expiresAt" in item]
    assert expired
    world.table.batch_write((), [{"symbol": item["symbol"], "timestamp": item["timestamp"]} for item in expired])
    world.check_confirmed()
    world.process("late", 0, ["A", "B"])
    world.event("late", 0)
    world.check_confirmed()


def test_the_schedule_finds_what_no_event_told_of() -> None:
    """Every event was lost: the schedule rolls up, and says how long that took."""
    world = World()
    world.process("file", 0, ["A"])
    world.process("file", 1, ["A"])
    world.now_ms += 61_000
    assert world.schedule()["RollupLagSeconds"] == 0
    world.check_confirmed()


def test_lag_is_the_age_of_the_oldest_range_that_is_not_rolled_up() -> None:
    """An hour that cannot be read holds its ranges back: the metric shows it, the rest goes on."""
    world = World()
    world.process("file", 0, ["A", "B"])
    world.roll_up()
    world.table.put({**key_of("A", keys.sort_key(HOUR, 0)), "bars": {"S": "damaged"}})
    world.process("file", 1, ["A"])
    world.process("file", 2, ["B"])
    world.now_ms += 61_500
    assert world.schedule()["RollupLagSeconds"] == 61
    assert world.pending() == 1
    assert read_hour(world.table, ("B", HOUR), max_slices=10**6).loose_slices() == ()


def test_ingests_are_confirmed_once_and_counted_once() -> None:
    """Not before the last receipt is old enough, and no second time."""
    world = World()
    world.open("file", 2)
    world.open("empty", 0)
    world.process("file", 0, ["A", "B"])
    world.process("file", 1, ["A"])
    first = world.schedule()
    assert (first["OpenIngests"], first["TicksProcessed"]) == (1, 0)  # the empty one is done at once
    world.now_ms += 50_000
    assert world.schedule()["OpenIngests"] == 1
    world.now_ms += 51_000
    second = world.schedule()
    assert (second["OpenIngests"], second["TicksProcessed"], second["RowsRejected"]) == (0, 3, 2)
    world.now_ms += 300_000
    assert world.schedule()["TicksProcessed"] == 0


def test_confirmation_is_not_done_twice_within_two_timeouts() -> None:
    """However often the schedule is triggered: what one confirming repaired is looked at by another, later one."""
    world = World()
    world.process("file", 0, ["A"])
    world.now_ms += 50_000
    world.schedule()
    world.open("file", 1)
    world.now_ms += 99_000
    world.schedule()
    assert world.open_ingests() == 1
    world.now_ms += 1_000
    world.schedule()
    assert world.open_ingests() == 0


def test_a_late_receipt_delays_confirmation() -> None:
    """Whoever read the table before it was written must be dead first, however old the ingest is."""
    world = World()
    world.open("file", 1)
    world.now_ms += 500_000
    world.process("file", 0, ["A"])
    world.now_ms += 50_000
    world.schedule()
    assert world.open_ingests() == 1
    world.now_ms += 101_000
    world.schedule()
    assert world.open_ingests() == 0


def test_an_overdue_ingest_is_named_with_its_missing_ranges(caplog: pytest.LogCaptureFixture) -> None:
    """Past the deadline, every time, until a redrive completes it."""
    world = World()
    world.open("file", 3)
    world.process("file", 1, ["A"])
    world.now_ms += 899_000
    assert world.schedule()["OverdueIngests"] == 0
    world.now_ms += 2_000
    assert world.schedule()["OverdueIngests"] == 1
    (named,) = [record for record in caplog.records if record.getMessage() == "ingest is overdue"]
    assert (named.levelname, vars(named)["ingest_id"]) == ("WARNING", ingest_id_of("file"))
    assert vars(named)["missing_ranges"] == [0, 2]
    world.process("file", 0, ["A"])
    world.process("file", 2, ["A"])
    world.now_ms += 300_000
    metrics = world.schedule()
    assert (metrics["OverdueIngests"], metrics["OpenIngests"]) == (0, 0)
    world.check_confirmed()
