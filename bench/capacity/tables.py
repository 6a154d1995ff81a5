"""The outcomes in the terminal, and as the table that the docs have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rich.table import Column, Table

from bench.errors import CapacityError
from bench.report.units import said_number, said_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from bench.capacity.outcome import Outcome
    from bench.capacity.validation import Foretold
    from bench.report.console import Reporter

#: Of each outcome.
COLUMNS: Final = ("scenario", "design", "verdict", "visible p50, p99", "rolled up p50, p99", "done after", "dollars")
_HOUR_S: Final = 3_600
#: The docs' table, from its head to its last row.
_TABLE: Final = re.compile(rf"^\| {re.escape(' | '.join(COLUMNS))} \|.*(?:\n\|.*)*", re.MULTILINE)


def show(outcomes: Sequence[Outcome], reporter: Reporter) -> None:
    """Print a table, and what held each of them up."""
    table = Table(*(Column(name, overflow="fold") for name in COLUMNS), title="Capacity", title_justify="left")
    for outcome in outcomes:
        table.add_row(*cells(outcome))
    reporter.console.print(table)
    for outcome in outcomes:
        for line in limit_lines(outcome):
            reporter.line(line)


def show_foretold(found: Sequence[Foretold], title: str, reporter: Reporter) -> None:
    """Print what was foretold of one run beside what was measured."""
    table = Table("what", title=title, title_justify="left")
    for column in ("measured", "foretold", "off", ""):
        table.add_column(column, justify="right")
    for one in found:
        said = ("[green]within[/]" if one.is_near else "[bold red]outside[/]") if one.judged else ""
        table.add_row(one.name, f"{one.measured:,.4g}", f"{one.foretold:,.4g}", said_off(one), said)
    reporter.console.print(table)


def said_off(one: Foretold) -> str:
    """By how much it is off, in per cent."""
    return f"{one.off:+.0%}" if one.measured else ""


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return the docs' table."""
    columns = (*COLUMNS, "held up by")
    rows = [columns, ("---",) * len(columns), *((*cells(one), said_holds(one)) for one in outcomes)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def with_table(text: str, outcomes: Sequence[Outcome]) -> str:
    """Return the docs' text with this table in place of the one that it has. Raises CapacityError where it has none."""
    replaced, number = _TABLE.subn(lambda _: markdown(outcomes), text, count=1)
    if not number:
        raise CapacityError(f"there is no table that begins with | {' | '.join(COLUMNS)}")
    return replaced


def limit_lines(outcome: Outcome) -> list[str]:
    """Say which limits held it up, the longest first, and what to do."""
    if not outcome.limits:
        return [f"{outcome.scenario}, {outcome.design}: no quota is met"]
    return [
        f"{outcome.scenario}, {outcome.design}: {held.what}; first after {said_time(held.first_s)}, for "
        f"{said_time(held.held_s)} in all; {held.remedy}"
        for held in outcome.limits
    ]


def said_holds(outcome: Outcome) -> str:
    """Say what held it up for longest, and what to raise."""
    held = outcome.holds
    return "nothing" if held is None else f"{held.what}; {held.remedy}"


def said_time(seconds: float | None) -> str:
    """In seconds, minutes or hours."""
    if seconds is None:
        return "never"
    if seconds < 2 * _HOUR_S:
        return said_seconds(seconds)
    return f"{said_number(round(seconds / _HOUR_S, 1))} h"


def said_dollars(outcome: Outcome) -> str:
    """Say what it costs, by the day where it goes on."""
    if outcome.usd_a_day is not None:
        return f"{_said_usd(outcome.usd_a_day)} a day"
    return _said_usd(outcome.usd)


def _said_usd(dollars: Decimal) -> str:
    return f"{dollars:,.2f}" if dollars >= 1 else f"{dollars:.3f}"


def cells(outcome: Outcome) -> tuple[str, ...]:
    """Return a row of the table, by `COLUMNS`."""
    return (
        outcome.scenario,
        outcome.design,
        outcome.verdict,
        _pair(outcome.visible_p50_s, outcome.visible_p99_s),
        _pair(outcome.rolled_up_p50_s, outcome.rolled_up_p99_s),
        _done_after(outcome),
        said_dollars(outcome),
    )


def _done_after(outcome: Outcome) -> str:
    if outcome.usd_a_day is not None:
        return "goes on"
    return said_time(outcome.rest_s)


def _pair(first: float | None, second: float | None) -> str:
    return "-" if first is None else f"{said_time(first)}, {said_time(second)}"
