"""What an object is packed into, and the members of a zip. It imports nothing large: DataIngestion uses it."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete
from tickstream.ingests import Container
from tickstream.packed_index import Packing, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream.ingests import Read, Source

#: A zip's list of members is read as a whole: so many bytes are some ten thousand of them.
_MAX_DIRECTORY_BYTES: Final = 2 << 20
_READ_BYTES: Final = 1 << 20
_ENCRYPTED: Final = 0x1
_METHODS: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ZIP_MAGIC: Final = b"PK\x03\x04"
_EMPTY_ZIP_MAGIC: Final = b"PK\x05\x06"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC: Final = b"\x1f\x8b"
#: A file's own head in a zip: the last two are the lengths of its name and of what else stands before its bytes.
_LOCAL_HEAD: Final = struct.Struct("<4s5H3I2H")
_TAIL: Final = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Member:
    """A file within a zip. `unpacked_bytes`: as its directory claims."""

    name: str
    unpacked_bytes: int


def container_of(head: bytes) -> Container:
    """Tell by the first bytes what an object is packed into."""
    if head.startswith(_GZIP_MAGIC):
        return Container.GZIP
    if head.startswith((_ZIP_MAGIC, _EMPTY_ZIP_MAGIC)):
        return Container.ZIP
    # A skippable frame may stand first: 0x184D2A50 to 0x184D2A5F.
    if head.startswith(_ZSTD_MAGIC) or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
        return Container.ZSTD
    return Container.PLAIN


class _Stored(io.RawIOBase):
    """An object as a file. `limit_bytes`: the most that one read may ask for."""

    def __init__(self, source: Source, read: Read) -> None:
        super().__init__()
        self._read = read
        self._size_bytes = source.size_bytes
        self._at = 0
        self.limit_bytes = source.size_bytes

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size_bytes if size is None or size < 0 else min(self._at + size, self._size_bytes)
        if end - self._at > self.limit_bytes:
            raise ObjectRejected(Reason.TOO_MUCH_WORK, "its list of members is too long: make several zips of it")
        data = self._read(self._at, end) if end > self._at else b""
        if len(data) < end - self._at:
            raise ServiceIncomplete(f"{len(data)} bytes came for [{self._at}, {end})")
        self._at += len(data)
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # a narrower buffer
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def opened_zip(source: Source, read: Read) -> Iterator[tuple[zipfile.ZipFile, tuple[Member, ...]]]:
    """Open a zip and list its files, without folders and what macOS adds.

    Raises ObjectRejected (corrupt_zip, encrypted, too_much_work).
    """
    stored = _Stored(source, read)
    stored.limit_bytes = _MAX_DIRECTORY_BYTES
    try:
        with zipfile.ZipFile(io.BufferedReader(stored, _READ_BYTES)) as archive:
            stored.limit_bytes = source.size_bytes
            yield archive, tuple(_members(archive))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError) as error:
        raise ObjectRejected(Reason.CORRUPT_ZIP, f"the object cannot be unpacked: {str(error)[:200]}") from error


def _members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        base = info.filename.rsplit("/", 1)[-1]
        if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
            continue
        if info.filename.startswith("__MACOSX/") or base == ".DS_Store":
            continue
        if info.flag_bits & _ENCRYPTED:
            raise ObjectRejected(Reason.ENCRYPTED, f"{info.filename[:100]} is encrypted: put it without a password")
        if info.compress_type not in _METHODS:
            raise ObjectRejected(
                Reason.CORRUPT_ZIP, f"{info.filename[:100]} is packed by method {info.compress_type}: use deflate"
            )
        yield Member(info.filename, info.file_size)


def stream_of(archive: zipfile.ZipFile, member: Member, read: Read, before: int) -> Stream:
    """Return where a file's packed bytes stand in a zip. before: how much text stands before its own.

    Raises ObjectRejected (corrupt_zip).
    """
    info = archive.getinfo(member.name)
    head = read(info.header_offset, info.header_offset + _LOCAL_HEAD.size)
    if len(head) < _LOCAL_HEAD.size or not head.startswith(_ZIP_MAGIC):
        raise ObjectRejected(Reason.CORRUPT_ZIP, f"{member.name[:100]} does not stand where the directory says")
    name_bytes, extra_bytes = _LOCAL_HEAD.unpack(head)[-2:]
    start = info.header_offset + _LOCAL_HEAD.size + name_bytes + extra_bytes
    packing = Packing.STORED if info.compress_type == zipfile.ZIP_STORED else Packing.DEFLATE
    tail = _TAIL.pack(info.CRC, info.file_size % 2**32)
    return Stream(packing, start, start + info.compress_size, before, tail)


def wanted_members(members: tuple[Member, ...], pattern: str) -> tuple[Member, ...]:
    """Return those whose names a pattern is found in."""
    return tuple(one for one in members if not pattern or re.search(pattern, one.name))
