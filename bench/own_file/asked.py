"""What is asked for when a file of the user's own is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file, the object's key, and a folder of the user's own feeds if there is one."""

    path: Path
    key: str
    feeds: Path | None = None

    @classmethod
    def of(cls, path: Path, key: str | None, feed: str | None, feeds: Path | None) -> OwnFile:
        """Make the key of what was asked for: a feed that is named stands in it, and so does the path as it was given.

        Of some vendors' files the folders say what they are of.
        """
        folders = [part for part in path.parts if part not in {path.anchor, ".", ".."}]
        under = key or "/".join(("ticks/input", *folders))
        return cls(path, f"feed={feed}/{under}" if feed else under, feeds)

    def facts(self) -> dict[str, str]:
        """What a result file says of it."""
        return {"input_file": self.path.name, "key": self.key}
