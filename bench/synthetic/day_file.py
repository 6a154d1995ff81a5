"""A day as vendors send it: one file of gigabytes. Its text grows piece by piece, and is packed when it is whole."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import zipfile
from typing import TYPE_CHECKING, Any, Final

from backports import zstd

from bench.workloads import DayFile

if TYPE_CHECKING:
    from pathlib import Path

_COPIED_BYTES: Final = 1 << 20
#: The earliest that a zip can say: equal workloads are equal bytes whenever they are made.
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)
#: What gzip and zip do unless they are told.
_DEFLATE_LEVEL: Final = 6


class DayText:
    """The text of one file, written from its begin to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes = self._rows = 0
        path.touch()

    @property
    def size_bytes(self) -> int:
        """How long it is so far."""
        return self._bytes

    @property
    def rows(self) -> int:
        """How many rows it has so far, a header not among them."""
        return self._rows

    def append(self, content: bytes, rows: int) -> None:
        """Add whole rows, the first time behind their header."""
        with self.path.open("ab") as file:
            file.write(content)
        self._bytes += len(content)
        self._rows += rows


def packed(text: Path, kind: DayFile, stem: Path) -> Path:
    """Pack a text in the way of a day file, as one stream; return where the file lies (the text itself, if plain)."""
    path = stem.with_suffix(f".{kind}")
    match kind:
        case DayFile.GZIP:
            with path.open("wb") as raw, gzip.GzipFile("", "wb", _DEFLATE_LEVEL, raw, mtime=0) as target:
                _copy(text, target)
        case DayFile.ZSTD:
            with zstd.ZstdFile(path, "wb") as target:
                _copy(text, target)
        case DayFile.ZIP:
            member = zipfile.ZipInfo(text.name, _ZIP_DATE)
            member.compress_type = zipfile.ZIP_DEFLATED
            with (
                zipfile.ZipFile(path, "w", compresslevel=_DEFLATE_LEVEL) as archive,
                archive.open(member, "w", force_zip64=True) as target,
            ):
                _copy(text, target)
        case DayFile.CSV | DayFile.NONE:
            return text
    return path


def md5_of(path: Path) -> str:
    """Return a file's MD5, in hex, as S3 names an object that was put at once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _copy(text: Path, target: Any) -> None:
    with text.open("rb") as source:
        shutil.copyfileobj(source, target, _COPIED_BYTES)
