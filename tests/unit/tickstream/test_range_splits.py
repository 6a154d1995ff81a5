"""Any split of any file into ranges yields each row exactly once, with the same answer as row by row.

The model splits the whole file at LF and asks the strict row parsers; it knows nothing of ranges, blocks or polars.
"""

from __future__ import annotations

import gzip
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tickstream.bars import bar_of, merge_bars
from tickstream.decoding import LIMITS, Decoded, decode_span
from tickstream.errors import Reason, RowRejected, ServiceIncomplete
from tickstream.ingests import Container, Format, Layout, Source, Span
from tickstream.keys import hour_of
from tickstream.layouts import sniff
from tickstream.ranges import plan_spans
from tickstream.rows import joints, parse_csv_row, parse_json_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tickstream.bars import Bar
    from tickstream.ticks import Tick

# Small, so that rows are longer than the overlap and longer than a row may be.
SMALL = replace(LIMITS, row_bytes=90, overlap_bytes=4, block_bytes=50, raw_bytes=20, single_ticks=3, few_rows=0)
HEADER = b"symbol,timestamp,price,size,conditions"
COLUMNS = tuple(HEADER.decode().split(","))

SYMBOLS = st.sampled_from(["AAPL", "BRK.B", "BTC/USD", "aapl", "", " A", "Ä"])
TIMESTAMPS = st.one_of(
    st.integers(1_767_625_800 * 10**9, 1_767_625_990 * 10**9).map(str),
    st.sampled_from(["1767625800", "9999999999999999999", "-1767625800000000000", "01767625800000000000", ""]),
    st.sampled_from(["2026-01-05T14:30:00Z", "2026-01-05T14:30:00.123456789+01:00", "2026-01-05T14:30:00.5-23:59"]),
    st.sampled_from(["2026-01-05T14:30:00", "2026-01-05T14:30:00.1234567890Z", "2026-01-05 14:30:00Z"]),
    st.sampled_from(
        ["2026-02-30T00:00:00Z", "2026-01-05T14:30:60Z", "2026-01-05T24:00:00Z", "2026-01-05T14:30:00+24:00"]
    ),
)
NUMBERS = st.one_of(
    st.from_regex(r"\A[0-9]{1,9}(\.[0-9]{1,9})?\Z"),
    st.sampled_from(["0", "0.000000000", "000000000", "1e3", "+1", "-1", "1.", ".5", "1.0000000001", "1000000000"]),
    st.sampled_from(["999999999.999999999", "0.000000001", "007", "1 ", "\u0661", "NaN", "1_0", ""]),
)


@st.composite
def good_fields(draw: st.DrawFn) -> list[str]:
    """The fields of a tick, with many ties."""
    second = 1_767_625_800 + 59 * draw(st.integers(0, 2))
    price, size = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return [draw(st.sampled_from("AB")), f"{second}000000000", f"{price}.5", f"{size}", ""]


CONDITIONS = st.one_of(
    st.sampled_from(
        ['"a,b"', '"open', "über", "€" * 40, "x" * 200, 'a"b', "a\rb", "\x00", "\x1f", "a,b", "\ufeff"]
    ).map(str.encode),
    st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"")),
)


@st.composite
def csv_rows(draw: st.DrawFn) -> bytes:
    """A row of CSV: good, or with one thing about it that may make it bad, or anything but a line end."""
    fields = draw(good_fields())
    kind = draw(st.sampled_from(["good", "good", "good", "dirty", "quoted", "conditions", "fields", "bytes", "empty"]))
    if kind in {"dirty", "quoted"}:
        column = draw(st.integers(0, 3))
        fields[column] = draw((SYMBOLS, TIMESTAMPS, NUMBERS, NUMBERS)[column])
    if kind == "quoted":
        fields = [f'"{field}"' for field in fields]
    elif kind == "fields":
        fields = fields[: draw(st.integers(0, 5))] * draw(st.integers(1, 2))
    row = ",".join(fields).encode()
    if kind == "conditions":
        row += draw(CONDITIONS)
    if kind == "bytes":
        at = draw(st.integers(0, len(row)))
        row = row[:at] + draw(st.binary(max_size=120)).replace(b"\n", b"") + row[at:]
    return b"" if kind == "empty" else row


JSON_VALUES = st.one_of(
    st.sampled_from(['"AAPL"', "1.10", '"1.10"', "null", "true", "[1]", "{}", "1e3", "NaN", "-1", "0", '"Ä"', "7"]),
    TIMESTAMPS.map(lambda text: f'"{text}"'),
    st.integers(1_767_625_800 * 10**9, 1_767_625_990 * 10**9).map(str),
)


