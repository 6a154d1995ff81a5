"""Gzip, member by member, from packed bytes that come in pieces. It imports nothing large: DataIngestion uses it."""

from __future__ import annotations

import zlib
from typing import Final

from tickstream.errors import ObjectRejected, Reason

_WINDOW_BITS: Final = 31
# zlib copies what it is handed beyond the end of a member, and an object may be all tiny members: little at first.
_FIRST_FEED_BYTES: Final = 1 << 10
_LARGEST_FEED_BYTES: Final = 64 << 10
_LARGEST_PADDING_BYTES: Final = 1 << 20


class GzipStream:
    """Unpacks members one after the other; together they are one text, as for gzip itself.

    Zeros after a member are padding, as tapes and block devices leave it, and are skipped as gzip does. Anything else
    after a member that does not begin another one makes the object corrupt.

    members: how many have ended.
    """

    def __init__(self) -> None:
        self.members = 0
        self._unpacker: zlib._Decompress | None = None
        self._feed_bytes = _FIRST_FEED_BYTES

    @property
    def finished(self) -> bool:
        """Whether the bytes so far may be all: at least one member, and none that goes on."""
        return self._unpacker is None and self.members > 0

    @property
    def pending(self) -> bool:
        """Whether there is more to come without any further packed byte: never, what is not unpacked is not taken."""
        return False

    def unpack(self, packed: bytes | memoryview, most_bytes: int) -> tuple[bytes, int]:
        """Unpack at most so many bytes (1 or more); return them and how many of the packed bytes they took.

        What is left of the packed bytes is for the next call. Raises ObjectRejected (corrupt_gzip).
        """
        view = memoryview(packed)
        at, room, unpacked = 0, most_bytes, []
        while at < len(view) and room:
            if self._unpacker is None:
                if self.members and view[at] == 0:
                    at = _after_zeros(view, at)
                    continue
                self._unpacker, self._feed_bytes = zlib.decompressobj(wbits=_WINDOW_BITS), _FIRST_FEED_BYTES
            unpacker = self._unpacker
            fed = view[at : at + self._feed_bytes]
            try:
                piece = unpacker.decompress(fed, room)
            except zlib.error as error:
                raise ObjectRejected(Reason.CORRUPT_GZIP, f"the object cannot be unpacked: {error}") from error
            unpacked.append(piece)
            room -= len(piece)
            at += len(fed)
            if unpacker.eof:
                at -= len(unpacker.unused_data)
                self.members += 1
                self._unpacker = None
            else:
                at -= len(unpacker.unconsumed_tail)
                self._feed_bytes = min(4 * self._feed_bytes, _LARGEST_FEED_BYTES)
        return b"".join(unpacked), at

    def end(self) -> None:
        """Say that no more bytes come. Raises ObjectRejected (corrupt_gzip) in the middle of a member."""
        if not self.finished:
            raise ObjectRejected(Reason.CORRUPT_GZIP, "the gzip data end too early: cut off?")


def _after_zeros(view: memoryview, at: int) -> int:
    """Return where the zeros that begin here end."""
    step_bytes = 64
    while at < len(view):
        rest = bytes(view[at : at + step_bytes])
        kept = len(rest.lstrip(b"\0"))
        at += len(rest) - kept
        if kept:
            break
        step_bytes = min(8 * step_bytes, _LARGEST_PADDING_BYTES)
    return at
