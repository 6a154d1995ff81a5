"""Rolling up under load and beside what never ends: every pass gets further, and nothing hides what can be done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from market_analytics import data_aggregator_hours, data_aggregator_lists, data_aggregator_rollups
from market_analytics.data_aggregator import Clock
from market_analytics.data_aggregator_election import Ended
from market_analytics.data_aggregator_lists import oldest_commit_ms, roll_up_pending
from market_analytics.data_aggregator_rollups import Rollups
from market_analytics.hour_reads import read_hour
from tests.unit.market_analytics.aggregator_world import (
    HOUR,
    PASS_MS,
    RECEIVED_MS,
    SIXTY_DAYS_MS,
    World,
    ingest_id_of,
)
from tickstream import keys
from tickstream.hours import Rollup
from tickstream.ingests import Pending
from tickstream.items import pending_item, primary_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.table import Table
    from tickstream.hours import HourItems
    from tickstream.items import Item
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


@pytest.mark.usefixtures("one_by_one")
def test_ranges_of_hours_with_segments_are_done_in_a_bounded_number_of_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pass that ran out of reads has done some hours for good: the next one begins behind them."""
    world = segmented()
    for index in range(RANGES):
        world.process("late", index, SYMBOLS)
    # A third of the hours, read as a whole.
    budget = _budget_of_reads(monkeypatch)
    passes = 0
    while world.pending():
        passes += 1
        assert passes <= 4, f"{world.pending()} ranges are still in the list"
        budget[0] = len(SYMBOLS) // 3
        world.roll_up_until(lambda: budget[0] <= 0)
    monkeypatch.undo()
    world.check_confirmed()


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("more_come", [False, True])
def test_hours_that_are_read_as_a_whole_are_done_in_a_bounded_number_of_passes(
    monkeypatch: pytest.MonkeyPatch, *, more_come: bool
) -> None:
    """What was published or taken back is mended lane after lane, the oldest first, also where more comes meanwhile."""
    world = World(threshold=1_000)
    for index in range(RANGES):
        world.process("published", index, SYMBOLS)
    assert world.roll_up()
    listed = [_to_be_read_as_a_whole(world, index, RECEIVED_MS) for index in range(RANGES // 2)]
    # A fifth of the hours.
    budget = _budget_of_reads(monkeypatch)
    passes = 0
    while any(map(world.table.get, (key for keys_of_one in listed for key in keys_of_one))):
        passes += 1
        assert passes <= keys.LANES, f"{world.pending()} entries are still in the lists"
        budget[0] = len(SYMBOLS) // 5
        world.roll_up_until(lambda: budget[0] <= 0)
        if more_come:
            _to_be_read_as_a_whole(world, RANGES // 2 + passes % (RANGES // 2), RECEIVED_MS + passes)
    monkeypatch.undo()
    assert world.roll_up()
    world.check_confirmed()


@pytest.fixture(name="one_by_one")
def _one_by_one(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hours are read one after the other: side by side, threads that wait for their turn would decide which are done.

    A pass has seconds, which no hour waits for; here it has a dozen reads, all of which one thread may take before the
    one that has the oldest hour gets its turn.
    """
    with ThreadPoolExecutor(1) as threads:
        monkeypatch.setattr(data_aggregator_rollups, "_threads", lambda: threads)
        yield


def _budget_of_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many hours may still be read as a whole, one number, which each such read makes one less."""
    budget, read = [0], read_hour

    def counted(table: Table, symbol_hour: SymbolHour, *, max_slices: int) -> HourItems:
        budget[0] -= 1
        return read(table, symbol_hour, max_slices=max_slices)

    monkeypatch.setattr(data_aggregator_hours, "read_hour", counted)
    return budget


def _to_be_read_as_a_whole(world: World, index: int, since_ms: int) -> list[Item]:
    """List a range as DataRevision does; return the keys of its entries."""
    ingest = ingest_id_of("published")
    entries = [
        pending_item(Pending(ingest, index, since_ms, lane, whole=True)) for lane in world.lanes("published", index)
    ]
    world.table.batch_write(entries)
    return [primary_key(entry) for entry in entries]


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
    lane = keys.lane_of("A")
    entries = (pending_item(Pending(ingest_id_of(f"dead {at}"), 0, RECEIVED_MS - 1, lane)) for at in range(number))
    world.table.batch_write(entries)


@pytest.mark.parametrize("number", [1, 300])
def test_dead_ranges_do_not_hide_the_next_good_one(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait for a receipt that never comes, what is committed behind them is rolled up, and seen as lag."""
    monkeypatch.setattr(data_aggregator_lists, "MAX_ENTRIES_A_LANE", 5)
    monkeypatch.setattr(data_aggregator_lists, "RECEIPTS_A_READ", 5)
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


def test_m29_a_pass_with_too_much_shares_its_lanes_and_does_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each range is rolled up in all lanes, by as many as were called; none does more at a time than it can."""
    monkeypatch.setattr(data_aggregator_lists, "SLICES_A_GROUP", 40)
    world = World(threshold=1_000)
    for index in range(RANGES):
        world.process("file", index, SYMBOLS)
        world.announce("file", index)
    assert world.event("file", 0)
    called = len(world.calls)
    assert called >= 3  # 600 slices in 16 lanes: halves, quarters, eighths
    world.serve_calls()
    world.check_confirmed()


def test_m29_a_pass_writes_nothing_of_the_lanes_that_it_gave_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else works on them by then: two writers of one rollup would overwrite each other's."""
    monkeypatch.setattr(data_aggregator_lists, "SLICES_A_GROUP", 10)
    world = World(threshold=1_000)
    world.process("file", 0, SYMBOLS)
    kept = keys.lane_of(SYMBOLS[0])
    lanes = frozenset(range(keys.LANES))
    assert (
        roll_up_pending(Rollups(world.table, 1_000, lambda: False), lanes, lambda: frozenset({kept})) is Ended.FINISHED
    )
    written = {symbol for symbol in SYMBOLS if world.kinds(symbol)[Rollup]}
    assert written == {symbol for symbol in SYMBOLS if keys.lane_of(symbol) == kept}
    assert world.pending() == len(world.lanes("file", 0)) - 1


def test_m29_a_pass_that_ends_with_work_left_goes_on_at_once() -> None:
    """Out of time after some hours, it calls the next: nobody waits for the schedule."""
    world = segmented()
    for index in range(RANGES):
        world.process("late", index, SYMBOLS)
        world.announce("late", index)
    looks = [12]

    def remaining_s() -> float:
        looks[0] -= 1
        return 50.0 if looks[0] > 0 else 0.0

    hurried = Clock(lambda: world.now_ms, remaining_s, lambda _: None)
    assert world.aggregator(hurried).on_called({"work": "rollups", "lanes": list(range(keys.LANES))}) == ()
    assert world.pending()
    assert len(world.calls) == 1
    world.serve_calls()
    world.check_confirmed()


def test_m29_a_pass_that_did_nothing_calls_nobody() -> None:
    """What cannot be read holds its ranges up, and is not tried again and again at the owner's cost."""
    world = World()
    world.process("file", 0, ["A"])
    world.roll_up()
    world.table.put({**data_aggregator_rollups.rollup_key(("A", HOUR)), "bars": {"S": "damaged"}})
    world.process("file", 1, ["A"])
    assert world.event("file", 1)
    assert world.roll_up_until(lambda: True) is Ended.STUCK
    assert not world.calls
    assert world.pending() == 1


def test_i1_what_is_not_rolled_up_for_weeks_is_kept_alive() -> None:
    """Slices, receipt and lists of a range whose hour cannot be read outlive 60 days: mended, the hour has it."""
    world = World()
    world.process("file", 0, ["A"])
    world.roll_up()
    key = data_aggregator_rollups.rollup_key(("A", HOUR))
    good = world.table.get(key)
    assert good is not None
    world.table.put({**key, "bars": {"S": "damaged"}})
    world.open("file", 2)
    world.process("file", 1, ["A"])
    for _ in range(14):
        world.now_ms += SIXTY_DAYS_MS // 6
        world.schedule()
    assert world.open_ingests() == 1
    world.table.put(good)
    for _ in range(3):
        world.now_ms += PASS_MS
        world.schedule()
    assert world.open_ingests() == 0
    world.now_ms += SIXTY_DAYS_MS
    world.check_confirmed()


def test_i1_what_was_never_committed_is_given_up_aloud_when_no_message_can_be_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After 60 days, with its entries: until then it is overdue, from then on an error on record."""
    world = World()
    world.open("file", 2)
    world.process("file", 0, ["A"])
    world.write("file", 1, ["A", "B"])
    world.table.batch_write(world.entries("file", 1))
    for _ in range(2):
        world.now_ms += PASS_MS
        world.schedule()
    world.now_ms += SIXTY_DAYS_MS - 3 * PASS_MS
    assert world.schedule()["OverdueIngests"] == 1
    assert world.pending() == len(world.entries("file", 1))
    world.now_ms += 3 * PASS_MS
    world.schedule()
    (given_up,) = [record for record in caplog.records if "given up" in record.getMessage()]
    assert given_up.levelname == "ERROR"
    assert vars(given_up)["missing_ranges"] == [1]
    assert world.pending() == world.open_ingests() == 0
