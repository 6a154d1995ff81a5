"""Small Parquet files of the writers that people use, and the ticks that each holds."""

from __future__ import annotations

import io
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tickstream.bars import bar_of, merge_bars
from tickstream.keys import hour_of
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tickstream.bars import Bar

_ROWS: Final = 60
_ROWS_A_GROUP: Final = 25
_START_NS: Final = 1_767_625_800 * 10**9
_STEP_NS: Final = 7_300_000_000
_SYMBOLS: Final = ("AAPL", "MSFT", "BRK.B")

type Bars = Mapping[tuple[str, int], tuple[Bar, ...]]


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """A file, what wrote it and how, and the rows that it has."""

    name: str
    data: bytes
    rows: int = _ROWS


def ticks_of_files() -> tuple[Tick, ...]:
    """Return the ticks that every file has, in this order."""
    return tuple(
        Tick(
            _SYMBOLS[row % 3],
            _START_NS + row // 2 * 2 * _STEP_NS,
            (100_00 + row * 7 % 500) * 10**7,
            (1 + row % 9) * 10**9,
        )
        for row in range(_ROWS)
    )


def bars_of_files(key: str, etag: str) -> Bars:
    """Return the bars of these ticks, folded one by one, of an object with this key and ETag."""
    of_hours: dict[tuple[str, int], tuple[Bar, ...]] = {}
    for row, tick in enumerate(ticks_of_files()):
        hour = tick.symbol, hour_of(tick.timestamp_ns)
        of_hours[hour] = merge_bars(of_hours.get(hour, ()), (bar_of(tick, key, etag, row),))
    return of_hours


def write_files() -> tuple[ParquetFile, ...]:
    """Write every file: of polars, pyarrow and DuckDB, by codec, dictionary, encoding, page version and type."""
    return (*_of_polars(), *_of_pyarrow(), *_of_duckdb())


def _frame() -> pl.DataFrame:
    ticks = ticks_of_files()
    return pl.DataFrame(
        {
            "symbol": [tick.symbol for tick in ticks],
            "timestamp": [tick.timestamp_ns for tick in ticks],
            "price": [Decimal(tick.price_e9) / 10**9 for tick in ticks],
            "size": [tick.size_e9 // 10**9 for tick in ticks],
            "conditions": [None if row % 4 else ["@", "T"] for row in range(len(ticks))],
        },
        schema_overrides={"price": pl.Decimal(18, 4)},
    )


def _of_polars() -> Iterator[ParquetFile]:
    frame = _frame()
    for codec in ("uncompressed", "snappy", "gzip", "brotli", "lz4", "zstd"):
        yield _polars(f"polars {codec}", frame, compression=codec)
    text = pl.col("price", "size", "timestamp").cast(pl.String)
    yield _polars("polars texts", frame.with_columns(text), compression="uncompressed")
    yield _polars("polars categories", frame.with_columns(pl.col("symbol").cast(pl.Categorical())))
    yield _polars("polars times", frame.with_columns(pl.col("timestamp").cast(pl.Datetime("ns", "UTC"))))
    yield _polars("polars 128 bits", frame.with_columns(pl.col("size").cast(pl.Int128)), compression="uncompressed")
    yield _polars("polars wide decimals", frame.with_columns(pl.col("price").cast(pl.Decimal(38, 18))))


def _polars(name: str, frame: pl.DataFrame, **how: Any) -> ParquetFile:
    file = io.BytesIO()
    frame.write_parquet(file, row_group_size=_ROWS_A_GROUP, **how)
    return ParquetFile(name, file.getvalue())


def _of_pyarrow() -> Iterator[ParquetFile]:
    table = (
        _frame()
        .to_arrow()
        .cast(
            pa.schema(
                [
                    ("symbol", pa.string()),
                    ("timestamp", pa.int64()),
                    ("price", pa.decimal128(18, 4)),
                    ("size", pa.int64()),
                    ("conditions", pa.list_(pa.string())),
                ]
            )
        )
    )
    for codec in ("none", "snappy", "gzip", "brotli", "lz4", "zstd"):
        yield _pyarrow(f"pyarrow {codec}", table, compression=codec)
    for version in ("1.0", "2.4", "2.6"):
        for pages in ("1.0", "2.0"):
            name = f"pyarrow version {version} pages {pages}"
            yield _pyarrow(name, table, version=version, data_page_version=pages, compression="none")
    flat = table.drop_columns(["conditions"])
    yield _pyarrow("pyarrow no dictionary", flat, use_dictionary=False, compression="none", data_page_size=64)
    yield _pyarrow("pyarrow checksums", flat, write_page_checksum=True, write_page_index=True)
    yield _pyarrow("pyarrow decimals as integers", flat, store_decimal_as_integer=True)
    for encoding in ("DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"):
        encodings = {"timestamp": encoding, "size": encoding}
        yield _pyarrow(f"pyarrow {encoding}", flat, use_dictionary=False, column_encoding=encodings)
    for encoding in ("DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"):
        yield _pyarrow(f"pyarrow {encoding}", flat, use_dictionary=False, column_encoding={"symbol": encoding})
    prices = flat["price"].cast(pa.string())
    yield _pyarrow(
        "pyarrow dictionaries",
        _with(_with(flat, "price", prices.dictionary_encode()), "symbol", flat["symbol"].dictionary_encode()),
    )
    yield _pyarrow("pyarrow large texts", _with(flat, "symbol", flat["symbol"].cast(pa.large_string())))
    yield _pyarrow("pyarrow decimals of 256 bits", _with(flat, "price", flat["price"].cast(pa.decimal256(60, 20))))
    yield _pyarrow(
        "pyarrow microseconds",
        _with(flat, "timestamp", flat["timestamp"].cast(pa.timestamp("ns")).cast(pa.timestamp("us"))),
    )


def _with(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


def _pyarrow(name: str, table: pa.Table, **how: Any) -> ParquetFile:
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=_ROWS_A_GROUP, **how)
    return ParquetFile(name, file.getvalue())


def _of_duckdb() -> Iterator[ParquetFile]:
    rows = [(*row[:4],) for row in _frame().rows()]
    with TemporaryDirectory() as folder, duckdb.connect() as database:
        database.execute("CREATE TABLE t (symbol VARCHAR, timestamp BIGINT, price DECIMAL(18, 4), size INTEGER)")
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        wide = "SELECT symbol, timestamp, price::DECIMAL(38, 10) AS price, size::VARCHAR AS size FROM t"
        times = "SELECT symbol, make_timestamp_ns(timestamp) AS timestamp, price, size FROM t"
        for name, query, how in (
            *(
                (codec, "FROM t", f"CODEC '{codec}'")
                for codec in ("uncompressed", "snappy", "gzip", "brotli", "lz4_raw", "zstd")
            ),
            *(
                (f"pages {version}", "FROM t", f"PARQUET_VERSION '{version}', CODEC 'uncompressed'")
                for version in ("v1", "v2")
            ),
            ("wide decimals", wide, "CODEC 'uncompressed'"),
            ("times", times, "CODEC 'uncompressed'"),
        ):
            path = Path(folder) / "one.parquet"
            database.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, {how}, ROW_GROUP_SIZE {_ROWS_A_GROUP})")
            yield ParquetFile(f"duckdb {name}", path.read_bytes())
