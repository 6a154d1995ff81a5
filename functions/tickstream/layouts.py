"""What an object is: container, format, feed, columns, and where its rows begin, from its first 64 KiB."""

from __future__ import annotations

import csv
from collections import Counter
from typing import TYPE_CHECKING, Final

from tickstream.containers import container_of, opened_zip, wanted_members
from tickstream.errors import ObjectRejected, Reason
from tickstream.feeds.catalogue import installed
from tickstream.feeds.choice import Candidate, ParquetHead, choose
from tickstream.feeds.documents import columns_of, frozen_text, thawed
from tickstream.feeds.heading import MAX_COLUMNS, UTF8_BOM, Head, heading_of, lines_of
from tickstream.feeds.readers import column_key
from tickstream.feeds.refusals import like_a_feed, refuse_what_it_is
from tickstream.feeds.templates import take_apart
from tickstream.gzip_stream import GzipStream
from tickstream.ingests import Container, Format, Layout
from tickstream.json_documents import is_one_document
from tickstream.parquet.footer import of_native, read_footer
from tickstream.parquet.row_groups import MAGIC
from tickstream.parquet.schema import PhysicalType
from tickstream.ticks import REQUIRED_COLUMNS
from tickstream.zstd_stream import ZstdStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tickstream.feeds.catalogue import Catalogue
    from tickstream.feeds.description import Feed
    from tickstream.ingests import Read, Source
    from tickstream.parquet.footer import Footer
    from tickstream.parquet.schema import Column

SNIFFED_BYTES: Final = 64 * 1024
#: What is read at a time, and at most, of a zst that gives less text than is looked at.
_BLOCK_BYTES: Final = 192 * 1024
_MOST_PACKED_BYTES: Final = 1024 * 1024

_BLANKS: Final = b" \t\r\n"
_COMMENT: Final = b"#"


def sniff(source: Source, read: Read, catalogue: Catalogue | None = None) -> Layout:
    """Find out how to read an object. An object without anything in it is CSV without rows.

    catalogue: of feeds; the installed ones by default.

    Raises ObjectRejected, whatever makes it one that cannot be read as ticks.
    """
    return sniff_with_footer(source, read, catalogue)[0]


def sniff_with_footer(source: Source, read: Read, catalogue: Catalogue | None = None) -> tuple[Layout, Footer | None]:
    """Find out the same, and return with it the footer that Parquet has, so that nobody needs to read it again."""
    if source.size_bytes == 0:
        return Layout(Format.CSV), None
    known = installed() if catalogue is None else catalogue
    first = read(0, min(SNIFFED_BYTES, source.size_bytes))
    if first.startswith(MAGIC):
        return _parquet_layout(source, read, known)
    return _text_layout(source, read, known, first), None


def _text_layout(source: Source, read: Read, known: Catalogue, first: bytes) -> Layout:
    container = container_of(first)
    if container is Container.PLAIN:
        refuse_what_it_is(first)

    def again(start: int, end: int) -> bytes:
        return first[start:end] if end <= len(first) else read(start, end)

    heads = _heads(source, again, container)
    chosen = choose(Candidate(source.key, heads), known)
    if chosen is not None:
        return Layout(
            chosen.format, container, chosen.columns, chosen.data_start, frozen_text(chosen.feed), chosen.delimiter
        )
    head = heads("")
    if head is None:
        raise ObjectRejected(Reason.UNKNOWN_FORMAT, "the zip has no file in it")
    refuse_what_it_is(head.text)
    return _native_layout(head, container, known)


def _heads(source: Source, read: Read, container: Container) -> Callable[[str], Head | None]:
    """Return what gives the head of the first member whose name has a pattern; of what is no zip, its own."""
    heads: dict[str, Head | None] = {}

    def head(pattern: str) -> Head | None:
        if container is not Container.ZIP:
            pattern = ""
        if pattern not in heads:
            heads[pattern] = head_of(source, read, container, pattern)
        return heads[pattern]

    return head


