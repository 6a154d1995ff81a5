"""Rows of Parquet as an attack: what they take is bounded, and what can be read is read or named rightly."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.fuzz.parquet_files import bars_of_files, write_files
from tests.unit.tickstream.parquet_bytes import claiming_page, with_chunk
from tests.unit.tickstream.test_parquet_objects import GOOD, START_NS, decode, packed, reason_of
from tickstream.bars import merge_bars
from tickstream.decoding import LIMITS, Budget, decode_pieces, decode_span
from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete
from tickstream.ingests import Format, Layout, Source, Span
from tickstream.parquet.extract import is_read_as_bytes
from tickstream.parquet.schema import Column, DecimalType, PhysicalType
from tickstream.ranges import MAX_RANGE_ROWS, plan_spans

if TYPE_CHECKING:
    from bench.fuzz.parquet_files import ParquetFile
    from tickstream.bars import Bar

MEGABYTE = 1 << 20


def written(table: pa.Table, **how: Any) -> bytes:
    """The table as pyarrow writes it."""
    file = io.BytesIO()
    pq.write_table(table, file, **how)
    return file.getvalue()


def slice_of(data: bytes, start: int, end: int) -> bytes:
    """Read an object."""
    return data[start:end]


def arrow(rows: int = 3, **columns: Any) -> pa.Table:
    """Rows of ticks; columns: others in place of theirs."""
    own = {"symbol": ["AAPL"] * rows, "timestamp": [START_NS] * rows, "price": ["187.5"] * rows, "size": [100] * rows}
    return pa.table(own | columns)


@pytest.mark.parametrize("one", write_files(), ids=lambda one: one.name.replace(" ", "-"))
def test_every_writer_s_file_is_read_right(one: ParquetFile) -> None:
    """polars, pyarrow and DuckDB, by codec, dictionary, encoding, page version and type: the same bars."""
    bars: dict[tuple[str, int], tuple[Bar, ...]] = {}
    for piece in decode(one.data, 1):
        assert piece.rejects == ()
        for hour, of_hour in piece.bars.items():
            bars[hour] = merge_bars(bars.get(hour, ()), of_hour)
    assert bars == bars_of_files("key", "etag")


def test_of_a_long_text_its_beginning_is_kept() -> None:
    """3,000 rows of one symbol of a megabyte are 2 KB of Parquet: what is kept of each says how long it was."""
    symbols = pa.DictionaryArray.from_arrays(pa.array([0] * 3_000, pa.int32()), ["x" * MEGABYTE])
    data = written(arrow(3_000, symbol=symbols), compression="zstd", write_statistics=False, store_schema=False)
    assert len(data) < 10_000
    [decoded] = decode(data)
    assert len(decoded.rejects) == 3_000
    assert {row.reason for row in decoded.rejects} == {Reason.BAD_SYMBOL}
    assert max(len(row.raw) for row in decoded.rejects) < 400
    assert json.loads(decoded.rejects[0].raw)["symbol"] == "x" * 200 + f" ... ({MEGABYTE} bytes)"


@pytest.mark.parametrize("column", ["symbol", "timestamp", "price", "size"])
def test_a_long_text_in_any_column_is_cut(column: str) -> None:
    """Also one of many bytes a character, and one that is almost right."""
    for text in ("1" * 5_000, "é" * 5_000, " " * 5_000 + "1", "\0" * 5_000):
        table = arrow(2).set_column(arrow().schema.get_field_index(column), column, pa.array([text] * 2))
        [decoded] = decode(written(table))
        assert len(decoded.rejects) == 2
        assert max(len(row.raw) for row in decoded.rejects) < 2_000


def test_all_that_is_kept_of_bad_rows_is_bounded_in_sum() -> None:
    """Beyond a range's bound only the beginning of a row is kept, in Parquet and in text, and every row is counted."""
    limits = replace(LIMITS, rejected_bytes=1_000, brief_bytes=10)
    data = packed(pl.concat([GOOD.with_columns(symbol=pl.lit("no symbol"))] * 100))
    text = b"symbol,timestamp,price,size\n" + b"no symbol,1,1,1 and more\n" * 300
    for layout, found, start, end in (
        (Layout(Format.PARQUET), data, 0, 300),
        (Layout(Format.CSV, columns=("symbol", "timestamp", "price", "size"), data_start=28), text, 28, len(text)),
    ):
        source = Source("bucket", "key", "v1", "etag", len(found))
        decoded = decode_span(source, layout, Span(0, start, end), partial(slice_of, found), limits)
        assert len(decoded.rejects) == 300
        assert sum(len(row.raw) for row in decoded.rejects) <= 1_000 + 300 * 10


def test_rows_that_take_no_bytes_are_read_range_by_range() -> None:
    """A row group of more rows than a range may have is several ranges, each of which reads its own rows."""
    rows = MAX_RANGE_ROWS + 3
    frame = pl.select(
        symbol=pl.repeat("AAPL", rows),
        timestamp=pl.repeat(START_NS, rows),
        price=pl.repeat(1, rows),
        size=pl.int_range(rows) + 1,
    )
    data = packed(frame, rows)
    source = Source("bucket", "key", "v1", "etag", len(data))
    spans = plan_spans(source, Layout(Format.PARQUET), 1, lambda start, end: data[start:end])
    assert [(span.start, span.end) for span in spans] == [(0, MAX_RANGE_ROWS), (MAX_RANGE_ROWS, rows)]
    last = decode_span(source, Layout(Format.PARQUET), spans[-1], lambda start, end: data[start:end])
    [[bar]] = last.bars.values()
    assert (bar.ticks, bar.volume_e9) == (3, (3 * rows - 3) * 10**9)
    one_more = replace(spans[0], end=rows)
    with pytest.raises(ObjectRejected) as refusal:
        decode_span(source, Layout(Format.PARQUET), one_more, lambda start, end: data[start:end])
    assert refusal.value.reason is Reason.TOO_LARGE


