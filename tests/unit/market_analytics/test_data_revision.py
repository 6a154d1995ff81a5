"""Ingests taken back: from a moment on the bars are as if they had never been, whatever happens meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from market_analytics import data_aggregator_rollups, data_revision_hours, data_revision_publishing
from market_analytics.data_query_ingest import ingest_status
from market_analytics.hour_reads import completed, read_hour
from tests.unit.market_analytics.aggregator_world import (
    HOUR,
    PASS_MS,
    SIXTY_DAYS_MS,
    THRESHOLD,
    Died,
    dying_at,
    ingest_id_of,
    old_rollup,
)
from tests.unit.market_analytics.revised_world import DAY_MS, Revised, world_of
from tickstream import keys
from tickstream.bars import merge_bars
from tickstream.errors import BadRequest
from tickstream.hours import Slice, current_bars
from tickstream.ingests import Pending
from tickstream.items import hour_item_from, pending_item, primary_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tickstream.hours import HourItems


@pytest.fixture(autouse=True)
def _one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done side by side is done in order here, so that a hook at a write is at that write alone."""
    for module in (data_aggregator_rollups, data_revision_hours, data_revision_publishing):
        monkeypatch.setattr(module, "side_by_side", lambda _threads, work, things: map(work, things))


@pytest.mark.parametrize("others", [0, 1, 2 * THRESHOLD, 5 * THRESHOLD])
@pytest.mark.parametrize("rolled_up", [False, True])
def test_m25_an_ingest_taken_back_has_never_been(others: int, *, rolled_up: bool) -> None:
    """Its ticks leave all bars at once, compacted or not, and it says so; the others stay to the last tick."""
    world = world_of(others, rolled_up=rolled_up)
    assert world.delete("wrong") == "retracting"
    assert world.state() == "retracting"
    world.serve_orders()
    assert world.state() == "retracted"
    world.check_as_if_never_been()


def test_m25_bars_stay_right_when_all_slices_have_expired() -> None:
    """60 days later rollups and segments alone have the others, and nothing of what was taken back."""
    world = world_of(3 * THRESHOLD)
    world.delete("wrong")
    world.serve_orders()
    world.check_as_if_never_been()
    world.now_ms += SIXTY_DAYS_MS + DAY_MS
    world.check_confirmed()


@pytest.mark.parametrize("others", [1, 3 * THRESHOLD])
def test_m25_dying_before_any_write_takes_back_all_the_same(others: int) -> None:
    """Whichever write a function dies before, readers see each hour before or after, and the rest is done later."""
    for position in range(1_000):
        world = world_of(others)
        world.delete("wrong")
        world.table.before_write = dying_at(position)
        try:
            world.serve_orders()
        except Died:
            world.table.before_write = None
            world.orders.clear()
            _check_each_hour_before_or_after(world)
            world.revision().on_schedule()
            world.check_as_if_never_been()
        else:
            world.table.before_write = None
            world.check_as_if_never_been()
            break
    else:
        pytest.fail("it never stopped writing")
    assert position > others


def _check_each_hour_before_or_after(world: Revised) -> None:
    ranges = {keys.range_id(ingest_id_of("wrong"), index) for index in range(2)}
    for symbol_hour in world.expected:
        read = completed(world.table, read_hour(world.table, symbol_hour, max_slices=10**6))
        of_wrong = [bar for (ingest, index), bars in world.written.items() for sh, bar in bars
                    if sh == symbol_hour and ingest == "wrong"
                    and keys.range_id(ingest_id_of("wrong"), index) not in read.withdrawn]  # fmt: skip
        rest = [bar for (ingest, _), bars in world.written.items() for sh, bar in bars
                if sh == symbol_hour and ingest != "wrong"]  # fmt: skip
        assert read.withdrawn <= ranges
        assert current_bars(read) == merge_bars([*of_wrong, *rest])


def test_m25_a_range_that_is_committed_late_is_taken_back_too() -> None:
    """Until its last range is committed an ingest is `retracting`; a redelivery changes nothing afterwards."""
    world = world_of(2)
    world.begin("late", 2)
    world.process("late", 0, ["A"])
    world.roll_up()
    world.delete("late")
    world.serve_orders()
    assert world.state("late") == "retracting"
    world.process("late", 1, ["A", "C"])
    world.roll_up()
    world.revision().on_schedule()
    assert world.state("late") == "retracted"
    world.process_again("late", 0)
    world.process_again("late", 1)
    world.roll_up()
    world.check_as_if_never_been("late")


