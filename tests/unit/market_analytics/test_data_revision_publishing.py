"""New bytes under an old key that take its place: each hour in one step, whatever happens meanwhile."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from market_analytics import data_aggregator_rollups, data_revision_hours, data_revision_publishing
from market_analytics.data_revision_places import Places
from tests.unit.market_analytics.aggregator_world import HOUR, SIXTY_DAYS_MS, Died, dying_at, ingest_id_of
from tests.unit.market_analytics.replacing_world import Ranges, Replacing
from tickstream import keys
from tickstream.errors import Reason, ServiceIncomplete
from tickstream.ingests import Activity, Refusal
from tickstream.items import activity_item

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_MS = 24 * 3600 * 1000
OLD: Ranges = [{"A": (HOUR,), "B": (HOUR,)}, {"A": (HOUR, HOUR + 1)}]
NEW: Ranges = [{"A": (HOUR,), "C": (HOUR,)}, {"A": (HOUR,), "B": (HOUR,)}]


@pytest.fixture(autouse=True)
def _one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done side by side is done in order here, so that a hook at a write is at that write alone."""
    for module in (data_aggregator_rollups, data_revision_hours, data_revision_publishing):
        monkeypatch.setattr(module, "side_by_side", lambda _threads, work, things: map(work, things))


def world_with_old() -> Replacing:
    """The old object, all of it published and rolled up."""
    world = Replacing()
    world.put("old", OLD, put_ms=1_000)
    world.commit_all("old")
    world.serve_orders()
    assert world.state("old") == "complete"
    assert world.seen("A") == {"old"}
    world.now_ms += 1_000
    return world


def test_m25_new_bytes_take_the_place_of_the_old_ones_when_all_are_there() -> None:
    """Until the last range is committed readers see the old ones, then the new ones; both say so."""
    world = world_with_old()
    world.put("new", NEW, put_ms=2_000)
    world.commit_range("new", 0)
    world.serve_orders()
    assert (world.state("new"), world.state("old"), world.seen("A")) == ("processing", "complete", {"old"})
    world.commit_range("new", 1)
    world.serve_orders()
    assert (world.state("new"), world.state("old")) == ("complete", "replaced")
    assert [world.seen(symbol) for symbol in "ABC"] == [{"new"}] * 3
    assert world.seen("A", HOUR + 1) == set()
    world.check_settled("new")
    world.now_ms += SIXTY_DAYS_MS + DAY_MS
    world.check_confirmed()


def test_m25_no_reader_sees_neither_or_both_wherever_it_dies() -> None:
    """Before any write, and after it: in each hour of both a reader sees one of them, and all of it."""
    for position in range(500):
        world = world_with_old()
        world.put("new", NEW, put_ms=2_000)
        world.commit_range("new", 0)
        world.orders.clear()

        def look(identity: object, world: Replacing = world) -> None:
            del identity
            hook, world.table.before_write = world.table.before_write, None
            for symbol in "AB":
                assert world.seen(symbol) in ({"old"}, {"new"})
            world.table.before_write = hook

        die = dying_at(position)

        world.commit_range("new", 1)
        world.table.before_write = _both(look, die)
        try:
            world.serve_orders()
        except Died:
            world.table.before_write = None
            look(None)
            world.orders.clear()
            world.revision().on_schedule()
            world.check_settled("new")
        else:
            world.table.before_write = None
            world.check_settled("new")
            break
    else:
        pytest.fail("it never stopped writing")
    assert position > 8


def _both(one: Callable[[object], None], other: Callable[[object], None]) -> Callable[[object], None]:
    def hook(identity: object) -> None:
        one(identity)
        other(identity)

    return hook


