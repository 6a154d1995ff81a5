"""Files that others read while they are written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

_ROOM_BYTES: Final = 16 << 20


def is_full(folder: Path) -> bool:
    """Whether a folder's disk has no room for another part of an object."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize < _ROOM_BYTES


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step, its folder first: a reader sees the old text or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
