"""Parquet: exact types only, any split by rows, and what is refused."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.deadlines import Deadline
from services.decoder_process import decode_apart
from tickstream.bars import bar_of, merge_bars
from tickstream.decoding import LIMITS, Budget, Decoded, decode_span
from tickstream.errors import ObjectRejected, Reason
from tickstream.ingests import Format, Layout, Source, Span
from tickstream.layouts import sniff
from tickstream.parquet.footer import read_footer
from tickstream.ranges import plan_spans
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Callable

    from tickstream.ingests import Read

START_NS = 1_767_625_800 * 10**9
GOOD = pl.DataFrame(
    {
        "symbol": ["AAPL", "MSFT", "AAPL"],
        "timestamp": [START_NS, START_NS + 1_000_000, START_NS + 61 * 10**9],
        "price": [Decimal("187.50"), Decimal("420.05"), Decimal("187.49")],
        "size": [100, 5, 1],
        "conditions": ["", None, "x"],
    },
    schema_overrides={"price": pl.Decimal(18, 4)},
)


def packed(frame: pl.DataFrame, rows_a_group: int | None = None) -> bytes:
    """The frame as a Parquet object."""
    file = io.BytesIO()
    frame.write_parquet(file, row_group_size=rows_a_group, statistics=False)
    return file.getvalue()


def apart(source: Source, layout: Layout, span: Span, read: Read) -> Decoded:
    """Decode in a child."""
    return decode_apart(source, layout, span, read, Budget(LIMITS), deadline=Deadline.after(600))


def decode(
    data: bytes,
    range_bytes: int = 8 << 20,
    decoding: Callable[[Source, Layout, Span, Read], Decoded] = decode_span,
) -> list[Decoded]:
    """What each planned range of the object decodes to."""
    source = Source("bucket", "key", "v1", "etag", len(data))

    def read(start: int, end: int) -> bytes:
        return data[start:end]

    layout = sniff(source, read)
    assert layout == Layout(Format.PARQUET)
    return [decoding(source, layout, span, read) for span in plan_spans(source, layout, range_bytes, read)]


def reason_of(data: bytes) -> Reason:
    """Why the object is refused."""
    with pytest.raises(ObjectRejected) as refusal:
        decode(data)
    return refusal.value.reason


TIMES = {
    "nanoseconds": pl.col("timestamp"),
    "unsigned": pl.col("timestamp").cast(pl.UInt64),
    "text": pl.col("timestamp").cast(pl.String),
    "iso": pl.col("timestamp").cast(pl.Datetime("ns")).dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ"),
    "ns utc": pl.col("timestamp").cast(pl.Datetime("ns", "UTC")),
    "ns elsewhere": pl.col("timestamp").cast(pl.Datetime("ns", "Asia/Tokyo")),
    "us utc": pl.col("timestamp").cast(pl.Datetime("ns", "UTC")).dt.cast_time_unit("us"),
    "ms utc": pl.col("timestamp").cast(pl.Datetime("ns", "UTC")).dt.cast_time_unit("ms"),
}
PRICES = {
    "decimal 4": pl.col("price"),
    "decimal 18": pl.col("price").cast(pl.Decimal(38, 18)),
    "decimal 37": pl.col("price").cast(pl.Decimal(38, 35)),
    "text": pl.col("price").cast(pl.String),
    "category": pl.col("price").cast(pl.String),
}
SIZES = {
    "int64": pl.col("size"),
    "int32": pl.col("size").cast(pl.Int32),
    "uint8": pl.col("size").cast(pl.UInt8),
    "text": pl.col("size").cast(pl.String),
    "decimal 0": pl.col("size").cast(pl.Decimal(10, 0)),
}


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("price", PRICES)
@pytest.mark.parametrize("size", SIZES)
def test_each_exact_type_gives_the_same_bars(time: str, price: str, size: str) -> None:
    """Integers, decimals of any scale, timestamps of any unit and text: one and the same ticks."""
    [decoded] = decode(packed(GOOD.with_columns(TIMES[time], PRICES[price], SIZES[size])))
    ticks = [
        Tick("AAPL", START_NS, 187_500_000_000, 100 * 10**9),
        Tick("MSFT", START_NS + 1_000_000, 420_050_000_000, 5 * 10**9),
        Tick("AAPL", START_NS + 61 * 10**9, 187_490_000_000, 10**9),
    ]
    expected = {
        (symbol, START_NS // 3_600_000_000_000): merge_bars(
            bar_of(tick, "key", "etag", row) for row, tick in enumerate(ticks) if tick.symbol == symbol
        )
        for symbol in ("AAPL", "MSFT")
    }
    assert decoded.bars == expected
    assert decoded.rejects == ()


@pytest.mark.parametrize(
    "column",
    [
        pl.col("price").cast(pl.Float64),
        pl.col("price").cast(pl.Float32),
        pl.col("size").cast(pl.Float64),
        pl.col("size").cast(pl.Boolean),
        pl.col("timestamp").cast(pl.Float64),
        pl.lit(1).alias("symbol"),
        pl.col("timestamp").cast(pl.Datetime("ns")).cast(pl.Date),
        pl.col("symbol").cast(pl.Binary),
        pl.struct(pl.col("price")).alias("price"),
        pl.concat_list("size").alias("size"),
    ],
)
def test_an_unsuitable_column_is_refused(column: pl.Expr) -> None:
    """Floats are not exact, and other types are no ticks."""
    assert reason_of(packed(GOOD.with_columns(column))) is Reason.UNSUITABLE_COLUMN


def test_times_without_a_zone_are_refused_as_a_column() -> None:
    """A naive time is nobody's time: the object is refused, and says what to do."""
    with pytest.raises(ObjectRejected, match="no time zone: write it as UTC") as refusal:
        decode(packed(GOOD.with_columns(pl.col("timestamp").cast(pl.Datetime("ns")))))
    assert refusal.value.reason is Reason.UNSUITABLE_COLUMN


