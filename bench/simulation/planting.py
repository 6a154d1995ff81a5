"""Broken functions in the place of the real ones, in this process: their modules are loaded from edited source."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.util import spec_from_loader
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def plant(texts: Mapping[str, str]) -> None:
    """Have modules be loaded from these texts, for as long as this process lives. texts: by file below `functions/`.

    Raises BenchError where one is loaded already.
    """
    sources = {file.removesuffix(".py").replace("/", "."): text for file, text in texts.items()}
    for name in sources:
        if name in sys.modules:
            raise BenchError(f"{name} is loaded already: a fault can be planted only before")
    sys.meta_path.insert(0, _Planted(sources))


class _Planted(MetaPathFinder):
    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None  # noqa: ARG002 - import's
    ) -> ModuleSpec | None:  # fmt: skip
        """See importlib."""
        text = self._sources.get(fullname)
        return None if text is None else spec_from_loader(fullname, _Text(text))


class _Text(SourceLoader):
    def __init__(self, text: str) -> None:
        self._text = text

    def get_filename(self, fullname: str) -> str:
        """See importlib: what traces show."""
        return f"<planted {fullname}>"

    def get_data(self, path: str | bytes) -> bytes:  # noqa: ARG002 - see importlib
        """See importlib."""
        return self._text.encode()
