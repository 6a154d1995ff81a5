"""The bills in the terminal."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rich.table import Table

from bench.cost.account import ASSUMPTIONS
from bench.cost.bill import ARCHITECTURES

if TYPE_CHECKING:
    from bench.cost.account import Account
    from bench.cost.actual import Actual
    from bench.cost.bill import Bill
    from bench.report.console import Reporter

_DAYS_A_MONTH: Final = 30


def show(account: Account, reporter: Reporter) -> None:
    """Print everything."""
    unit, print_ = account.usage.unit, reporter.console.print
    reporter.line(f"{account.usage.units:,} {unit}; {account.prices.said}")
    print_(_bill(f"A million {unit}", account.million))
    if account.reading.lines:
        print_(_bill("Reading, in the whole run (not in the total)", account.reading))
    print_(_bill(f"Stored for a month, of a million {unit}", account.stored))
    print_(_bill("An idle day", account.idle))
    if unmeasured := account.idle_day.unmeasured:
        reporter.line(f"what schedules start is missing in it: this run did not measure {', '.join(unmeasured)}")
    print_(_days(account))
    if of_streams := account.streams:
        title = f"A day of {of_streams.streams:,} streams around the clock, {of_streams.objects:,} objects, idling too"
        print_(_bill(title, of_streams.bill))
    monthly = Table(title="Options, by the month whatever is sent", title_justify="left")
    monthly.add_column("what")
    monthly.add_column("dollars", justify="right")
    for name, dollars in account.options().items():
        monthly.add_row(name, f"{dollars:.2f}")
    print_(monthly)
    for sentence in ASSUMPTIONS:
        reporter.line(f"- {sentence}")


def show_actual(actual: Actual, reporter: Reporter) -> None:
    """Print what was billed beside what was predicted."""
    until = actual.end - timedelta(days=1)
    days = f"{actual.first}" if until == actual.first else f"{actual.first} to {until}"
    table = Table(title=f"Billed for {days} (UTC)", title_justify="left", show_footer=True)
    table.add_column("service", footer="total")
    for name, figures in (
        ("predicted", [line.predicted for line in actual.lines]),
        ("the stack", [line.of_the_stack for line in actual.lines]),
        ("the whole region", [line.of_the_region for line in actual.lines]),
    ):
        table.add_column(f"dollars, {name}", justify="right", footer=said_dollars(sum(figures, Decimal(0))))
    for line in actual.lines:
        table.add_row(line.service, *map(said_dollars, (line.predicted, line.of_the_stack, line.of_the_region)))
    reporter.console.print(table)
    if not actual.knows_stack:
        reporter.line(
            "nothing stands under the stack's name: activate the cost allocation tag aws:cloudformation:stack-name "
            "before a run; until then the region's whole bill of these days is the upper bound"
        )
    if not actual.is_final:
        reporter.line("AWS still calls this an estimate: ask again later")


def _bill(title: str, bill: Bill) -> Table:
    table = Table(title=title, title_justify="left", show_footer=True)
    table.add_column("service", footer="total")
    table.add_column("what")
    table.add_column("number", justify="right")
    for one in ARCHITECTURES:
        table.add_column(f"dollars, {one}", justify="right", footer=said_dollars(bill.total(one)))
    for line in bill.lines:
        table.add_row(
            line.price.service,
            line.price.unit,
            said_quantity(line.quantity),
            *(said_dollars(line.dollars[one]) for one in ARCHITECTURES),
        )
    return table


def _days(account: Account) -> Table:
    table = Table(title=f"A day, {account.usage.unit} and idling", title_justify="left")
    table.add_column(account.usage.unit, justify="right")
    for one in ARCHITECTURES:
        table.add_column(f"dollars, {one}", justify="right")
    for units, bill in ((0, account.idle), *account.days.items()):
        table.add_row(f"{units:,}", *(f"{bill.total(one):,.4f}" for one in ARCHITECTURES))
    table.add_row(
        f"0, for {_DAYS_A_MONTH} days", *(f"{account.idle.total(one) * _DAYS_A_MONTH:,.4f}" for one in ARCHITECTURES)
    )
    return table


def said_dollars(dollars: Decimal) -> str:
    """Write dollars of little: to the millionth."""
    return f"{dollars:,.6f}"


def said_quantity(quantity: Decimal) -> str:
    """Write a number of units: whole where it is large, with three digits where it is small."""
    return f"{quantity:,.0f}" if quantity >= 100 else f"{quantity:.3g}"
