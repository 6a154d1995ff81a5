"""The runs of one workload on each engine, one after the other, and what they are when laid side by side."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from bench.agreement.differences import EXPLAINED, NOT_DONE, Difference, differences
from bench.agreement.engines import why_not_there
from bench.files import write_whole
from bench.report.html import write_report
from bench.report.result import EngineOpinion, read_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.agreement.engines import Engine
    from bench.report.console import Reporter

#: Lines of differences that are printed of an engine; all are in the file.
_MOST_LINES: Final = 20
#: A run that hangs does not keep the others from being compared: what is tried again comes after five minutes.
_TIMEOUT_S: Final = 900.0


@dataclass(slots=True)
class Opinion:
    """What came of one engine. absent: why it was not asked. broken: why its run gave no result. hung: it did not end.

    failed: red checks of its own verdict. result: the file of its run. different: from the first one's answers.
    """

    engine: str
    absent: str = ""
    broken: str = ""
    hung: bool = False
    failed: tuple[str, ...] = ()
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
            "failed_checks": list(self.failed),
            "items": self.items,
            "explained_by": self.reason,
            "differences": [one.line() for one in self.different],
        }


def opinions(
    engines: Sequence[Engine], pythons: Mapping[str, Path], options: Sequence[str], results: Path, reporter: Reporter
) -> list[Opinion]:
    """Make a run on each engine that is there, and compare.

    options: of `bench run`, the same for each. results: where the first one's result and report go, with all of them.
    """
    found: list[Opinion] = []
    with tempfile.TemporaryDirectory(prefix="tickstream-agree-") as folder:
        for engine in engines:
            if absent := why_not_there(engine, pythons):
                found.append(Opinion(engine.name, absent=absent))
                continue
            python = pythons.get(engine.name, engine.default_python())
            with reporter.phase(engine.name):
                found.append(_asked(engine, python, options, Path(folder, engine.name)))
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


def _asked(engine: Engine, python: Path, options: Sequence[str], folder: Path) -> Opinion:
    answers = folder / "answers.json"
    folder.mkdir()
    command = [
        str(python), "-m", "bench", "run", *engine.options, *options,
        "--answers", str(answers), "--results", str(folder / "results"),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return Opinion(engine.name, broken=f"its run did not end within {_TIMEOUT_S:.0f} s", hung=True)
    results = list((folder / "results").glob("*/result.json"))
    if done.returncode not in {0, 1} or not results:
        said = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        return Opinion(engine.name, broken=f"status {done.returncode}: {said[:300]}")
    checks = read_result(results[0]).verdict.checks
    failed = tuple(check.name for check in checks if not check.passed)
    document = json.loads(answers.read_text(encoding="utf-8")) if answers.is_file() else None
    return Opinion(engine.name, failed=failed, answers=document, result=results[0])


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
        for difference in () if one.is_explained else one.different[:_MOST_LINES]:
            reporter.line(f"{one.engine}: {difference.line()}")
    compared = sum(one.answers is not None for one in found)
    if compared < 2:
        reporter.line(f"{compared} engine answered: nothing was compared")
    return compared >= 2 and all(one.is_explained for one in found)
