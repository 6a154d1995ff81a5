"""Columns of ticks, read by polars: exact where they answer, null where the strict path must decide."""

from __future__ import annotations

from typing import Final

import polars as pl

from tickstream.ticks import EARLIEST_NS, FRACTION_DIGITS, LATEST_NS, NANOSECONDS_PATTERN, PRICE_BOUND_E9

# Narrower than `parse_timestamp_ns` where clocks differ in what they accept (leap seconds, 24:00): those are for it.
TIMESTAMP_PATTERN: Final = (
    rf"(?:{NANOSECONDS_PATTERN}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(?:Z| UTC|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))"
)
#: Narrower than `parse_decimal_e9` too: no exponent, and so few digits that a value fits 128 bits. Of what stands
#: behind the ninth digit of a fraction, polars takes no notice: only zeros may.
PLAIN_DECIMAL_PATTERN: Final = r"-?[0-9]{1,15}(?:\.[0-9]{1,9}0{0,21})?"


#: The same with an exponent or without, in so few digits that they fit 128 bits whatever it does to them.
EXPONENT_PATTERN: Final = r"-?[0-9]{1,15}(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,3})?"
_POWERS: Final = pl.Series([10**power for power in range(38)], dtype=pl.Int128)
#: A value of more digits, in 10^-9, is beyond every bound: `SIZE_BOUND_E9` is the highest.
_MOST_DIGITS: Final = 24


def symbol_dtype() -> pl.Categorical:
    """Return a type for symbols that are grouped by: numbers, whose names live no longer than the block they are of."""
    return pl.Categorical(pl.Categories.random())


def plausible() -> pl.Expr:
    """Say of each row whether its numbers are within the bounds of a tick; a value that is not there is not."""
    return (
        pl.col("timestamp").is_between(EARLIEST_NS, LATEST_NS, closed="left")
        & pl.col("price").is_between(-PRICE_BOUND_E9, PRICE_BOUND_E9, closed="none")
        & (pl.col("size") >= 0)
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
    blank = proven.str.contains(" ", literal=True)
    text = proven.str.replace(" ", "T", literal=True) if blank.any() else proven
    return pl.select(pl.coalesce(integers, _iso_8601_ns(pl.lit(text)))).to_series().alias(proven.name)


def _iso_8601_ns(text: pl.Expr) -> pl.Expr:
    # Seconds, fraction and offset apart, each exact; a day that is not in the calendar becomes null.
    seconds = text.str.head(19).str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="ms", strict=False).dt.epoch("s")
    fraction_ns = text.str.extract(r"\.([0-9]+)").fill_null("0").str.pad_end(9, "0").cast(pl.Int64)
    hours_and_minutes = text.str.extract_groups(r"([+-])([0-9]{2})(?::?([0-9]{2}))?\z")
    hours = hours_and_minutes.struct.field("2").cast(pl.Int64)
    minutes = hours_and_minutes.struct.field("3").cast(pl.Int64).fill_null(0)
    sign = pl.when(hours_and_minutes.struct.field("1") == "-").then(-1).otherwise(1)
    offset_seconds = (sign * (hours * 3600 + minutes * 60)).fill_null(0)
    # In 128 bits: the year 9999 does not wrap around into our century.
    return ((seconds - offset_seconds).cast(pl.Int128) * 10**9 + fraction_ns).cast(pl.Int64, strict=False)


def decimal_e9(text: pl.Expr) -> pl.Expr:
    """Int128 of 10^-9 from text; null where it does not have the form of a plain decimal."""
    value = text.cast(pl.Decimal(38, FRACTION_DIGITS), strict=False).to_physical().cast(pl.Int128)
    return pl.when(text.str.contains(rf"\A{PLAIN_DECIMAL_PATTERN}\z")).then(value)


def exponents_e9(proven: pl.Series) -> pl.Series:
    """Int128 of 10^-9 from texts of `EXPONENT_PATTERN` (or null); null where only the strict path can tell."""
    parts = proven.str.extract_groups(r"\A(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]\+?(-?[0-9]+))?\z").struct
    fraction = parts.field("3").fill_null("")
    digits = (parts.field("2") + fraction).cast(pl.Int128)
    shift = parts.field("4").fill_null("0").cast(pl.Int64) + FRACTION_DIGITS - fraction.str.len_bytes().cast(pl.Int64)
    up, down = shift.clip(0, _MOST_DIGITS), (-shift).clip(0, _POWERS.len() - 1)
    frame = pl.DataFrame(
        {
            "digits": digits,
            "shift": shift,
            "sign": parts.field("1").replace_strict({"-": -1, "": 1}, return_dtype=pl.Int128),
            "up": _POWERS.gather(up),
            # Looked at first: then nothing that is multiplied can wrap around.
            "most": _POWERS.gather(_MOST_DIGITS - up),
            "down": _POWERS.gather(down),
        }
    )
    column = pl.col("digits")
    raised = pl.when(column < pl.col("most")).then(column * pl.col("up"))
    lowered = pl.when(column % pl.col("down") == 0).then(column // pl.col("down"))
    value = pl.when(pl.col("shift") >= 0).then(raised).otherwise(lowered)
    within = frame.select(pl.when(value < 10**_MOST_DIGITS).then(value * pl.col("sign")).alias(proven.name))
    return within.to_series()


def decimals_e9(texts: pl.Series) -> pl.Series:
    """Int128 of 10^-9 from any texts; null where only the strict path can tell."""
    plain = pl.select(decimal_e9(pl.lit(texts))).to_series().alias(texts.name)
    formed = texts.str.contains(rf"\A{EXPONENT_PATTERN}\z") & plain.is_null()
    if not formed.any():
        return plain
    exponents = exponents_e9(texts.set(~formed.fill_null(value=False), None))
    return pl.select(pl.coalesce(plain, exponents).alias(texts.name)).to_series()


def narrowed(sizes: pl.Series) -> pl.Series:
    """Return sizes in 64 bits where all of them fit, as nearly all do: they are added up in half the time."""
    narrow = sizes.cast(pl.Int64, strict=False)
    return narrow if narrow.null_count() == sizes.null_count() else sizes
