"""What a run prints at its end."""

from __future__ import annotations

import io
import re

from rich.console import Console

from bench.ledger.verdict import Check, Verdict
from bench.report.console import Reporter


def _printed(verdict: Verdict) -> str:
    said = io.StringIO()
    Reporter(Console(file=said, width=120, force_terminal=True, color_system="standard")).verdict(verdict, "ticks")
    return said.getvalue()


def test_a_count_that_must_be_zero_stands_out() -> None:
    """A loss is red on a terminal, none is green, and what may be any number is neither."""
    printed = _printed(Verdict({"attempted": 1_000, "lost": 3, "duplicated": 0}, ()))
    assert re.search(r"\x1b\[1;31m +3\x1b\[0m", printed)
    assert re.search(r"\x1b\[32m +0\x1b\[0m", printed)
    assert " 1,000 " in printed


def test_brackets_in_what_was_seen_are_printed() -> None:
    """What a check saw is no markup: a bracket in it neither vanishes nor breaks the verdict."""
    printed = _printed(Verdict({}, (Check("reading back", passed=False, detail="key [/bold] [red]x"),)))
    assert "key [/bold] [red]x" in printed
