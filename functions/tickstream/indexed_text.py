"""The text of a packed stream, read from the middle: by `indexed_gzip`, which keeps the bits and the members apart."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Final, Protocol

import indexed_gzip

from tickstream.errors import MalformedItem, ObjectRejected, Reason, ServiceIncomplete
from tickstream.packed_index import Packing, Place, index_of
from tickstream.zstd_stream import ZstdStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tickstream.ingests import Read
    from tickstream.packed_index import Entry, Stream

#: A gzip head for what has none: no name, no time, any system.
RAW_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
#: Packed bytes that are read at once beyond those of a range: rows go on into the next one.
_BEYOND_BYTES: Final = 128 << 10
READ_BYTES: Final = 1 << 20
_BEYOND_ALL: Final = 1 << 50


class StreamFile(io.RawIOBase):
    """The bytes of a packed stream as a file, of gzip where they are deflated, wherever it stands in an object.

    read: the object's bytes. ahead: offsets of the file that are read at once, when the first of them is wanted.
    """

    def __init__(self, stream: Stream, read: Read, ahead: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self._head, self._tail = (RAW_HEAD, stream.tail) if stream.packing is Packing.DEFLATE else (b"", b"")
        self._stream = stream
        self._read = read
        self._at = 0
        self._ahead = ahead
        self._held_at, self._held = 0, b""
        self._stored_end = len(self._head) + stream.end - stream.start
        self.size_bytes = self._stored_end + len(self._tail)

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def seekable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See io.RawIOBase."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size_bytes}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def tell(self) -> int:
        """See io.RawIOBase."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """See io.RawIOBase."""
        end = self.size_bytes if size is None or size < 0 else min(self._at + size, self.size_bytes)
        data = self._bytes(self._at, end) if end > self._at else b""
        self._at += len(data)
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # a narrower buffer
        """See io.RawIOBase."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _bytes(self, start: int, end: int) -> bytes:
        head = self._head[start:end]
        tail = self._tail[max(start - self._stored_end, 0) : max(end - self._stored_end, 0)]
        start, end = max(start, len(self._head)), min(end, self._stored_end)
        return head + (self._held_or_stored(start, end) if start < end else b"") + tail

    def _held_or_stored(self, start: int, end: int) -> bytes:
        first, last = self._ahead
        if not self._held and first <= start < last:
            self._held_at, self._held = start, self._stored(start, max(end, min(last, self._stored_end)))
        if self._held_at <= start and end <= self._held_at + len(self._held):
            return self._held[start - self._held_at : end - self._held_at]
        return self._stored(start, end)

    def _stored(self, start: int, end: int) -> bytes:
        base = self._stream.start - len(self._head)
        data = self._read(base + start, base + end)
        if len(data) != end - start:
            raise ServiceIncomplete(f"{len(data)} bytes came for [{base + start}, {base + end})")
        return data


class Text(Protocol):
    """A text that is read on and on."""

    def read(self, size: int, /) -> bytes | bytearray:
        """Return so many bytes, fewer at the end."""
        ...


def opened_at(stream: Stream, places: Sequence[Place], packed_end: int, read: Read) -> Text:
    """Open a stream so that its text can be read from a place on, the first one.

    places: what is read from any of them in one go is unpacked once; each read begins at the last place before it.
    packed_end: up to where it is read at once. Raises MalformedItem where it cannot.
    """
    place = places[0]
    file = StreamFile(stream, read, (max(place.packed - 1, 0), packed_end + _BEYOND_BYTES))
    if stream.packing is Packing.STORED:
        file.seek(place.packed)
        return file
    if stream.packing in {Packing.ZSTD, Packing.COPY}:
        file.seek(place.packed)
        return _Frames(file)
    opened = indexed_gzip.IndexedGzipFile(fileobj=file, auto_build=False, readbuf_size=READ_BYTES, drop_handles=False)
    try:
        # What is said of its end only makes it read up to there.
        known = index_of([*places, Place(file.size_bytes, _BEYOND_ALL)], file.size_bytes, READ_BYTES)
        opened.import_index(fileobj=io.BytesIO(known))
        opened.seek(place.text)
    except (indexed_gzip.ZranError, OSError) as error:
        raise MalformedItem(f"an index that cannot be used: {error}") from error
    return _Inflated(opened)


class _Inflated:
    """The text of a deflated stream, each read in one go: `indexed_gzip` begins at a place each time it is asked."""

    def __init__(self, opened: indexed_gzip.IndexedGzipFile) -> None:
        self._opened = opened

    def read(self, size: int, /) -> bytes | bytearray:
        text = bytearray(size)
        del text[self._opened.readinto(text) :]
        return text


class _Frames:
    """The text of frames of zstd, from one on. Raises ObjectRejected (corrupt_zstd) where the last one is cut off."""

    def __init__(self, file: StreamFile) -> None:
        self._file = file
        self._stream = ZstdStream()
        self._packed = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        pieces: list[bytes] = []
        while size:
            if not self._packed and not self._stream.pending:
                self._packed = memoryview(self._file.read(READ_BYTES))
                if not self._packed:
                    self._stream.end()
                    break
            piece, taken = self._stream.unpack(self._packed, size)
            self._packed = self._packed[taken:]
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


def corrupt(packing: Packing) -> Reason:
    """Return why an object is refused whose stream cannot be unpacked."""
    if packing in {Packing.ZSTD, Packing.COPY}:
        return Reason.CORRUPT_ZSTD
    return Reason.CORRUPT_GZIP if packing is Packing.GZIP else Reason.CORRUPT_ZIP


class IndexedText:
    """The text of an object from one place on, in offsets of all its text; called as a plain object is read.

    So is the one byte before that place. beyond_bytes: what is unpacked with the entry's text, because rows go on
    behind it. Raises MalformedItem where the text is not what the index says, ObjectRejected (corrupt_gzip,
    corrupt_zip, corrupt_zstd), and what `read` raises.
    """

    def __init__(self, entry: Entry, read: Read, beyond_bytes: int = 0) -> None:
        self._base = entry.stream.before + entry.place.text
        self._byte_before = entry.byte_before
        self._reason = corrupt(entry.stream.packing)
        self._file = opened_at(entry.stream, [entry.place], entry.packed_end, read)
        own_bytes = entry.text_end - entry.place.text
        self._text = self._more(own_bytes + beyond_bytes)
        if zlib.crc32(memoryview(self._text)[:own_bytes]) != entry.checksum:
            raise MalformedItem("the text of a range is not what its index says")

    def __call__(self, start: int, end: int) -> bytes:
        """Return the text [start, end), at most a byte before the place."""
        self.reach(end)
        if start >= self._base:
            # A view, or what is megabytes would be copied twice.
            return bytes(memoryview(self._text)[start - self._base : end - self._base])
        if start < self._base - len(self._byte_before):
            raise MalformedItem(f"text at {start} is wanted of a place at {self._base}")
        return self._byte_before + bytes(self._text[: max(end - self._base, 0)])

    def reach(self, end: int) -> int:
        """Have the text up to an offset at hand, or up to its end; return the offset that was reached."""
        held_end = self._base + len(self._text)
        if end > held_end:
            self._text += self._more(end - held_end)
        return min(end, self._base + len(self._text))

    def _more(self, size: int) -> bytearray:
        try:
            text = self._file.read(size)
        except (indexed_gzip.ZranError, OSError, EOFError) as error:
            raise ObjectRejected(self._reason, f"the object cannot be unpacked: {error}") from error
        return text if isinstance(text, bytearray) else bytearray(text)