@st.composite
def json_rows(draw: st.DrawFn) -> bytes:
    """A line of JSON: mostly an object with the fields of a tick."""
    fields = {
        "symbol": draw(st.one_of(SYMBOLS.map(lambda text: f'"{text}"'), JSON_VALUES)),
        "timestamp": draw(st.one_of(st.just("1767625800000000000"), JSON_VALUES)),
        "price": draw(st.one_of(st.just("187.50"), JSON_VALUES)),
        draw(st.sampled_from(["size", "volume", "sise"])): draw(st.one_of(st.just('"3"'), JSON_VALUES)),
    }
    row = "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"
    kind = draw(st.sampled_from(["plain", "plain", "plain", "cut", "bytes", "twice", "empty"]))
    if kind == "twice":
        row = row[:-1] + ',"price":1}'
    if kind == "cut":
        row = row[: draw(st.integers(0, len(row)))]
    raw = row.encode()
    if kind == "bytes":
        raw = draw(st.binary(max_size=30)).replace(b"\n", b"")
    return b"" if kind == "empty" else raw


@st.composite
def files(
    draw: st.DrawFn, rows: st.SearchStrategy[bytes], header: bytes, ends: Sequence[bytes] = (b"\n", b"\n", b"\r\n")
) -> bytes:
    """Rows with either line end, or any of those given; the last one may have none."""
    text = b"".join(row + draw(st.sampled_from(ends)) for row in draw(st.lists(rows, max_size=12)))
    return header + text + draw(st.one_of(st.just(b""), rows))


CSV_FILES = files(csv_rows(), HEADER + b"\r\n")
JSON_FILES = files(json_rows(), b"", (b"\n", b"\n", b"\r\n", b"", b""))


