"""Zips and directories that are the same bytes for the same contents, and appear whole or not at all."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_DOS_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR_READABLE = 0o100644
_COMPRESSION_LEVEL = 6


def add_file(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add one file to a zip, without clock, owner or umask."""
    entry = zipfile.ZipInfo(name, date_time=_DOS_EPOCH)
    entry.create_system = _UNIX
    entry.external_attr = _REGULAR_READABLE << 16
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED, _COMPRESSION_LEVEL)


def replace_tree(work: Path, target: Path) -> None:
    """Rename a finished directory to its final name, unless another run has been faster.

    The name is a hash of the contents, so whoever comes first has made the same. A target that is there but not
    whole was damaged by hand: its files are replaced one by one, each in one step.
    """
    try:
        work.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        for path in work.iterdir():
            path.replace(target / path.name)
