"""Ticks of one source folded into minute bars, in columns from end to end: a range of a busy market has 50,000 bars.

Integers only, and proven not to overflow: polars wraps around without a word. What is too large for 128 bits is added
up tick by tick, in Python's integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.bars import Bar, bar_of, merge_two
from tickstream.decoding.folded import BAR_SCHEMA, FoldedBars
from tickstream.decoding.frames import symbol_dtype
from tickstream.errors import ObjectRejected, Reason
from tickstream.keys import MINUTES_PER_HOUR, NS_PER_MINUTE
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tickstream.keys import SymbolHour

_INT64_MAX: Final = 2**63 - 1
_INT128_MAX: Final = 2**127 - 1
#: Columns of ticks: price and size in 10^-9; by the grammar both are below 10^18.
TICK_SCHEMA: Final = {
    "symbol": pl.String(),
    "timestamp": pl.Int64(),
    "price": pl.Int64(),
    "size": pl.Int64(),
    "offset": pl.Int64(),
}
#: A tick's place within its minute and its row, in one integer: nanoseconds (36 bits) before the row's number.
_ROW_BITS: Final = 27
_MAX_ROWS: Final = 2**_ROW_BITS
#: A symbol's number and a minute (27 bits up to the year 2100) in one integer.
_MINUTE_SPAN: Final = 2**32


class BarFold:
    """Adds up the ticks of one source.

    max_bars: the bound on memory. max_hours: of symbols, each of which is a slice to write: the bound on time. Beyond
    them the object is too large.
    """

    def __init__(self, source: str, etag: str, max_bars: int, max_hours: int) -> None:
        self._source = source
        self._etag = etag
        self._max_bars = max_bars
        self._max_hours = max_hours
        self._frames: list[pl.DataFrame] = []
        self._by_hand: dict[tuple[str, int], Bar] | None = None
        self.ticks = 0

    def add_frame(self, ticks: pl.DataFrame) -> None:
        """Add valid ticks in columns of `TICK_SCHEMA`, offsets ascending. Raises ObjectRejected (too_large).

        Symbols may be of `symbol_dtype` too.
        """
        for some in ticks.iter_slices(_MAX_ROWS):
            self.ticks += some.height
            # A sum of price x size is left to polars only where the largest possible one fits.
            if self._by_hand is not None or _largest_notional(some) > _INT128_MAX:
                self._add_by_hand(some)
            else:
                self._frames.append(_bars_of(some))
        if self._count() > self._max_bars:
            self._merge()

    def bars(self) -> Mapping[SymbolHour, tuple[Bar, ...]]:
        """Return the bars by symbol and hour, in order of time. Raises ObjectRejected (too_large)."""
        bars = self._all_bars()
        # An hour has a bar at least; to count them takes time.
        if self._count() > self._max_hours and len(bars) > self._max_hours:
            raise ObjectRejected(
                Reason.TOO_LARGE,
                f"more than {self._max_hours} hours of symbols in one range: split the object, or make ranges smaller",
            )
        return bars

    def _all_bars(self) -> Mapping[SymbolHour, tuple[Bar, ...]]:
        self._merge()
        if self._by_hand is not None:
            hours: dict[SymbolHour, list[Bar]] = {}
            for symbol, minute in sorted(self._by_hand):
                hours.setdefault((symbol, minute // MINUTES_PER_HOUR), []).append(self._by_hand[symbol, minute])
            return {hour: tuple(bars) for hour, bars in hours.items()}
        (frame,) = self._frames or [pl.DataFrame(schema=BAR_SCHEMA)]
        return self._folded(frame)

    def _merge(self) -> None:
        """Make one frame of several. Raises ObjectRejected (too_large)."""
        if len(self._frames) > 1:
            together = pl.concat(self._frames)
            if int(together["notional"].max()) * len(self._frames) > _INT128_MAX:  # type: ignore[arg-type]
                self._turn_to_hand()
            else:
                self._frames = [_merged(together)]
        if self._count() > self._max_bars:
            raise ObjectRejected(
                Reason.TOO_LARGE, f"more than {self._max_bars} minute bars in one range: split the object"
            )

    def _count(self) -> int:
        return len(self._by_hand or ()) + sum(frame.height for frame in self._frames)

    def _turn_to_hand(self) -> dict[tuple[str, int], Bar]:
        if self._by_hand is None:
            self._by_hand = {}
        for frame in self._frames:
            for (symbol, _), bars in self._folded(frame).items():
                for bar in bars:
                    _add_bar(self._by_hand, symbol, bar)
        self._frames = []
        return self._by_hand

    def _folded(self, frame: pl.DataFrame) -> FoldedBars:
        return FoldedBars(frame, self._source, self._etag)

    def _add_by_hand(self, ticks: pl.DataFrame) -> None:
        by_hand = self._turn_to_hand()
        for *fields, offset in ticks.select(list(TICK_SCHEMA)).iter_rows():
            tick = Tick(*fields)
            _add_bar(by_hand, tick.symbol, bar_of(tick, self._source, self._etag, offset))
            if len(by_hand) > self._max_bars:
                self._merge()


def _add_bar(by_hand: dict[tuple[str, int], Bar], symbol: str, bar: Bar) -> None:
    known = by_hand.get((symbol, bar.minute))
    by_hand[symbol, bar.minute] = bar if known is None else merge_two(known, bar)


def _bars_of(ticks: pl.DataFrame) -> pl.DataFrame:
    """Fold ticks into bars of `BAR_SCHEMA`, in no order.

    One key of integers for symbol and minute, and one for (time, row): grouping by them takes half the time of
    grouping by names, and minimum and maximum find first and last tick without sorting. Rows stand in the order of
    their offsets, so ticks of one nanosecond stay in it.
    """
    symbol = ticks["symbol"]
    if symbol.dtype == pl.String:
        symbol = symbol.cast(symbol_dtype())
    minute = pl.col("timestamp") // NS_PER_MINUTE
    keyed = ticks.select(
        "price",
        "size",
        key=symbol.to_physical().cast(pl.Int64) * _MINUTE_SPAN + ticks["timestamp"] // NS_PER_MINUTE,
        place=(pl.col("timestamp") - minute * NS_PER_MINUTE) * _MAX_ROWS + pl.int_range(pl.len(), dtype=pl.Int64),
    )
    # As narrow as the largest possible sum allows.
    size = pl.col("size") if _maximum(ticks, "size") * ticks.height <= _INT64_MAX else pl.col("size").cast(pl.Int128)
    folded = (
        keyed.lazy()
        .group_by("key")
        .agg(
            pl.col("place").min().alias("first"),
            pl.col("place").max().alias("last"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            size.sum().alias("volume"),
            pl.len().alias("ticks"),
            (pl.col("price").cast(pl.Int128) * pl.col("size").cast(pl.Int128)).sum().alias("notional"),
        )
        .collect(engine="streaming")
    )
    first_row, last_row = folded["first"] % _MAX_ROWS, folded["last"] % _MAX_ROWS
    return folded.select(
        symbol.gather(first_row).cast(pl.String),
        minute=pl.col("key") % _MINUTE_SPAN,
        open=ticks["price"].gather(first_row),
        high="high",
        low="low",
        close=ticks["price"].gather(last_row),
        volume=pl.col("volume").cast(pl.Int128),
        ticks=pl.col("ticks").cast(pl.Int64),
        notional="notional",
        first_ns=ticks["timestamp"].gather(first_row),
        first_offset=ticks["offset"].gather(first_row),
        last_ns=ticks["timestamp"].gather(last_row),
        last_offset=ticks["offset"].gather(last_row),
    )


def _merged(bars: pl.DataFrame) -> pl.DataFrame:
    """Merge bars of one symbol and minute; the columns' version of `bars.merge_two`."""
    first, last = ("first_ns", "first_offset"), ("last_ns", "last_offset")
    return bars.group_by("symbol", "minute").agg(
        pl.col("open").sort_by(first).first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").sort_by(last).last(),
        pl.col("volume", "ticks", "notional").sum(),
        pl.col(first).sort_by(first).first(),
        pl.col(last).sort_by(last).last(),
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
    fold = BarFold(source, etag, max_bars=len(ordered), max_hours=len(ordered))
    fold.add_frame(tick_frame(ordered))
    return fold.bars()


def _largest_notional(ticks: pl.DataFrame) -> int:
    return _maximum(ticks, "price") * _maximum(ticks, "size") * ticks.height


def _maximum(ticks: pl.DataFrame, column: str) -> int:
    return int(ticks[column].max() or 0)  # type: ignore[arg-type] # a column of integers
