"""Reading packed texts from the middle: an index of places, made once, and what each range keeps of it.

Inflating can begin wherever the 32 KiB of text before are known (the window), to the bit. An index has such a place for
each range: where it stands, its window, and a checksum of the range's text. It is an optimisation of reading and never
a truth: a range whose text has another checksum is not read.

An index is kept as parts of `ENTRIES_A_PART` entries, each with the first entry of the next part behind them: whoever
goes on after a part needs nothing else. Entries follow from the object's bytes and the step alone.
"""

from __future__ import annotations

import struct
import zlib
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from tickstream.errors import MalformedItem

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW_BYTES: Final = 32_768
#: Of text, between two places of one stream: indexes of tiny steps would be larger than what they index.
LEAST_STEP_BYTES: Final = 4 * WINDOW_BYTES
ENTRIES_A_PART: Final = 64
#: What `indexed_gzip` writes as an index: magic, version, flags, sizes packed and unpacked, spacing, window, points.
_GZIDX: Final = struct.Struct("<5sBBQQIII")
_GZIDX_POINT: Final = struct.Struct("<QQBB")
_GZIDX_MAGIC: Final = b"GZIDX"
_ENTRY: Final = struct.Struct(">BB8sQQQQQBIQQIB1sQI")
_CHECK: Final = struct.Struct(">I")
ENTRY_BYTES: Final = _ENTRY.size + WINDOW_BYTES + _CHECK.size


class Packing(Enum):
    """How a stream is packed."""

    GZIP = 0
    """Members of gzip, one behind the other."""
    DEFLATE = 1
    """Deflate without a head, as a zip has it."""
    STORED = 2
    """Not at all, as a zip may have it."""
    ZSTD = 3
    """Frames of zstd."""
    COPY = 4
    """Frames of zstd too, in a copy of the object that is kept beside its index."""


class Place(NamedTuple):
    """Where unpacking can begin. `packed`: of the stream; `bits` of the byte before it belong to it too.

    text: offset in the stream's text. window: the text before it; empty where it begins anew (a member, a frame).
    """

    packed: int
    text: int
    bits: int = 0
    window: bytes = b""


class Stream(NamedTuple):
    """One packed stream in an object: [start, end) of its bytes.

    before: how much text of other streams stands before its own. tail: CRC-32 and length of the text, as gzip ends,
    where a zip's directory has them.
    """

    packing: Packing
    start: int
    end: int
    before: int = 0
    tail: bytes = b""


class Member(NamedTuple):
    """How far the gzip member goes that a place is in: where its text begins, and the checksum up to the place."""

    text: int
    checksum: int


class Entry(NamedTuple):
    """What a range needs: its place, how far it goes, and what it must come to.

    packed_end: of the stream, where the next place stands. text_end: of the stream's text. byte_before: the text's last
    one before the place, by which a row is known to begin there; none where nothing stands before. member: at the
    place, for whoever goes on with the index there.
    """

    stream: Stream
    place: Place
    packed_end: int
    text_end: int
    checksum: int
    byte_before: bytes
    member: Member


def pack_entry(entry: Entry) -> bytes:
    """Write an entry in `ENTRY_BYTES`."""
    stream, place, member = entry.stream, entry.place, entry.member
    fields = _ENTRY.pack(
        stream.packing.value, bool(stream.tail), stream.tail, stream.start, stream.end, stream.before,
        place.packed, place.text, place.bits, len(place.window),
        entry.packed_end, entry.text_end, entry.checksum, len(entry.byte_before), entry.byte_before,
        member.text, member.checksum,
    )  # fmt: skip
    body = fields + place.window.ljust(WINDOW_BYTES, b"\0")
    return body + _CHECK.pack(zlib.crc32(body))


def unpack_entry(packed: bytes) -> Entry:
    """Read what `pack_entry` wrote. Raises MalformedItem."""
    if len(packed) != ENTRY_BYTES or zlib.crc32(packed[: -_CHECK.size]) != _CHECK.unpack(packed[-_CHECK.size :])[0]:
        raise MalformedItem(f"no entry of an index: {len(packed)} bytes")
    (
        packing, has_tail, tail, start, end, before, at, text, bits, window_bytes,
        packed_end, text_end, checksum, has_byte, byte_before, member_text, member_checksum,
    ) = _ENTRY.unpack_from(packed)  # fmt: skip
    return Entry(
        Stream(Packing(packing), start, end, before, tail if has_tail else b""),
        Place(at, text, bits, packed[_ENTRY.size : _ENTRY.size + window_bytes]),
        packed_end, text_end, checksum, byte_before[:has_byte], Member(member_text, member_checksum),
    )  # fmt: skip


def part_of(index: int) -> tuple[int, int]:
    """Return in which part the entry of a range stands, and at which of its bytes."""
    part, place = divmod(index, ENTRIES_A_PART)
    return part, place * ENTRY_BYTES


def places_from(exported: bytes) -> list[Place]:
    """Read the index that `indexed_gzip` exports (its format 1). Raises MalformedItem."""
    try:
        magic, version, _, _, _, _, window_bytes, count = _GZIDX.unpack_from(exported)
        if (magic, version, window_bytes) != (_GZIDX_MAGIC, 1, WINDOW_BYTES):
            raise MalformedItem(f"an index of another kind: {magic!r}, {version}")
        points = [_GZIDX_POINT.unpack_from(exported, _GZIDX.size + at * _GZIDX_POINT.size) for at in range(count)]
    except struct.error as error:
        raise MalformedItem(f"an index that is cut off: {error}") from error
    at, places = _GZIDX.size + count * _GZIDX_POINT.size, []
    for packed, text, bits, has_window in points:
        window = exported[at : at + WINDOW_BYTES] if has_window else b""
        at += len(window)
        places.append(Place(packed, text, bits, window))
    if at != len(exported):
        raise MalformedItem("an index that is cut off")
    return places


def index_of(places: Sequence[Place], packed_bytes: int, step_bytes: int) -> bytes:
    """Write an index as `indexed_gzip` imports it: of the first place of a stream, and any others in order."""
    head = _GZIDX.pack(_GZIDX_MAGIC, 1, 0, packed_bytes, 0, step_bytes, WINDOW_BYTES, len(places))
    points = (_GZIDX_POINT.pack(one.packed, one.text, one.bits, bool(one.window)) for one in places)
    return b"".join((head, *points, *(one.window for one in places)))