def test_strict_work_of_parquet_rows_is_counted() -> None:
    """Rows that are decided one by one cost the object's budget."""
    data = packed(pl.concat([GOOD.with_columns(symbol=pl.lit("b d"))] * 4_000))
    source = Source("bucket", "key", "v1", "etag", len(data))
    work = (source, Layout(Format.PARQUET), Span(0, 0, 12_000), lambda start, end: data[start:end])
    with pytest.raises(ObjectRejected) as refusal:
        decode_span(*work, replace(LIMITS, strict_work=64 * 5_000))
    assert refusal.value.reason is Reason.TOO_MUCH_WORK


def test_the_clocks_are_looked_at_between_the_reads_of_some_rows() -> None:
    """Also where every row is good."""
    data = packed(GOOD)
    work = (Source("b", "k", "v", "e", len(data)), Layout(Format.PARQUET), Span(0, 0, 3), partial(slice_of, data))
    with pytest.raises(ObjectRejected) as refusal:
        list(decode_pieces(*work, replace(LIMITS, cpu_s=-1.0)))
    assert refusal.value.reason is Reason.TOO_MUCH_WORK
    with pytest.raises(ServiceIncomplete):
        list(decode_pieces(*work, budget=Budget(LIMITS, lambda: False)))


def test_a_decimal_in_more_bytes_than_polars_reads_is_taken_as_bytes() -> None:
    """However few digits it says that it has."""
    kind = PhysicalType.FIXED_LEN_BYTE_ARRAY
    column = Column(
        "price", kind, 0, DecimalType(10, 2), wide_integer=False, optional=True, value_bytes=17, element=b""
    )
    assert is_read_as_bytes(column)
    assert not is_read_as_bytes(replace(column, value_bytes=16))
    assert is_read_as_bytes(replace(column, physical_type=PhysicalType.BYTE_ARRAY, value_bytes=None))


PRICES = [Decimal("187.5"), Decimal("0.000000001"), Decimal("999999999.999999999")]
UNITS = [int(price.scaleb(9)) for price in PRICES]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([f"{price:f}" for price in PRICES]).dictionary_encode(),
        pa.array([f"{price:f}" for price in PRICES], pa.large_string()),
        pa.array(PRICES, pa.decimal128(18, 9)),
        pa.array(PRICES, pa.decimal128(18, 9)).dictionary_encode(),
        pa.array(PRICES, pa.decimal128(38, 29)),
        pa.array(PRICES, pa.decimal256(76, 60)),
        pa.array(PRICES, pa.decimal256(39, 9)),
    ],
    ids=str,
)
def test_decimals_and_dictionaries_are_read_exactly(column: pa.Array) -> None:
    """Texts and decimals in dictionaries, and decimals that are wider than polars reads."""
    [decoded] = decode(written(arrow(3, price=column)))
    assert decoded.rejects == ()
    [[bar]] = decoded.bars.values()
    assert (bar.open_e9, bar.high_e9, bar.low_e9, bar.close_e9) == (UNITS[0], UNITS[2], UNITS[1], UNITS[2])


def test_a_wide_decimal_that_is_no_price_is_one_row_s_fault() -> None:
    """Too precise and too large ones are rejected with their digits, their neighbours are read."""
    prices = [Decimal("1"), Decimal("-1E10"), Decimal("1E-20"), Decimal("1E30"), None, Decimal("2")]
    [decoded] = decode(written(arrow(6, price=pa.array(prices, pa.decimal256(76, 20)))))
    assert decoded.ticks == 2
    assert [row.offset for row in decoded.rejects] == [1, 2, 3, 4]
    assert json.loads(decoded.rejects[1].raw)["price"] == "0.00000000000000000001"


@pytest.mark.parametrize("column", [b"x" * 16, b"x" * 9, b"x" * 4])
def test_bytes_without_a_meaning_are_no_number(column: bytes) -> None:
    """Bytes of a fixed width are refused when the object is planned; only polars means integers by them."""
    assert reason_of(written(arrow(1, price=pa.array([column], pa.binary(len(column)))))) is Reason.UNSUITABLE_COLUMN


def test_bytes_that_are_no_utf8_are_damage() -> None:
    """Texts that are none end in a reason."""

    def spoil(column: bytes) -> bytes:
        return column.replace(b"AAPL", b"\xff\xfe\xfd\xfc")

    data = with_chunk(written(arrow(1), use_dictionary=False, compression="none"), "symbol", spoil)
    assert reason_of(data) is Reason.CORRUPT_PARQUET


def test_a_page_that_claims_less_than_it_has_is_damage() -> None:
    """Sizes within the bounds that lie end in a reason too."""
    for claimed in (0, 1, 100 << 20):
        assert reason_of(with_chunk(packed(GOOD), "price", claiming_page(claimed))) is Reason.CORRUPT_PARQUET
