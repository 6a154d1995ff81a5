"""Ticks in columns folded into minute bars in columns.

One key of integers for symbol and minute, and one for (time, row): grouping by them takes half the time of grouping by
names, and minimum and maximum find first and last tick without sorting.

Integers only, and proven not to overflow: polars wraps around without a word. Price times size may need more than 128
bits, so its sum is kept in two columns, `notional_whole` times 10^18 plus `notional_rest`, which is never negative.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from tickstream.decoding.frames import symbol_dtype
from tickstream.keys import NS_PER_MINUTE
from tickstream.ticks import NOTIONAL_SCALE, Updates

INT64_MAX: Final = 2**63 - 1
INT128_MAX: Final = 2**127 - 1
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
MAX_ROWS: Final = 2**_ROW_BITS
#: Cuts a size in two, each below it, where price times size might not fit.
_SIZE_SPLIT: Final = 10**12
_UPPER_IN_WHOLE: Final = NOTIONAL_SCALE // _SIZE_SPLIT
#: A symbol's number and a minute (27 bits up to the year 2100) in one integer.
_MINUTE_SPAN: Final = 2**32


def bars_of(ticks: pl.DataFrame) -> pl.DataFrame:
    """Fold ticks in columns of `TICK_SCHEMA` into bars of `BAR_SCHEMA`, in no order; offsets ascend.

    Rows stand in the order of their offsets, so ticks of one nanosecond stay in it.
    """
    if has_sequences(ticks, "sequence"):
        # Then their rows stand in the order of their sequences.
        ticks = ticks.sort("timestamp", "sequence", maintain_order=True)
    if ticks["symbol"].dtype == pl.String:
        ticks = ticks.with_columns(pl.col("symbol").cast(symbol_dtype()))
    restricted = "updates" in ticks.columns and bool((ticks["updates"] != Updates.ALL).any())
    size = pl.when(_may(Updates.VOLUME)).then("size").otherwise(0) if restricted else pl.col("size")
    keyed = ticks.lazy().select(
        "price", *(["updates"] if restricted else []), _KEY, size=size, place=_place_of(pl.int_range(pl.len()))
    )
    # As narrow as the largest possible sum allows.
    size = pl.col("size") if _largest(ticks, "size") * ticks.height <= INT64_MAX else pl.col("size").cast(pl.Int128)
    wide_price, wide_size = pl.col("price").cast(pl.Int128), pl.col("size").cast(pl.Int128)
    if _largest(ticks, "price") * _largest(ticks, "size") * ticks.height <= INT128_MAX:
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
        keyed.group_by("key")
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
    first_row, last_row = folded["first"] % MAX_ROWS, folded["last"] % MAX_ROWS
    begin = "begin" if restricted else "first"
    sequence = (
        ticks["sequence"] if "sequence" in ticks.columns else pl.repeat(0, ticks.height, dtype=pl.Int64, eager=True)
    )
    # Divisions round down, so that what is left is never negative.
    rest = pl.col("upper") % _UPPER_IN_WHOLE * _SIZE_SPLIT + pl.col("lower")
    return _with_times(folded, begin, "end" if restricted else "last").select(
        ticks["symbol"].gather(folded[begin] % MAX_ROWS).cast(pl.String),
        "minute",
        open=ticks["price"].gather(first_row),
        high="high",
        low="low",
        close=ticks["price"].gather(last_row),
        volume=pl.col("volume").cast(pl.Int128),
        ticks=pl.col("ticks").cast(pl.Int64),
        # What is left of a rest is below 10^18: however many bars are merged, no sum outgrows 128 bits.
        notional_whole=pl.col("upper") // _UPPER_IN_WHOLE + rest // NOTIONAL_SCALE,
        notional_rest=rest % NOTIONAL_SCALE,
        first_ns="first_ns",
        first_sequence=sequence.gather(first_row),
        first_offset=ticks["offset"].gather(first_row),
        last_ns="last_ns",
        last_sequence=sequence.gather(last_row),
        last_offset=ticks["offset"].gather(last_row),
        begin_ns="begin_ns",
        end_ns="end_ns",
    )


def bars_at_once(ticks: pl.LazyFrame, good: pl.Expr, offsets: pl.Series) -> pl.DataFrame | None:
    """Fold ticks as `bars_of` does, while they are read; None unless each is good, and where a sum might not fit.

    ticks: symbol (of `symbol_dtype`), timestamp, price and size; all of them update everything and have no sequence.
    good: whether a row is a tick for certain. offsets: one for each row, ascending; at most `MAX_ROWS`.
    """
    wide = pl.col("price").cast(pl.Int128) * pl.col("size").cast(pl.Int128)
    try:
        folded = (
            ticks.with_row_index("row")
            .select("symbol", "price", "size", _KEY, place=_place_of(pl.col("row")), good=good)
            .group_by("key")
            .agg(
                pl.col("symbol").first(),
                pl.col("price").min_by("place").alias("open"),
                pl.col("price").max().alias("high"),
                pl.col("price").min().alias("low"),
                pl.col("price").max_by("place").alias("close"),
                pl.col("size").sum().alias("volume"),
                pl.col("size").max().alias("largest"),
                pl.len().cast(pl.Int64).alias("ticks"),
                wide.sum().alias("notional"),
                pl.col("place").min().alias("first"),
                pl.col("place").max().alias("last"),
                pl.col("good").all(),
            )
            .collect(engine="streaming")
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        # It does not make of these rows what was proven.
        return None
    rows = offsets.len()
    if not folded["good"].all() or folded["ticks"].sum() != rows:
        return None
    largest = _largest(folded, "largest")
    highest = max(_largest(folded, "high"), _largest(folded, "low"))
    if largest * rows > INT64_MAX or highest * largest * rows > INT128_MAX:
        return None
    return _with_times(folded, "first", "last").select(
        pl.col("symbol").cast(pl.String),
        "minute",
        *("open", "high", "low", "close"),
        pl.col("volume").cast(pl.Int128),
        "ticks",
        notional_whole=pl.col("notional") // NOTIONAL_SCALE,
        notional_rest=pl.col("notional") % NOTIONAL_SCALE,
        first_ns="first_ns",
        first_sequence=pl.lit(0, pl.Int64),
        first_offset=offsets.gather(folded["first"] % MAX_ROWS),
        last_ns="last_ns",
        last_sequence=pl.lit(0, pl.Int64),
        last_offset=offsets.gather(folded["last"] % MAX_ROWS),
        begin_ns="begin_ns",
        end_ns="end_ns",
    )


_KEY: Final = (
    pl.col("symbol").to_physical().cast(pl.Int64) * _MINUTE_SPAN + pl.col("timestamp") // NS_PER_MINUTE
).alias("key")


def _place_of(row: pl.Expr) -> pl.Expr:
    return pl.col("timestamp") % NS_PER_MINUTE * MAX_ROWS + row.cast(pl.Int64)


def _with_times(folded: pl.DataFrame, begin: str, end: str) -> pl.DataFrame:
    """Add the minute, and the times of four of its places."""
    minute = pl.col("key") % _MINUTE_SPAN
    places = {"first_ns": "first", "last_ns": "last", "begin_ns": begin, "end_ns": end}
    return folded.with_columns(
        minute.alias("minute"),
        *((minute * NS_PER_MINUTE + pl.col(place) // MAX_ROWS).alias(name) for name, place in places.items()),
    )


def _may(update: Updates) -> pl.Expr:
    """Say of each tick whether it updates this."""
    return (pl.col("updates") & update.value) != 0


def has_sequences(frame: pl.DataFrame, column: str) -> bool:
    """Say whether a column of sequences is there and has one."""
    return column in frame.columns and bool((frame[column] != 0).any())


def _largest(ticks: pl.DataFrame, column: str) -> int:
    """Return the largest distance from zero in a column of integers."""
    found = ticks[column]
    return max(abs(int(found.min() or 0)), abs(int(found.max() or 0)))  # type: ignore[arg-type] # integers
