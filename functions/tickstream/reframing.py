"""A zst of large frames as one of small frames: unpacking cannot begin within a frame, so its text is packed anew."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from backports import zstd

from tickstream.errors import ObjectRejected, Reason
from tickstream.indexed_text import opened_at
from tickstream.packed_index import Packing, Place, Stream
from tickstream.ranges import MAX_RANGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tickstream.ingests import Read

#: It is written once, read once and then expires.
_LEVEL: Final = 1


class Reframed(io.RawIOBase):
    """The frames, of `step_bytes` of text each, read as a file from its begin to its end; equal texts, equal bytes.

    size_bytes: of the packed object. check: called for each frame.

    Reading raises ObjectRejected (corrupt_zstd, too_large), and what `read` and `check` raise.
    """

    def __init__(self, size_bytes: int, read: Read, step_bytes: int, check: Callable[[], None]) -> None:
        super().__init__()
        self._text = opened_at(Stream(Packing.ZSTD, 0, size_bytes), [Place(0, 0)], 0, read)
        self._step_bytes = step_bytes
        self._check = check
        self._steps = 0
        self._ready = bytearray()
        self.size_bytes = 0

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def read(self, size: int = -1) -> bytes:
        """See io.RawIOBase."""
        while size < 0 or len(self._ready) < size:
            text = self._text.read(self._step_bytes)
            if not text:
                break
            self._check()
            self._steps += 1
            if self._steps > MAX_RANGES:
                raise ObjectRejected(Reason.TOO_LARGE, f"an object is at most {MAX_RANGES} ranges: split it")
            self._ready += zstd.compress(text, _LEVEL)
        taken = bytes(self._ready[: len(self._ready) if size < 0 else size])
        del self._ready[: len(taken)]
        self.size_bytes += len(taken)
        return taken
