"""Making the index of one packed stream: where ranges can begin, and what the text between them is.

`indexed_gzip` finds places as it reads, and goes on after any of them. So the work may end anywhere, by the clock or by
death, and what was found until then stays: a place depends on the one before it and on the bytes alone.

The text between two places is read once more, for its checksum. `indexed_gzip` checks a gzip member at its end only
where it has read all of it, and takes the end of the bytes for the end of the text: so a member that was gone on with,
and the last one, are checked here, against the checksum that stands behind them.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import indexed_gzip
from backports import zstd

from tickstream.errors import ObjectRejected, Reason
from tickstream.indexed_text import RAW_HEAD, READ_BYTES, StreamFile, corrupt, opened_at
from tickstream.packed_index import WINDOW_BYTES, Entry, Member, Packing, Place, index_of, places_from
from tickstream.zstd_stream import new_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tickstream.ingests import Read
    from tickstream.packed_index import Stream

#: Packed bytes of which places are found before their texts are read: what dying costs, and what is held of windows.
CHUNK_BYTES: Final = 64 << 20
#: The text of a range is held: no block of deflate may make it larger.
MAX_ENTRY_TEXT_BYTES: Final = 256 << 20
#: A frame of zstd of more ranges than these is not one of them.
MAX_FRAME_RANGES: Final = 4
_BLOCK_BYTES: Final = 4 << 20
_TAIL: Final = struct.Struct("<II")
#: Behind a member may stand padding, and the head of the next one.
_LONGEST_TAIL_BYTES: Final = 1 << 20
_BEYOND: Final = 1 << 62
#: Of one chunk: a hundred thousand members, or two thousand windows.
_MOST_INDEX_BYTES: Final = 128 << 20


class FrameTooLarge(Exception):
    """A frame of zstd has the text of many ranges: the object is to be copied in smaller ones (`reframing`)."""


class _Enough(OSError):
    """So many packed bytes are read."""


class _CutFile(StreamFile):
    """A stream that is read so far and no further."""

    def __init__(self, stream: Stream, making: Making) -> None:
        super().__init__(stream, making.read)
        self._left_bytes = making.chunk_bytes
        self._check = making.check
        self.raised: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            self._check()
            if self._left_bytes <= 0:
                raise _Enough  # noqa: TRY301 - kept as all others are
            data = super().read(size)
        except BaseException as error:
            # On its way through C it may become a SystemError, where a tracer runs.
            self.raised = error
            raise
        self._left_bytes -= len(data)
        return data


def first_entry(stream: Stream) -> Entry:
    """Return the entry with which the index of a stream begins: only its place and its member say something."""
    return Entry(stream, Place(0, 0), 0, 0, 0, b"", Member(0, 0))


@dataclass(frozen=True, slots=True)
class Making:
    """How an index is made.

    read: the object's bytes. step_bytes: of text, what a range has at least. check: called every few milliseconds of
    work; it may raise. chunk_bytes: packed ones of which places are found before their texts are read.
    """

    read: Read
    step_bytes: int
    check: Callable[[], None] = lambda: None
    chunk_bytes: int = CHUNK_BYTES

    def entries(self, begun: Entry) -> Iterator[Entry]:
        """Yield the entries of a stream from one on that says where to begin; the last one ends where the stream does.

        Raises ObjectRejected (corrupt_gzip, corrupt_zip, corrupt_zstd, too_large, too_much_work), FrameTooLarge, and
        what `read` and `check` raise.
        """
        finders = {Packing.STORED: _stored_places, Packing.ZSTD: _frames, Packing.COPY: _frames}
        find = finders.get(begun.stream.packing, _deflated_places)
        making, at = self, begun
        while True:
            chunk = find(at, making)
            found = list(_entries_between(at, chunk, making))
            for entry, following in found:
                yield entry
                at = following
            if chunk.is_end:
                return
            if not found:
                # It has less text than a range.
                making = replace(making, chunk_bytes=2 * making.chunk_bytes)


class _Chunk(NamedTuple):
    """Places in a part of a stream, from one that was known; whether the last one is the stream's end."""

    places: list[Place]
    is_end: bool


def _entries_between(begun: Entry, chunk: _Chunk, making: Making) -> Iterator[tuple[Entry, Entry]]:
    """Yield each entry that is complete, and where the next one begins."""
    places = chunk.places
    stream, at, member = begun.stream, begun._replace(place=places[0]), begun.member
    text = opened_at(stream, places, places[-1].packed, making.read)
    # Of what was gone on with, `indexed_gzip` does not know the beginning.
    is_unchecked = member.text < places[0].text
    checksum, last = 0, b""
    for place, following in pairwise(places):
        if stream.packing is Packing.GZIP and not place.window and place.text > member.text:
            if is_unchecked:
                _check_member(stream, member, place, making.read)
            member, is_unchecked = Member(place.text, 0), False
        if place.text == at.place.text:
            at = at._replace(member=member)
        left = following.text - place.text
        if following.text - at.place.text > MAX_ENTRY_TEXT_BYTES:
            raise ObjectRejected(Reason.TOO_LARGE, f"more than {MAX_ENTRY_TEXT_BYTES} bytes come of one block of it")
        making.check()
        if left:
            # In one go: a second read would unpack all from the place on once more.
            block = text.read(left)
            if len(block) != left:
                raise _cut_off(stream)
            checksum = zlib.crc32(block, checksum)
            member = Member(member.text, zlib.crc32(block, member.checksum))
            last = bytes(block[-1:])
        is_last = chunk.is_end and following is places[-1]
        if is_last:
            _check_end(stream, member, following.text, making.read)
        if following.text - at.place.text >= making.step_bytes or is_last:
            entry = at._replace(packed_end=following.packed, text_end=following.text, checksum=checksum)
            at = Entry(stream, following, 0, 0, 0, last, member)
            checksum = 0
            yield entry, at


