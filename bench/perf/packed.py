"""Packed objects: what their index costs, and a range of one against the same range of plain text."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from backports import zstd

from bench.perf.decoding import best_s, native_sample
from bench.perf.figures import Better, Figure, Unit
from tickstream.decoding import decode_span
from tickstream.index_making import Making
from tickstream.indexed_ranges import first_entries, opened_range, spans_of, streams_of
from tickstream.ingests import Container, Layout, Source, Span
from tickstream.packed_index import ENTRY_BYTES

if TYPE_CHECKING:
    from bench.perf.decoding import Sample
    from tickstream.packed_index import Entry

#: As in the native sample.
_RANGE_BYTES: Final = 8_388_608


@dataclass(frozen=True, slots=True)
class _Indexed:
    """A packed object and its index; plain: the range in its middle, of the text itself."""

    plain: Sample
    packed: bytes
    source: Source
    layout: Layout
    entries: tuple[Entry, ...]
    spans: tuple[Span, ...]

    def read(self, start: int, end: int) -> bytes:
        return self.packed[start:end]

    def unpack(self) -> None:
        """What unpacking all of a gzip takes."""
        zlib.decompress(self.packed, wbits=31)

    def index(self) -> None:
        """What DataIndexer does before it writes."""
        _index(self.packed, self.source, self.layout)

    def decode(self) -> None:
        """What DataProcessor does with a range before it writes."""
        at = self.plain.span.index
        source, layout, read = opened_range(self.source, self.layout, self.spans[at], self.entries[at], self.read)
        decode_span(source, layout, self.spans[at], read)


def measure(repeats: int) -> tuple[Figure, ...]:
    """Index a gzip and decode a range of it and of a zst, by turns with the plain text of that range."""
    native = native_sample()
    gzipped, framed = _gzip(native), _zstd(native)
    best_s(gzipped.plain.decode)
    ratios, frames, makings = [], [], []
    for _ in range(repeats):
        ratios.append(best_s(gzipped.plain.decode) / best_s(gzipped.decode))
        frames.append(best_s(framed.plain.decode) / best_s(framed.decode))
        makings.append(best_s(gzipped.unpack) / best_s(gzipped.index))
    megabytes = len(native.content) / 1e6
    about = f"{megabytes:.0f} MB of text, {len(gzipped.packed) / 1e6:.1f} MB packed, {len(gzipped.spans)} ranges"
    size = len(gzipped.entries) * ENTRY_BYTES / len(gzipped.packed)
    return (
        Figure(
            name="decode and fold of a range in a gzip, against plain text",
            unit=Unit.RATIO, better=Better.MORE, samples=tuple(ratios), goal=0.7, about=about,
        ),
        Figure(
            name="decode and fold of a range in a zst, against plain text",
            unit=Unit.RATIO, better=Better.MORE, samples=tuple(frames), goal=0.7, about=about,
        ),
        Figure(
            name="index of a gzip, against unpacking it once",
            unit=Unit.RATIO, better=Better.MORE, samples=tuple(makings), goal=0.4, about="all of it is unpacked twice",
        ),
        Figure(
            name="size of an index, against the packed object",
            unit=Unit.RATIO, better=Better.LESS, samples=(size,), goal=0.05, about=about,
        ),
    )  # fmt: skip


def _gzip(native: Sample) -> _Indexed:
    packed = gzip.compress(native.content, compresslevel=6, mtime=0)
    return _indexed(packed, Container.GZIP, native)


def _zstd(native: Sample) -> _Indexed:
    starts = range(0, len(native.content), _RANGE_BYTES)
    packed = b"".join(zstd.compress(native.content[at : at + _RANGE_BYTES]) for at in starts)
    return _indexed(packed, Container.ZSTD, native)


def _indexed(packed: bytes, container: Container, native: Sample) -> _Indexed:
    source = replace(native.source, size_bytes=len(packed))
    layout = replace(native.layout, container=container)
    entries = _index(packed, source, layout)
    streams = streams_of(source, layout, lambda start, end: packed[start:end])
    spans = tuple(spans_of(entries, streams, layout, lambda start, end: packed[start:end]))
    plain = replace(native, span=spans[len(spans) // 2])
    return _Indexed(plain, packed, source, layout, entries, spans)


def _index(packed: bytes, source: Source, layout: Layout) -> tuple[Entry, ...]:
    making = Making(lambda start, end: packed[start:end], _RANGE_BYTES)
    streams = streams_of(source, layout, making.read)
    return tuple(entry for begun in first_entries(streams, None) for entry in making.entries(begun))
