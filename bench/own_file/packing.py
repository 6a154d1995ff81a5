"""What a file is packed into: unpacked as a whole, by Python's own modules."""

from __future__ import annotations

import gzip
import re
import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from backports import zstd

from bench.own_file.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: As the pipeline looks at it.
HEAD_BYTES: Final = 64 * 1024
_ZIP_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True)
class Text:
    """One text within the file `path`: its bytes [start, end). member: its name in a zip, otherwise empty."""

    path: Path
    member: str
    start: int
    end: int

    def head(self) -> bytes:
        """Return its first 64 KiB."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(min(HEAD_BYTES, self.end - self.start))

    def lines(self, begin: int) -> Iterator[tuple[int, bytes]]:
        """Yield its lines from `begin` (counted in the text), as they stand, each with where in the file it begins."""
        with self.path.open("rb") as file:
            at = self.start + begin
            file.seek(at)
            while at < self.end:
                line = file.readline(self.end - at)
                yield at, line
                at += len(line)


@dataclass(frozen=True, slots=True)
class Packed:
    """What a file holds. A zip has members, everything else one text."""

    path: Path
    unpacked: Path
    is_zip: bool

    @classmethod
    def of(cls, path: Path, unpacked: Path) -> Packed:
        """Look at a file; `unpacked` gets its text unless it is plain. Raises Refused, OSError."""
        with path.open("rb") as file:
            magic = file.read(4)
        if magic[:2] == b"\x1f\x8b":
            _unpack(gzip.GzipFile(path), unpacked, "corrupt_gzip")
        elif magic == b"\x28\xb5\x2f\xfd" or (magic[1:] == b"\x2a\x4d\x18" and magic[0] & 0xF0 == 0x50):
            _unpack(zstd.ZstdFile(path), unpacked, "corrupt_zstd")
        else:
            return cls(path, unpacked if magic[:2] == b"PK" else path, magic in {b"PK\x03\x04", b"PK\x05\x06"})
        return cls(path, unpacked, is_zip=False)

    def head(self, pattern: str) -> tuple[str, bytes, bool] | None:
        """Return name and first bytes of the first text that a pattern wants, and whether they are all of it.

        One that is empty tells nothing, where there are others.
        """
        if not self.is_zip:
            size = self.unpacked.stat().st_size
            text = Text(self.unpacked, "", 0, size).head()
            return "", text, len(text) == size
        with self._archive() as archive:
            wanted = [one for one in _members(archive) if not pattern or re.search(pattern, one.filename)]
            if not wanted:
                return None
            first = next((one for one in wanted if one.file_size), wanted[0])
            with archive.open(first) as file:
                text = file.read(HEAD_BYTES)
            return first.filename, text, len(text) == first.file_size and len(wanted) == 1

    def texts(self, pattern: str) -> tuple[Text, ...]:
        """Unpack what a pattern wants, one text behind the other. Raises Refused."""
        if not self.is_zip:
            return (Text(self.unpacked, "", 0, self.unpacked.stat().st_size),)
        found, at = [], 0
        with self._archive() as archive, self.unpacked.open("wb") as out:
            for one in _members(archive):
                if pattern and not re.search(pattern, one.filename):
                    continue
                with archive.open(one) as file:
                    shutil.copyfileobj(file, out)
                found.append(Text(self.unpacked, one.filename, at, out.tell()))
                at = out.tell()
        return tuple(found)

    def _archive(self) -> _Archive:
        return _Archive(self.path)


class _Archive:
    """A zip whose faults are refusals."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> zipfile.ZipFile:
        try:
            self._zip = zipfile.ZipFile(self._path)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise Refused("corrupt_zip", str(error)) from error
        return self._zip

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._zip.close()
        if isinstance(error, (zipfile.BadZipFile, zlib.error, EOFError)):
            raise Refused("corrupt_zip", str(error)) from error


def _members(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    for one in archive.infolist():
        is_link = stat.S_ISLNK(one.external_attr >> 16)
        is_of_macos = one.filename.startswith("__MACOSX/") or one.filename.split("/")[-1] == ".DS_Store"
        if one.is_dir() or is_link or is_of_macos:
            continue
        if one.flag_bits & 1:
            raise Refused("encrypted", f"{one.filename} is encrypted")
        if one.compress_type not in _ZIP_METHODS:
            raise Refused("corrupt_zip", f"{one.filename} is packed by method {one.compress_type}")
        yield one


def _unpack(packed: gzip.GzipFile | zstd.ZstdFile, unpacked: Path, reason: str) -> None:
    try:
        with packed, unpacked.open("wb") as out:
            shutil.copyfileobj(packed, out)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError) as error:
        raise Refused(reason, str(error)) from error
