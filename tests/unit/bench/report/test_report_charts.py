"""What the charts draw is what the run saw."""

from __future__ import annotations

import pytest

from bench.report.charts import fault_lanes, latency, rates
from bench.report.result import FaultMark, Latency, Percentiles, Sample


def _sample(at_s: float, rows: int, ticks: int) -> Sample:
    return Sample(
        at_s=at_s, acknowledged_rows=rows, ticks=ticks, rejected=0, queued=0, in_flight=0, dead_letters=0, pending=0
    )


def test_the_rates_add_up_to_the_totals() -> None:
    """Looks at uneven times do not bend the throughput: its area is what was done."""
    timeline = [_sample(0.5, 600, 100), _sample(2.0, 1_000, 400), _sample(8.0, 1_000, 1_000)]
    found = rates(timeline)
    width_s = found.at_s[1] - found.at_s[0]
    assert sum(found.done) * width_s == pytest.approx(1_000)
    assert sum(found.acknowledged) * width_s == pytest.approx(1_000)


def test_a_total_that_seems_to_fall_is_no_negative_rate() -> None:
    """Two looks that overtook each other do not draw throughput below zero."""
    found = rates([_sample(0, 0, 0), _sample(1, 10, 10), _sample(2, 10, 8), _sample(3, 10, 12)])
    assert min(found.done) >= 0


@pytest.mark.parametrize("timeline", [[], [_sample(0, 0, 0)], [_sample(0, 0, 0), _sample(0, 1, 1)]])
def test_a_run_without_time_has_no_rates(timeline: list[Sample]) -> None:
    """Too few looks make no rates, and no division by zero."""
    assert rates(timeline).at_s == ()


def test_marks_of_one_moment_are_one_mark_with_their_number() -> None:
    """A thousand strikes at once are drawn once and still counted."""
    marks = [FaultMark(name="throttling", at_s=5.0)] * 1_000 + [FaultMark(name="throttling", at_s=50.0)]
    lanes = fault_lanes(marks, {"throttling": 1_001, "server-errors": 0}, (0.0, 60.0))
    assert [trace["name"] for trace in lanes["data"]] == ["throttling"]
    assert list(lanes["data"][0]["customdata"]) == [1_000, 1]


def test_each_measured_stage_has_its_lane() -> None:
    """A stage that was not measured draws nothing; one that took no time is drawn at the axis' start, told as 0."""
    numbers = Percentiles(count=1, p50=0.0, p90=2.0, p99=30.0, p99_9=30.0, max=30.0)
    drawn = latency(Latency(stages={"sent": numbers, "seen": None}, how=""), {"sent": "Sent", "seen": "Seen"})
    assert [note["text"] for note in drawn["layout"]["annotations"]] == ["Sent"]
    median = next(trace for trace in drawn["data"] if trace.get("name") == "p50")
    assert list(median["x"]) == [0.1]
    assert list(median["customdata"]) == [0.0]
