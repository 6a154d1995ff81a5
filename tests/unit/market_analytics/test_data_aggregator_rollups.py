"""Rolling up on a table in memory: whatever dies, overtakes or comes twice, the bars are those of the ticks."""

from __future__ import annotations

import contextlib
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_analytics import data_aggregator_hours, data_aggregator_rollups
from market_analytics.data_aggregator_election import Ended
from market_analytics.hour_reads import read_hour
from tests.unit.market_analytics.aggregator_world import (
    HOUR,
    RECEIVED_MS,
    THRESHOLD,
    Died,
    World,
    die_everywhere,
    dying_at,
    ingest_id_of,
)
from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.hours import Rollup, Segment, Slice, current_bars
from tickstream.ingests import Pending
from tickstream.items import key_of, key_of_pending


def test_an_event_rolls_its_range_up_and_clears_the_work_list() -> None:
    """After one event: a rollup for each hour, slices still there, nothing pending."""
    world = World()
    world.process("file", 0, ["A", "B/C"], hours=3)
    assert world.event("file", 0)
    world.check_confirmed()
    assert world.kinds("A") == {Rollup: 3, Slice: 3, Segment: 0}


def test_an_event_takes_along_what_others_committed() -> None:
    """One event does the work of all ranges that are there; theirs then end at once, and write nothing."""
    world = World(threshold=1_000)
    for index in range(7):
        world.process("file", index, ["A", "B"])
        world.announce("file", index)
    assert world.event("file", 3)
    world.check_confirmed()
    before = world.rollups()
    assert [world.event("file", index) for index in range(7)] == [False] * 7
    assert world.rollups() == before


def test_an_event_that_nobody_waits_beside_reads_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pass over the list, ranges that come one by one are rolled up by their own keys."""
    world = World(threshold=1_000)
    world.process("file", 0, ["A", "B"])
    assert world.event("file", 0)
    monkeypatch.setattr(world.table, "query_each", _no_list)
    for index in range(1, 4):
        world.process("file", index, ["A", "B"], hours=2)
        assert world.event("file", index)
    assert not world.event("file", 3)
    monkeypatch.undo()
    world.check_confirmed()


def _no_list(*_: object, **__: object) -> NoReturn:
    raise AssertionError("the work list was read")


def test_a_range_without_a_receipt_waits_for_it() -> None:
    """Its slices are read already, but its entry stays until the receipt says that it is whole."""
    world = World()
    world.write("file", 0, ["A"])
    world.table.batch_write(world.entries("file", 0))
    world.process("file", 1, ["A"])
    world.event("file", 1)
    world.check_readers()
    assert world.pending() == 1
    world.commit("file", 0)
    assert world.event("file", 0)
    world.check_confirmed()


def test_a_range_that_is_processed_again_changes_nothing() -> None:
    """A redelivery after the rollup: the entry comes back, the rollup names its range, the entry goes."""
    world = World()
    world.process("file", 0, ["A"])
    world.event("file", 0)
    world.process_again("file", 0)
    world.check_readers()
    world.event("file", 0)
    world.check_confirmed()


def test_a_range_of_very_many_symbols_has_its_receipt_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt of several items is read whole, and a chunk of hours at a time is rolled up."""
    monkeypatch.setattr("tickstream.items.RECEIPT_PART_BYTES", 200)
    monkeypatch.setattr(data_aggregator_rollups, "SLICES_A_CHUNK", 7)
    world = World()
    world.process("file", 0, [f"S{number}" for number in range(60)])
    assert len(list(world.table.query(keys.ingest_partition(ingest_id_of("file"))))) > 3
    world.event("file", 0)
    world.check_confirmed()


def test_i2_dying_before_any_write_costs_time_and_no_number() -> None:
    """Rollups without compaction: at every write, then another run."""

    def build() -> World:
        world = World(threshold=1_000)
        for index in range(3):
            world.process("file", index, ["A", "B"], hours=2)
            world.announce("file", index)
        return world

    writes = die_everywhere(build, lambda world: world.event("file", 0))
    assert writes == 2 + 4 + 6 + 3  # symbols, rollups, entries of two lanes, and naming, claiming and leaving these


def test_i2_dying_before_any_write_of_a_compaction() -> None:
    """Segments, deletes of slices, rollups over segments: at every write, then another run."""

    def build() -> World:
        world = World()
        for index in range(11):
            world.process("post", index, ["A"])
        return world

    assert die_everywhere(build, World.roll_up) > 11


def test_an_hour_of_very_many_ranges_becomes_few_items() -> None:
    """Compaction keeps what a reader must read small, however many POSTs an hour has had."""
    world = World(threshold=10)
    for index in range(205):
        world.process("post", index, ["A"])
        if index % 7 == 0:
            world.event("post", index)
    world.roll_up()
    world.check_confirmed()
    kinds = world.kinds("A")
    assert kinds[Slice] < 10
    assert kinds[Segment] <= 20
    assert sum(bar.ticks for bar in current_bars(read_hour(world.table, ("A", HOUR), max_slices=10**6))) == 205


def test_an_hour_with_more_slices_than_one_read_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog is compacted a piece at a time, also where a dead compaction's leftovers fill the read."""
    monkeypatch.setattr(data_aggregator_hours, "MAX_SLICES_A_READ", 8)
    monkeypatch.setattr("tickstream.hours.MAX_RANGES_AN_ITEM", 6)
    world = World(threshold=6)
    for index in range(50):
        world.process("post", index, ["A"])
    world.roll_up()
    for index in range(45):  # all come once more, long after
        world.process_again("post", index)
    world.check_readers()
    for index in range(50, 53):
        world.process("post", index, ["A"])
    world.roll_up()
    world.check_confirmed()


