"""Which feeds there are: the built-in ones, and those of the user's own that were bundled with the functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tickstream.feeds.documents import FeedError, feed_from
from tickstream.feeds.effects import table_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tickstream.feeds.description import Feed
    from tickstream.feeds.effects import Code, Effect

BUILT_IN: Final = Path(__file__).parent / "builtin"
#: Where `python -m generator.bundles --feeds` puts the user's own.
OWN: Final = Path(__file__).parent / "own"
#: Within such a folder: tables of sale conditions.
CONDITIONS: Final = "conditions"
MAX_DOCUMENT_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Feeds by name. A name of one's own hides the built-in feed of that name."""

    own: Mapping[str, Feed]
    built_in: Mapping[str, Feed]

    def named(self, name: str) -> Feed | None:
        """Return the feed of a name."""
        return self.own.get(name) or self.built_in.get(name)


@lru_cache(maxsize=1)
def installed() -> Catalogue:
    """Return the feeds that are part of this installation. Raises FeedError."""
    return catalogue_of(OWN if OWN.is_dir() else None)


def catalogue_of(own: Path | None) -> Catalogue:
    """Return the built-in feeds and those in a folder, one file a feed. Raises FeedError.

    A table of the folder replaces the built-in one of its name, in the built-in feeds too.
    """
    known = documents_in(BUILT_IN)
    tables = tables_in(BUILT_IN / CONDITIONS) | (tables_in(own / CONDITIONS) if own else {})
    built_in = {name: feed_from(document, known, tables) for name, document in known.items()}
    if own is None:
        return Catalogue({}, built_in)
    documents = documents_in(own)
    # A feed may extend the built-in one that it hides.
    return Catalogue(
        {
            name: feed_from(
                document, documents | known if document.get("extends") == name else known | documents, tables
            )
            for name, document in documents.items()
        },
        built_in,
    )


def tables_in(folder: Path) -> dict[str, dict[Code, Effect]]:
    """Read the tables of sale conditions of a folder, if there is one, by name. Raises FeedError."""
    found = {}
    for path in sorted(folder.glob("*.csv")):
        try:
            if path.stat().st_size > MAX_DOCUMENT_BYTES:
                raise FeedError(f"{path}: a table is at most {MAX_DOCUMENT_BYTES} bytes")
            found[path.stem] = table_from(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise FeedError(f"{path}: no table of sale conditions: {error}") from error
    return found


def documents_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the documents of a folder by name. Raises FeedError."""
    found = {}
    try:
        paths = sorted(folder.glob("*.json"))
        if not paths and not folder.is_dir():
            raise FeedError(f"there is no folder {folder}")
        for path in paths:
            if path.stat().st_size > MAX_DOCUMENT_BYTES:
                raise FeedError(f"{path}: a feed is at most {MAX_DOCUMENT_BYTES} bytes")
            document = json.loads(path.read_bytes())
            if not isinstance(document, dict) or document.get("name") != path.stem:
                raise FeedError(f"{path}: its name must be {path.stem!r}, as the file's")
            found[path.stem] = document
    except (OSError, ValueError, RecursionError) as error:
        raise FeedError(f"a feed in {folder} cannot be read: {error}") from error
    return found
