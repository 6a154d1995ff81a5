from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import bench.simulation.campaign
import bench.simulation.planted
from bench.__main__ import main
from bench.simulation.campaign import Campaign, finding_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.simulation.worker import Job


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--jobs", "0"], "--jobs"),
        (["--schedules", "0"], "--schedules"),
        (["--seed", "1"], "one --pipeline"),
        (["--pipeline", "aggregators", "--seed", "-1"], "seeds are"),
        (["--first", "-1"], "seeds are"),
        (["--pipeline", "aggregators", "--seed", "1", "--schedules", "2"], "one schedule"),
        (["--trace"], "--trace needs --seed"),
        (["--only", "wake-up-forgotten"], "--only is of --planted"),
        (["--planted", "--only", "nothing"], "no planted fault 'nothing'"),
        (["--planted", "--schedules", "5"], "choose with --only"),
        (["--pipeline", "postal"], "--pipeline"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line that names the option, with exit status 2."""
    try:
        status: object = main(["simulate", *arguments])
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line


def test_schedules_without_violation_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """Of all four parts, in processes of their own."""
    assert main(["simulate", "--schedules", "3", "--jobs", "1"]) == 0
    assert "PASSED 12 schedules" in capsys.readouterr().out


def test_a_long_run_says_how_far_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """At each tenth of a part, and not at every message of a worker."""

    def done(jobs: list[Job], _: int, tell: Callable[[Job, dict[str, Any]], None]) -> Campaign:
        for _ in range(100):
            tell(jobs[0], {"part": "aggregators", "done": 10, "steps": 2_000})
        return Campaign()

    monkeypatch.setattr(bench.simulation.campaign, "run_jobs", done)
    assert main(["simulate", "--pipeline", "aggregators", "--schedules", "1000"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("aggregators: ")]
    assert said == [f"aggregators: {hundreds * 100:,} of 1,000" for hundreds in range(1, 11)]


def test_a_violation_fails_and_says_how_to_replay_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line to paste, and the events that are left."""
    message: dict[str, Any] = {
        "part": "aggregators",
        "seed": 17,
        "kind": "ticks lost",
        "text": "AAA: 1 of 6",
        "events": 40,
        "lines": ["0.1 s: somebody", "event 1: never comes"],
    }

    def found(jobs: list[Job], _: int, tell: Callable[[Job, dict[str, Any]], None]) -> Campaign:
        tell(jobs[0], message)
        return Campaign(findings=[finding_of(message)])

    monkeypatch.setattr(bench.simulation.campaign, "run_jobs", found)
    assert main(["simulate"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "python -m bench simulate --pipeline aggregators --seed 17" in lines
    assert "  event 1: never comes" in lines


def test_a_seed_is_the_same_history_in_every_process(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order in which a process walks its sets."""
    said = []
    for hash_seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        assert main(["simulate", "--pipeline", "market-analytics", "--seed", "6", "--trace"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "DataAggregator 1, call 1: Count aggregator#lease" in said[0]


@pytest.mark.parametrize(("seeds", "status"), [(1_000, 0), (1, 1)])
def test_a_planted_fault_must_be_found_within_its_seeds(
    seeds: int, status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is not makes the command fail: the simulation is too weak then."""
    few: Callable[[str], bool] = lambda name: name == "wake-up-forgotten"  # noqa: E731
    planted = tuple(replace(one, seeds=seeds) for one in bench.simulation.planted.PLANTED if few(one.name))
    monkeypatch.setattr(bench.simulation.planted, "PLANTED", planted)
    assert main(["simulate", "--planted"]) == status
    said = capsys.readouterr().out
    assert ("not found: wake-up-forgotten" in said) == bool(status)
    assert ("found by seed" in said) != bool(status)
