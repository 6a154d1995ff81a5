"""Which bytes of a text object belong to a span: rows belong to the span in which their first byte stands.

A row ends with a line feed, one of JSON lines also where `tickstream.rows.JOINT` finds that another begins.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from tickstream.containers import opened_zip, wanted_members
from tickstream.decoding.outcome import too_much_work
from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete
from tickstream.feeds.documents import thawed
from tickstream.gzip_stream import GzipStream
from tickstream.ingests import Container, Format
from tickstream.rows import JOINT, JOINT_BYTES
from tickstream.zstd_stream import ZstdStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


def rows_of_stream(
    unpacked: Iterable[bytes], header_bytes: int, written: Format, limits: Limits
) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of whole rows of an unpacked text, each with the offset of its first row in it.

    A row longer than `row_bytes` comes alone and cut, but longer than `row_bytes`; what follows of it is skipped.
    """
    joint, joint_bytes = (JOINT, JOINT_BYTES + 1) if written is Format.JSON_LINES else (_NEVER, 0)
    offset, carry, skipping = 0, b"", False
    row_bytes = limits.row_bytes
    for piece in unpacked:
        chunk = piece
        if header_bytes:
            chunk = piece[header_bytes:]
            header_bytes -= len(piece) - len(chunk)
            offset += len(piece) - len(chunk)
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


def unpacked_blocks(source: Source, container: Container, read: Read, budget: Budget) -> Iterator[bytes]:
    """Yield the unpacked bytes of all gzip members or zstd frames, or those of a plain object, `block_bytes` at a time.

    Raises ObjectRejected (corrupt_gzip, corrupt_zstd, too_large, too_much_work), ServiceIncomplete.
    """
    limits = budget.limits
    if container is Container.PLAIN:
        _check_size(source.size_bytes, limits)
        for start in range(0, source.size_bytes, limits.block_bytes):
            budget.check()
            yield read_all(read, start, min(start + limits.block_bytes, source.size_bytes))
        return
    stream = GzipStream() if container is Container.GZIP else ZstdStream()
    blocks: list[bytes] = []
    total_bytes = block_bytes = 0
    for start in range(0, source.size_bytes, limits.block_bytes):
        end = min(start + limits.block_bytes, source.size_bytes)
        packed = memoryview(read_all(read, start, end))
        while packed or stream.pending:
            budget.check()
            block, taken = stream.unpack(packed[:_FED_BYTES], limits.block_bytes - block_bytes)
            packed = packed[taken:]
            total_bytes += len(block)
            _check_size(total_bytes, limits)
            if stream.members > limits.gzip_members:
                raise too_much_work(f"it has more than {limits.gzip_members} members")
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


def _check_size(unpacked_bytes: int, limits: Limits) -> None:
    if unpacked_bytes > limits.unpacked_bytes:
        raise ObjectRejected(
            Reason.TOO_LARGE, f"a packed object is at most {limits.unpacked_bytes} bytes unpacked: split it"
        )


def member_texts(
    source: Source, layout: Layout, read: Read, budget: Budget
) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Yield name, offset and unpacked blocks of each member of a zip; the offset counts what stands before it.

    Each is to be read before the next. Raises ObjectRejected (corrupt_zip, encrypted, too_large), ServiceIncomplete.
    """
    pattern = thawed(layout.feed).tick.match.member if layout.feed else ""
    limits, before = budget.limits, 0
    with opened_zip(source, read) as (archive, members):
        for member in wanted_members(members, pattern):
            budget.check()
            _check_size(before + member.unpacked_bytes, limits)
            with archive.open(member.name) as file:
                yield member.name, before, _checked(iter(partial(file.read, limits.block_bytes), b""), budget)
            # The directory's word: zipfile reads no further, and checks the sum of what it read.
            before += member.unpacked_bytes


def _checked(blocks: Iterator[bytes], budget: Budget) -> Iterator[bytes]:
    for block in blocks:
        budget.check()
        yield block
