"""The terminal: live progress where somebody watches, plain lines where a file or a CI job does."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.report.result import MUST_BE_ZERO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.ledger.verdict import Verdict

_PLAIN_EVERY_S: Final = 5.0


@dataclass(slots=True)
class Phases:
    """Seconds of each phase of a run, in order."""

    seconds: dict[str, float]


class Reporter:
    """Says what the run does. One console for everything, so that live display and lines do not tear each other."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.phases = Phases({})

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase and say how long it took."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.phases.seconds[name] = time.monotonic() - started
        self.console.print(f"{name:<24} {self.phases.seconds[name]:8.2f} s")

    def line(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, markup=False)

    @contextmanager
    def progress(self, display: Display) -> Iterator[None]:
        """Show progress while the block runs."""
        if not self.console.is_terminal:
            display.print_with(self.console)
            yield
            return
        with Live(display, console=self.console, refresh_per_second=4, transient=True):
            yield

    def verdict(self, verdict: Verdict, unit: str) -> None:
        """Print the verdict: counts of a unit (such as `ticks`), checks, and the first differences."""
        counts = Table(title=unit.capitalize(), title_justify="left")
        counts.add_column("what")
        counts.add_column("number", justify="right")
        for name, number in verdict.counts.items():
            style = None if name not in MUST_BE_ZERO else "bold red" if number else "green"
            counts.add_row(name, Text(f"{number:,}", style or ""))
        checks = Table(title="Checks", title_justify="left")
        checks.add_column("check")
        checks.add_column("result")
        checks.add_column("what was seen", overflow="fold")
        for check in verdict.checks:
            # What was seen may hold brackets, which are no markup.
            checks.add_row(check.name, "passed" if check.passed else "[bold red]FAILED[/]", Text(check.detail))
        self.console.print(counts)
        self._reasons(verdict.rejected_by_reason)
        self.console.print(checks)
        for example in verdict.examples:
            self.line(f"  {example}")
        for one in verdict.not_measured:
            self.line(f"not measured, so neither passed nor failed: {one}")
        self.console.print("[bold green]PASSED[/]" if verdict.passed else "[bold red]FAILED[/]")

    def summary(self, speed: str, facts: Mapping[str, Any]) -> None:
        """Print speed and memory, where the run departed from the deployed settings, what is not emulated."""
        memory_mib = (facts["peak_memory_bench_bytes"] + facts["peak_memory_target_bytes"]) / 2**20
        self.line(speed)
        self.line(f"peak memory {memory_mib:,.0f} MiB, bench and target together")
        for one in facts.get("deviations", ()):
            self.line(f"deviation: {one}")
        self.line("not emulated by this target, so neither passed nor failed:")
        for one in facts["not_emulated"]:
            self.line(f"  - {one}")

    def _reasons(self, by_reason: Mapping[str, Mapping[str, int]]) -> None:
        reasons = sorted({reason for numbers in by_reason.values() for reason in numbers})
        if not reasons:
            return
        table = Table(title="Rejected", title_justify="left")
        table.add_column("reason")
        for column in by_reason:
            table.add_column(column, justify="right")
        for reason in reasons:
            table.add_row(reason, *(f"{numbers.get(reason, 0):,}" for numbers in by_reason.values()))
        self.console.print(table)


class Display(ABC):
    """One line that says how far a run is: drawn on a terminal, otherwise printed when it has changed."""

    def __init__(self) -> None:
        self.started_s = time.monotonic()
        self._console: Console | None = None
        self._printed_at = self.started_s - _PLAIN_EVERY_S
        self._plain = ""
        self._was_last = False

    def print_with(self, console: Console) -> None:
        """Print plain lines instead of being drawn."""
        self._console = console

    @abstractmethod
    def text(self) -> str:
        """Say how far the run is."""

    def changed(self, *, last: bool) -> None:
        """On a plain console print what has changed, at most every few seconds, but the last state in any case."""
        now = time.monotonic()
        due = now - self._printed_at >= _PLAIN_EVERY_S or (last and not self._was_last)
        self._was_last = last
        if self._console is None or not due:
            return
        if (text := self.text()) != self._plain:
            self._console.print(text, markup=False)
            self._plain, self._printed_at = text, now

    def __rich__(self) -> str:
        return self.text()
