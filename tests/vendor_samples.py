"""Vendors' files as they are, each with the ticks that another program made of it (tests/feeds/samples)."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

FEEDS: Final = Path(__file__).parent / "feeds"
#: Feeds of a user's own, for the files that do not say everything.
OWN_FEEDS: Final = FEEDS / "own"


#: What a tick updates, in the order of its bits.
UPDATES: Final = ("updates_open_close", "updates_high_low", "updates_volume")


class Sample(NamedTuple):
    """A file, the built-in feed that is its own, and the user's feed that it needs if any."""

    sample: str
    feed: str
    file: str
    own_feed: str

    @property
    def path(self) -> Path:
        """Where the file is."""
        return FEEDS / "samples" / self.key

    @property
    def key(self) -> str:
        """The key that it is put under: the vendor's own name, in a folder that tells it from the others."""
        return f"{self.sample}/{self.file}"

    @property
    def read_by(self) -> str:
        """The name of the feed that reads it; empty for the native format."""
        return self.own_feed or self.feed

    def ticks(self) -> list[dict[str, str]]:
        """The ticks that must come out."""
        return list(csv.DictReader(self._beside("ticks.csv").splitlines()))

    def counts(self) -> Mapping[str, Any]:
        """What must become of its rows."""
        counts: dict[str, Any] = json.loads(self._beside("counts.json"))
        return counts

    def _beside(self, name: str) -> str:
        return (FEEDS / "samples" / self.sample / name).read_text(encoding="utf-8")


SAMPLES: Final = [
    Sample(**row) for row in csv.DictReader((FEEDS / "samples" / "INDEX.csv").read_text(encoding="utf-8").splitlines())
]
