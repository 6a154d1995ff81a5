"""How an object is cut into ranges. Where exactly changes no bar: a row belongs to the range in which it begins."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tickstream.errors import ObjectRejected, Reason
from tickstream.ingests import Container, Format, Layout, Manifest, Source, Span
from tickstream.layouts import head_of
from tickstream.packed_index import LEAST_STEP_BYTES
from tickstream.parquet.footer import part_of, read_footer
from tickstream.ticks import REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream.ingests import Read
from tickstream.parquet.footer import Footer

#: More would make the manifest outgrow its item.
MAX_RANGES: Final = 10_000
#: Of Parquet, whose rows may take no bytes at all: 60 million equal ones are 96 KB. One core folds as many in a second
#: or two; 32 MiB of real trades are about as many.
MAX_RANGE_ROWS: Final = 4_000_000
#: What the columns of a Parquet range take unpacked, and a gzipped object.
MAX_UNPACKED_BYTES: Final = 256 << 20
#: A packed object of so many bytes is indexed, however large ranges are: its text may be more than one range can have.
#: Market data are packed five to fifteen times.
MOST_PACKED_BYTES: Final = MAX_UNPACKED_BYTES // 16
#: A range of so much text is large. It is some ten thousand rows, each of which may be a write.
LARGE_TEXT_BYTES: Final = 1 << 20
#: What is packed is so many times as much text: market data are five to fifteen times.
_TEXT_A_PACKED_BYTE: Final = 8


def has_large_ranges(manifest: Manifest) -> bool:
    """Say whether the ranges of an object go to the queue of large ranges: the rule for whoever sends them.

    Large are ranges of an object that is cut into several, all of an indexed one (so that DataIndexer sends to that
    queue only), and a single one of `LARGE_TEXT_BYTES` of text or more. Small objects and posted ticks are not: they
    wait for no backfill. It follows from the manifest alone, so that a range that is sent again goes the same way;
    should it go the other, it is processed all the same.
    """
    source, layout = manifest.source, manifest.layout
    if source is None or layout is None:
        return False
    if manifest.ranges > 1 or layout.indexed:
        return True
    if layout.container is Container.PLAIN and layout.format is not Format.PARQUET:
        return source.size_bytes >= LARGE_TEXT_BYTES
    return source.size_bytes * _TEXT_A_PACKED_BYTE >= LARGE_TEXT_BYTES


def is_to_be_indexed(source: Source, layout: Layout, range_bytes: int) -> bool:
    """Say whether an object is packed, and large enough that an index is worth its making."""
    is_packed = layout.container is not Container.PLAIN and layout.format in {Format.CSV, Format.JSON_LINES}
    return is_packed and source.size_bytes >= min(index_step_bytes(range_bytes), MOST_PACKED_BYTES)


def index_step_bytes(range_bytes: int) -> int:
    """Return how much text a range of an indexed object has at least."""
    return max(range_bytes, LEAST_STEP_BYTES)


def plan_spans(
    source: Source,
    layout: Layout,
    range_bytes: int,
    read: Read,
    *,
    footer: Footer | None = None,
    max_unpacked_bytes: int = MAX_UNPACKED_BYTES,
) -> tuple[Span, ...]:
    """Cut the object into spans of `max(range_bytes, size / 10,000)` bytes; nothing to read, no span.

    A packed object, and a document of JSON, is one span (0 to its packed size). Parquet is counted in rows and cut
    between row groups, and within those of more than `MAX_RANGE_ROWS` rows. footer: of Parquet, where it is known.
    Raises ObjectRejected (corrupt_gzip, corrupt_parquet, too_large).
    """
    size_bytes = source.size_bytes
    step_bytes = max(range_bytes, -(-size_bytes // MAX_RANGES))
    if layout.format is Format.PARQUET:
        wanted = frozenset(layout.columns or REQUIRED_COLUMNS)
        known = footer or read_footer(size_bytes, read, lambda _: wanted)
        return _row_group_spans(known, step_bytes, max_unpacked_bytes)
    if layout.whole:
        head = head_of(source, read, layout.container) if layout.format is not Format.JSON else None
        nothing_left = head is not None and head.whole and len(head.text) <= layout.data_start
        return () if nothing_left else (Span(0, 0, size_bytes),)
    starts = range(layout.data_start, size_bytes, step_bytes)
    return tuple(Span(index, start, min(start + step_bytes, size_bytes)) for index, start in enumerate(starts))


def _row_group_spans(footer: Footer, step_bytes: int, max_unpacked_bytes: int) -> tuple[Span, ...]:
    spans: list[Span] = []
    start = 0
    for first, last in pairwise(_bounds(footer, step_bytes, max_unpacked_bytes)):
        rows = sum(group.rows for group in footer.row_groups[first:last])
        part = part_of(footer, first, last, start)
        end = start + rows
        if len(spans) + -(-rows // MAX_RANGE_ROWS) > MAX_RANGES:
            raise ObjectRejected(Reason.TOO_LARGE, f"an object is at most {MAX_RANGES} ranges: split it")
        for at in range(start, end, MAX_RANGE_ROWS):
            spans.append(Span(len(spans), at, min(at + MAX_RANGE_ROWS, end), part))
        start = end
    return tuple(spans)


def _bounds(footer: Footer, step_bytes: int, max_unpacked_bytes: int) -> Iterator[int]:
    """Yield the numbers of the row groups at which ranges begin, and where the last one ends."""
    yield 0
    packed_bytes = unpacked_bytes = rows = 0
    for number, group in enumerate(footer.row_groups):
        if group.memory_bytes > max_unpacked_bytes:
            raise ObjectRejected(
                Reason.TOO_LARGE,
                f"a row group's ticks are at most {max_unpacked_bytes} bytes unpacked, here {group.memory_bytes}",
            )
        full = rows + group.rows > MAX_RANGE_ROWS or unpacked_bytes + group.memory_bytes > max_unpacked_bytes
        if rows and (full or packed_bytes >= step_bytes):
            yield number
            packed_bytes = unpacked_bytes = rows = 0
        packed_bytes += group.packed_bytes
        unpacked_bytes += group.memory_bytes
        rows += group.rows
    if rows:
        yield len(footer.row_groups)