def test_a_slice_that_comes_back_after_its_compaction_is_not_counted_again() -> None:
    """The fast way must not merge it into a rollup over a segment that has it."""
    world = World()
    for index in range(THRESHOLD):
        world.process("post", index, ["A"])
    world.roll_up()
    assert world.kinds("A") == {Rollup: 1, Slice: 0, Segment: 1}
    world.process_again("post", 2)
    world.check_readers()
    world.event("post", 2)
    world.check_confirmed()


def test_two_compactions_at_once_make_one_segment() -> None:
    """The segment's number is put once: the loser reads again and finds the other's."""
    world = World()
    for index in range(2 * THRESHOLD):
        world.process("post", index, ["A"])

    overtaken: list[str] = []

    def overtake(identity: tuple[str, int]) -> None:
        if identity == ("A", keys.sort_key(HOUR, keys.segment_suffix(1))):
            world.table.before_write = None
            overtaken.append("yes")
            world.process("post", 100, ["A"])
            world.roll_up()

    world.table.before_write = overtake
    world.roll_up()
    assert overtaken
    world.check_confirmed()
    world.process_again("post", 100)  # the segment that was put still names it
    world.check_readers()


@pytest.mark.parametrize("symbol", ["pending", "receipt", "slice"])
def test_i5_one_damaged_item_holds_up_nobody_else(symbol: str) -> None:
    """A work list entry, a receipt or a slice that is not ours: its neighbours are rolled up."""
    world = World(threshold=1_000)
    world.process("bad", 0, ["A"])
    world.process("good", 0, ["B"])
    bad_id, range_id = ingest_id_of("bad"), keys.range_id(ingest_id_of("bad"), 0)
    key = {
        "pending": key_of_pending(Pending(bad_id, 0, RECEIVED_MS, keys.lane_of("A"))),
        "receipt": key_of(keys.ingest_partition(bad_id), keys.receipt_sort_key(0, 0)),
        "slice": key_of("A", keys.sort_key(HOUR, range_id)),
    }[symbol]
    world.table.put({**key, "bars": {"B": b"damaged"}, "parts": {"N": "1"}})
    world.roll_up()
    assert world.kinds("B") == {Rollup: 1, Slice: 1, Segment: 0}
    assert world.pending() == 1


def test_a_receipt_that_names_a_slice_which_is_nowhere_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """It cannot be, short of somebody deleting it: said aloud, and the range stays in the list."""
    world = World()
    world.process("file", 0, ["A"])
    range_id = keys.range_id(ingest_id_of("file"), 0)
    world.table.batch_write((), [key_of("A", keys.sort_key(HOUR, range_id))])
    world.roll_up()
    assert world.pending() == 1
    assert [record.levelname for record in caplog.records if "nowhere" in record.getMessage()] == ["ERROR"]


def test_time_that_runs_out_leaves_the_rest_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """No write is begun without time; what was done stays done."""
    world = World(threshold=1_000)
    for index in range(5):
        world.process("file", index, [f"S{index}"])
    asked: list[int] = []

    def time_is_up() -> bool:
        asked.append(1)
        return len(asked) > 2

    monkeypatch.setattr(data_aggregator_rollups, "SLICES_A_CHUNK", 1)
    assert world.roll_up_until(time_is_up) is Ended.OUT_OF_TIME
    assert world.pending() == 4
    world.check_readers()
    assert world.roll_up()
    world.check_confirmed()


def test_events_that_are_not_ours_are_refused() -> None:
    """They end in the dead-letter queue, where somebody looks at them."""
    world = World()
    with pytest.raises(MalformedItem):
        world.aggregator().on_processed({"ingest": "x"})


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["process", "write", "again", "event", "schedule", "die", "overtake"]),
        st.integers(0, 30),
        st.integers(0, 40),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_i4_any_history_ends_in_the_same_bars(steps: list[tuple[str, int, int]]) -> None:
    """New ranges, redeliveries, deaths, stale writers, in any order: readers right at each step, all confirmed."""
    world = World(threshold=3)
    for what, number, at in steps:
        known = ("file", number) in world.ranges
        symbols = ["A", "B"][: 1 + number % 2]
        if what in {"process", "write"} and not known:
            world.write("file", number, symbols)
            if what == "process":
                world.commit("file", number)
        elif what == "again" and known:
            world.process_again("file", number)
        elif what == "event":
            world.event("file", number)
        elif what == "schedule":
            world.now_ms += 110_000
            world.schedule()
        elif what == "die":
            world.table.before_write = dying_at(at)
            with contextlib.suppress(Died):
                world.roll_up()
            world.table.before_write = None
        elif what == "overtake":
            run_overtaken(world, at)
        world.check_readers()
    for ingest, index in world.ranges:
        world.process_again(ingest, index)
    world.roll_up()
    world.now_ms += 110_000
    world.open("file", 0)
    world.schedule()
    world.check_readers()
    assert world.pending() == 0


def run_overtaken(world: World, at: int) -> None:
    """One aggregator that sleeps before its write number `at`, while another does everything."""
    left = [at]

    def hook(_: object) -> None:
        if left[0] == 0:
            world.table.before_write = None
            world.roll_up()
        left[0] -= 1

    world.table.before_write = hook
    world.roll_up()
    world.table.before_write = None
