"""The schedule on a table in memory: what events missed, what is overdue, and when an ingest is done for good."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from market_analytics import data_aggregator_check as check
from market_analytics import data_aggregator_confirmation as confirmation
from market_analytics.data_aggregator import Clock
from market_analytics.data_aggregator_election import PARTITION
from market_analytics.hour_reads import read_hour
from tests.unit.market_analytics.aggregator_world import (
    HOUR,
    PASS_MS,
    RECEIVED_MS,
    SIXTY_DAYS_MS,
    THRESHOLD,
    World,
    ingest_id_of,
    old_rollup,
)
from tickstream import keys
from tickstream.ingests import Activity
from tickstream.items import activity_item, key_of

if TYPE_CHECKING:
    from tickstream.items import Item


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
    assert world.schedule()["OpenIngests"] == (1 if lost else 0)  # what was listed again was not there
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


def test_two_schedules_at_once_survey_each_ingest_once() -> None:
    """EventBridge delivers at least once: whoever comes second finds the lanes taken, and ends."""
    world = World()
    for number in range(5):
        world.open(f"file-{number}", 1)
        world.process(f"file-{number}", 0, ["A"])
    world.roll_up()
    world.now_ms += PASS_MS
    other: list[dict[str, int]] = []

    def overtake(identity: tuple[str, int]) -> None:
        if identity[0].startswith("activity#"):
            world.table.before_write = None
            other.append(world.schedule())

    world.table.before_write = overtake
    assert world.schedule()["TicksProcessed"] == 5
    assert other == [{"RollupLagSeconds": 0}]
    assert world.open_ingests() == 0


def test_m29_a_survey_that_is_out_of_time_goes_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one with more than it looks at together shares its lanes: nobody waits five minutes."""
    monkeypatch.setattr(confirmation, "RANGES_A_GROUP", 4)
    world = World()
    for number in range(60):
        world.open(f"file-{number}", 1)
        world.process(f"file-{number}", 0, ["A"])
    world.roll_up()
    world.now_ms += PASS_MS
    left = [30]

    def remaining_s() -> float:
        left[0] -= 1
        return 50.0 if left[0] >= 0 else 0.0

    world.aggregator(Clock(lambda: world.now_ms, remaining_s, lambda _: None)).on_schedule()
    assert {json.loads(call)["work"] for call in world.calls} == {"survey"}
    assert 0 < world.open_ingests() < 60
    world.serve_calls()
    assert world.open_ingests() == 0


def test_m29_a_survey_that_confirms_nothing_does_not_go_on_at_once() -> None:
    """What stays open would be looked at again and again, at the owner's cost."""
    world = World()
    for number in range(300):
        world.open(f"dead-{number}", 2)
    world.now_ms += PASS_MS
    assert len(passes_of(world, looks=6)) == 0


def passes_of(world: World, looks: int) -> list[str]:
    """Call the schedule once, with time for so many looks at the clock; return who is called by it."""
    left = [looks]

    def remaining_s() -> float:
        left[0] -= 1
        return 50.0 if left[0] >= 0 else 0.0

    world.aggregator(Clock(lambda: world.now_ms, remaining_s, lambda _: None)).on_schedule()
    return world.calls


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


def test_i1_what_is_there_of_an_incomplete_ingest_is_confirmed() -> None:
    """One range is a dead letter and two are committed: what an old rollup took away of these comes back in time."""
    world = World()
    world.open("file", 3)
    world.process("file", 0, ["A"])
    world.roll_up()
    old = old_rollup(world)
    world.process("file", 1, ["A"])
    world.roll_up()
    world.table.put(old)
    ticks = 0
    for _ in range(3):
        world.now_ms += PASS_MS
        metrics = world.schedule()
        ticks += metrics["TicksProcessed"]
        assert metrics["OpenIngests"] == 1
    assert ticks == 2
    written: list[str] = []
    world.table.before_write = lambda identity: written.append(identity[0])
    world.now_ms += PASS_MS
    assert world.schedule()["OverdueIngests"] == 1
    assert set(written) == {PARTITION}  # nothing is new, so nothing but the leases is written
    world.now_ms += SIXTY_DAYS_MS
    world.check_confirmed()


def test_a_redrive_completes_an_ingest_of_which_the_rest_is_confirmed() -> None:
    """Each range is counted when it is confirmed, once."""
    world = World()
    world.open("file", 3)
    for index in (0, 2):
        world.process("file", index, ["A"])
    ticks = 0
    for round_ in range(4):
        world.now_ms += PASS_MS
        if round_ == 2:
            world.process("file", 1, ["A"])
        metrics = world.schedule()
        ticks += metrics["TicksProcessed"]
        assert metrics["OpenIngests"] == (round_ < 3)
    assert ticks == 3
    world.check_confirmed()


