"""What a trial found, for a person to read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tickstream.keys import NS_PER_MINUTE
from tickstream.ticks import format_scaled
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from tickstream.errors import ObjectRejected
    from tickstream_client.feeds.trial import Trial

_BARS = 5
_UPDATES = ("open/close", "high/low", "volume")
_RAW_CHARACTERS = 100


def show_refusal(key: str, refusal: ObjectRejected) -> None:
    """Print why a file would be refused."""
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{escape(key)}: refused as a whole, [bold]{refusal.reason}[/]: {escape(refusal.detail)}")


def show_trial(key: str, trial: Trial) -> None:
    """Print feed, counts, first rows and first bars."""
    # Into a file or a pipe the width of a page, and not of a terminal that nobody looks at.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    layout = trial.layout
    packed = "" if layout.container == "plain" else f" in {layout.container}"
    console.print(f"{escape(key)}: feed [bold]{trial.feed}[/], {layout.format}{packed}", soft_wrap=True)
    if trial.sampled:
        console.print(f"a sample: {trial.sampled} (all of it: --all)")
    counts = trial.counts
    table = _table("rows", "ticks", "skipped", "cancelled", "rejected")
    rejected = ", ".join(f"{number} {reason}" for reason, number in counts["rejected"].items()) or "0"
    table.add_row(*(f"{counts[name]:,}" for name in ("rows", "ticks", "skipped", "cancelled")), rejected)
    console.print(table)
    if trial.first_ticks:
        table = _table("symbol", "time", "price", "size", "sequence", "updates")
        for symbol, timestamp_ns, price, size, sequence, *updates in trial.first_ticks:
            names = [name for name, is_updated in zip(_UPDATES, updates, strict=True) if is_updated == "true"]
            said = "all" if len(names) == len(_UPDATES) else ", ".join(names) or "nothing"
            table.add_row(escape(symbol), iso_8601(int(timestamp_ns)), price, size, sequence, said)
        console.print("first ticks", table)
    if trial.first_rejects:
        table = _table("offset", "reason", "row")
        for row in trial.first_rejects:
            shown = row.raw[:_RAW_CHARACTERS].decode(errors="replace")
            table.add_row(f"{row.offset:,}", f"{row.reason}: {escape(row.detail)}", escape(repr(shown)[1:-1]))
        console.print("first rejects", table)
    if trial.bars:
        console.print("first bars", _bars(trial))


def _bars(trial: Trial) -> Table:
    table = _table("symbol", "minute", "open", "high", "low", "close", "volume", "vwap", "ticks")
    for symbol, bars in trial.bars.items():
        for bar in bars[:_BARS]:
            prices = (bar.open_e9, bar.high_e9, bar.low_e9, bar.close_e9, bar.volume_e9)
            texts = ("" if one is None else format_scaled(one) for one in (*prices, bar.vwap_e9))
            table.add_row(escape(symbol), iso_8601(bar.minute * NS_PER_MINUTE), *texts, f"{bar.ticks:,}")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        right: Any = "left" if column in {"symbol", "time", "updates", "minute", "reason", "row"} else "right"
        table.add_column(column, justify=right, overflow="fold")
    return table
