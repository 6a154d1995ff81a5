"""Parquet: whole row groups, only the wanted columns, exact types only.

What polars is given is an extract (`tickstream.parquet.extract`) in a temporary file: the columns and row groups that a
range needs, and of the footer what was checked. Texts are looked at by their lengths first: a dictionary of one text of
a megabyte makes gigabytes of a few thousand rows.
"""

from __future__ import annotations

import json
from decimal import Decimal
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tickstream.decoding.frames import TIMESTAMP_PATTERN, decimals_e9, narrowed, timestamps_ns
from tickstream.errors import ObjectRejected, Reason, RowRejected
from tickstream.layouts import check_types
from tickstream.parquet.extract import is_read_as_bytes, write_extract
from tickstream.parquet.footer import read_footer, read_part
from tickstream.parquet.schema import PhysicalType
from tickstream.ranges import MAX_RANGE_ROWS
from tickstream.ticks import (
    FRACTION_DIGITS,
    PRICE_BOUND_E9,
    REQUIRED_COLUMNS,
    SCALE,
    SIZE_BOUND_E9,
    SYMBOL_PATTERN,
    RejectedRow,
    parse_tick,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tickstream.decoding.outcome import Budget, Limits, Sink
    from tickstream.ingests import Layout, Read, Source, Span
    from tickstream.parquet.row_groups import RowGroup
    from tickstream.parquet.schema import Column

_NS_PER_UNIT: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000}
#: No field of a tick is longer.
_LONGEST_BYTES: Final = 64
#: What a rejected row keeps of a value that is longer than this: its beginning, for a person.
_KEPT_BYTES: Final = 1_024
_KEPT_CHARACTERS: Final = 200
#: Odd rows that are Python objects at a time.
_ODD_ROWS: Final = 10_000
#: Decimals may have more digits than any number of a tick; none has so many.
_MAX_SCALE: Final = 100


