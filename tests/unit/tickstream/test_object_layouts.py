"""What an object is taken for, how it is cut, and what is refused as a whole."""

from __future__ import annotations

import gzip
import random
import struct
import sys
from contextlib import suppress
from subprocess import run

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from tickstream.errors import ObjectRejected, Reason
from tickstream.ingests import Container, Format, Layout, Source, Span
from tickstream.layouts import SNIFFED_BYTES, sniff
from tickstream.ranges import MAX_RANGES, plan_spans

HEADER = b"symbol,timestamp,price,size"
COLUMNS = ("symbol", "timestamp", "price", "size")
SHUFFLED = ("size", "x y", "price", "timestamp", "symbol")


def layout_of(data: bytes) -> Layout:
    """What `sniff` says of an object with these bytes, read once and no further than 64 KiB."""
    reads = []

    def read(start: int, end: int) -> bytes:
        reads.append((start, end))
        return data[start:end]

    layout = sniff(source_of(data), read)
    assert reads in ([], [(0, min(len(data), SNIFFED_BYTES))])
    return layout


def source_of(data: bytes) -> Source:
    """The object that a test pretends to have uploaded."""
    return Source("bucket", "key", "v1", "etag", len(data))


def spans_of(data: bytes, range_bytes: int = 8 << 20) -> tuple[Span, ...]:
    """How the object is cut."""
    return plan_spans(source_of(data), layout_of(data), range_bytes, lambda start, end: data[start:end])


@pytest.mark.parametrize(
    ("data", "layout"),
    [
        (HEADER + b"\nA,1,1,1\n", Layout(Format.CSV, columns=COLUMNS, data_start=28)),
        (HEADER + b"\r\nA,1,1,1\r\n", Layout(Format.CSV, columns=COLUMNS, data_start=29)),
        (HEADER, Layout(Format.CSV, columns=COLUMNS, data_start=27)),
        (b"\xef\xbb\xbf" + HEADER + b"\n", Layout(Format.CSV, columns=COLUMNS, data_start=31)),
        (b"\n\r\n" + HEADER + b"\n", Layout(Format.CSV, columns=COLUMNS, data_start=31)),
        (b'"size",x y,"price",timestamp,symbol\n', Layout(Format.CSV, columns=SHUFFLED, data_start=36)),
        (b'{"symbol":', Layout(Format.JSON_LINES)),
        (b' \r\n\t{"symbol":', Layout(Format.JSON_LINES)),
        (b'\xef\xbb\xbf{"symbol":', Layout(Format.JSON_LINES, data_start=3)),
        (
            gzip.compress(HEADER + b"\nA,1,1,1\n", mtime=0),
            Layout(Format.CSV, container=Container.GZIP, columns=COLUMNS, data_start=28),
        ),
        (
            gzip.compress(b"", mtime=0)
            + gzip.compress(HEADER[:9], mtime=0)
            + gzip.compress(HEADER[9:] + b"\n", mtime=0),
            Layout(Format.CSV, container=Container.GZIP, columns=COLUMNS, data_start=28),
        ),
        (gzip.compress(b"{}", mtime=0), Layout(Format.JSON_LINES, container=Container.GZIP)),
    ],
)
def test_each_format_is_recognised(data: bytes, layout: Layout) -> None:
    """Byte order mark, blank lines, quoted names, any order of columns, other columns, gzip."""
    assert layout_of(data) == layout


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\xef\xbb\xbf",
        b" \r\n ",
        HEADER,
        HEADER + b"\n",
        gzip.compress(b"", mtime=0),
        gzip.compress(HEADER + b"\n", mtime=0),
    ],
)
def test_an_object_without_rows_has_no_ranges(data: bytes) -> None:
    """Nothing at all, blanks, or a header alone: complete at once and not an error."""
    assert spans_of(data) == ()


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (b"symbol,timestamp,size\nA,1,1\n", Reason.MISSING_COLUMN, "price; found: symbol, timestamp, size"),
        (b"Symbols,timestamp,price,size\n", Reason.MISSING_COLUMN, "Symbols"),
        (b"symbol;timestamp;price;size\n", Reason.MISSING_COLUMN, "symbol;timestamp"),
        (b"symbol,timestamp,price,size,price\n", Reason.DUPLICATE_COLUMN, "'price'"),
        (HEADER + b",x" * 253 + b"\n", Reason.TOO_LARGE, "at most 256 columns"),
        (b"\x00\x01\x02\x03\n", Reason.UNKNOWN_FORMAT, "neither"),
        (b"\x89PNG\r\n\x1a\n", Reason.UNKNOWN_FORMAT, "a picture"),
        (b"\x89PNX\n", Reason.UNKNOWN_FORMAT, "no CSV header"),
        (b'[{"symbol": "A"}]', Reason.UNKNOWN_FORMAT, "one JSON document"),
        (b'{\n "trades": [{"symbol": "A"}]\n}', Reason.UNKNOWN_FORMAT, "one JSON document"),
        (b'symbol,"timestamp,price,size\n', Reason.UNKNOWN_FORMAT, "no CSV header"),
        (b"x" * (SNIFFED_BYTES + 1), Reason.UNKNOWN_FORMAT, "no line ends"),
        (b" " * (SNIFFED_BYTES + 1), Reason.UNKNOWN_FORMAT, "blanks"),
        (b"\x1f\x8b broken", Reason.CORRUPT_GZIP, "cannot be unpacked"),
        (gzip.compress(HEADER, mtime=0)[:20], Reason.CORRUPT_GZIP, "cut off"),
        (gzip.compress(b"PAR1", mtime=0), Reason.MISSING_COLUMN, "PAR1"),
        (gzip.compress(gzip.compress(HEADER, mtime=0), mtime=0), Reason.UNKNOWN_FORMAT, ""),
    ],
)
def test_an_unreadable_object_is_refused_with_its_reason(data: bytes, reason: Reason, said: str) -> None:
    """The refusal names what is wrong and what was found."""
    with pytest.raises(ObjectRejected) as refusal:
        layout_of(data)
    assert refusal.value.reason is reason
    assert said in refusal.value.detail
    assert len(refusal.value.detail) < 400


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_have_a_layout_or_a_reason(data: bytes, packed: bool) -> None:  # noqa: FBT001 - drawn
    """Garbage ends in an answer and never in another error."""
    data = gzip.compress(data, mtime=0) if packed else data
    with suppress(ObjectRejected):
        spans = spans_of(data)
        assert len(spans) <= 1


