"""What engines answered side by side: what differs, what explains it, and what is not there."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from bench.__main__ import main
from bench.agreement import comparing
from bench.agreement.comparing import Opinion, opinions, say
from bench.agreement.differences import EXPLAINED, differences
from bench.agreement.engines import ENGINES, chosen, pythons_of, why_not_there
from bench.errors import TargetError
from bench.report.console import Reporter
from bench.report.result import read_result
from tests.unit.bench.report.result_sample import market_result

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWERS = {"bars": {"A 1": {"close": "1", "volume": "2"}, "A 2": {"close": "3", "volume": "4"}}, "rejects": {}}


def reporter() -> tuple[Reporter, StringIO]:
    """One whose words are kept."""
    said = StringIO()
    return Reporter(Console(file=said, width=200)), said


def test_equal_documents_have_no_differences() -> None:
    """Whatever the order of their items is."""
    other = {"rejects": {}, "bars": dict(reversed(ANSWERS["bars"].items()))}
    assert list(differences(ANSWERS, other)) == []


def test_each_difference_is_named_with_what_differs() -> None:
    """A bar that is missing, one with another figure, one too many: in order, with the unlike fields alone."""
    other = {"bars": {"A 2": {"close": "3", "volume": "5"}, "A 3": {"close": "6"}}}
    lines = [one.line() for one in differences(ANSWERS, other)]
    assert lines == [
        "bars A 1: {'close': '1', 'volume': '2'} / not there",
        "bars A 2: {'volume': '4'} / {'volume': '5'}",
        "bars A 3: not there / {'close': '6'}",
    ]


def test_a_long_difference_is_cut() -> None:
    """A thousand rejected rows are one line."""
    (one,) = differences({"rejects": {"x": ["y" * 10_000]}}, {"rejects": {"x": []}})
    assert len(one.line(50)) < 130


def test_an_engine_that_is_not_there_is_never_passed(tmp_path: Path) -> None:
    """Neither without its interpreter, nor where that has no such package; and it is said how to have it."""
    localstack, localemu, _ = ENGINES
    assert why_not_there(localstack, {"localstack": Path(sys.executable)}) == ""
    assert "start.py localemu" in why_not_there(localemu, {"localemu": tmp_path / "none"})
    assert "has no localemu" in why_not_there(localemu, {"localemu": Path(sys.executable)})


def made(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], failed: Sequence[str] = ()) -> list[Opinion]:
    """Opinions of three engines, of which the last one answers something else, or fails."""

    def asked(engine: Any, _python: Path, options: Sequence[str], _folder: Path, _most_s: float) -> Opinion:
        assert options == ["--workload", "smoke"]
        if engine.name != "ministack":
            return Opinion(engine.name, answers=ANSWERS)
        return Opinion(engine.name, answers=answers, failed=dict.fromkeys(failed, "said"))

    monkeypatch.setattr(comparing, "_asked", asked)
    monkeypatch.setattr(comparing, "why_not_there", lambda *_: "")
    return opinions(ENGINES, {}, ["--workload", "smoke"], Path("nowhere"), reporter()[0], most_s=60)


def test_engines_that_agree_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every item is the same."""
    kept, said = reporter()
    found = made(monkeypatch, ANSWERS)
    assert say(found, kept)
    assert said.getvalue().count("agrees") == 3


def test_a_difference_without_an_explanation_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is shown."""
    kept, said = reporter()
    found = made(monkeypatch, {"bars": {**ANSWERS["bars"], "A 2": {"close": "3", "volume": "9"}}, "rejects": {}})
    assert not say(found, kept)
    assert "ministack: bars A 2: {'volume': '4'} / {'volume': '9'}" in said.getvalue()


def test_what_an_engine_is_known_not_to_do_explains_its_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its own verdict is red for it; the finding is named, and nothing is called equal."""
    kept, said = reporter()
    monkeypatch.setitem(EXPLAINED, "ministack", "it reads nothing")
    found = made(monkeypatch, {"bars": {}, "rejects": {}}, failed=["everything processed"])
    assert say(found, kept)
    assert found[2].facts()["explained_by"]
    assert "FAILED: everything processed" in said.getvalue()
    assert said.getvalue().count("agrees") == 2


