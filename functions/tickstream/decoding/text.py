"""Which bytes of a text object belong to a span: rows belong to the span in which their first byte stands."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tickstream.decoding.outcome import Limits
    from tickstream.ingests import Layout, Read, Source, Span

_GZIP_WINDOW_BITS: Final = 31
# What is handed to zlib at once: it copies the rest at the end of each member, and an object may be all tiny members.
_FEED_BYTES: Final = 64 << 10


def rows_of_span(source: Source, layout: Layout, span: Span, read: Read, limits: Limits) -> tuple[int, bytes]:
    """Return the rows that begin in the span, and the offset of the first. The last may lack its line end.

    A row that goes on for more than `row_bytes` past the span comes cut, but longer than `row_bytes`. At most
    `row_bytes` are read past the span. Raises ServiceIncomplete where the store returns less than it has.
    """
    # The byte before the span tells whether a row begins with its first byte.
    first = span.start if span.start <= layout.data_start else span.start - 1
    reached = min(span.end + limits.overlap_bytes, source.size_bytes)
    data = read_all(read, first, reached)
    begin = 0
    if first < span.start:
        begin = data.find(b"\n", 0, span.end - 1 - first) + 1
        if begin == 0:
            return span.end, b""  # a row of another span fills this one
    # The last row of the span is the one that holds its last byte: it ends with the first LF from there.
    end = data.find(b"\n", span.end - 1 - first) + 1
    overlap_bytes = limits.overlap_bytes
    while end == 0 and reached < min(span.end + limits.row_bytes, source.size_bytes):
        searched = len(data)
        overlap_bytes = min(2 * overlap_bytes, limits.row_bytes)
        further = min(span.end + overlap_bytes, source.size_bytes)
        data += read_all(read, reached, further)
        reached = further
        end = data.find(b"\n", searched) + 1
    return first + begin, data[begin : end or len(data)]


def unpacked_rows(source: Source, layout: Layout, read: Read, limits: Limits) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of whole rows of a gzipped object, each with the unpacked offset of its first row.

    A row longer than `row_bytes` comes alone and cut, but longer than `row_bytes`; what follows of it is skipped.
    Raises ObjectRejected (corrupt_gzip, too_large), ServiceIncomplete.
    """
    offset, carry, skipping = 0, b"", False
    header_bytes = layout.data_start
    for unpacked in _unpacked(source, read, limits):
        chunk = unpacked
        if header_bytes:
            chunk = unpacked[header_bytes:]
            header_bytes -= len(unpacked) - len(chunk)
            offset += len(unpacked) - len(chunk)
        if skipping:
            line_end = chunk.find(b"\n") + 1
            offset += line_end or len(chunk)
            chunk = chunk[line_end:] if line_end else b""
            skipping = not line_end
        block = carry + chunk
        end = block.rfind(b"\n") + 1
        if end:
            yield offset, block[:end]
        carry = block[end:]
        offset += end
        if len(carry) > limits.row_bytes:
            yield offset, carry[: limits.row_bytes + 1]
            offset += len(carry)
            carry, skipping = b"", True
    if carry:
        yield offset, carry


def read_all(read: Read, start: int, end: int) -> bytes:
    """Read [start, end). A store that returns less would lose rows without a word, so that is an error to retry."""
    data = read(start, end)
    if len(data) != end - start:
        raise ServiceIncomplete(f"{len(data)} bytes came for [{start}, {end})")
    return data


def _unpacked(source: Source, read: Read, limits: Limits) -> Iterator[bytes]:
    """Yield the unpacked bytes of all gzip members, at most `block_bytes` at a time."""
    if source.size_bytes > limits.unpacked_bytes:
        raise ObjectRejected(Reason.TOO_LARGE, f"a gzipped object is at most {limits.unpacked_bytes} bytes unpacked")
    unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW_BITS)
    total_bytes = 0
    for fed in _packed(source, read, limits):
        packed = fed
        while packed:
            if unpacker.eof:  # another member follows
                unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW_BITS)
            try:
                block = unpacker.decompress(packed, limits.block_bytes)
            except zlib.error as error:
                raise ObjectRejected(Reason.CORRUPT_GZIP, f"the object cannot be unpacked: {error}") from error
            packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            total_bytes += len(block)
            if total_bytes > limits.unpacked_bytes:
                raise ObjectRejected(
                    Reason.TOO_LARGE, f"a gzipped object is at most {limits.unpacked_bytes} bytes unpacked"
                )
            yield block
    if not unpacker.eof:
        raise ObjectRejected(Reason.CORRUPT_GZIP, "the gzip data end too early: cut off?")


def _packed(source: Source, read: Read, limits: Limits) -> Iterable[bytes]:
    for start in range(0, source.size_bytes, limits.block_bytes):
        data = read_all(read, start, min(start + limits.block_bytes, source.size_bytes))
        for at in range(0, len(data), _FEED_BYTES):
            yield data[at : at + _FEED_BYTES]