def head_of(
    source: Source, read: Read, container: Container, pattern: str = "", wanted_bytes: int = SNIFFED_BYTES
) -> Head | None:
    """Unpack at most so many bytes from the start of an object, or of the first member of a zip that is wanted.

    None where a zip has none. Raises ObjectRejected (corrupt_gzip, corrupt_zip, corrupt_zstd, encrypted).
    """
    if container is Container.ZIP:
        return _head_of_member(source, read, pattern, wanted_bytes)
    if container is Container.PLAIN:
        end = min(wanted_bytes, source.size_bytes)
        return Head(read(0, end), whole=end == source.size_bytes)
    packed = read(0, min(wanted_bytes, source.size_bytes))
    stream = GzipStream() if container is Container.GZIP else ZstdStream()
    text, taken = stream.unpack(packed, wanted_bytes)
    # A block of zst is all there or not at all, and takes up to 128 KiB; what stands before the first may be no text.
    most_bytes = min(source.size_bytes, _MOST_PACKED_BYTES) if container is Container.ZSTD else 0
    while len(text) < wanted_bytes // 2 and len(packed) < most_bytes:
        packed += read(len(packed), min(len(packed) + _BLOCK_BYTES, source.size_bytes))
        more, took = stream.unpack(packed[taken:], wanted_bytes - len(text))
        text, taken = text + more, taken + took
    # Nothing but padding may follow the text; what would be another member is unpacked no further.
    rest = packed[taken:].lstrip(b"\0") if stream.finished else packed[taken:]
    all_read = len(packed) == source.size_bytes
    if all_read and len(text) < wanted_bytes:
        stream.end()
    return Head(text, all_read and stream.finished and not rest)


def _head_of_member(source: Source, read: Read, pattern: str, wanted_bytes: int) -> Head | None:
    with opened_zip(source, read) as (archive, members):
        wanted = wanted_members(members, pattern)
        if not wanted:
            return None
        # One that is empty tells nothing.
        member = next((one for one in wanted if one.unpacked_bytes), wanted[0])
        with archive.open(member.name) as file:
            text = file.read(wanted_bytes)
        return Head(text, len(text) == member.unpacked_bytes and len(wanted) == 1, member.name)


def _parquet_layout(source: Source, read: Read, catalogue: Catalogue) -> tuple[Layout, Footer]:
    layouts: list[Layout] = []

    def wanted(columns: tuple[Column, ...]) -> frozenset[str]:
        names = tuple(column.name for column in columns)
        integers = tuple(column.physical_type in _INTEGERS for column in columns)
        chosen = choose(Candidate(source.key, lambda _: None, ParquetHead(names, integers)), catalogue)
        if chosen is None:
            check_columns(names, catalogue)
            layouts.append(Layout(Format.PARQUET))
            return of_native(columns)
        check_feed_types(chosen.feed, columns)
        keys = set(map(column_key, columns_of(chosen.feed)))
        of_feed = tuple(name for name in names if column_key(name) in keys)
        layouts.append(Layout(Format.PARQUET, columns=of_feed, feed=frozen_text(chosen.feed)))
        return frozenset(of_feed)

    footer = read_footer(source.size_bytes, read, wanted)
    if not layouts[0].feed:
        # What its writer means by its bytes is known only now.
        check_types(footer.columns)
    return layouts[0], footer


def _native_layout(head: Head, container: Container, catalogue: Catalogue | None) -> Layout:
    text = head.text
    start = len(UTF8_BOM) if text.startswith(UTF8_BOM) else 0
    first = len(text) - len(text[start:].lstrip(_BLANKS))
    if first == len(text):
        if head.whole:
            return Layout(Format.CSV, container, data_start=len(text))
        raise ObjectRejected(Reason.UNKNOWN_FORMAT, f"nothing but blanks in the first {len(text)} bytes")
    if text[first : first + 1] == b"[" or (text[first : first + 1] == b"{" and is_one_document(text[first:])):
        raise ObjectRejected(
            Reason.UNKNOWN_FORMAT, "it is one JSON document: a feed of your own (format json) says where its rows are"
        )
    if text[first : first + 1] == b"{":
        return Layout(Format.JSON_LINES, container, data_start=start)
    for at, line in lines_of(head, start):
        stripped = line.strip()
        if not stripped or stripped.startswith(_COMMENT) or stripped.lower().strip(b'"') == b"sep=,":
            continue
        end = text.find(b"\n", at)
        columns = _header(line, catalogue)
        return Layout(Format.CSV, container, columns, end + 1 if end >= 0 else len(text))
    raise ObjectRejected(Reason.UNKNOWN_FORMAT, f"no line ends within the first {len(text)} bytes")


def start_of_member(layout: Layout, head: Head) -> int:
    """Return where rows begin in another member of a zip. Raises ObjectRejected where its columns are others."""
    if not head.text.strip():
        return len(head.text)
    if layout.format is not Format.CSV:
        return len(UTF8_BOM) if head.text.startswith(UTF8_BOM) else 0
    if layout.feed:
        feed = thawed(layout.feed)
        heading = heading_of(head, feed, columns_of(feed))
        columns, start = (heading.columns, heading.data_start) if heading else ((), 0)
    else:
        again = _native_layout(head, layout.container, None)
        columns, start = again.columns, again.data_start
    if [column_key(name) for name in columns] != [column_key(name) for name in layout.columns]:
        raise ObjectRejected(
            Reason.UNKNOWN_FORMAT, f"its members differ: {head.member[:100]} has other columns than the first"
        )
    return start


