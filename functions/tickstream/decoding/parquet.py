"""Parquet: whole row groups, only the wanted columns, exact types only.

polars reads Parquet from files or whole in memory. So the footer and the wanted bytes are put where they belong into
a sparse temporary file of the object's size, and polars is asked for the span's rows: it looks at nothing else.
"""

from __future__ import annotations

import json
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tickstream.decoding.frames import TIMESTAMP_PATTERN, decimals_e9, narrowed, plausible, timestamps_ns
from tickstream.decoding.text import read_all
from tickstream.errors import ObjectRejected, Reason, RowRejected
from tickstream.layouts import check_columns
from tickstream.parquet_footer import read_footer
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
    from collections.abc import Iterable, Iterator

    from tickstream.decoding.outcome import Limits, Sink
    from tickstream.ingests import Read, Source, Span
    from tickstream.parquet_footer import ColumnChunk, Footer

#: Wanted bytes closer than this are read with one request: a request costs more than the bytes between.
_GAP_BYTES: Final = 1 << 20
_NS_PER_UNIT: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000}


def decode_parquet(source: Source, span: Span, read: Read, sink: Sink, limits: Limits) -> None:
    """Decode the rows [start, end) of the object. Raises ObjectRejected (corrupt_parquet, unsuitable_column, ...)."""
    for first, frame in parquet_frames(source, span, read, limits):
        decode_frame(frame, first, sink)


def parquet_frames(source: Source, span: Span, read: Read, limits: Limits) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the wanted columns of the rows [start, end), `parquet_rows` at a time, each with its first row's number.

    Raises as `decode_parquet` does.
    """
    footer = read_footer(source.size_bytes, read)
    chunks = tuple(_wanted_chunks(footer, span))
    unpacked_bytes = sum(chunk.unpacked_bytes for chunk in chunks)
    if unpacked_bytes > limits.unpacked_bytes:
        raise ObjectRejected(
            Reason.TOO_LARGE,
            f"a row group's ticks are at most {limits.unpacked_bytes} bytes unpacked, here {unpacked_bytes}",
        )
    with NamedTemporaryFile(suffix=".parquet") as sparse:
        sparse.truncate(source.size_bytes)
        extents = _extents(chunks, footer.start)
        for start, end in ((0, 4), *extents, (footer.start, source.size_bytes)):
            sparse.seek(start)
            sparse.write(read_all(read, start, end))
        sparse.flush()
        for first in range(span.start, span.end, limits.parquet_rows):
            rows = min(limits.parquet_rows, span.end - first)
            yield first, _read_rows(sparse.name, first, rows)


def _wanted_chunks(footer: Footer, span: Span) -> Iterator[ColumnChunk]:
    first = 0
    for group in footer.row_groups:
        if first < span.end and first + group.rows > span.start:
            yield from (chunk for chunk in group.chunks if chunk.name in REQUIRED_COLUMNS)
        first += group.rows


def _extents(chunks: Iterable[ColumnChunk], footer_start: int) -> list[tuple[int, int]]:
    extents: list[tuple[int, int]] = []
    for start, end in sorted((chunk.start, chunk.end) for chunk in chunks):
        if end > footer_start:
            raise ObjectRejected(Reason.CORRUPT_PARQUET, "a column stands beyond the footer")
        if extents and start - extents[-1][1] <= _GAP_BYTES:
            extents[-1] = (extents[-1][0], max(end, extents[-1][1]))
        else:
            extents.append((start, end))
    return extents


def _read_rows(path: str, first: int, rows: int) -> pl.DataFrame:
    try:
        scan = pl.scan_parquet(path, glob=False)
        check_columns(scan.collect_schema().names())
        frame = scan.select(REQUIRED_COLUMNS).slice(first, rows).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        # A damaged file may also make polars panic, which is no Exception: it must not end the function.
        raise ObjectRejected(Reason.CORRUPT_PARQUET, f"its rows cannot be read: {error}") from error
    if frame.height != rows:
        raise ObjectRejected(Reason.CORRUPT_PARQUET, f"{frame.height} rows where the footer promises {rows}")
    return frame


def decode_frame(frame: pl.DataFrame, first: int, sink: Sink) -> None:
    """Decode rows of which the first is number `first` of the object."""
    schema = frame.schema
    exact = frame.select(
        _symbol(schema["symbol"]),
        _timestamp(schema["timestamp"]),
        _decimal("price", schema["price"], PRICE_BOUND_E9).cast(pl.Int64, strict=False),
        _decimal("size", schema["size"], SIZE_BOUND_E9),
        pl.int_range(first, first + frame.height, dtype=pl.Int64).alias("offset"),
    )
    exact = exact.with_columns(narrowed(exact["size"]))
    good = exact.select(plausible() & pl.col("symbol").is_not_null()).to_series()
    sink.fold.add_frame(exact.filter(good))
    units = {name: _NS_PER_UNIT[dtype.time_unit] for name, dtype in schema.items() if isinstance(dtype, pl.Datetime)}
    odd = frame.with_columns(pl.col(name).to_physical() for name in units).with_columns(exact["offset"]).filter(~good)
    for *values, offset in odd.iter_rows():
        fields = {
            column: _text(value, units.get(column)) for column, value in zip(REQUIRED_COLUMNS, values, strict=True)
        }
        try:
            tick = parse_tick({column: text for column, text in fields.items() if text is not None})
        except RowRejected as refusal:
            sink.add_reject(RejectedRow(offset, refusal.reason, refusal.detail, json.dumps(fields).encode()))
        else:
            sink.add_tick(tick, offset)


def _symbol(dtype: pl.DataType) -> pl.Expr:
    if not isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        raise _unsuitable("symbol", dtype, "a string")
    text = pl.col("symbol").cast(pl.String)
    return pl.when(text.str.contains(rf"\A{SYMBOL_PATTERN}\z")).then(text)


def _timestamp(dtype: pl.DataType) -> pl.Expr:
    column = pl.col("timestamp")
    if isinstance(dtype, pl.String):
        formed = pl.when(column.str.contains(rf"\A{TIMESTAMP_PATTERN}\z")).then(column)
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
        return column.map_batches(decimals_e9, return_dtype=pl.Int128)
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
    if value is None:
        return None
    if ns_per_unit is not None:
        return str(value * ns_per_unit)
    text = f"{value:f}" if hasattr(value, "as_tuple") else str(value)
    # The zeros at the end of a DECIMAL(38, 18) come from its type, not from its writer.
    return text.rstrip("0").removesuffix(".") if "." in text and not isinstance(value, str) else text
