"""The capacity model: nothing gets lost in it, it says the same twice, and it has what is known of both designs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.capacity.designs import NEW, OLD, QueueDesign
from bench.capacity.figures import figures
from bench.capacity.limits import Limits
from bench.capacity.model import run_model
from bench.capacity.outcome import Outcome, outcome_of
from bench.capacity.quotas import quotas
from bench.capacity.scenarios import BY_NAME, Scenario, Shape
from bench.capacity.world import Table

if TYPE_CHECKING:
    from bench.capacity.designs import Design
    from bench.capacity.model import Run

_RANGES: Final = 6_400


def _run(scenario: Scenario, design: Design, *changed: str) -> Run:
    return run_model(scenario, design, quotas().with_values(changed), figures())


def _outcome(scenario: Scenario, design: Design, *changed: str) -> Outcome:
    return outcome_of(_run(scenario, design, *changed))


def _backfill(units: int) -> Scenario:
    """6,400 large ranges at once, each of which writes so many units before lanes."""
    slices = round((units - 1) / (1 + figures()["receipt_units"]))
    shape = Shape(ranges=64, ticks=400_000, slices=slices, symbol_hours=3_500, together=24, is_large=True)
    return Scenario("backfill", "", shape, at_once=_RANGES // 64)


# --- conservation ----------------------------------------------------------------------------------------------------


@st.composite
def _scenarios(draw: st.DrawFn) -> Scenario:
    posted = draw(st.booleans())
    ranges, slices = (1 if posted else draw(st.integers(1, 30))), draw(st.sampled_from((1, 3, 40, 2_000)))
    a_second = draw(st.sampled_from((0.0, 0.5, 20.0)))
    return Scenario(
        "any", "",
        Shape(
            ranges, 1_000, slices, slices * 5, together=ranges, is_large=not posted and draw(st.booleans()),
            is_posted=posted,
        ),
        a_second, 30.0 if a_second else 0.0, at_once=draw(st.integers(0, 40)), horizon_s=4 * 3_600.0,
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(_scenarios(), st.sampled_from((OLD, NEW)), st.sampled_from((50, 4_000)))
def test_every_range_is_somewhere(scenario: Scenario, design: Design, writes: int) -> None:
    """At each look and at the end: refused, under way, visible, rolled up or dead, and never twice."""
    run = _run(scenario, design, f"dynamodb_new_writes={writes}")
    books = run.books
    assert min(books.refused, books.committed, books.dead, books.rolled_up, books.under_way, books.listed) >= 0
    assert books.refused + books.committed + books.dead + books.under_way == books.sent
    for look in run.looks:
        assert min(look.queued, look.in_flight, look.listed, look.invocations, look.open_ingests) >= 0
    if run.rest_s is not None:
        last = run.looks[-1]
        assert (last.queued, last.in_flight, last.listed) == (0, 0, 0)


def test_the_same_seed_says_the_same() -> None:
    """Two runs are equal in every figure; another seed is not."""
    scenario = replace(BY_NAME["streams"], load_s=60.0, horizon_s=60.0)
    first, second = (_outcome(scenario, NEW) for _ in range(2))
    assert first == second
    other = outcome_of(run_model(scenario, NEW, quotas(), figures(), seed=2))
    assert other != first


# --- what is known ---------------------------------------------------------------------------------------------------


def test_a_third_of_a_backfill_is_dead_lettered_before_lanes() -> None:
    """SCALE.md 2: 6,400 ranges of 600 units on a fresh table; of 5,000 units all, every write wasted."""
    small, wide = (_run(_backfill(units), OLD).books for units in (600, 5_000))
    assert small.dead / _RANGES == pytest.approx(0.35, abs=0.07)
    assert wide.dead == _RANGES
    assert wide.wasted_units > 1_000_000


def test_few_at_a_time_and_one_a_batch_dead_letters_none() -> None:
    """SCALE.md 2: with a concurrency of 20 and one range a batch, of both sizes; and the design that has it."""
    one_by_one = QueueDesign(batch=1, ceiling=20)
    few = replace(OLD, small=one_by_one, large=one_by_one)
    for units in (600, 5_000):
        assert _run(_backfill(units), few).books.dead == 0
        run = _run(_backfill(units), NEW)
        assert run.books.dead == 0
        assert run.books.rolled_up == _RANGES


def test_what_is_written_is_kept_where_a_throttled_range_goes_back() -> None:
    """A range that needs more than a whole life is finished in several; before lanes its writes are wasted."""
    shape = Shape(ranges=1, ticks=1_000, slices=9_000, symbol_hours=9_000, is_large=True)
    # Less than half an hour: the table does not double meanwhile.
    scenario = Scenario("huge", "", shape, at_once=1, horizon_s=1_500.0)
    old, new = (_run(scenario, design, "dynamodb_new_writes=100") for design in (OLD, NEW))
    assert (old.books.dead, new.books.dead) == (1, 0)
    assert new.books.rolled_up == 1
    assert new.books.wasted_units == 0


def test_before_lanes_the_schedule_drains_a_thirteenth() -> None:
    """SCALE.md 1: once nothing comes any more, one aggregator works 23 s of every 300, 7.7 % of its time."""
    shape = Shape(ranges=24, ticks=400_000, slices=600, symbol_hours=3_500, together=24, is_ordered=True, is_large=True)
    scenario = Scenario("backlog", "", shape, at_once=400)
    warm = replace(OLD, warm_write_units=40_000)
    looks = [look for look in _run(scenario, warm).looks if look.queued + look.in_flight == 0 and look.listed > 500]
    first, last = looks[60], looks[-60]
    slices_a_second = (first.listed - last.listed) * shape.slices / (last.at_s - first.at_s)
    assert slices_a_second / figures()["aggregator_slices_a_second"] == pytest.approx(0.077, rel=0.1)


def test_with_lanes_what_is_left_goes_on_at_once() -> None:
    """The same backlog is gone at least ten times as fast once the ranges are visible."""
    shape = Shape(ranges=24, ticks=400_000, slices=600, symbol_hours=3_500, together=24, is_ordered=True, is_large=True)
    scenario = Scenario("backlog", "", shape, at_once=400)
    old, new = (_run(scenario, replace(design, warm_write_units=40_000)) for design in (OLD, NEW))
    assert old.rest_s is not None
    assert new.rest_s is not None
    assert new.rest_s < old.rest_s / 10


def test_a_survey_in_lanes_goes_on_until_all_is_settled() -> None:
    """The schedule's own 13 s leave most of 10,000 ranges open; lanes settle them all with the first schedule."""
    shape = Shape(ranges=24, ticks=400_000, slices=600, symbol_hours=3_500, together=24, is_ordered=True, is_large=True)
    scenario = Scenario("settling", "", shape, at_once=400)
    warm = replace(NEW, warm_write_units=40_000)
    one, lanes = (_run(scenario, replace(warm, survey_lanes=number)) for number in (1, 16))
    assert lanes.open_ingests == 0
    assert lanes.ended_s < 1_500
    assert one.ended_s > 4 * lanes.ended_s


