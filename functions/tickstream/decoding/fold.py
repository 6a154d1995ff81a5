"""Ticks of one source folded into minute bars, in columns from end to end: a range of a busy market has 50,000 bars.

Integers only, and proven not to overflow: polars wraps around without a word. Price times size may need more than 128
bits, so its sum is kept in two columns, `notional_whole` times 10^18 plus `notional_rest`, which is never negative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.decoding.folded import BAR_SCHEMA, FoldedBars
from tickstream.decoding.frames import symbol_dtype
from tickstream.errors import ObjectRejected, Reason
from tickstream.keys import NS_PER_MINUTE
from tickstream.ticks import NOTIONAL_SCALE, Updates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tickstream.bars import Bar
    from tickstream.keys import SymbolHour
    from tickstream.ticks import Tick

_INT64_MAX: Final = 2**63 - 1
_INT128_MAX: Final = 2**127 - 1
#: Columns of ticks: price and size in 10^-9, within the bounds of the grammar. `size` may be of 128 bits, and is where
#: one of them needs it. `sequence` may be left out where all are 0, `updates` where all are `Updates.ALL`.
TICK_SCHEMA: Final = {
    "symbol": pl.String(),
    "timestamp": pl.Int64(),
    "price": pl.Int64(),
    "size": pl.Int64(),
    "sequence": pl.Int64(),
    "updates": pl.UInt8(),
    "offset": pl.Int64(),
}
#: A tick's place within its minute and its row, in one integer: nanoseconds (36 bits) before the row's number. So many
#: rows at most are folded at a time that the sums of what `_SIZE_SPLIT` leaves fit 128 bits: 9 x 10^30 each.
_ROW_BITS: Final = 24
_MAX_ROWS: Final = 2**_ROW_BITS
#: Cuts a size in two, each below it, where price times size might not fit.
_SIZE_SPLIT: Final = 10**12
_UPPER_IN_WHOLE: Final = NOTIONAL_SCALE // _SIZE_SPLIT
#: A symbol's number and a minute (27 bits up to the year 2100) in one integer.
_MINUTE_SPAN: Final = 2**32
_POSITION_SPAN: Final = 2**62


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
        self._merged_bars = 0
        self.ticks = 0

    def add_frame(self, ticks: pl.DataFrame) -> None:
        """Add valid ticks in columns of `TICK_SCHEMA`, offsets ascending. Raises ObjectRejected (too_large).

        Symbols may be of `symbol_dtype` too.
        """
        for some in ticks.iter_slices(_MAX_ROWS):
            self.ticks += some.height
            self._frames.append(_bars_of(some))
        # Not whenever there is one too many: a merge that leaves nearly all of them would come with each block.
        if self._count() > max(self._max_bars, self._merged_bars + self._max_bars // 2):
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
        (frame,) = self._frames or [pl.DataFrame(schema=BAR_SCHEMA)]
        return FoldedBars(frame, self._source, self._etag)

    def _merge(self) -> None:
        """Make one frame of several. Raises ObjectRejected (too_large)."""
        if len(self._frames) > 1:
            self._frames = [_merged(pl.concat(self._frames))]
            self._merged_bars = self._count()
        if self._count() > self._max_bars:
            raise ObjectRejected(
                Reason.TOO_LARGE, f"more than {self._max_bars} minute bars in one range: split the object"
            )

    def _count(self) -> int:
        return sum(frame.height for frame in self._frames)


def _bars_of(ticks: pl.DataFrame) -> pl.DataFrame:
    """Fold ticks into bars of `BAR_SCHEMA`, in no order.

    One key of integers for symbol and minute, and one for (time, row): grouping by them takes half the time of
    grouping by names, and minimum and maximum find first and last tick without sorting. Rows stand in the order of
    their offsets, so ticks of one nanosecond stay in it.
    """
    if _has_sequences(ticks, "sequence"):
        # Then their rows stand in the order of their sequences.
        ticks = ticks.sort("timestamp", "sequence", maintain_order=True)
    symbol = ticks["symbol"]
    if symbol.dtype == pl.String:
        symbol = symbol.cast(symbol_dtype())
    minute = pl.col("timestamp") // NS_PER_MINUTE
    restricted = "updates" in ticks.columns and bool((ticks["updates"] != Updates.ALL).any())
    size = pl.when(_may(Updates.VOLUME)).then("size").otherwise(0) if restricted else pl.col("size")
    keyed = ticks.select(
        "price",
        *(["updates"] if restricted else []),
        size=size,
        key=symbol.to_physical().cast(pl.Int64) * _MINUTE_SPAN + ticks["timestamp"] // NS_PER_MINUTE,
        place=(pl.col("timestamp") - minute * NS_PER_MINUTE) * _MAX_ROWS + pl.int_range(pl.len(), dtype=pl.Int64),
    )
    # As narrow as the largest possible sum allows.
    size = pl.col("size") if _largest(ticks, "size") * ticks.height <= _INT64_MAX else pl.col("size").cast(pl.Int128)
    wide_price, wide_size = pl.col("price").cast(pl.Int128), pl.col("size").cast(pl.Int128)
    if _largest(ticks, "price") * _largest(ticks, "size") * ticks.height <= _INT128_MAX:
        upper, lower = pl.lit(0, pl.Int128), wide_price * wide_size
    else:
        upper, lower = wide_price * (wide_size // _SIZE_SPLIT), wide_price * (wide_size % _SIZE_SPLIT)
    ends, extremes = pl.col("place"), pl.col("price")
    if restricted:
        ends, extremes = (
            pl.when(_may(which)).then(column)
            for which, column in ((Updates.OPEN_CLOSE, ends), (Updates.HIGH_LOW, extremes))
        )
    folded = (
        keyed.lazy()
        .group_by("key")
        .agg(
            *([pl.col("place").min().alias("begin"), pl.col("place").max().alias("end")] if restricted else []),
            ends.min().alias("first"),
            ends.max().alias("last"),
            extremes.max().alias("high"),
            extremes.min().alias("low"),
            size.sum().alias("volume"),
            pl.len().alias("ticks"),
            upper.sum().alias("upper"),
            lower.sum().alias("lower"),
        )
        .collect(engine="streaming")
    )
    # Null where no tick may set open and close.
    first_row, last_row = folded["first"] % _MAX_ROWS, folded["last"] % _MAX_ROWS
    begin_row, end_row = (
        (folded["begin"] % _MAX_ROWS, folded["end"] % _MAX_ROWS) if restricted else (first_row, last_row)
    )
    sequence = (
        ticks["sequence"] if "sequence" in ticks.columns else pl.repeat(0, ticks.height, dtype=pl.Int64, eager=True)
    )
    # Divisions round down, so that what is left is never negative.
    rest = pl.col("upper") % _UPPER_IN_WHOLE * _SIZE_SPLIT + pl.col("lower")
    return folded.select(
        symbol.gather(begin_row).cast(pl.String),
        minute=pl.col("key") % _MINUTE_SPAN,
        open=ticks["price"].gather(first_row),
        high="high",
        low="low",
        close=ticks["price"].gather(last_row),
        volume=pl.col("volume").cast(pl.Int128),
        ticks=pl.col("ticks").cast(pl.Int64),
        # What is left of a rest is below 10^18: however many bars are merged, no sum outgrows 128 bits.
        notional_whole=pl.col("upper") // _UPPER_IN_WHOLE + rest // NOTIONAL_SCALE,
        notional_rest=rest % NOTIONAL_SCALE,
        first_ns=ticks["timestamp"].gather(first_row),
        first_sequence=sequence.gather(first_row),
        first_offset=ticks["offset"].gather(first_row),
        last_ns=ticks["timestamp"].gather(last_row),
        last_sequence=sequence.gather(last_row),
        last_offset=ticks["offset"].gather(last_row),
        begin_ns=ticks["timestamp"].gather(begin_row),
        end_ns=ticks["timestamp"].gather(end_row),
    )


def _may(update: Updates) -> pl.Expr:
    """Say of each tick whether it updates this."""
    return (pl.col("updates") & update.value) != 0


def _merged(bars: pl.DataFrame) -> pl.DataFrame:
    """Merge bars of one symbol and minute; the columns' version of `bars.merge_two`."""
    return (
        bars.lazy()
        .with_columns(first=_place(bars, "first"), last=_place(bars, "last"))
        .group_by("symbol", "minute")
        .agg(
            pl.col("open", "first_ns", "first_sequence", "first_offset").min_by("first"),
            pl.col("close", "last_ns", "last_sequence", "last_offset").max_by("last"),
            pl.col("high", "end_ns").max(),
            pl.col("low", "begin_ns").min(),
            pl.col("volume", "ticks", "notional_whole", "notional_rest").sum(),
        )
        .select(BAR_SCHEMA.keys())
        .collect()
    )


