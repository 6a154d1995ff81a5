"""Figures of benchmarks: their medians, goals and spread, the file that keeps them, and how they are told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.__main__ import main
from bench.errors import BenchError, ResultError
from bench.perf.figures import Benchmarks, Better, Figure, Unit, benchmarks_of, read_benchmarks, write_benchmarks
from bench.perf.suite import ALL, chosen, table

if TYPE_CHECKING:
    from pathlib import Path


def _figure(*samples: float, name: str = "speed", better: Better = Better.MORE, goal: float | None = None) -> Figure:
    return Figure(name=name, unit=Unit.RATIO, better=better, samples=samples, goal=goal)


def _benchmarks(*figures: Figure, cores: int = 2) -> Benchmarks:
    return benchmarks_of(figures, datetime(2026, 1, 5, tzinfo=UTC), "abc", {"machine": "x86_64", "cores_usable": cores})


def _printed(now: Benchmarks, earlier: Benchmarks | None) -> str:
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        console.print(table(now, earlier))
    return captured.get()


def test_one_disturbed_sample_moves_nothing() -> None:
    """A figure is the median of its samples."""
    assert _figure(1.0, 1.1, 50.0).value == 1.1


@pytest.mark.parametrize(
    ("better", "goal", "reached"),
    [(Better.MORE, 1.0, True), (Better.MORE, 3.0, False), (Better.LESS, 3.0, True), (Better.LESS, 1.0, False)],
)
def test_a_goal_is_reached_in_the_better_direction(better: Better, goal: float, *, reached: bool) -> None:
    """More is better of a speed, less of a cost; the goal itself is enough."""
    assert _figure(2.0, better=better, goal=goal).reached is reached
    assert _figure(goal, better=better, goal=goal).reached is True
    assert _figure(2.0, better=better).reached is None


def test_samples_that_differ_too_much_are_called_unstable() -> None:
    """A reader is told where a small change cannot be seen, and not where too few samples say nothing."""
    assert not _figure(1.0, 1.01, 1.02, 0.99, 1.0).unstable
    assert _figure(1.0, 2.0, 3.0, 1.5, 2.5).unstable
    assert not _figure(1.0, 3.0).unstable


@given(st.lists(st.floats(0.001, 1e12), min_size=1, max_size=9))
def test_figures_are_read_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, samples: list[float]
) -> None:
    """Every sample survives the file."""
    path = tmp_path_factory.mktemp("perf") / "figures.json"
    written = _benchmarks(_figure(*samples, goal=1.0))
    write_benchmarks(path, written)
    assert read_benchmarks(path) == written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is no file of benchmarks"),
        ('{"schema_version": 2, "verdict": {}}', "is no file of benchmarks"),
        ('{"schema_version": 99, "figures": []}', "schema version 99"),
        ('{"schema_version": 1, "figures": [{"name": "x"}]}', "is not as its schema says"),
    ],
)
def test_what_is_no_file_of_benchmarks_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    """The message names the file and what is wrong with it."""
    path = tmp_path / "figures.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ResultError, match=said) as refused:
        read_benchmarks(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_figures_that_were_not_measured_again_are_kept() -> None:
    """Saving two benchmarks of six leaves the other four as they were."""
    earlier = _benchmarks(_figure(1.0, name="old"), _figure(1.0, name="both"))
    saved = _benchmarks(_figure(2.0, name="both")).with_others_of(earlier).by_name()
    assert (saved["old"].value, saved["both"].value) == (1.0, 2.0)


def test_the_table_tells_misses_ratios_and_another_machine() -> None:
    """A reader sees the goal that was missed, the ratio to the earlier run, and that the machines differ."""
    now = _benchmarks(_figure(2.0, goal=3.0), _figure(1.0, 2.0, 3.0, 1.5, 2.5, name="shaky"))
    text = _printed(now, _benchmarks(_figure(4.0), cores=64))
    assert "missed" in text
    assert "0.50" in text
    assert "unstable" in text
    assert "another machine then: cores_usable 64" in text
    assert "missed" not in _printed(_benchmarks(_figure(4.0, goal=3.0)), None)


def test_benchmarks_are_chosen_by_name() -> None:
    """Without names the usual ones, `all` for every one, and an unknown name is the user's mistake."""
    assert {one.name for one in ALL if one.default} == {one.name for one in chosen(None)}
    assert chosen(["all"]) == ALL
    assert {"reference", "streams", "naive"} <= {one.name for one in chosen(None)}
    assert [one.name for one in chosen(["generator", "decoding"])] == ["decoding", "generator"]
    with pytest.raises(BenchError, match="there is no benchmark speed: there are decoding"):
        chosen(["speed"])
    for one in ALL:
        assert callable(one.load())


def test_two_files_of_benchmarks_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`bench compare` takes two files of figures, and still refuses one beside a run's result."""
    for name, value in (("a", 4.0), ("b", 2.0)):
        write_benchmarks(tmp_path / f"{name}.json", _benchmarks(_figure(value)))
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 0
    assert "0.50" in capsys.readouterr().out
    result: dict[str, Any] = {"schema_version": 2}
    (tmp_path / "result.json").write_text(json.dumps(result), encoding="utf-8")
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "result.json")]) == 2