def passes(world: World, looks: int, most: int) -> list[dict[str, int]]:
    """Call the schedule until no ingest is open, each time with time for so many looks at the clock."""
    metrics: list[dict[str, int]] = []
    while world.open_ingests():
        assert len(metrics) < most, "it does not get on"
        world.now_ms += PASS_MS
        left = [looks]

        def remaining_s(left: list[int] = left) -> float:
            left[0] -= 1
            return 50.0 if left[0] >= 0 else 0.0

        clock = Clock(lambda: world.now_ms, remaining_s, lambda _: None)
        metrics.append({one.name: one.value for one in world.aggregator(clock).on_schedule()})
        world.calls.clear()  # lost
    return metrics


def test_confirming_goes_on_where_the_last_pass_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ingest of more ranges than one pass can look at is confirmed in several, and counted once."""
    monkeypatch.setattr(check, "RANGES_A_CHECK", 3)
    monkeypatch.setattr(confirmation, "RANGES_A_TURN", 7)
    monkeypatch.setattr(confirmation, "RANGES_A_GROUP", 10)
    world = World()
    for name in ("file", "other"):
        world.open(name, 40)
        for index in range(40):
            world.process(name, index, ["A"] if index % 2 else ["B"])
    world.roll_up()
    metrics = passes(world, looks=12, most=60)
    assert len(metrics) > 5
    assert sum(one["TicksProcessed"] for one in metrics) == 80
    assert sum(one["RowsRejected"] for one in metrics) == 80
    world.now_ms += SIXTY_DAYS_MS
    world.check_confirmed()


def test_i5_an_ingest_that_cannot_be_confirmed_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ranges are looked at in turns with those of others, whatever shard it is in."""
    monkeypatch.setattr(check, "RANGES_A_CHECK", 1)
    monkeypatch.setattr(confirmation, "RANGES_A_TURN", 2)
    monkeypatch.setattr(confirmation, "RANGES_A_GROUP", 2)
    world = World()
    world.open("damaged", 40)
    for index in range(40):
        world.process("damaged", index, ["A"] if index < 39 else ["B"])
    world.open("good", 1)
    world.process("good", 0, ["C"])
    world.roll_up()
    world.table.put({**key_of("A", keys.sort_key(HOUR, 0)), "bars": {"S": "damaged"}})
    monkeypatch.setattr(keys, "activity_partitions", lambda: sorted({item[0] for item in open_ones(world)}))
    for _ in range(12):
        world.now_ms += PASS_MS
        left = [14]

        def remaining_s(left: list[int] = left) -> float:
            left[0] -= 1
            return 50.0 if left[0] >= 0 else 0.0

        world.schedule(Clock(lambda: world.now_ms, remaining_s, lambda _: None))
    (entry,) = open_ones(world).values()
    assert entry["ingest"] == {"S": ingest_id_of("damaged")}
    assert int.from_bytes(entry["confirmed"]["B"], "little") == 1 << 39


def open_ones(world: World) -> dict[tuple[str, int], Item]:
    """The entries of the open ingests."""
    return {key: item for key, item in world.table.contents().items() if key[0].startswith("activity#")}


def test_i6_a_range_of_very_many_hours_is_looked_at_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """No read is of more hours than are to be in memory, and one piece that misses the range is enough to doubt it."""
    monkeypatch.setattr(check, "HOURS_A_LOOK", 4)
    world = World()
    world.open("file", 1)
    world.process("file", 0, [f"S{number}" for number in range(11)])
    world.roll_up()
    asked: list[int] = []
    look = check._not_rolled_up

    def counted(table: object, wanted: dict[tuple[str, int], set[int]]) -> dict[tuple[str, int], set[int]]:
        asked.append(len(wanted))
        return look(table, wanted)  # type: ignore[arg-type]  # the table that it is

    monkeypatch.setattr(check, "_not_rolled_up", counted)
    world.table.batch_write((), [key_of("S7", keys.sort_key(HOUR, 0))])
    world.now_ms += PASS_MS
    assert world.schedule()["OpenIngests"] == 1
    assert asked == [4, 4, 3]
    world.now_ms += PASS_MS
    assert world.schedule()["OpenIngests"] == 0


def test_i5_however_many_ingests_stay_open_later_ones_are_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard full of ingests that nobody redrives is read to its end, as many entries at a time as memory is for."""
    monkeypatch.setattr(confirmation, "MAX_ENTRIES_A_SHARD", 2)
    world = World()
    for number in range(300):
        world.open(f"dead-{number}", 1)
    world.process("good", 0, ["A"])
    world.now_ms += PASS_MS
    world.table.put(activity_item(Activity(ingest_id_of("good"), RECEIVED_MS + 1_000, 1)))
    world.now_ms += 900_000
    metrics = world.schedule()
    assert (metrics["TicksProcessed"], metrics["OpenIngests"], metrics["OverdueIngests"]) == (1, 300, 300)