def test_who_finds_somebody_at_work_ends_at_once() -> None:
    """Of 200 events of one moment most are counted and no more: few passes read the lists of all lanes."""
    scenario = Scenario("many", "", Shape(1, 100, 1, 2_000, symbols=2_000), at_once=1_000)
    run = _run(scenario, replace(NEW, warm_write_units=40_000))
    assert run.books.rolled_up == 1_000
    assert run.world.used["eventbridge_events"] < 1.05 * 1_000 / NEW.small.batch
    assert run.world.requests["Query"] < 16 * 200 / 4


def test_hours_with_segments_are_a_livelock_before_lanes_alone() -> None:
    """SCALE.md 1: ranges of 500 symbols whose hours have segments are never done, and with lanes they are."""
    shape = Shape(ranges=1, ticks=5_000, slices=500, symbol_hours=500)
    scenario = Scenario("segmented", "", shape, at_once=60, horizon_s=2 * 3_600.0)
    old, new = (_run(scenario, replace(design, compaction_threshold=2)) for design in (OLD, NEW))
    assert old.books.listed > 0
    assert old.rest_s is None
    assert new.books.listed == 0


def test_an_aggregator_alone_gives_its_lanes_away() -> None:
    """One event, and work of a quarter of a minute for one: others are called, and it takes less than two thirds."""
    shape = Shape(ranges=1, ticks=1_000, slices=54_000, symbol_hours=54_000, is_large=True)
    scenario = Scenario("one", "", shape, at_once=1)
    books = _run(scenario, replace(NEW, warm_write_units=40_000), "dynamodb_new_reads=40000").books
    alone_s = shape.slices / figures()["aggregator_slices_a_second"]
    visible_s, rolled_up_s = books.visible.percentile(1.0), books.rolled.percentile(1.0)
    assert visible_s is not None
    assert rolled_up_s is not None
    assert rolled_up_s - visible_s < alone_s * 2 / 3