def parquet_frames(
    source: Source, layout: Layout, span: Span, read: Read, budget: Budget
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the wanted columns of the rows [start, end), `parquet_rows` at a time, each with its first row's number.

    Values that polars gives as bytes come as integers of 10^-9, or texts where they are none. Raises ObjectRejected
    (corrupt_parquet, unsuitable_column, ...).
    """
    limits = budget.limits
    names = frozenset(layout.columns or REQUIRED_COLUMNS)
    footer = (
        read_footer(source.size_bytes, read, lambda _: names)
        if span.footer is None
        else read_part(span.footer, read, lambda _: names)
    )
    if not layout.feed:
        check_types(footer.columns)
    columns = {column.name: column for column in footer.columns if column.name in names}
    before, groups = _groups_of(footer.row_groups, span)
    _check_work(groups, span, limits)
    # A file without a name: it is gone with this process, whatever that dies of.
    with TemporaryFile(buffering=0) as extract:
        write_extract(tuple(columns.values()), groups, read, extract)
        for first in range(span.start, span.end, limits.parquet_rows):
            budget.check()
            rows = min(limits.parquet_rows, span.end - first)
            found = _read_rows(f"/proc/self/fd/{extract.fileno()}", tuple(columns), first - before, rows)
            yield first, _with_what_is_said(found, columns)


def _groups_of(all_groups: Sequence[RowGroup], span: Span) -> tuple[int, tuple[RowGroup, ...]]:
    """Return the row groups of a span, and the number of the first row of the first of them."""
    at = span.footer.first_row if span.footer is not None else 0
    before = at
    groups: list[RowGroup] = []
    for group in all_groups:
        if at < span.end and at + group.rows > span.start:
            before = before if groups else at
            groups.append(group)
        at += group.rows
    if at < span.end:
        raise ObjectRejected(Reason.CORRUPT_PARQUET, f"its footer has {at} rows, not {span.end}")
    return before, tuple(groups)


def _check_work(groups: Sequence[RowGroup], span: Span, limits: Limits) -> None:
    # Planned ranges are within both bounds; those of an object that was planned by older code may not be.
    memory_bytes = sum(group.memory_bytes for group in groups)
    if memory_bytes > limits.unpacked_bytes:
        raise ObjectRejected(
            Reason.TOO_LARGE,
            f"a row group's ticks are at most {limits.unpacked_bytes} bytes unpacked, here {memory_bytes}",
        )
    if span.end - span.start > MAX_RANGE_ROWS:
        raise ObjectRejected(
            Reason.TOO_LARGE, f"a range is at most {MAX_RANGE_ROWS} rows, here {span.end - span.start}"
        )


def _read_rows(path: str, columns: Sequence[str], first: int, rows: int) -> pl.DataFrame:
    try:
        frame = pl.scan_parquet(path, glob=False).select(columns).slice(first, rows).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        # A damaged file may also make polars panic, which is no Exception.
        raise ObjectRejected(Reason.CORRUPT_PARQUET, f"its rows cannot be read: {error}") from error
    if frame.height != rows:
        raise ObjectRejected(Reason.CORRUPT_PARQUET, f"{frame.height} rows where the footer promises {rows}")
    return frame


def _with_what_is_said(frame: pl.DataFrame, columns: Mapping[str, Column]) -> pl.DataFrame:
    """Say what polars does not know of values.

    Decimals that came as bytes become texts: few writers make them, and the grammar decides of texts. Timestamps of 96
    bits are of UTC, though they cannot say so.
    """
    moments = [
        pl.col(name).dt.replace_time_zone("UTC")
        for name, column in columns.items()
        if column.physical_type is PhysicalType.INT96 and isinstance(frame.schema[name], pl.Datetime)
    ]
    texts = [
        pl.Series(name, [_decimal_text(value, column) for value in _cut_bytes(frame[name])], dtype=pl.String())
        for name, column in columns.items()
        if is_read_as_bytes(column)
    ]
    return frame.with_columns(*texts, *moments)


def _cut_bytes(column: pl.Series) -> Iterator[bytes | None]:
    # Bytes, of which a person needs no more, and which are no number of a tick.
    yield from column.bin.slice(0, _LONGEST_BYTES + 1)


def _decimal_text(value: bytes | None, column: Column) -> str | None:
    if value is None:
        return None
    if column.wide_integer:
        return str(int.from_bytes(value, "little", signed=True))
    scale = column.decimal.scale if column.decimal is not None else 0
    if len(value) > _LONGEST_BYTES or not 0 <= scale <= _MAX_SCALE:
        raise ObjectRejected(
            Reason.UNSUITABLE_COLUMN,
            f"column {column.name} is a decimal of more digits than are read, or of scale {scale}",
        )
    digits = Decimal(int.from_bytes(value, "big", signed=True)).as_tuple()
    return _shortened(f"{Decimal((digits.sign, digits.digits, -scale)):f}")


def decode_frame(frame: pl.DataFrame, first: int, sink: Sink) -> None:
    """Decode rows of which the first is number `first` of the object."""
    frame = frame.select(REQUIRED_COLUMNS)
    schema = frame.schema
    exact = frame.select(
        _symbol(schema["symbol"]),
        _timestamp(schema["timestamp"]),
        _decimal("price", schema["price"], PRICE_BOUND_E9).cast(pl.Int64, strict=False),
        _decimal("size", schema["size"], SIZE_BOUND_E9),
        pl.int_range(first, first + frame.height, dtype=pl.Int64).alias("offset"),
    )
    exact = exact.with_columns(narrowed(exact["size"]))
    left = sink.add_columns(exact)
    if not left.any():
        return
    units = {name: _NS_PER_UNIT[dtype.time_unit] for name, dtype in schema.items() if isinstance(dtype, pl.Datetime)}
    odd = (
        frame.lazy()
        .with_columns(exact["offset"])
        .filter(left)
        .with_columns(pl.col(name).to_physical() for name in units)
        .with_columns(_kept(name) for name, dtype in schema.items() if isinstance(dtype, pl.String))
        .collect()
    )
    for some in odd.iter_slices(_ODD_ROWS):
        for *values, offset in some.iter_rows():
            _decide(values, offset, units, sink)


def _decide(values: Sequence[Any], offset: int, units: Mapping[str, int], sink: Sink) -> None:
    """Decide strictly of a row that no column could prove."""
    sink.budget.take_row(0)  # its texts are cut already
    fields = {column: _text(value, units.get(column)) for column, value in zip(REQUIRED_COLUMNS, values, strict=True)}
    try:
        tick = parse_tick({column: text for column, text in fields.items() if text is not None})
    except RowRejected as refusal:
        sink.add_reject(RejectedRow(offset, refusal.reason, refusal.detail, json.dumps(fields).encode()))
    else:
        sink.add_tick(tick, offset)


def _short(name: str) -> pl.Expr:
    """Return a column of texts without those that are too long for anything: no pattern needs to look at them."""
    text = pl.col(name)
    return pl.when(text.str.len_bytes() <= _LONGEST_BYTES).then(text)


def _kept(name: str) -> pl.Expr:
    text, size = pl.col(name), pl.col(name).str.len_bytes()
    cut = pl.concat_str(text.str.head(_KEPT_CHARACTERS), pl.format(" ... ({} bytes)", size))
    return pl.when((size <= _KEPT_BYTES) | text.is_null()).then(text).otherwise(cut).alias(name)


def _symbol(dtype: pl.DataType) -> pl.Expr:
    if not isinstance(dtype, pl.String):
        raise _unsuitable("symbol", dtype, "a string")
    text = _short("symbol")
    return pl.when(text.str.contains(rf"\A{SYMBOL_PATTERN}\z")).then(text)


def _timestamp(dtype: pl.DataType) -> pl.Expr:
    column = pl.col("timestamp")
    if isinstance(dtype, pl.String):
        text = _short("timestamp")
        formed = pl.when(text.str.contains(rf"\A{TIMESTAMP_PATTERN}\z")).then(text)
        return formed.map_batches(timestamps_ns, return_dtype=pl.Int64)
    if isinstance(dtype, (pl.Int64, pl.UInt64)):
        return column.cast(pl.Int64, strict=False)
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            raise ObjectRejected(
                Reason.UNSUITABLE_COLUMN,
                "column timestamp has no time zone: write it as UTC, or as an integer of Unix nanoseconds",
            )
        ns_per_unit = _NS_PER_UNIT[dtype.time_unit]
        # In 128 bits: a millisecond of the year 300,000 does not wrap around into our century.
        return (column.to_physical().cast(pl.Int128) * ns_per_unit).cast(pl.Int64, strict=False)
    raise _unsuitable("timestamp", dtype, "a timestamp, an integer of nanoseconds or a string")


def _decimal(name: str, dtype: pl.DataType, bound_e9: int) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.String):
        return _short(name).map_batches(decimals_e9, return_dtype=pl.Int128)
    if isinstance(dtype, pl.Decimal):
        scale = dtype.scale
        units = column.to_physical().cast(pl.Int128)
    elif dtype.is_integer():
        scale = 0
        units = column.cast(pl.Int128)
    else:
        raise _unsuitable(name, dtype, "a decimal, an integer or a string (floats are not exact)")
    # Within the bound first: then nothing that is multiplied can wrap around. A sign is looked at later.
    most = min(bound_e9 * 10**scale // SCALE, 10**38)
    within = units.is_between(-most, most, closed="none")
    if scale <= FRACTION_DIGITS:
        return pl.when(within).then(units * pl.lit(10 ** (FRACTION_DIGITS - scale), dtype=pl.Int128))
    divisor = pl.lit(10 ** (scale - FRACTION_DIGITS), dtype=pl.Int128)
    return pl.when(within & (units % divisor == 0)).then(units // divisor)


def _unsuitable(name: str, dtype: pl.DataType, wanted: str) -> ObjectRejected:
    return ObjectRejected(Reason.UNSUITABLE_COLUMN, f"column {name} is {dtype}, wanted is {wanted}")


def _text(value: Any, ns_per_unit: int | None) -> str | None:
    """Write a value as text would have it, for the strict path and for people."""
    if value is None or isinstance(value, str):
        return value
    if ns_per_unit is not None:
        return str(value * ns_per_unit)
    return _shortened(f"{value:f}") if isinstance(value, Decimal) else str(value)


def _shortened(text: str) -> str:
    # The zeros at the end of a DECIMAL(38, 18) come from its type, not from its writer.
    return text.rstrip("0").removesuffix(".") if "." in text else text