@pytest.mark.parametrize("others", [1, 3 * THRESHOLD])
def test_m25_a_range_that_comes_again_when_all_is_over_is_not_merged(others: int) -> None:
    """A message that is delivered once more, days after: no rollup has it, and the bars stay when slices expire."""
    world = world_of(others)
    world.delete("wrong")
    world.serve_orders()
    world.check_as_if_never_been()
    world.process_again("wrong", 0)
    world.event("wrong", 0)
    world.check_confirmed()
    world.now_ms += SIXTY_DAYS_MS + DAY_MS
    world.check_confirmed()


def test_m25_two_at_once_and_a_late_event_take_back_once() -> None:
    """Another function does all of it while the first is about to write, wherever that is."""
    for position in range(200):
        world = world_of(2 * THRESHOLD)
        world.delete("wrong")
        order, left = json.loads(world.orders.pop(0)), [position]

        def meanwhile(_: object, world: Revised = world, order: object = order, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == -1:
                world.table.before_write = None
                world.revision().on_order(order)  # type: ignore[arg-type]
                world.serve_calls()

        world.table.before_write = meanwhile
        world.revision().on_order(order)
        if left[0] >= 0:
            break
        world.table.before_write = None
        world.check_as_if_never_been()
        world.revision().on_order(order)
        world.check_as_if_never_been()
    assert position > 2


def test_m25_an_old_rollup_written_over_the_mended_one_is_mended_again() -> None:
    """A paused aggregator brings back what was taken back: no reader believes it, and the last look has it mended."""
    world = world_of(2)
    stale = old_rollup(world)
    world.delete("wrong")
    world.serve_orders()
    world.retracted.add("wrong")
    world.table.put(stale)
    world.check_readers()
    assert not world.is_done()
    world.check_as_if_never_been()
    world.now_ms += SIXTY_DAYS_MS + DAY_MS
    world.check_confirmed()


@pytest.mark.parametrize(
    ("others", "ranges", "rolled_up"), [(1, 1, True), (1, 1, False), (3 * THRESHOLD, THRESHOLD, True)]
)
def test_m25_what_cannot_be_rebuilt_is_refused_and_nothing_is_done(
    others: int, ranges: int, *, rolled_up: bool
) -> None:
    """Other ingests of an hour have lost their slices: the bars stay as they are, and the ingest says why."""
    world = world_of(others)
    world.now_ms += SIXTY_DAYS_MS - DAY_MS
    world.begin_late(ranges, rolled_up=rolled_up)
    before = world.table.contents()
    world.delete("new")
    world.serve_orders()
    assert world.state("new") == "complete"
    answer = ingest_status(world.table, ingest_id_of("new"), world.now_ms, 900)
    assert "slices have expired, or do so within two days" in answer["retraction"]["refused"]
    assert _hours_of(world.table.contents()) == _hours_of(before)
    world.check_readers()
    assert world.is_done()
    with pytest.raises(BadRequest, match="slices have expired"):
        world.delete("new")


def _hours_of(contents: Mapping[tuple[str, int], object]) -> dict[tuple[str, int], object]:
    return {key: item for key, item in contents.items() if "#" not in key[0] or key[0].startswith("pending")}


@pytest.mark.parametrize("at", range(8))
def test_m25_what_is_merged_in_the_middle_of_it_leaves_no_hour_unreadable(at: int) -> None:
    """A range is rolled up between the check and its withdrawal: of the rest of its hour no slices are left."""
    world = world_of(1)
    for partition in ("A", "B"):
        slices = [primary_key(item) for item in world.table.query(partition) if "range" in item]
        world.table.batch_write((), slices)
    world.begin_late(rolled_up=False)
    world.delete("new")
    left = [at]

    def meanwhile(_: object) -> None:
        left[0] -= 1
        if left[0] == -1:
            world.table.before_write = None
            world.roll_up()

    world.table.before_write = meanwhile
    world.serve_orders()
    world.table.before_write = None
    world.settle()
    assert world.state("new") == "complete"
    world.check_readers()


@pytest.mark.parametrize("rolled_up", [False, True])
def test_m25_what_nothing_old_is_merged_with_is_taken_back(*, rolled_up: bool) -> None:
    """However old the rest of its hour is: a segment has all of that."""
    world = world_of(3 * THRESHOLD)
    world.now_ms += SIXTY_DAYS_MS - DAY_MS
    world.begin_late(rolled_up=rolled_up)
    world.delete("new")
    world.serve_orders()
    assert world.state("new") == "retracted"
    world.retracted.add("new")
    world.check_readers()


def test_m25_more_than_can_be_put_together_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of too many compacted ranges would keep an aggregator from everything else."""
    monkeypatch.setattr(data_revision_hours, "MAX_COMPACTED", THRESHOLD)
    world = world_of(5 * THRESHOLD)
    world.delete("wrong")
    world.serve_orders()
    answer = ingest_status(world.table, ingest_id_of("wrong"), world.now_ms, 900)
    assert "more than can be put together again" in answer["retraction"]["refused"]
    world.check_readers()


def test_m25_progress_is_kept_when_time_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invocation that has time for one step calls the next one, until all is done."""
    monkeypatch.setattr("market_analytics.data_revision_visits.RANGES_AT_A_TIME", 1)
    world = Revised()
    world.begin("wrong", 5)
    for index in range(5):
        world.process("wrong", index, ["A"])
    world.roll_up()
    world.delete("wrong")
    served = 0
    while world.orders:
        left = [900.0, 900.0]  # time for a first look, and then none
        world.revision(lambda left=left: left.pop() if left else 0.0).on_order(json.loads(world.orders.pop(0)))  # type: ignore[misc]
        served += 1
        assert served < 50
    assert world.state() == "retracted"
    assert served >= 5
    world.serve_calls()
    world.check_as_if_never_been()


def test_the_lag_of_what_is_listed_again_begins_anew() -> None:
    """An old ingest that is taken back is no rollup that is late."""
    world = world_of(1)
    world.roll_up()
    world.now_ms += 10 * DAY_MS
    world.table.put(
        pending_item(Pending(ingest_id_of("wrong"), 0, world.now_ms - 5_000, keys.lane_of("A"), whole=True))
    )
    assert world.aggregator().on_schedule()[-1].value <= 5


def test_withdrawn_slices_are_set_aside() -> None:
    """They leave the hour, so that a read of it does not grow with what was taken back."""
    world = world_of(1)
    world.delete("wrong")
    world.serve_orders()
    left = [piece for item in world.table.query("A") if isinstance(piece := hour_item_from(item), Slice)]
    assert [piece.hour for piece in left] == [HOUR]


def test_m25_a_range_that_never_comes_keeps_no_retraction_open_for_ever() -> None:
    """60 days after its ingest came no message of it is anywhere: what is hidden is all there was."""
    world = world_of(1)
    world.begin("half", 2)
    world.process("half", 0, ["A"])
    world.delete("half")
    world.serve_orders()
    world.retracted.add("half")
    assert world.state("half") == "retracting"
    world.now_ms += SIXTY_DAYS_MS + DAY_MS
    for _ in range(3):
        world.revision().on_schedule()
        world.now_ms += PASS_MS
    assert world.is_done()


def test_m25_a_compaction_in_the_middle_of_the_check_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stood in the hour when its rollup was read is set aside by then: it is there all the same."""
    world = world_of(1)

    def read_and_compacted(*args: Any, **options: Any) -> HourItems:
        read = read_hour(*args, **options)
        # Hours are read side by side: one of them has it happen.
        if args[1] == ("A", HOUR) and len(world.ranges) < 3 * THRESHOLD:
            for _ in range(3 * THRESHOLD):
                world.process("more", len(world.ranges), ["A"])
            world.roll_up()
        return read

    monkeypatch.setattr(data_revision_hours, "read_hour", read_and_compacted)
    world.delete("wrong")
    world.serve_orders()
    assert world.state() == "retracted"
    world.check_as_if_never_been()