def test_what_is_known_explains_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that did everything, and whose rejected rows are wrong, is not excused by what it cannot read."""
    monkeypatch.setitem(EXPLAINED, "ministack", "it reads nothing")
    found = made(monkeypatch, {"bars": {}, "rejects": {}}, failed=["rejects"])
    kept, said = reporter()
    assert not say(found, kept)
    assert "ministack: rejects: said" in said.getvalue()
    assert found[2].facts()["explained_by"] == ""


def test_one_engine_alone_is_no_agreement() -> None:
    """Nothing was compared."""
    kept, said = reporter()
    assert not say([Opinion("localstack", answers=ANSWERS), Opinion("localemu", absent="not there")], kept)
    assert "nothing was compared" in said.getvalue()


def test_a_run_that_broke_is_not_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gave no answers; one that did not end is, where it is known why, and not otherwise."""
    kept, _ = reporter()
    fine = [Opinion("localstack", answers=ANSWERS), Opinion("ministack", answers=ANSWERS)]
    assert say(fine, kept)
    assert not say([*fine, Opinion("localemu", broken="status 2: no disk")], kept)
    assert not say([*fine, Opinion("ministack", broken="status 130: interrupted")], kept)
    hung = Opinion("ministack", broken="did not end", hung=True)
    assert not say([*fine, hung], kept)
    monkeypatch.setitem(EXPLAINED, "ministack", "it reads nothing")
    assert say([*fine, hung], kept)


def test_a_run_is_made_with_the_engines_own_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By its interpreter, to a result and its answers; red checks are those of the verdict."""

    def run(command: list[str], _words: Path, most_s: float) -> tuple[int, str]:
        folder = Path(command[command.index("--results") + 1]) / "1"
        folder.mkdir(parents=True)
        result = market_result()
        result["verdict"]["checks"] = [{"name": "bars", "passed": False, "detail": "9 wrong"}]
        (folder / "result.json").write_text(json.dumps(result))
        Path(command[command.index("--answers") + 1]).write_text(json.dumps(ANSWERS))
        assert command[:6] == ["/python", "-m", "bench", "run", "--target", "ministack"]
        assert most_s == 60
        return 1, ""

    monkeypatch.setattr(comparing, "_run", run)
    found = comparing._asked(ENGINES[2], Path("/python"), ["--workload", "smoke"], tmp_path / "run", 60)
    assert (found.failed, found.answers) == ({"bars": "9 wrong"}, ANSWERS)


def test_a_run_that_ends_is_heard_out(tmp_path: Path) -> None:
    """Its status and its last words, whichever way it says them."""
    code = "import sys; print('one'); sys.exit('two')"
    assert comparing._run([sys.executable, "-c", code], tmp_path / "words", 60) == (1, "one\ntwo\n")


def test_a_run_that_does_not_end_is_ended_in_good_order(tmp_path: Path) -> None:
    """It is told to, and has the time to end what it started."""
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit('all is ended'));"
        "print('ready', flush=True); time.sleep(600)"
    )
    for most_s in (1, 8, 64):  # until this machine has it begun by then
        status, words = comparing._run([sys.executable, "-c", code], tmp_path / "words", most_s)
        if words:
            break
    assert status is None
    assert words == "ready\nall is ended\n"


def test_the_report_of_the_first_run_has_what_all_engines_answered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A table of engines stands in it, also of the one that was not there; its result is read back."""

    def asked(engine: Any, _python: Path, _options: Sequence[str], folder: Path, _most_s: float) -> Opinion:
        run = folder / "20260105T143000Z-1"
        run.mkdir(parents=True)
        (run / "result.json").write_text(json.dumps(market_result()))
        answers = ANSWERS if engine.name == "localstack" else {"bars": {}, "rejects": {}}
        return Opinion(engine.name, answers=answers, result=run / "result.json")

    monkeypatch.setattr(comparing, "_asked", asked)
    monkeypatch.setattr(comparing, "why_not_there", lambda engine, _: "not here" * (engine.name == "ministack"))
    opinions(ENGINES, {}, [], tmp_path / "results", reporter()[0], most_s=60)
    folder = tmp_path / "results" / "20260105T143000Z-1"
    rows = [(one.engine, one.verdict, one.different) for one in read_result(folder).agreement]
    assert rows == [("localstack", "PASSED", 0), ("localemu", "PASSED", 2), ("ministack", "not here", 0)]
    page = (folder / "report.html").read_text()
    assert "The same run on other engines" in page
    assert "NOT EXPLAINED" in page


@pytest.mark.parametrize("text", ["moto", "localemu", "moto=/x"])
def test_options_that_mean_nothing_are_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An engine that nobody knows, a path without its engine."""
    with pytest.raises(TargetError):
        pythons_of([text])
    assert main(["agree", "--python", text]) == 2
    assert main(["agree", "--engines", "moto"]) == 2
    assert main(["agree", "--most-minutes", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 3
    assert [one.name for one in chosen(["ministack", "ministack"])] == ["ministack"]