def test_signs_zeros_and_large_sizes_are_exact() -> None:
    """Values at the bounds, in decimals and in text, are the ticks that they are."""
    prices = ["-8999999999.999999999", "0", "8999999999.999999999"]
    sizes = ["0", "999999999999999.999999999", "1.5"]
    frame = pl.DataFrame({"symbol": ["A"] * 3, "timestamp": [START_NS] * 3, "price": prices, "size": sizes})
    [[bar]] = decode(packed(frame))[0].bars.values()
    for scale in (9, 14, 18):
        written = frame.with_columns(
            pl.col("price").cast(pl.Decimal(38, scale)), pl.col("size").cast(pl.Decimal(38, scale))
        )
        assert decode(packed(written))[0].bars == {("A", bar.hour): (bar,)}
    assert (bar.open_e9, bar.low_e9, bar.high_e9) == (1 - 9 * 10**18, 1 - 9 * 10**18, 9 * 10**18 - 1)
    assert bar.volume_e9 == 10**24 - 1 + 1_500_000_000
    assert bar.notional_e18 == (9 * 10**18 - 1) * 1_500_000_000


def test_a_missing_column_is_refused() -> None:
    """A required column that is not there is named."""
    assert reason_of(packed(GOOD.drop("price"))) is Reason.MISSING_COLUMN
    assert (
        reason_of(packed(GOOD.drop("price").with_columns(pl.struct(price="size").alias("nested"))))
        is Reason.MISSING_COLUMN
    )


