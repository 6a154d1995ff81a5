"""Zstandard, frame by frame, from packed bytes that come in pieces. It imports nothing large: DataIngestion uses it."""

from __future__ import annotations

from typing import Final

from backports import zstd

from tickstream.errors import ObjectRejected, Reason

#: The memory that a frame may ask for, as a power of two: 128 MiB, which is what `zstd --long` takes.
_WINDOW_LOG: Final = 27
_FEED_BYTES: Final = 64 << 10


def new_frame() -> zstd.ZstdDecompressor:
    """Return what unpacks one frame, within the memory that it may ask for."""
    return zstd.ZstdDecompressor(options={int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG})


class ZstdStream:
    """Unpacks frames one after the other; together they are one text, as for zstd itself.

    members: how many frames have ended.
    """

    def __init__(self) -> None:
        self.members = 0
        self._unpacker: zstd.ZstdDecompressor | None = None
        self._behind = b""  # what was taken beyond the end of a frame

    @property
    def finished(self) -> bool:
        """Whether the bytes so far may be all: at least one frame, and none that goes on."""
        return self._unpacker is None and not self._behind and self.members > 0

    def unpack(self, packed: bytes | memoryview, most_bytes: int) -> tuple[bytes, int]:
        """Unpack at most so many bytes (1 or more); return them and how many of the packed bytes they took.

        What is left of the packed bytes is for the next call. While `pending` is true there is more without any.
        Raises ObjectRejected (corrupt_zstd).
        """
        at, room, unpacked = 0, most_bytes, []
        while room and (at < len(packed) or self.pending):
            if self._unpacker is None:
                self._unpacker = new_frame()
            fed: bytes | memoryview = b""
            if self._unpacker.needs_input:
                fed = self._behind or memoryview(packed)[at : at + _FEED_BYTES]
                at += 0 if self._behind else len(fed)
                self._behind = b""
            try:
                piece = self._unpacker.decompress(fed, max_length=room)
            except zstd.ZstdError as error:
                raise ObjectRejected(Reason.CORRUPT_ZSTD, f"the object cannot be unpacked: {error}") from error
            unpacked.append(piece)
            room -= len(piece)
            if self._unpacker.eof:
                self._behind = self._unpacker.unused_data
                self.members += 1
                self._unpacker = None
        return b"".join(unpacked), at

    def end(self) -> None:
        """Say that no more bytes come. Raises ObjectRejected (corrupt_zstd) in the middle of a frame."""
        if not self.finished:
            raise ObjectRejected(Reason.CORRUPT_ZSTD, "the zstd data end too early: cut off?")

    @property
    def pending(self) -> bool:
        """Whether there is more to come without any further packed byte."""
        return bool(self._behind) or (self._unpacker is not None and not self._unpacker.needs_input)
