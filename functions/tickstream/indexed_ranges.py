"""Which ranges an index makes, and how a range of an indexed object is read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tickstream.containers import opened_zip, stream_of, wanted_members
from tickstream.errors import MalformedItem
from tickstream.feeds.documents import thawed
from tickstream.feeds.heading import Head
from tickstream.index_making import first_entry
from tickstream.indexed_text import IndexedText, opened_at
from tickstream.ingests import Container, Span
from tickstream.layouts import SNIFFED_BYTES, start_of_member
from tickstream.packed_index import Packing, Stream
from tickstream.rows import JOINT_BYTES, MAX_ROW_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tickstream.ingests import Layout, Read, Source
    from tickstream.packed_index import Entry

#: Most ranges' last rows end so near behind them; where no line does, as much is unpacked as a row may have.
_NEAR_BYTES: Final = 64 << 10
_PACKINGS: Final = {Container.GZIP: Packing.GZIP, Container.ZSTD: Packing.ZSTD}


def streams_of(source: Source, layout: Layout, read: Read) -> list[tuple[str, Stream]]:
    """Return the packed streams of an object in order, each with its name in a zip. Raises ObjectRejected."""
    if layout.container is not Container.ZIP:
        return [("", Stream(_PACKINGS[layout.container], 0, source.size_bytes))]
    pattern = thawed(layout.feed).tick.match.member if layout.feed else ""
    streams: list[tuple[str, Stream]] = []
    with opened_zip(source, read) as (archive, members):
        before = 0
        for member in wanted_members(members, pattern):
            if member.unpacked_bytes:
                streams.append((member.name, stream_of(archive, member, read, before)))
            before += member.unpacked_bytes
    return streams


def text_bytes(streams: Sequence[tuple[str, Stream]]) -> int:
    """Return how much text the files of a zip have, as its directory says of each, in 32 bits."""
    return sum(int.from_bytes(stream.tail[4:], "little") for _, stream in streams)


def spans_of(
    entries: Iterable[Entry], streams: Sequence[tuple[str, Stream]], layout: Layout, read: Read
) -> Iterator[Span]:
    """Yield the range of each entry; the first one of a stream begins behind its header. Raises ObjectRejected."""
    names = {stream: name for name, stream in streams}
    for index, entry in enumerate(entries):
        start, end = entry.stream.before + entry.place.text, entry.stream.before + entry.text_end
        if not entry.byte_before:
            text = opened_at(entry.stream, [entry.place], entry.packed_end, read).read(SNIFFED_BYTES)
            head = Head(bytes(text), len(text) < SNIFFED_BYTES, names[entry.stream])
            start = min(start + start_of_member(layout, head), end)
        yield Span(index, start, end)


def first_entries(streams: Sequence[tuple[str, Stream]], begun: Entry | None) -> Iterator[Entry]:
    """Yield where to begin in each stream that is not indexed yet. begun: where the last life came to."""
    passed = begun is None
    for _, stream in streams:
        if begun is not None and stream == begun.stream:
            passed = True
            yield begun
        elif passed:
            yield first_entry(stream)


def is_entry_of(entry: Entry, span: Span) -> bool:
    """Say whether an entry is that of a range."""
    before = entry.stream.before
    return before + entry.place.text <= span.start <= span.end == before + entry.text_end


def opened_range(source: Source, layout: Layout, span: Span, entry: Entry, read: Read) -> tuple[Source, Layout, Read]:
    """Return what a range of an indexed object is read as: one of plain text.

    Raises MalformedItem where the index is not of this object, ObjectRejected where it cannot be unpacked.
    """
    if not is_entry_of(entry, span):
        raise MalformedItem("the index has another range in the place of this one")
    text = IndexedText(entry, read, _NEAR_BYTES)
    end = text.reach(span.end + _NEAR_BYTES)
    if end == span.end + _NEAR_BYTES and b"\n" not in text(span.end, end):
        end = text.reach(span.end + MAX_ROW_BYTES + JOINT_BYTES)
    member = ""
    if layout.container is Container.ZIP and layout.feed:
        names = {stream: name for name, stream in streams_of(source, layout, read)}
        member = names.get(entry.stream, "")
    plain = replace(
        layout,
        container=Container.PLAIN,
        indexed=False,
        member=member,
        # A row begins where a stream does, whatever stands before.
        data_start=0 if entry.byte_before else span.start,
    )
    return replace(source, size_bytes=end), plain, text