def test_bad_cells_hurt_only_their_rows() -> None:
    """Nulls, negative sizes, too large and too precise values are rejected by row number, each with its reason."""
    rows = [
        ("AAPL", START_NS, "187.5", 1, None),
        (None, START_NS, "1", 1, Reason.MISSING_FIELD),
        ("AAPL", None, "1", 1, Reason.MISSING_FIELD),
        ("AAPL", START_NS, None, 1, Reason.MISSING_FIELD),
        ("AAPL", START_NS, "1", None, Reason.MISSING_FIELD),
        ("a b", START_NS, "1", 1, Reason.BAD_SYMBOL),
        ("AAPL", START_NS // 10**9, "1", 1, Reason.TIMESTAMP_OUT_OF_RANGE),
        ("AAPL", -START_NS, "1", 1, Reason.BAD_TIMESTAMP),
        ("AAPL", START_NS, "-9000000000", 1, Reason.BAD_PRICE),
        ("AAPL", START_NS, "0.0000000001", 1, Reason.BAD_PRICE),
        ("AAPL", START_NS, "1.0000000001", 1, Reason.BAD_PRICE),
        ("AAPL", START_NS, "9000000000", 1, Reason.BAD_PRICE),
        ("AAPL", START_NS, "1", -1, Reason.BAD_SIZE),
        ("AAPL", START_NS, "1", 2**62, Reason.BAD_SIZE),
        ("AAPL", START_NS, "187.5", 1, None),
    ]
    frame = pl.DataFrame(
        {
            "symbol": [row[0] for row in rows],
            "timestamp": [row[1] for row in rows],
            "price": [None if row[2] is None else Decimal(row[2]) for row in rows],
            "size": [row[3] for row in rows],
        },
        schema_overrides={"price": pl.Decimal(38, 10)},
    )
    [decoded] = decode(packed(frame))
    assert decoded.ticks == 2
    assert [(row.offset, row.reason) for row in decoded.rejects] == [
        (number, row[4]) for number, row in enumerate(rows) if row[4]
    ]


def test_a_millisecond_far_away_does_not_wrap_into_our_time() -> None:
    """A timestamp whose nanoseconds exceed 64 bits is refused and not taken for some other time."""
    wrapping_ms = (START_NS + 2**64) // 10**6
    frame = GOOD.with_columns(pl.Series("timestamp", [wrapping_ms] * 3).cast(pl.Datetime("ms", "UTC")))
    [decoded] = decode(packed(frame))
    assert [row.reason for row in decoded.rejects] == [Reason.BAD_TIMESTAMP] * 3


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 20), st.lists(st.integers(0, 60), max_size=4), st.integers(1, 7))
def test_any_split_by_rows_yields_each_row_once(rows: int, group: int, cuts: list[int], step: int) -> None:
    """Spans of rows, within row groups too, have together the bars of the whole."""
    frame = pl.DataFrame(
        {
            "symbol": ["A" if row % 3 else "B" for row in range(rows)],
            "timestamp": [START_NS + row % 5 * 20 * 10**9 for row in range(rows)],
            "price": [1 + row * 7 % 11 for row in range(rows)],
            "size": [1 + row for row in range(rows)],
        }
    )
    data = packed(frame, group)
    source = Source("bucket", "key", "v1", "etag", len(data))
    bounds = sorted({0, rows, *(cut for cut in cuts if cut < rows)})
    merged: dict[tuple[str, int], tuple[object, ...]] = {}
    pieces = [
        decode_span(
            source,
            Layout(Format.PARQUET),
            Span(index, start, end),
            lambda first, last: data[first:last],
            replace(LIMITS, parquet_rows=step),
        )
        for index, (start, end) in enumerate(pairwise(bounds))
    ]
    assert sum(piece.ticks for piece in pieces) == rows
    for symbol in "AB":
        expected = merge_bars(
            bar_of(Tick(symbol, timestamp, price * 10**9, size * 10**9), "key", "etag", row)
            for row, (name, timestamp, price, size) in enumerate(frame.iter_rows())
            if name == symbol
        )
        merged[symbol, 0] = merge_bars(
            *(bars for piece in pieces for key, bars in piece.bars.items() if key[0] == symbol)
        )
        assert merged[symbol, 0] == expected


def test_ranges_are_whole_row_groups_and_read_no_others() -> None:
    """Planned ranges end between row groups, and a range reads the footer and the bytes of its own groups only."""
    frame = pl.concat([GOOD] * 40_000).with_columns(pl.int_range(pl.len()).alias("size") % 9_973 + 1)
    data = packed(frame, 30_000)
    source = Source("bucket", "key", "v1", "etag", len(data))
    footer = read_footer(len(data), lambda start, end: data[start:end])
    assert [group.rows for group in footer.row_groups] == [30_000] * 4
    spans = plan_spans(source, Layout(Format.PARQUET), 1, lambda start, end: data[start:end])
    assert [(span.start, span.end) for span in spans] == [(n * 30_000, (n + 1) * 30_000) for n in range(4)]
    for span, group in zip(spans, footer.row_groups, strict=True):
        own = range(min(chunk.start for chunk in group.chunks), max(chunk.end for chunk in group.chunks))

        def read(start: int, end: int, own: range = own) -> bytes:
            assert end <= 4 or start >= footer.start or (start in own and end - 1 in own)
            return data[start:end]

        assert decode_span(source, Layout(Format.PARQUET), span, read).ticks == 30_000


def test_no_rows_are_no_ranges() -> None:
    """A Parquet object without rows is complete at once."""
    assert decode(packed(GOOD.clear())) == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_object_ends_in_a_reason(data: st.DataObject) -> None:
    """Bytes that were changed or cut off anywhere end in ticks or in a refusal, never in another error."""
    good = packed(GOOD)
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(4, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(good), len(good), data.draw(st.integers(4, len(good)))]))
    try:
        # As the functions do: here it would end the tests.
        pieces = decode(bytes(damaged[:cut]), decoding=apart)
    except ObjectRejected:
        return
    assert sum(piece.ticks + len(piece.rejects) for piece in pieces) <= 10**7


@pytest.mark.parametrize(
    "data", [b"PAR1", b"PAR1PAR1", packed(GOOD)[:-1], b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1"]
)
def test_a_cut_off_object_is_refused(data: bytes) -> None:
    """An object that begins as Parquet and does not end so is corrupt."""
    assert reason_of(data) is Reason.CORRUPT_PARQUET