@pytest.mark.parametrize("order", [*permutations(("first", "second", "third"))])
def test_m25_the_last_that_was_put_stays_in_whatever_order_they_are_processed(order: tuple[str, ...]) -> None:
    """Three versions of one key, processed in any order: the newest counts, by the time when they were put."""
    world = Replacing()
    put_ms = {"first": 1_000, "second": 2_000, "third": 3_000}
    for name in order:
        world.put(name, OLD, put_ms=put_ms[name])
        world.now_ms += 1
    for name in reversed(order):
        world.commit_all(name)
        world.serve_orders()
    assert world.seen("A") == {"third"}
    world.settle()
    assert [world.state(name) for name in ("first", "second")] == ["replaced"] * 2
    world.check_settled("third")


def test_m25_one_that_is_refused_takes_no_place() -> None:
    """A range of the new object cannot be read: it is rejected as a whole, and the old one stays."""
    world = world_with_old()
    world.put("new", NEW, put_ms=2_000)
    world.commit_range("new", 0)
    world.commit_range("new", 1, Refusal(Reason.CORRUPT_PARQUET, "damaged"))
    world.settle()
    assert (world.state("new"), world.state("old")) == ("rejected", "complete")
    world.check_settled("old")


def test_m25_one_that_is_taken_back_before_it_is_published_takes_no_place() -> None:
    """DELETE of what waits: nothing of it ever counts."""
    world = world_with_old()
    world.put("new", NEW, put_ms=2_000)
    world.commit_range("new", 0)
    world.delete("new")
    world.serve_orders()
    world.commit_range("new", 1)
    world.settle()
    assert (world.state("new"), world.state("old")) == ("retracted", "complete")
    world.check_settled("old")


def test_m25_what_cannot_be_replaced_any_more_stays_and_the_new_one_says_why() -> None:
    """Another ingest of the old one's hours has lost its slices: nothing is done by halves."""
    world = Replacing()
    world.process("ancient", 0, ["A"])
    world.roll_up()
    world.now_ms += SIXTY_DAYS_MS - DAY_MS
    world.put("old", OLD, put_ms=1_000)
    world.commit_all("old")
    world.serve_orders()
    world.put("new", NEW, put_ms=2_000)
    world.commit_all("new")
    world.serve_orders()
    assert (world.state("new"), world.state("old")) == ("rejected", "complete")
    assert world.seen("A") == {"ancient", "old"}


@pytest.mark.parametrize(("mine", "others"), [(2_000, 3_000), (3_000, 2_000)])
def test_m25_two_that_are_published_at_once_leave_the_newer_one(mine: int, others: int) -> None:
    """One is published in the middle of the other, wherever that is: at any time one of all is seen, whole."""
    for position in range(500):
        world = world_with_old()
        world.put("mine", NEW, put_ms=mine)
        world.put("other", OLD, put_ms=others)
        world.commit_all("mine")
        world.orders.clear()
        left = [position]

        def meanwhile(identity: object, world: Replacing = world, left: list[int] = left) -> None:
            del identity
            hook, world.table.before_write = world.table.before_write, None
            for symbol in "AB":
                assert world.seen(symbol) in ({"old"}, {"mine"}, {"other"})
            left[0] -= 1
            if left[0] == -1:
                world.commit_all("other")
                world.serve_orders()
            for symbol in "AB":
                assert world.seen(symbol) in ({"old"}, {"mine"}, {"other"})
            world.table.before_write = hook

        world.table.before_write = meanwhile
        world.revision().on_schedule()
        world.table.before_write = None
        if left[0] >= 0:
            break
        newer = "mine" if mine > others else "other"
        world.check_settled(newer)
        assert world.state(newer) == "complete"
    assert position > 8


