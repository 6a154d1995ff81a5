"""What an object is: its format, its columns and where its rows begin, from its first 64 KiB."""

from __future__ import annotations

import csv
from collections import Counter
from typing import TYPE_CHECKING, Final

from tickstream.errors import ObjectRejected, Reason
from tickstream.gzip_stream import GzipStream
from tickstream.ingests import Format, Layout
from tickstream.parquet.footer import read_footer
from tickstream.parquet.row_groups import MAGIC
from tickstream.parquet.schema import PhysicalType
from tickstream.ticks import REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tickstream.ingests import Read, Source
    from tickstream.parquet.footer import Footer
    from tickstream.parquet.schema import Column

SNIFFED_BYTES: Final = 64 * 1024
#: The header's names travel in every message, and the decoder's regular expression grows with them.
MAX_COLUMNS: Final = 256

_GZIP_MAGIC: Final = b"\x1f\x8b"
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_BLANKS: Final = b" \t\r\n"
_TEXT: Final = {PhysicalType.BYTE_ARRAY}
_NUMBER: Final = {PhysicalType.INT32, PhysicalType.INT64, PhysicalType.FIXED_LEN_BYTE_ARRAY}
_SUITABLE_TYPES: Final = {
    "symbol": _TEXT,
    "timestamp": {PhysicalType.INT64} | _TEXT,
    "price": _NUMBER | _TEXT,
    "size": _NUMBER | _TEXT,
}


def sniff(source: Source, read: Read) -> Layout:
    """Find out how to read an object. An object without anything in it is CSV without rows.

    Raises ObjectRejected: unknown_format, missing_column, duplicate_column, unsuitable_column, corrupt_gzip,
    corrupt_parquet, too_large.
    """
    return sniff_with_footer(source, read)[0]


def sniff_with_footer(source: Source, read: Read) -> tuple[Layout, Footer | None]:
    """Find out the same, and return with it the footer that Parquet has, so that nobody needs to read it again."""
    if source.size_bytes == 0:
        return Layout(Format.CSV), None
    head = read(0, min(SNIFFED_BYTES, source.size_bytes))
    if head.startswith(MAGIC):
        footer = read_footer(source.size_bytes, read)
        check_types(footer.columns)
        return Layout(Format.PARQUET), footer
    return _sniff_text(source, head), None


def _sniff_text(source: Source, head: bytes) -> Layout:
    if head.startswith(_GZIP_MAGIC):
        text, whole = gzip_head(source, lambda start, end: head[start:end])
        return _text_layout(text, gzipped=True, whole=whole)
    return _text_layout(head, gzipped=False, whole=source.size_bytes == len(head))


def gzip_head(source: Source, read: Read, wanted_bytes: int = SNIFFED_BYTES) -> tuple[bytes, bool]:
    """Unpack at most so many bytes from the start of a gzipped object; the second value says that this is all there is.

    Raises ObjectRejected (corrupt_gzip).
    """
    packed = read(0, min(wanted_bytes, source.size_bytes))
    stream = GzipStream()
    text, taken = stream.unpack(packed, wanted_bytes)
    # Nothing but padding may follow the text; what would be another member is unpacked no further.
    rest = packed[taken:].lstrip(b"\0") if stream.finished else packed[taken:]
    all_read = len(packed) == source.size_bytes
    if all_read and len(text) < wanted_bytes:
        stream.end()
    return text, all_read and stream.finished and not rest


def _text_layout(head: bytes, *, gzipped: bool, whole: bool) -> Layout:
    start = len(_UTF8_BOM) if head.startswith(_UTF8_BOM) else 0
    first = len(head) - len(head[start:].lstrip(_BLANKS))
    if first == len(head):
        if whole:
            return Layout(Format.CSV, gzipped, data_start=len(head))
        raise ObjectRejected(Reason.UNKNOWN_FORMAT, f"nothing but blanks in the first {len(head)} bytes")
    if head[first : first + 1] == b"{":
        return Layout(Format.JSON_LINES, gzipped, data_start=start)
    # Blanks before the header's first name belong to its line: back to where that line begins.
    line_start = max(head.rfind(b"\n", start, first) + 1, start)
    line_end = head.find(b"\n", line_start)
    if line_end < 0:
        if not whole:
            raise ObjectRejected(Reason.UNKNOWN_FORMAT, f"no line ends within the first {len(head)} bytes")
        line_end = len(head)
    columns = _header(head[line_start:line_end].removesuffix(b"\r"))
    return Layout(Format.CSV, gzipped, columns, min(line_end + 1, len(head)))


def _header(line: bytes) -> tuple[str, ...]:
    try:
        text = line.decode()
        columns = next(csv.reader([text], strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ObjectRejected(Reason.UNKNOWN_FORMAT, f"its first line is no CSV header: {error}") from error
    if not text.isprintable() or text[0] in "[<":
        raise ObjectRejected(Reason.UNKNOWN_FORMAT, "it is neither CSV with a header, JSON lines, Parquet nor gzip")
    if len(columns) > MAX_COLUMNS:
        raise ObjectRejected(Reason.TOO_LARGE, f"a header names at most {MAX_COLUMNS} columns, this one {len(columns)}")
    check_columns(columns)
    return tuple(columns)


def check_columns(columns: Sequence[str]) -> None:
    """Check that the required columns are there and none stands twice. Raises ObjectRejected."""
    missing = [column for column in REQUIRED_COLUMNS if column not in columns]
    if missing:
        found = ", ".join(columns)
        shown = found if len(found) <= 200 else found[:200] + " ..."
        raise ObjectRejected(Reason.MISSING_COLUMN, f"no column {', '.join(missing)}; found: {shown}")
    twice = sorted(column for column, count in Counter(columns).items() if count > 1)
    if twice:
        raise ObjectRejected(Reason.DUPLICATE_COLUMN, f"more than one column {', '.join(map(repr, twice))}")


def check_types(columns: Sequence[Column]) -> None:
    """Check that a Parquet object has the required columns, each stored as a tick's may be. Raises ObjectRejected.

    Only what the storage shows, so that a column of floats is refused once and for the whole object; the decoder sees
    what values mean and is stricter.
    """
    check_columns([column.name for column in columns])
    for column in columns:
        unsuitable = column.physical_type not in _SUITABLE_TYPES.get(column.name, {column.physical_type})
        # A range is read without knowing the writer, whose bytes of no said meaning may be integers (`Column`).
        bare = column.physical_type is PhysicalType.FIXED_LEN_BYTE_ARRAY and not (column.decimal or column.wide_integer)
        if column.name in REQUIRED_COLUMNS and (unsuitable or bare):
            kind = column.physical_type.name if column.physical_type is not None else "a nested column"
            raise ObjectRejected(
                Reason.UNSUITABLE_COLUMN,
                f"column {column.name} is {kind}; wanted are strings, integers, decimals and timestamps, never floats",
            )