def _header(line: bytes, catalogue: Catalogue | None) -> tuple[str, ...]:
    try:
        text = line.decode()
        names = next(csv.reader([text], strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ObjectRejected(Reason.UNKNOWN_FORMAT, f"its first line is no CSV header: {error}") from error
    if not text.replace("\t", "").isprintable() or text[0] == "<":
        raise ObjectRejected(Reason.UNKNOWN_FORMAT, "it is neither CSV with a header, JSON lines nor Parquet")
    if len(names) > MAX_COLUMNS:
        raise ObjectRejected(Reason.TOO_LARGE, f"a header names at most {MAX_COLUMNS} columns, this one {len(names)}")
    columns = tuple(column_key(name) for name in names)
    check_columns(columns, catalogue, names)
    return columns


def check_columns(
    columns: Sequence[str], catalogue: Catalogue | None = None, written: Sequence[str] | None = None
) -> None:
    """Check that the required columns are there and none stands twice. Raises ObjectRejected.

    written: the columns as they are written, for a person.
    """
    missing = [column for column in REQUIRED_COLUMNS if column not in columns]
    if missing:
        found = ", ".join(columns if written is None else written)
        shown = found if len(found) <= 200 else found[:200] + " ..."
        hint = like_a_feed(columns, catalogue) if catalogue else ""
        raise ObjectRejected(Reason.MISSING_COLUMN, f"no column {', '.join(missing)}; found: {shown}{hint}")
    twice = sorted(column for column, count in Counter(columns).items() if count > 1)
    if twice:
        raise ObjectRejected(Reason.DUPLICATE_COLUMN, f"more than one column {', '.join(map(repr, twice))}")


_TEXT: Final = {PhysicalType.BYTE_ARRAY}
_INTEGERS: Final = {PhysicalType.INT32, PhysicalType.INT64}
_NUMBER: Final = {PhysicalType.INT32, PhysicalType.INT64, PhysicalType.FIXED_LEN_BYTE_ARRAY}
_SUITABLE_TYPES: Final = {
    "symbol": _TEXT,
    "timestamp": {PhysicalType.INT64, PhysicalType.INT96} | _TEXT,
    "price": _NUMBER | _TEXT,
    "size": _NUMBER | _TEXT,
}


def check_types(columns: Sequence[Column], catalogue: Catalogue | None = None) -> None:
    """Check that a Parquet object has the required columns, each stored as a tick's may be. Raises ObjectRejected.

    Only what the storage shows, so that a column of floats is refused once and for the whole object; the decoder sees
    what values mean and is stricter.
    """
    check_columns([column.name for column in columns], catalogue)
    for column in columns:
        unsuitable = column.physical_type not in _SUITABLE_TYPES.get(column.name, {column.physical_type})
        # A range is read without knowing the writer, whose bytes of no said meaning may be integers (`Column`).
        bare = column.physical_type is PhysicalType.FIXED_LEN_BYTE_ARRAY and not (column.decimal or column.wide_integer)
        if column.name in REQUIRED_COLUMNS and (unsuitable or bare):
            kind = column.physical_type.name if column.physical_type is not None else "a nested column"
            raise ObjectRejected(
                Reason.UNSUITABLE_COLUMN,
                f"column {column.name} is {kind}; wanted are strings, integers, decimals and timestamps. "
                "Floats are taken by a feed that says how many decimals they have (tick.price.decimals)",
            )


def check_feed_types(feed: Feed, columns: Sequence[Column]) -> None:
    """Check that columns of floats are such whose decimals the feed says. Raises ObjectRejected (unsuitable_column)."""
    types = {column_key(column.name): column.physical_type for column in columns}
    for role, number in (("price", feed.tick.price), ("size", feed.tick.size)):
        if number.decimals is not None:
            continue
        for template in (number.template, *(number.middle or ())):
            for name in take_apart(template).names:
                if types.get(column_key(name)) in {PhysicalType.FLOAT, PhysicalType.DOUBLE}:
                    raise ObjectRejected(
                        Reason.UNSUITABLE_COLUMN,
                        f"column {name} is of floats, which are not exact: say in feed {feed.name} how many decimals "
                        f"they have (tick.{role}.decimals)",
                    )