@st.composite
def cuts(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> tuple[bytes, list[int]]:
    """A file and where to cut it: anywhere, or after every byte of a part of it."""
    data = draw(contents)
    points = draw(st.lists(st.integers(0, len(data)), max_size=6))
    if draw(st.booleans()):
        start = draw(st.integers(0, len(data)))
        points += range(start, min(start + 12, len(data)))
    return data, points


def source_of(data: bytes) -> Source:
    """The object that a test pretends to have uploaded."""
    return Source("bucket", "ticks/day.csv", "v1", "etag", len(data))


def model(rows: bytes, start: int, columns: Sequence[str]) -> tuple[list[tuple[int, Tick]], list[tuple[int, Reason]]]:
    """The ticks and rejects of a whole text, with their offsets."""
    ticks, rejects = [], []
    behind = [] if columns else joints(rows)
    for first, last in pairwise([0, *behind, len(rows)]):
        one, other = model_of_lines(rows[first:last], start + first, columns)
        ticks += one
        rejects += other
    return ticks, rejects


def model_of_lines(
    rows: bytes, start: int, columns: Sequence[str]
) -> tuple[list[tuple[int, Tick]], list[tuple[int, Reason]]]:
    """The same of a text without rows of JSON right behind each other."""
    ticks, rejects = [], []
    for line in rows.split(b"\n"):
        row = line.removesuffix(b"\r")
        try:
            if len(line) > SMALL.row_bytes:
                rejects.append((start, Reason.ROW_TOO_LONG))
            elif row:
                ticks.append((start, parse_csv_row(row, columns=columns) if columns else parse_json_row(row)))
        except RowRejected as refusal:
            rejects.append((start, refusal.reason))
        start += len(line) + 1
    return ticks, rejects


def bars_of(ticks: Iterable[tuple[int, Tick]]) -> dict[tuple[str, int], tuple[Bar, ...]]:
    """The bars of ticks, merged one by one."""
    bars: dict[tuple[str, int], tuple[Bar, ...]] = {}
    for offset, tick in ticks:
        key = tick.symbol, hour_of(tick.timestamp_ns)
        bars[key] = merge_bars(bars.get(key, ()), [bar_of(tick, "ticks/day.csv", "etag", offset)])
    return bars


def check(pieces: Sequence[Decoded], rows: bytes, start: int, columns: Sequence[str]) -> None:
    """Hold what ranges came to against the rows that begin at this offset."""
    ticks, rejects = model(rows, start, columns)
    merged: dict[tuple[str, int], tuple[Bar, ...]] = {}
    for piece in pieces:
        assert sum(bar.ticks for bars in piece.bars.values() for bar in bars) == piece.ticks
        for key, bars in piece.bars.items():
            merged[key] = merge_bars(merged.get(key, ()), bars)
    assert merged == bars_of(ticks)
    assert [(row.offset, row.reason) for piece in pieces for row in piece.rejects] == rejects
    for piece in pieces:
        for row in piece.rejects:
            assert rows[row.offset - start :].startswith(row.raw)


def check_split(data: bytes, points: Iterable[int], layout: Layout) -> None:
    """Decode the ranges between these points, watching how far each reads."""
    bounds = sorted(
        {layout.data_start, len(data), *(point for point in points if layout.data_start < point < len(data))}
    )
    spans = [Span(i, first, last) for i, (first, last) in enumerate(pairwise(bounds))]
    pieces = []
    # Two bytes more show where the next row of JSON begins.
    further = SMALL.row_bytes + 2 * (layout.format is Format.JSON_LINES)
    for span in spans:

        def read(first: int, last: int, span: Span = span) -> bytes:
            assert span.start - 1 <= first < last <= min(span.end + further, len(data))
            return data[first:last]

        pieces.append(decode_span(source_of(data), layout, span, read, SMALL))
    check(pieces, data[layout.data_start :], layout.data_start, layout.columns)


@settings(max_examples=250)
@given(cuts(CSV_FILES))
@example(
    (HEADER + b"\r\n" + b"x" * 89 + b"\r\n" + b"x" * 90 + b"\n" + b"x" * 91 + b"\n" + b"x" * 500, list(range(1000)))
)
@example((HEADER + b"\r\n" + b"A,1767625800000000000,1,1," + b"x" * 65, list(range(200))))
def test_any_split_of_a_csv_file_yields_each_row_once(case: tuple[bytes, list[int]]) -> None:
    """Ranges cut anywhere have, together, the ticks, bars and rejects of the file read row by row."""
    data, points = case
    check_split(data, points, Layout(Format.CSV, columns=COLUMNS, data_start=len(HEADER) + 2))


@settings(max_examples=150)
@given(cuts(JSON_FILES))
def test_any_split_of_json_lines_yields_each_row_once(case: tuple[bytes, list[int]]) -> None:
    """The same of JSON lines, whose rows begin with the file's first byte."""
    data, points = case
    check_split(data, points, Layout(Format.JSON_LINES))


@settings(max_examples=100)
@given(CSV_FILES, st.integers(1, 80))
def test_planned_ranges_cover_a_file(data: bytes, range_bytes: int) -> None:
    """What `sniff` and `plan_spans` make of a file yields each of its rows once, whatever the range size."""
    source = source_of(data)
    layout = sniff(source, lambda first, last: data[first:last])
    spans = plan_spans(source, layout, range_bytes, lambda first, last: data[first:last])
    assert [span.index for span in spans] == list(range(len(spans)))
    pieces = [decode_span(source, layout, span, lambda first, last: data[first:last], SMALL) for span in spans]
    check(pieces, data[layout.data_start :], layout.data_start, layout.columns)


@settings(max_examples=100)
@given(st.one_of(CSV_FILES, JSON_FILES), st.lists(st.integers(0, 300), max_size=3))
def test_a_gzipped_file_has_the_rows_of_its_text(data: bytes, members: list[int]) -> None:
    """Offsets are those of the unpacked text; several gzip members are one text."""
    bounds = sorted({0, len(data), *(point for point in members if point < len(data))})
    packed = b"".join(gzip.compress(data[a:b]) for a, b in pairwise(bounds)) or gzip.compress(b"")
    is_csv = data.startswith(HEADER)
    layout = (
        Layout(Format.CSV, container=Container.GZIP, columns=COLUMNS, data_start=len(HEADER) + 2)
        if is_csv
        else Layout(Format.JSON_LINES, container=Container.GZIP)
    )
    span = Span(0, 0, len(packed))
    decoded = decode_span(source_of(packed), layout, span, lambda first, last: packed[first:last], SMALL)
    check([decoded], data[layout.data_start :], layout.data_start, layout.columns)


def test_a_short_read_is_an_error_to_retry() -> None:
    """A store that returns fewer bytes than it has must not make rows vanish."""
    data = HEADER + b"\nA,1767625800000000000,1,1,\n"
    layout = Layout(Format.CSV, columns=COLUMNS, data_start=len(HEADER) + 1)
    span = Span(0, layout.data_start, len(data))
    with pytest.raises(ServiceIncomplete):
        decode_span(source_of(data), layout, span, lambda first, last: data[first : last - 1])