def _cut_off(stream: Stream) -> ObjectRejected:
    return ObjectRejected(corrupt(stream.packing), "the packed data end too early: cut off?")


def _tail_of(member: Member, text_end: int) -> bytes:
    """Return what stands behind a gzip member: its checksum, and the length of its text."""
    return _TAIL.pack(member.checksum, (text_end - member.text) % 2**32)


def _check_member(stream: Stream, member: Member, following: Place, read: Read) -> None:
    """Check a member behind which another one begins."""
    end = stream.start + following.packed
    behind = read(max(stream.start, end - _LONGEST_TAIL_BYTES), end)
    if _tail_of(member, following.text) not in behind:
        raise ObjectRejected(corrupt(stream.packing), "the checksum behind a member is another")


def _check_end(stream: Stream, member: Member, text_end: int, read: Read) -> None:
    """Check the last member, or the only one, and that nothing but padding follows it."""
    if stream.packing in {Packing.ZSTD, Packing.COPY}:
        return  # each frame has a checksum of its own, or none
    tail = _tail_of(member, text_end)
    if stream.packing is not Packing.GZIP:
        if tail != stream.tail:
            raise ObjectRejected(corrupt(stream.packing), "the zip's directory has another checksum or length")
        return
    behind = read(max(stream.start, stream.end - _LONGEST_TAIL_BYTES), stream.end)
    at = behind.rfind(tail)
    if at < 0:
        raise _cut_off(stream)
    if behind[at + len(tail) :].strip(b"\0"):
        raise ObjectRejected(corrupt(stream.packing), "there are other bytes behind the gzip data")


def _deflated_places(begun: Entry, making: Making) -> _Chunk:
    stream = begun.stream
    file = _CutFile(stream, making)
    finder = indexed_gzip.IndexedGzipFile(
        fileobj=file, spacing=making.step_bytes, window_size=WINDOW_BYTES, readbuf_size=READ_BYTES, drop_handles=False
    )
    is_end = True
    try:
        if begun.place.text:
            # It goes on from the last place that it is told, and takes the first one for the stream's beginning.
            known = index_of([Place(len(RAW_HEAD), 0), begun.place], file.size_bytes, making.step_bytes)
            finder.import_index(fileobj=io.BytesIO(known))
        finder.seek(_BEYOND)
    except (indexed_gzip.ZranError, OSError, EOFError, SystemError) as error:
        is_end = not isinstance(file.raised, _Enough)
        if is_end and file.raised is not None:
            raise file.raised from error
        if is_end:
            raise ObjectRejected(corrupt(stream.packing), f"the object cannot be unpacked: {error}") from error
    exported = io.BytesIO()
    finder.export_index(fileobj=exported)
    if exported.tell() > _MOST_INDEX_BYTES:
        raise ObjectRejected(Reason.TOO_MUCH_WORK, "it is packed in too many members: pack it anew")
    places = [one for one in places_from(exported.getvalue()) if one.text >= begun.place.text]
    if len(places) < 2 and is_end:
        places.append(Place(file.size_bytes, places[0].text if places else 0))
    return _Chunk(places, is_end)


def _stored_places(begun: Entry, making: Making) -> _Chunk:
    size_bytes = begun.stream.end - begun.stream.start
    end = min(begun.place.text + max(making.chunk_bytes, making.step_bytes), size_bytes)
    places = [Place(at, at) for at in range(begun.place.text, end, making.step_bytes)]
    return _Chunk([*places, Place(end, end)], end == size_bytes)


def _frames(begun: Entry, making: Making) -> _Chunk:
    places, file = [begun.place], StreamFile(begun.stream, making.read)
    file.seek(begun.place.packed)
    packed, behind, text = begun.place.packed, b"", begun.place.text
    while packed < file.size_bytes and packed - begun.place.packed < making.chunk_bytes:
        frame = new_frame()
        fed = 0
        while not frame.eof:
            making.check()
            data = (behind or file.read(READ_BYTES)) if frame.needs_input else b""
            if frame.needs_input and not data:
                raise _cut_off(begun.stream)
            fed, behind = fed + len(data), b"" if frame.needs_input else behind
            try:
                text += len(frame.decompress(data, max_length=_BLOCK_BYTES))
            except zstd.ZstdError as error:
                raise ObjectRejected(Reason.CORRUPT_ZSTD, f"the object cannot be unpacked: {error}") from error
            if text - places[-1].text > MAX_FRAME_RANGES * making.step_bytes:
                raise FrameTooLarge
        behind = frame.unused_data
        packed += fed - len(behind)
        places.append(Place(packed, text))
    return _Chunk(places, packed >= file.size_bytes)