@given(st.integers(0, 10**14), st.integers(1024, 1 << 26))
def test_spans_tile_the_object(size_bytes: int, range_bytes: int) -> None:
    """Spans follow each other from the first row to the end, of one size, and never more than 10,000."""
    source = Source("bucket", "key", "v1", "etag", size_bytes)
    layout = Layout(Format.CSV, columns=COLUMNS, data_start=min(28, size_bytes))
    spans = plan_spans(source, layout, range_bytes, lambda start, end: b"")
    bounds = [layout.data_start, *(span.end for span in spans)]
    assert [(span.index, span.start) for span in spans] == list(enumerate(bounds[:-1]))
    assert bounds[-1] == size_bytes
    assert len(spans) <= MAX_RANGES
    assert all(span.end - span.start >= range_bytes for span in spans[:-1])


def test_a_gzip_member_that_ends_with_the_first_bytes_is_not_the_end() -> None:
    """What follows the 64 KiB that are looked at is not forgotten, though a member ends exactly there."""
    member = gzip.compress(HEADER + b"\n", mtime=0)
    # The member's header carries a file name of just the length that makes it 64 KiB.
    named = member[:3] + b"\x08" + member[4:10] + b"n" * (SNIFFED_BYTES - len(member) - 1) + b"\x00" + member[10:]
    assert len(named) == SNIFFED_BYTES
    assert spans_of(named) == ()
    assert spans_of(named + gzip.compress(b"A,1,1,1\n", mtime=0)) != ()


def test_planning_needs_no_polars() -> None:
    """DataIngestion has no polars in its bundle, and what it imports from here must not want it."""
    code = "import sys, tickstream.layouts, tickstream.ranges, tickstream.rows; sys.exit('polars' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("skipped_bytes", [0, 300_000])
def test_a_zst_whose_first_block_is_large_has_a_head(skipped_bytes: int) -> None:
    """Text that hardly packs has no text in its first 64 KiB; nor has a frame of something else before it."""
    rows = b"AAPL,1767625800000000000,187.50,100\n" + random.Random(1).randbytes(400_000).hex().encode()  # noqa: S311
    skipped = struct.pack("<II", 0x184D2A50, skipped_bytes) + bytes(skipped_bytes) if skipped_bytes else b""
    data = skipped + zstd.compress(HEADER + b"\n" + rows)
    layout = sniff(Source("bucket", "key", "v1", "etag", len(data)), lambda start, end: data[start:end])
    assert (layout.format, layout.container) == (Format.CSV, Container.ZSTD)
