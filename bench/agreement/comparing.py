"""The runs of one workload on each engine, one after the other, and what they are when laid side by side."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from bench.agreement.differences import EXPLAINED, NOT_DONE, Difference, differences
from bench.agreement.engines import why_not_there
from bench.files import write_whole
from bench.report.html import write_report
from bench.report.result import EngineOpinion, read_result
from bench.waiting import Patience, activity_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.agreement.engines import Engine
    from bench.report.console import Reporter

#: Lines of differences that are printed of an engine; all are in the file.
_MOST_LINES: Final = 20
#: Of what one check says, and of a broken run's last words.
_MOST_CHARACTERS: Final = 300
#: For how long a run that was told to end may do nothing.
_ENDS_S: Final = 60.0


@dataclass(slots=True)
class Opinion:
    """What came of one engine. absent: why it was not asked. broken: why its run gave no result. hung: it did not end.

    failed: red checks of its own verdict, with what they say. result: the file of its run. different: from the first
    one's answers.
    """

    engine: str
    absent: str = ""
    broken: str = ""
    hung: bool = False
    failed: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Mapping[str, Any]] | None = None
    result: Path | None = None
    items: int = 0
    different: list[Difference] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """What explains that it is not as the others: nothing where it did all that was asked of it."""
        return EXPLAINED.get(self.engine, "") if NOT_DONE in self.failed or self.hung else ""

    @property
    def agrees(self) -> bool:
        """Whether its verdict passed, and it answered what the first one did."""
        return not (self.absent or self.broken or self.failed or self.different)

    @property
    def is_explained(self) -> bool:
        """Whether nothing of it is left to be looked at."""
        return self.agrees or bool(self.absent) or bool(self.reason)

    def row(self) -> EngineOpinion:
        """Return it as a row of a table."""
        verdict = self.absent or self.broken or (f"FAILED: {', '.join(self.failed)}" if self.failed else "PASSED")
        conclusion = "agrees" if self.agrees else self.reason or ("" if self.absent else "NOT EXPLAINED")
        return EngineOpinion(
            engine=self.engine, verdict=verdict, items=self.items, different=len(self.different), conclusion=conclusion
        )

    def facts(self) -> dict[str, Any]:
        """Return it in plain JSON."""
        return {
            "engine": self.engine,
            "absent": self.absent,
            "broken": self.broken,
            "failed_checks": dict(self.failed),
            "items": self.items,
            "explained_by": self.reason,
            "differences": [one.line() for one in self.different],
        }


def opinions(
    engines: Sequence[Engine],
    pythons: Mapping[str, Path],
    options: Sequence[str],
    results: Path,
    reporter: Reporter,
    *,
    most_s: float,
) -> list[Opinion]:
    """Make a run on each engine that is there, and compare.

    options: of `bench run`, the same for each. results: where the first one's result and report go, with all of them.
    most_s: after which a run is ended; one that hangs does not keep the others from being compared.
    """
    found: list[Opinion] = []
    with tempfile.TemporaryDirectory(prefix="tickstream-agree-") as folder:
        for engine in engines:
            if absent := why_not_there(engine, pythons):
                found.append(Opinion(engine.name, absent=absent))
                continue
            python = pythons.get(engine.name, engine.default_python())
            with reporter.phase(engine.name):
                found.append(_asked(engine, python, options, Path(folder, engine.name), most_s))
        answered = [one for one in found if one.answers is not None]
        for one in answered:
            one.items = sum(map(len, (one.answers or {}).values()))
            if one is not answered[0]:
                one.different = list(differences(answered[0].answers or {}, one.answers or {}))
        if answered and answered[0].result is not None:
            reporter.line(f"report: {_reported(answered[0].result, found, results)}")
    return found


def _reported(result: Path, found: Sequence[Opinion], results: Path) -> Path:
    """Keep a run's folder with what all engines answered; return its report."""
    folder = results / result.parent.name
    shutil.copytree(result.parent, folder)
    fields = json.loads(result.read_bytes())
    fields["agreement"] = [one.row().model_dump() for one in found]
    write_whole(folder / result.name, json.dumps(fields, indent=2) + "\n")
    return write_report(folder)


def _asked(engine: Engine, python: Path, options: Sequence[str], folder: Path, most_s: float) -> Opinion:
    answers = folder / "answers.json"
    folder.mkdir()
    command = [
        str(python), "-m", "bench", "run", *engine.options, *options,
        "--answers", str(answers), "--results", str(folder / "results"),
    ]  # fmt: skip
    status, words = _run(command, folder / "words", most_s)
    if status is None:
        return Opinion(engine.name, broken=f"its run did not end within {most_s:.0f} s", hung=True)
    results = list((folder / "results").glob("*/result.json"))
    if status not in {0, 1} or not results:
        last = (words.strip() or "no word").splitlines()[-1]
        return Opinion(engine.name, broken=f"status {status}: {last[:_MOST_CHARACTERS]}")
    checks = read_result(results[0]).verdict.checks
    failed = {check.name: check.detail for check in checks if not check.passed}
    document = json.loads(answers.read_text(encoding="utf-8")) if answers.is_file() else None
    return Opinion(engine.name, failed=failed, answers=document, result=results[0])


def _run(command: Sequence[str], words: Path, most_s: float) -> tuple[int | None, str]:
    """Run a command; return its status, None where it had to be ended, and all that it said. words: where that goes.

    It is ended in good order, with the emulator that it started, whatever ends this.
    """
    in_order = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with words.open("wb") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=in_order
        )
    status = None
    try:
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(most_s)
    finally:
        process.terminate()
        patience = Patience(_ENDS_S, lambda: activity_of(process.pid))
        if wait_for(process.poll, patience) is None:
            process.kill()
            process.wait()
    return status, words.read_text(encoding="utf-8", errors="replace")


def table_of(found: Sequence[Opinion]) -> Table:
    """Lay them side by side: each against the first that answered."""
    drawn = Table(title="Engines", title_justify="left")
    for name in ("engine", "its own verdict", "answers", "different", "so"):
        drawn.add_column(name, overflow="fold")
    for row in (one.row() for one in found):
        drawn.add_row(row.engine, row.verdict, f"{row.items:,}", f"{row.different:,}", row.conclusion)
    return drawn


def say(found: Sequence[Opinion], reporter: Reporter) -> bool:
    """Print the table and what is not explained; return whether nothing is, and at least two could be compared."""
    reporter.console.print(table_of(found))
    for one in found:
        if one.is_explained:
            continue
        for name, detail in one.failed.items():
            reporter.line(f"{one.engine}: {name}: {detail[:_MOST_CHARACTERS]}")
        for difference in one.different[:_MOST_LINES]:
            reporter.line(f"{one.engine}: {difference.line()}")
    compared = sum(one.answers is not None for one in found)
    if compared < 2:
        reporter.line(f"{compared} engine answered: nothing was compared")
    return compared >= 2 and all(one.is_explained for one in found)
