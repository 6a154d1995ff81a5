"""Ticks of one source folded into minute bars: polars adds up within a block, `merge_two` between blocks.

Integers only, and proven not to overflow: polars wraps around without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.bars import Bar, Position, bar_of, merge_two
from tickstream.errors import ObjectRejected, Reason
from tickstream.keys import MINUTES_PER_HOUR, NS_PER_MINUTE
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tickstream.keys import SymbolHour

_INT128_MAX: Final = 2**127 - 1
#: Columns of ticks: price and size in 10^-9.
TICK_SCHEMA: Final = {
    "symbol": pl.String(),
    "timestamp": pl.Int64(),
    "price": pl.Int128(),
    "size": pl.Int128(),
    "offset": pl.Int64(),
}


class BarFold:
    """Adds up the ticks of one source. `max_bars`: the bound on memory; beyond it the object is too large."""

    def __init__(self, source: str, etag: str, max_bars: int) -> None:
        self._source = source
        self._etag = etag
        self._max_bars = max_bars
        self._hours: dict[SymbolHour, dict[int, Bar]] = {}
        self._bars = 0
        self.ticks = 0

    def add_frame(self, ticks: pl.DataFrame) -> None:
        """Add valid ticks in columns of `TICK_SCHEMA`, offsets ascending. Raises ObjectRejected (too_large)."""
        if ticks.is_empty():
            return
        self.ticks += ticks.height
        # A sum of price x size is left to polars only where the largest possible one fits.
        if _maximum(ticks, "price") * _maximum(ticks, "size") * ticks.height > _INT128_MAX:
            for *fields, offset in ticks.select(list(TICK_SCHEMA)).iter_rows():
                tick = Tick(*fields)
                self._add(tick.symbol, bar_of(tick, self._source, self._etag, offset))
            return
        # A stable sort: ticks of one nanosecond stay in the order of their offsets.
        ordered = ticks if ticks["timestamp"].is_sorted() else ticks.sort("timestamp", maintain_order=True)
        bars = ordered.group_by("symbol", (pl.col("timestamp") // NS_PER_MINUTE).alias("minute")).agg(
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.col("size").sum().alias("volume"),
            pl.len().alias("ticks"),
            (pl.col("price") * pl.col("size")).sum().alias("notional"),
            pl.col("timestamp").first().alias("first_ns"),
            pl.col("offset").first().alias("first_offset"),
            pl.col("timestamp").last().alias("last_ns"),
            pl.col("offset").last().alias("last_offset"),
        )
        source, etag = self._source, self._etag
        columns = (bars[name].to_list() for name in bars.columns)
        for symbol, minute, opened, high, low, close, volume, count, notional, *positions in zip(*columns, strict=True):
            first_ns, first_offset, last_ns, last_offset = positions
            first = Position(first_ns, source, etag, first_offset)
            last = Position(last_ns, source, etag, last_offset)
            self._add(symbol, Bar(minute, opened, high, low, close, volume, count, notional, first, last))

    def bars(self) -> Mapping[SymbolHour, tuple[Bar, ...]]:
        """Return the bars by symbol and hour, in order of time."""
        return {hour: tuple(minutes[minute] for minute in sorted(minutes)) for hour, minutes in self._hours.items()}

    def _add(self, symbol: str, bar: Bar) -> None:
        minutes = self._hours.setdefault((symbol, bar.minute // MINUTES_PER_HOUR), {})
        known = minutes.get(bar.minute)
        if known is not None:
            minutes[bar.minute] = merge_two(known, bar)
            return
        minutes[bar.minute] = bar
        self._bars += 1
        if self._bars > self._max_bars:
            raise ObjectRejected(
                Reason.TOO_LARGE, f"more than {self._max_bars} minute bars in one range: split the object"
            )


def tick_frame(positioned: Sequence[tuple[int, Tick]]) -> pl.DataFrame:
    """Put ticks, each with its offset, into columns in the order given."""
    ticks = [tick for _, tick in positioned]
    return pl.DataFrame(
        {
            "symbol": [tick.symbol for tick in ticks],
            "timestamp": [tick.timestamp_ns for tick in ticks],
            "price": [tick.price_e9 for tick in ticks],
            "size": [tick.size_e9 for tick in ticks],
            "offset": [offset for offset, _ in positioned],
        },
        schema=TICK_SCHEMA,
    )


def fold_ticks(positioned: Iterable[tuple[int, Tick]], source: str, etag: str) -> Mapping[SymbolHour, tuple[Bar, ...]]:
    """Fold posted ticks, each with its position in the request. `source`: the ingest id; `etag`: empty."""
    ordered = sorted(positioned, key=lambda pair: pair[0])
    fold = BarFold(source, etag, max_bars=len(ordered))
    fold.add_frame(tick_frame(ordered))
    return fold.bars()


def _maximum(ticks: pl.DataFrame, column: str) -> int:
    return int(ticks.select(pl.col(column).max()).item())
