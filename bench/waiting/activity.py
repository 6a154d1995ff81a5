"""What processes are doing, from `/proc`: the processor time that they had, and whether one of them wants more."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
#: Running or waiting for a processor, and waiting for a disk.
_WANTS: Final = "RD"


@dataclass(frozen=True, slots=True)
class Activity:
    """A look at some processes and all that they started.

    processor_s: what those that still run had. is_wanting: whether a thread of theirs runs, or would if it could.
    """

    processor_s: float = 0.0
    is_wanting: bool = False

    def __add__(self, other: Activity) -> Activity:
        """Return the activity of both."""
        return Activity(self.processor_s + other.processor_s, self.is_wanting or other.is_wanting)


def activity_of(pid: int) -> Activity:
    """Look at a process and those below it. One that has ended does nothing."""
    found = _own(pid)
    for child in _children(pid):
        found += activity_of(child)
    return found


def processes_of(pid: int) -> frozenset[int]:
    """Return a process and those below it; one that has ended may still be among them."""
    return frozenset({pid}).union(*map(processes_of, _children(pid)))


def below_me() -> Activity:
    """Look at the processes that this one has started; not at itself, which is busy with looking."""
    found = Activity()
    for child in _children(os.getpid()):
        found += activity_of(child)
    return found


def _own(pid: int) -> Activity:
    found = Activity()
    for stat in _read(f"/proc/{pid}/task", "stat"):
        # The second field is the command in parentheses and may hold anything.
        fields = stat.rpartition(")")[2].split()
        found += Activity((int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND, fields[0] in _WANTS)
    return found


def _children(pid: int) -> set[int]:
    return {int(child) for children in _read(f"/proc/{pid}/task", "children") for child in children.split()}


def _read(folder: str, name: str) -> Iterator[str]:
    for path in Path(folder).glob(f"*/{name}"):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # the thread has ended meanwhile
        yield text