# --- limits ----------------------------------------------------------------------------------------------------------

_BOUND: Final = (
    (replace(BY_NAME["history"], at_once=60), NEW),
    (BY_NAME["market-open"], OLD),
    (BY_NAME["market-open"], NEW),
    (replace(BY_NAME["posts"], load_s=30.0), NEW),
    (replace(BY_NAME["wide-streams"], load_s=900.0, is_steady=False), NEW),
)


@pytest.mark.parametrize(("scenario", "design"), _BOUND, ids=lambda one: str(one.name))
def test_raising_what_is_named_helps(scenario: Scenario, design: Design) -> None:
    """The quota that is named first is what holds things up: four times as much of it, and more is visible sooner."""
    before = _outcome(scenario, design)
    assert before.holds is not None
    assert before.holds.name in quotas().by_name
    raised = f"{before.holds.name}={4 * quotas()[before.holds.name]}"
    after = _outcome(scenario, design, raised)
    assert _harm(after) < _harm(before)


def _harm(outcome: Outcome) -> tuple[int, float]:
    return outcome.refused + outcome.dead, outcome.visible_p99_s or 0.0


def test_a_table_doubles_over_its_peak_up_to_its_quota() -> None:
    """Half an hour at a new table's limit gives twice as much, and no table more than its quota."""
    env = simpy.Environment()
    table = Table.of(env, quotas(), Limits(), None, most_each=1e9)
    env.process(table.live())
    table.writes.use(1e12)
    found = []
    for half_hour in range(1, 6):
        env.run(until=half_hour * 1_800.0 - 1.0)
        found.append(table.writes.rate)
    assert found == pytest.approx([4_000, 8_000, 16_000, 32_000, 40_000])


def test_events_beyond_a_key_s_writes_are_held_up_by_the_board() -> None:
    """Each event counts itself on one item: more than 1,000 a second is named, whatever the table takes."""
    scenario = replace(BY_NAME["posts"], load_s=30.0)
    changed = ("dynamodb_new_writes=1000000", "dynamodb_table_writes=1000000", "lambda_concurrency=100000",
               "dynamodb_new_reads=1000000", "dynamodb_table_reads=1000000", "mapping_first=1000")  # fmt: skip
    wide = replace(NEW, small=QueueDesign(batch=5, ceiling=1_000))
    assert "dynamodb_key_writes" in _run(scenario, wide, *changed).world.limits.found


def test_an_idle_day_settles_and_costs_cents() -> None:
    """Nothing comes, nothing grows, and polling is most of it."""
    outcome = _outcome(BY_NAME["idle-day"], OLD)
    assert outcome.settles
    assert outcome.verdict == "settles"
    assert outcome.limits == ()
    assert 0 < float(outcome.usd) < 0.05
