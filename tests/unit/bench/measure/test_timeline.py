from __future__ import annotations

from dataclasses import replace

from bench.market_analytics.completion import Progress
from bench.market_analytics.recording.timeline import MAX_SAMPLES, Sample, Timeline, thinned

QUIET = Sample(
    at_s=0.0, acknowledged_rows=0, ticks=0, rejected=0, queued=0, in_flight=0, dead_letters=0, pending=0
)  # fmt: skip


def _samples(count: int) -> list[Sample]:
    return [replace(QUIET, at_s=float(index), ticks=index) for index in range(count)]


def test_a_short_run_keeps_every_sample() -> None:
    """As many as fit are all there, in their order."""
    samples = _samples(MAX_SAMPLES)
    assert thinned(samples) == samples
    assert thinned([]) == []


def test_a_long_run_keeps_its_ends_and_each_peak() -> None:
    """Of 10,000 looks the single one at which a queue stood at its highest is not thinned out."""
    samples = _samples(10_000)
    samples[4321] = replace(samples[4321], queued=9)
    samples[4322] = replace(samples[4322], in_flight=3)
    samples[4323] = replace(samples[4323], dead_letters=1)
    samples[7777] = replace(samples[7777], pending=5)
    kept = thinned(samples)
    assert 100 <= len(kept) <= MAX_SAMPLES
    assert kept == sorted(kept, key=lambda sample: sample.at_s)
    assert kept[0] == samples[0]
    assert kept[-1] == samples[-1]
    assert {samples[index] for index in (4321, 4322, 4323, 7777)} <= set(kept)


def test_no_length_brings_more_samples_than_fit() -> None:
    """Whatever the number of looks, with a peak of each kind in every group."""
    for count in (601, 719, 1_190, 5_003):
        samples = [
            replace(one, queued=index % 5, in_flight=index % 7, dead_letters=index % 11, pending=index % 13)
            for index, one in enumerate(_samples(count))
        ]
        assert len(thinned(samples)) <= MAX_SAMPLES


def test_a_look_is_noted_with_its_time() -> None:
    """A sample has the figures of the look, under the names of the result file."""
    progress = Progress(
        ingests=1,
        manifests=1,
        ranges=5,
        ranges_done=4,
        ticks=100,
        rejected=2,
        pending=3,
        hours=4,
        hours_rolled_up=1,
        queued=6,
        in_flight=7,
        dead_letters=8,
    )
    timeline = Timeline(lambda: 1.23456)
    timeline.note(progress, 200)
    assert timeline.facts() == [
        {
            "at_s": 1.235,
            "acknowledged_rows": 200,
            "ticks": 100,
            "rejected": 2,
            "queued": 6,
            "in_flight": 7,
            "dead_letters": 8,
            "pending": 3,
        }
    ]
