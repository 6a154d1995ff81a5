"""Files that others read while they are written."""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path


def free_bytes(folder: Path) -> int:
    """Return how much room a folder's disk has for this user."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def can_load_libraries(folder: Path) -> bool:
    """Whether programs may load libraries from a folder; not where it is mounted noexec."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(mmap.PAGESIZE))
        file.flush()
        try:
            mmap.mmap(file.fileno(), mmap.PAGESIZE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC).close()
        except PermissionError:
            return False
    return True


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