def _place(bars: pl.DataFrame, end: str) -> pl.Expr:
    """Return a number for the place of each bar's first or last tick in the order of ticks.

    A bar without comes after all that have a first, and before all that have a last.
    """
    if _has_sequences(bars, f"{end}_sequence"):
        order = pl.arg_sort_by(f"{end}_ns", f"{end}_sequence", f"{end}_offset", nulls_last=end == "first")
        return pl.lit(bars.select(order).to_series().arg_sort())
    # Time and offset in one number: both are below 2^62.
    place = pl.col(f"{end}_ns").cast(pl.Int128) * _POSITION_SPAN + pl.col(f"{end}_offset")
    return place.fill_null(_INT128_MAX if end == "first" else -1)


def _has_sequences(frame: pl.DataFrame, column: str) -> bool:
    return column in frame.columns and bool((frame[column] != 0).any())


def tick_frame(positioned: Sequence[tuple[int, Tick]]) -> pl.DataFrame:
    """Put ticks, each with its offset, into columns in the order given."""
    ticks = [tick for _, tick in positioned]
    sizes = [tick.size_e9 for tick in ticks]
    wide = max(sizes, default=0) > _INT64_MAX
    return pl.DataFrame(
        {
            "symbol": [tick.symbol for tick in ticks],
            "timestamp": [tick.timestamp_ns for tick in ticks],
            "price": [tick.price_e9 for tick in ticks],
            "size": sizes,
            "sequence": [tick.sequence for tick in ticks],
            "updates": [tick.updates for tick in ticks],
            "offset": [offset for offset, _ in positioned],
        },
        schema={**TICK_SCHEMA, "size": pl.Int128()} if wide else TICK_SCHEMA,
    )


def fold_ticks(positioned: Iterable[tuple[int, Tick]], source: str, etag: str) -> Mapping[SymbolHour, tuple[Bar, ...]]:
    """Fold posted ticks, each with its position in the request. `source`: the ingest id; `etag`: empty."""
    ordered = sorted(positioned, key=lambda pair: pair[0])
    fold = BarFold(source, etag, max_bars=len(ordered), max_hours=len(ordered))
    fold.add_frame(tick_frame(ordered))
    return fold.bars()


def _largest(ticks: pl.DataFrame, column: str) -> int:
    """Return the largest distance from zero in a column of integers."""
    found = ticks[column]
    return max(abs(int(found.min() or 0)), abs(int(found.max() or 0)))  # type: ignore[arg-type] # integers
