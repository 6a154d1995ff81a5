"""The benchmarks measure what they say, and a run that goes wrong is no figure."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

import polars as pl
import pytest

from bench.__main__ import main
from bench.perf import bars, commands, decoding, environments, feeds, packed, runs
from bench.perf.figures import Better
from bench.report.result import Result
from tests.unit.bench.report.result_sample import market_result
from tickstream.decoding import decode_span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tickstream.bars import Bar
    from tickstream.decoding import Decoded


@pytest.fixture(scope="module", autouse=True)
def made_once() -> Iterator[None]:
    """Make each sample once, and decode it once a repeat: how fast this machine is is not asked here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_ROUNDS_A_REPEAT", 1)
        native, all_of_them = cache(decoding.native_sample), cache(feeds.samples)
        patch.setattr(decoding, "native_sample", native)
        patch.setattr(feeds, "native_sample", native)
        patch.setattr(bars, "native_sample", native)
        patch.setattr(feeds, "samples", all_of_them)
        yield


def test_decoding_is_measured_against_bare_polars_on_the_same_rows() -> None:
    """Both sides read one range of whole rows; each repeat gives one ratio."""
    ratio, speed = decoding.measure(2)
    assert (ratio.goal, ratio.better, len(ratio.samples)) == (0.8, Better.MORE, 2)
    assert min(*ratio.samples, *speed.samples) > 0
    sample = decoding.native_sample()
    assert sample.content[sample.span.end - 1 : sample.span.end] == b"\n"


def test_feeds_are_measured_on_the_very_ticks_of_the_native_range() -> None:
    """Each ratio is of files of the same ticks, so that only the reading differs; feeds read the others."""
    native, renamed, local, conditioned = feeds.samples()
    bars = [
        {place: [_without_order(one) for one in some] for place, some in decode(sample).bars.items()}
        for sample in (native, renamed, local)
    ]
    assert bars[0] == bars[1] == bars[2]
    assert [bool(sample.layout.feed) for sample in (native, renamed, local)] == [False, True, True]
    # Some of these set no price, and all are ticks.
    assert decode(conditioned).ticks == decode(native).ticks


def test_feeds_have_a_ratio_each_repeat_and_a_goal() -> None:
    """The goals: 0.8 of a native file, with local times 0.6 of it and of bare polars, with sale conditions 0.85."""
    figures = feeds.measure(1)
    assert [(figure.goal, figure.better, len(figure.samples)) for figure in figures] == [
        (0.8, Better.MORE, 1),
        (0.6, Better.MORE, 1),
        (0.6, Better.MORE, 1),
        (0.85, Better.MORE, 1),
    ]
    assert all(figure.samples[0] > 0 for figure in figures)


def test_packed_ranges_are_measured_against_their_own_text() -> None:
    """The goals are those of the contract: 0.7 of plain text; an index is a small part of what it indexes."""
    figures = packed.measure(1)
    assert [figure.goal for figure in figures] == [0.7, 0.7, 0.4, 0.05]
    assert [figure.better for figure in figures] == [*[Better.MORE] * 3, Better.LESS]
    assert all(figure.samples[0] > 0 for figure in figures)


def test_bars_are_measured_in_the_slices_of_ranges_and_in_an_answer() -> None:
    """Each of the four takes CPU, and the answer is one of all bars of a day."""
    figures = bars.measure(1)
    assert [figure.goal for figure in figures] == [None, None, None, 15.0]
    assert all(figure.better is Better.LESS and figure.samples[0] > 0 for figure in figures)
    assert figures[-1].about.startswith("420 bars")


def test_reference_ticks_as_parquet_are_all_of_them_to_the_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that is sent has every row of the objects, in exact decimals; the figure is bare polars' share of it."""
    sent: list[pl.DataFrame] = []

    def run(*arguments: str) -> Result:
        sent.append(pl.read_parquet(arguments[1]))
        return Result.model_validate({**market_result(), "first_upload_to_last_rollup_s": 1000.0})

    objects = [b"symbol,timestamp,price,size\nA,1,0.1,3\n", b"symbol,timestamp,price,size\nB,2,-7,1.000000001\n"]
    monkeypatch.setattr(runs, "reference_objects", lambda: iter(objects))
    monkeypatch.setattr(runs, "run_of", run)
    (figure,) = runs.parquet(1)
    assert sent[0].rows() == [("A", 1, Decimal("0.1"), Decimal(3)), ("B", 2, Decimal(-7), Decimal("1.000000001"))]
    assert 0 < figure.value < 0.01


def _without_order(bar: Bar) -> tuple[int | None, ...]:
    """What of a bar does not depend on parts of a millisecond."""
    return bar.minute, bar.high_e9, bar.low_e9, bar.volume_e9, bar.ticks, bar.notional_e18


def decode(sample: decoding.Sample) -> Decoded:
    """What the pipeline makes of a sample."""
    return decode_span(sample.source, sample.layout, sample.span, lambda start, stop: sample.content[start:stop])


def test_the_generator_is_measured_against_all_that_it_imports() -> None:
    """The bare side imports every module of troposphere and awacs that the generator ends up with."""
    modules = commands._output("-c", commands._USED_MODULES).strip().split(",")
    assert {"troposphere.awslambda", "troposphere.dynamodb", "awacs.aws"} <= set(modules)
    ratio, _ = commands.generator(1)
    assert ratio.samples[0] > 0.5


def test_the_cpu_of_another_process_is_read_from_its_clock() -> None:
    """What a child computes counts, what it sleeps does not."""
    busy = "import time; t = time.process_time() + 0.2\nwhile time.process_time() < t: pass\nprint(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        seconds = environments._cpu_s(child.pid)
        child.communicate("\n")
    assert 0.2 <= seconds < 10


def _answered(status: int, out: str = "", error: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([sys.executable], status, out, error)


def test_a_failed_run_is_told_and_is_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the verdict fails, the command ends in 1 with the run's last words, and writes no file."""
    monkeypatch.setattr("bench.perf.runs.subprocess.run", lambda *_, **__: _answered(1, out="lost 3\nFAILED"))
    assert main(["perf", "--only", "streams", "--results", str(tmp_path)]) == 1
    assert "lost 3" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_that_could_not_be_made_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run's own sentence comes through, with status 2."""
    monkeypatch.setattr("bench.perf.runs.subprocess.run", lambda *_, **__: _answered(2, error="bench: no space left"))
    assert main(["perf", "--only", "streams", "--results", str(tmp_path)]) == 2
    assert "no space left" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--repeats", "0"], ["--only", "speed"]])
def test_a_mistake_is_one_line_before_anything_runs(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong number or name is answered at once."""
    assert main(["perf", *arguments, "--results", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "none").exists()
