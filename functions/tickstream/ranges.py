"""How an object is cut into ranges. Where exactly changes no bar: a row belongs to the range in which it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tickstream.ingests import Format, Layout, Source, Span
from tickstream.layouts import head_of
from tickstream.parquet_footer import read_footer

if TYPE_CHECKING:
    from tickstream.ingests import Read

#: More would make the manifest outgrow its item.
MAX_RANGES: Final = 10_000


def plan_spans(source: Source, layout: Layout, range_bytes: int, read: Read) -> tuple[Span, ...]:
    """Cut the object into spans of `max(range_bytes, size / 10,000)` bytes; nothing to read, no span.

    A packed object, and a document of JSON, is one span (0 to its packed size), Parquet is cut between row groups and
    counted in rows.
    Raises ObjectRejected (corrupt_gzip, corrupt_parquet, ...).
    """
    size_bytes = source.size_bytes
    step_bytes = max(range_bytes, -(-size_bytes // MAX_RANGES))
    if layout.format is Format.PARQUET:
        return _row_group_spans(source, step_bytes, read)
    if layout.whole:
        head = head_of(source, read, layout.container) if layout.format is not Format.JSON else None
        nothing_left = head is not None and head.whole and len(head.text) <= layout.data_start
        return () if nothing_left else (Span(0, 0, size_bytes),)
    starts = range(layout.data_start, size_bytes, step_bytes)
    return tuple(Span(index, start, min(start + step_bytes, size_bytes)) for index, start in enumerate(starts))


def _row_group_spans(source: Source, step_bytes: int, read: Read) -> tuple[Span, ...]:
    spans: list[Span] = []
    start = end = pending_bytes = 0
    for group in read_footer(source.size_bytes, read).row_groups:
        end += group.rows
        pending_bytes += group.packed_bytes
        if pending_bytes >= step_bytes and end > start:
            spans.append(Span(len(spans), start, end))
            start, pending_bytes = end, 0
    if end > start:
        spans.append(Span(len(spans), start, end))
    return tuple(spans)
