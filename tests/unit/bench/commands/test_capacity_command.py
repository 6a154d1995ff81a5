"""`python -m bench capacity`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from bench.__main__ import main

MEASURED: Final = Path(__file__).parents[1] / "capacity" / "measured" / "new"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenario", "rush"], "no scenario 'rush'"),
        (["--set", "patience=3"], "no quota 'patience'"),
        (["--set", "api_rate"], "whole number"),
        (["--set", "api_rate=0"], "whole number"),
        (["--set", "api_rate=-5"], "whole number"),
        (["--set", "api_rate=1e3"], "whole number"),
        (["--design", "newest"], "--design"),
        (["--validate", "nowhere"], "no result nowhere"),
        (["--validate", "nowhere", "--set", "api_rate=5"], "--validate goes with --design alone"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line that names it, with exit status 2."""
    try:
        status: object = main(["capacity", *arguments])
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line


def test_a_scenario_is_told_for_both_designs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table, what held each up, and all of it as JSON."""
    path = tmp_path / "capacity.json"
    assert main(["capacity", "--scenario", "market-open", "--json", str(path)]) == 0
    said = capsys.readouterr().out
    assert "market-open, new: DynamoDB: 4,000 write units a second" in said
    old, new = json.loads(path.read_text(encoding="utf-8"))
    assert (old["design"], new["design"]) == ("old", "new")
    assert new["verdict"] == "settles"
    assert old["dead"] > 0
    assert old["sent"] == old["committed"] + old["dead"] == new["committed"]


def test_a_quota_that_is_raised_changes_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a warm table nothing of a market-wide day is held up for half an hour."""
    found = []
    for name, changed in (("as-is", []), ("warm", ["--set", "dynamodb_new_writes=40_000"])):
        path = tmp_path / f"{name}.json"
        assert main(["capacity", "--scenario", "market-open", "--design", "new", "--json", str(path), *changed]) == 0
        found.append(json.loads(path.read_text(encoding="utf-8"))[0]["visible_p99_s"])
    assert found[1] < found[0] / 2
    capsys.readouterr()


def test_the_docs_table_is_made_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text around it stays; another table is status 1 and says the cure; a file without one is a user's mistake."""
    path = tmp_path / "docs.md"
    head = "| scenario | design | verdict | visible p50, p99 | rolled up p50, p99 | done after | dollars | held up by |"
    path.write_text(f"before\n\n{head}\n| --- |\n| old figures |\n\nafter\n", encoding="utf-8")
    idle = ["capacity", "--scenario", "idle-day"]
    assert main([*idle, "--check", str(path)]) == 1
    assert "--docs" in capsys.readouterr().out
    assert main([*idle, "--docs", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"before\n\n{head}\n")
    assert text.endswith("| nothing |\n\nafter\n")
    assert "old figures" not in text
    assert main([*idle, "--check", str(path)]) == 0
    path.write_text("no table\n", encoding="utf-8")
    assert main([*idle, "--check", str(path)]) == 2
    assert "there is no table" in capsys.readouterr().err


def test_runs_that_are_foretold_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0, with what was measured beside what was foretold; the run that tells the machine is not judged."""
    machine, run = (str(MEASURED / f"{name}.json") for name in ("reference-1m", "reference-3m"))
    assert main(["capacity", "--validate", machine, run, "--machine", machine]) == 0
    said = capsys.readouterr().out
    assert "slowness of this machine: 1.7" in said
    assert "PASSED 1 runs foretold within 25%" in said


def test_a_machine_goes_with_runs_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """A scenario at AWS's quotas runs on no machine of ours: one line, exit status 2."""
    assert main(["capacity", "--scenario", "idle-day", "--machine", str(MEASURED / "smoke.json")]) == 2
    assert "--machine goes with --validate" in capsys.readouterr().err


def test_a_run_that_is_not_foretold_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, and it is said which figure is outside."""
    fields = json.loads((MEASURED / "reference-3m.json").read_text(encoding="utf-8"))
    path = tmp_path / "result.json"
    path.write_text(json.dumps(fields | {"first_upload_to_last_rollup_s": 3.0}), encoding="utf-8")
    assert main(["capacity", "--validate", str(path), "--machine", str(MEASURED / "reference-1m.json")]) == 1
    said = capsys.readouterr().out
    assert "outside" in said
    assert "FAILED 1 figures" in said
