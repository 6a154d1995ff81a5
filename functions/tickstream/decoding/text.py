"""Which bytes of a text object belong to a span: rows belong to the span in which their first byte stands.

A row ends with a line feed, one of JSON lines also where `tickstream.rows.JOINT` finds that another begins.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tickstream.decoding.outcome import too_much_work
from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete
from tickstream.gzip_stream import GzipStream
from tickstream.ingests import Format
from tickstream.rows import JOINT, JOINT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream.decoding.outcome import Budget, Limits
    from tickstream.ingests import Layout, Read, Source, Span

_NEVER: Final = re.compile(rb"(?!)")
#: Packed bytes between two looks at the clocks: tens of milliseconds where they are all tiny members.
_FED_BYTES: Final = 1 << 20


def rows_of_span(source: Source, layout: Layout, span: Span, read: Read, limits: Limits) -> tuple[int, bytes]:
    """Return the rows that begin in the span, and the offset of the first. The last may lack its line end.

    A row that goes on for more than `row_bytes` past the span comes cut, but longer than `row_bytes`. At most
    `row_bytes` are read past the span, and the bytes that show where the next row begins. Raises ServiceIncomplete
    where the store returns less than it has.
    """
    joint, joint_bytes = (JOINT, JOINT_BYTES) if layout.format is Format.JSON_LINES else (_NEVER, 0)
    # The byte before the span tells whether a row begins with its first byte.
    first = span.start if span.start <= layout.data_start else span.start - 1
    overlap_bytes = limits.overlap_bytes
    reached = min(span.end + overlap_bytes + joint_bytes, source.size_bytes)
    data = read_all(read, first, reached)
    begin = 0
    if first < span.start:
        begin = _next_row(data, 1, span.end - first, joint)
        if begin < 0:
            return span.end, b""  # a row of another span fills this one
    # The last row of the span is the one that holds its last byte: it ends where the first row from there begins.
    searched = span.end - first
    end = _next_row(data, searched, len(data) + 1, joint)
    while end < 0 and reached < min(span.end + limits.row_bytes + joint_bytes, source.size_bytes):
        searched = max(searched, len(data) - joint_bytes)
        overlap_bytes = min(2 * overlap_bytes, limits.row_bytes)
        further = min(span.end + overlap_bytes + joint_bytes, source.size_bytes)
        data += read_all(read, reached, further)
        reached = further
        end = _next_row(data, searched, len(data) + 1, joint)
    return first + begin, data[begin : end if end >= 0 else len(data)]


def _next_row(data: bytes, start: int, end: int, joint: re.Pattern[bytes]) -> int:
    """Return the first place in [start, end), not before 1, at which a row begins; -1 where there is none."""
    line = data.find(b"\n", start - 1, end - 1) + 1
    found = joint.search(data, start, (line or end) + JOINT_BYTES)
    return found.start() if found and found.start() < (line or end) else (line or -1)


def unpacked_rows(source: Source, layout: Layout, read: Read, budget: Budget) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of whole rows of a gzipped object, each with the unpacked offset of its first row.

    A row longer than `row_bytes` comes alone and cut, but longer than `row_bytes`; what follows of it is skipped.
    Raises ObjectRejected (corrupt_gzip, too_large, too_much_work), ServiceIncomplete.
    """
    joint, joint_bytes = (JOINT, JOINT_BYTES + 1) if layout.format is Format.JSON_LINES else (_NEVER, 0)
    offset, carry, skipping = 0, b"", False
    header_bytes, row_bytes = layout.data_start, budget.limits.row_bytes
    for unpacked in _unpacked(source, read, budget):
        chunk = unpacked
        if header_bytes:
            chunk = unpacked[header_bytes:]
            header_bytes -= len(unpacked) - len(chunk)
            offset += len(unpacked) - len(chunk)
        searched = max(len(carry) - joint_bytes, 0)
        block = carry + chunk
        if skipping:
            # Of the row that is skipped as much is carried as may show that another begins.
            begin = _next_row(block, 1, len(block) + 1, joint)
            skipping = begin < 0
            at = max(len(block) - joint_bytes, 0) if skipping else begin
            offset, block = offset + at, block[at:]
            searched = 0
            if skipping:
                carry = block
                continue
        end = _last_row(block, searched, joint)
        if end:
            yield offset, block[:end]
        carry = block[end:]
        offset += end
        if len(carry) > row_bytes:
            yield offset, carry[: row_bytes + 1]
            at = max(len(carry) - joint_bytes, 0)
            offset, carry, skipping = offset + at, carry[at:], True
    if carry and not skipping:
        yield offset, carry


def _last_row(block: bytes, searched: int, joint: re.Pattern[bytes]) -> int:
    """Return where the last row begins that may go on beyond the block."""
    last = block.rfind(b"\n") + 1
    for found in joint.finditer(block, max(last, searched)):
        last = found.start()
    return last


def read_all(read: Read, start: int, end: int) -> bytes:
    """Read [start, end). A store that returns less would lose rows without a word, so that is an error to retry."""
    data = read(start, end)
    if len(data) != end - start:
        raise ServiceIncomplete(f"{len(data)} bytes came for [{start}, {end})")
    return data


def _unpacked(source: Source, read: Read, budget: Budget) -> Iterator[bytes]:
    """Yield the unpacked bytes of all gzip members, `block_bytes` at a time."""
    limits, stream = budget.limits, GzipStream()
    blocks: list[bytes] = []
    total_bytes = block_bytes = 0
    for start in range(0, source.size_bytes, limits.block_bytes):
        end = min(start + limits.block_bytes, source.size_bytes)
        packed = memoryview(read_all(read, start, end))
        while packed:
            budget.check()
            block, taken = stream.unpack(packed[:_FED_BYTES], limits.block_bytes - block_bytes)
            packed = packed[taken:]
            total_bytes += len(block)
            if total_bytes > limits.unpacked_bytes:
                raise ObjectRejected(
                    Reason.TOO_LARGE, f"a gzipped object is at most {limits.unpacked_bytes} bytes unpacked"
                )
            if stream.members > limits.gzip_members:
                raise too_much_work(f"it has more than {limits.gzip_members} gzip members")
            if end - len(packed) - total_bytes > limits.idle_bytes:
                raise too_much_work("its packed bytes are far more than the unpacked ones")
            # Gathered: what is decoded at a time must not depend on how small the members are.
            blocks.append(block)
            block_bytes += len(block)
            if block_bytes >= limits.block_bytes:
                yield b"".join(blocks)
                blocks.clear()
                block_bytes = 0
    stream.end()
    if block_bytes:
        yield b"".join(blocks)
