"""Columns of ticks, read by polars: exact where they answer, null where the strict path must decide."""

from __future__ import annotations

from typing import Final

import polars as pl

from tickstream.ticks import (
    EARLIEST_NS,
    FRACTION_DIGITS,
    LATEST_NS,
    NANOSECONDS_PATTERN,
    PLAIN_PRICE_PATTERN,
    PRICE_LIMIT_E9,
)

# Narrower than `parse_timestamp_ns` where clocks differ in what they accept (leap seconds, 24:00): those are for it.
TIMESTAMP_PATTERN: Final = (
    rf"(?:{NANOSECONDS_PATTERN}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(?:Z| UTC|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))"
)


def symbol_dtype() -> pl.Categorical:
    """Return a type for symbols that are grouped by: numbers, whose names live no longer than the block they are of."""
    return pl.Categorical(pl.Categories.random())


def plausible() -> pl.Expr:
    """Say of each row whether its numbers are within the bounds of a tick; a value that is not there is not."""
    return (
        pl.col("timestamp").is_between(EARLIEST_NS, LATEST_NS, closed="left")
        & pl.col("price").is_between(-PRICE_LIMIT_E9, PRICE_LIMIT_E9, closed="none")
        & (pl.col("size") >= 0)
        & pl.col("symbol").is_not_null()
    ).fill_null(value=False)


def timestamps_ns(proven: pl.Series) -> pl.Series:
    """Unix nanoseconds from texts of `TIMESTAMP_PATTERN` (or null); null where only the strict path can tell.

    Numbers are nanoseconds already.
    """
    if proven.dtype == pl.Int64:
        return proven
    integers = proven.cast(pl.Int64, strict=False)
    if integers.null_count() == proven.null_count():
        return integers
    return pl.select(pl.coalesce(integers, _iso_8601_ns(pl.lit(proven)))).to_series().alias(proven.name)


def _iso_8601_ns(text: pl.Expr) -> pl.Expr:
    # Seconds, fraction and offset apart, each exact; a day that is not in the calendar becomes null.
    seconds = (
        (text.str.head(10) + text.str.slice(11, 8))
        .str.to_datetime("%Y-%m-%d%H:%M:%S", time_unit="ms", strict=False)
        .dt.epoch("s")
    )
    fraction_ns = text.str.extract(r"\.([0-9]+)").fill_null("0").str.pad_end(9, "0").cast(pl.Int64)
    hours_and_minutes = text.str.extract_groups(r":[0-9.]+([+-])([0-9]{2})(?::?([0-9]{2}))?\z")
    hours = hours_and_minutes.struct.field("2").cast(pl.Int64)
    minutes = hours_and_minutes.struct.field("3").cast(pl.Int64).fill_null(0)
    sign = pl.when(hours_and_minutes.struct.field("1") == "-").then(-1).otherwise(1)
    offset_seconds = (sign * (hours * 3600 + minutes * 60)).fill_null(0)
    # In 128 bits: the year 9999 does not wrap around into our century.
    return ((seconds - offset_seconds).cast(pl.Int128) * 10**9 + fraction_ns).cast(pl.Int64, strict=False)


def decimal_e9(text: pl.Expr) -> pl.Expr:
    """Int64 of 10^-9 from text; null where it is no plain number, whose form keeps it below 10^18."""
    value = text.cast(pl.Decimal(38, FRACTION_DIGITS), strict=False).to_physical().cast(pl.Int64, strict=False)
    return pl.when(text.str.contains(rf"\A{PLAIN_PRICE_PATTERN}\z")).then(value)
