"""Rolling up under load and beside what never ends: every pass gets further, and nothing hides what can be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from market_analytics import data_aggregator_hours, data_aggregator_rollups
from market_analytics.data_aggregator_rollups import oldest_commit_ms, roll_up_pending
from tests.unit.market_analytics.aggregator_world import RECEIVED_MS, World, ingest_id_of
from tickstream import keys
from tickstream.ingests import Pending
from tickstream.items import pending_item

if TYPE_CHECKING:
    from services.table import Table
    from tickstream.hours import HourItems
    from tickstream.keys import SymbolHour

SYMBOLS = [f"S{number:03}" for number in range(60)]
RANGES = 10


def segmented(threshold: int = 4) -> World:
    """A world in which the hour of each symbol has a segment."""
    world = World(threshold=threshold)
    for index in range(threshold):
        world.process("early", index, SYMBOLS)
    assert world.roll_up()
    world.threshold = 1_000
    return world


def test_ranges_of_hours_with_segments_are_done_in_a_bounded_number_of_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pass that ran out of reads has done some hours for good: the next one begins behind them."""
    world = segmented()
    for index in range(RANGES):
        world.process("late", index, SYMBOLS)
    # A third of the hours, read as a whole.
    budget, read = [0], data_aggregator_hours.read_hour

    def counted(table: Table, symbol_hour: SymbolHour, *, max_slices: int) -> HourItems:
        budget[0] -= 1
        return read(table, symbol_hour, max_slices=max_slices)

    monkeypatch.setattr(data_aggregator_hours, "read_hour", counted)
    passes = 0
    while world.pending():
        passes += 1
        assert passes <= 4, f"{world.pending()} ranges are still in the list"
        budget[0] = len(SYMBOLS) // 3
        roll_up_pending(world.table, keys.pending_partitions(), world.threshold, lambda: budget[0] <= 0)
    monkeypatch.undo()
    world.check_confirmed()


def test_an_hour_that_has_a_range_already_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delivered again, or put back in the list: it costs a look at the rollup, whatever segments the hour has."""
    world = segmented()
    world.process("late", 0, SYMBOLS)
    assert world.roll_up()
    world.process_again("late", 0)
    monkeypatch.setattr(data_aggregator_hours, "read_hour", _nothing_is_read)
    assert world.roll_up()
    monkeypatch.undo()
    world.check_confirmed()


def test_a_rollup_over_an_older_segment_is_not_taken_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the range, and readers ignore it: the hour is read as a whole, and has the range afterwards."""
    world = segmented()
    world.process("late", 0, SYMBOLS[:1])
    assert world.roll_up()
    key = data_aggregator_rollups.rollup_key((SYMBOLS[0], 400_000))
    older = world.table.get(key)
    assert older is not None
    world.threshold = 2
    for index in range(1, 4):
        world.process("late", index, SYMBOLS[:1])
    assert world.roll_up()
    world.table.put(older)
    world.process_again("late", 0)
    world.process_again("late", 3)
    assert world.roll_up()
    world.check_confirmed()


def dead(world: World, number: int) -> None:
    """Entries of ranges that will never be committed, older than all others."""
    entries = (pending_item(Pending(ingest_id_of(f"dead {at}"), 0, RECEIVED_MS - 1)) for at in range(number))
    world.table.batch_write(entries)


@pytest.mark.parametrize("number", [1, 300])
def test_dead_ranges_do_not_hide_the_next_good_one(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait for a receipt that never comes, what is committed behind them is rolled up, and seen as lag."""
    monkeypatch.setattr(data_aggregator_rollups, "MAX_ENTRIES_A_SHARD", 5)
    monkeypatch.setattr(data_aggregator_rollups, "RECEIPTS_A_READ", 5)
    world = World()
    dead(world, number)
    world.process("good", 0, ["A"])
    world.now_ms += 7_000
    assert oldest_commit_ms(world.table) == RECEIVED_MS
    assert world.roll_up()
    assert world.pending() == number
    assert oldest_commit_ms(world.table) is None
    world.check_readers()


def _nothing_is_read(*_: object, **__: object) -> HourItems:
    raise AssertionError("an hour was read as a whole")