def test_m25_what_one_marked_is_read_until_what_took_its_place_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version dies after it marked the old one, and a newer one takes its place: never is neither read."""

    def throttled(*_: object) -> bool:
        raise ServiceIncomplete("throttled")

    world = world_with_old()
    with monkeypatch.context() as patched:
        patched.setattr(Places, "decide", throttled)
        for name in ("middle", "new"):
            world.put(name, NEW, put_ms=2_000)
            world.commit_all(name)
            world.serve_orders()
            world.now_ms += 1_000
        world.revision().on_schedule()
        world.serve_orders()
        assert (world.seen("A"), world.state("middle")) == ({"old"}, "replaced")
    world.revision().on_schedule()
    assert world.seen("A") == {"new"}
    world.check_settled("new")


def test_m25_an_old_range_that_is_processed_again_long_after_changes_nothing() -> None:
    """A redelivery of what was replaced: its slices do not count, and no rollup takes them up."""
    world = world_with_old()
    world.put("new", NEW, put_ms=2_000)
    world.commit_all("new")
    world.check_settled("new")
    world.commit_all("old")
    world.settle()
    assert world.seen("A") == {"new"}
    world.check_settled("new")


def test_m25_one_that_never_counted_keeps_nobody_from_its_place() -> None:
    """A version still waits, in hours whose old slices are gone: nothing has merged it, the newer one is published."""
    world = Replacing()
    world.process("ancient", 0, ["A"])
    world.roll_up()
    world.now_ms += SIXTY_DAYS_MS - DAY_MS
    world.put("old", OLD, put_ms=1_000)
    world.commit_range("old", 0)
    world.put("new", NEW, put_ms=2_000)
    world.commit_all("new")
    world.serve_orders()
    assert world.state("new") == "complete"
    assert world.seen("A") == {"ancient", "new"}


def test_m25_what_is_taken_back_before_it_counts_is_listed_in_no_lane(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody looks for its slices in a rollup, and nobody calls them lost."""
    world = world_with_old()
    world.put("new", NEW, put_ms=2_000)
    world.commit_all("new")
    world.delete("new")
    world.orders.reverse()  # its publication is looked at before its retraction
    world.revision().on_order(json.loads(world.orders.pop()))
    world.schedule()
    assert "slices that are nowhere" not in caplog.text
    world.check_settled("old")


def test_m25_a_late_range_of_what_was_added_is_withdrawn_before_it_comes() -> None:
    """An object that was added, of which a range is on its way when a new one takes its place."""
    world = Replacing()
    world.put("old", [{"A": (HOUR,)}, {"A": (HOUR,)}], put_ms=1_000, replaces=False)
    world.now_ms += 1_000
    world.put("new", NEW, put_ms=2_000)
    world.commit_all("new")
    world.serve_orders()
    assert world.seen("A") == {"new"}
    world.waits = False
    world.commit_range("old", 0)
    assert world.seen("A") == {"new"}
    world.commit_range("old", 1)
    assert world.seen("A") == {"new"}
    world.check_settled("new")


def test_m25_what_waits_for_a_range_that_never_comes_is_given_up() -> None:
    """After 60 days no message of it is anywhere: it is on no list any more, and the old one stays."""
    world = world_with_old()
    world.put("new", NEW, put_ms=2_000)
    world.commit_range("new", 0)
    world.settle()
    assert world.open_ingests() == 1
    world.now_ms += SIXTY_DAYS_MS + DAY_MS
    world.settle()
    assert world.open_ingests() == 0
    assert not world.table.query_each(keys.revising_partitions())
    assert world.seen("A") == {"old"}


def test_m25_what_is_listed_as_waiting_though_it_is_published_is_confirmed() -> None:
    """A delivery of its event was late with the entry in the list of open ingests."""
    world = world_with_old()
    world.put("new", NEW, put_ms=2_000)
    world.commit_all("new")
    world.serve_orders()
    world.table.put(activity_item(Activity(ingest_id_of("new"), world.put_ms["new"], len(NEW), waits=True)))
    world.check_settled("new")


def test_what_may_be_at_work_lives_as_long_as_the_stack_says() -> None:
    """Who looked before an ingest was taken back may mark others for it until then."""
    template = Path(__file__).parents[3] / "templates" / "market-analytics-dev.json"
    function = json.loads(template.read_text())["Resources"]["DataRevision"]["Properties"]
    assert function["Timeout"] * 1000 == data_revision_publishing.REVISION_TIMEOUT_MS
