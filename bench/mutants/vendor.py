"""A vendor's file among the edge objects: it comes in by a feed of the user's own, which an update may change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bench.mutants.edges import HELD_PREFIX
from bench.own_file.taking import take_in
from tickstream.feeds.catalogue import Catalogue
from tickstream.feeds.documents import feed_from

if TYPE_CHECKING:
    from pathlib import Path

    from bench.ledger.truth import ObjectFile

#: It may be held back, so that the feed can change before it is read.
KEY: Final = f"{HELD_PREFIX}vendor.csv"
FEED: Final[dict[str, Any]] = {
    "name": "vendor",
    "format": "csv",
    "tick": {
        "match": {"key": "/vendor[.]csv$"},
        "symbol": {"from": "{ticker}/V"},
        "timestamp": {
            "from": "{date} {time}",
            "format": ["%Y%m%d %H:%M:%S.%f", "iso"],
            "zone": "America/New_York",
        },
        "price": {"from": "{price}", "scale": -4},
        "size": {"from": "{shares}"},
        "where": [{"value": "{kind}", "in": ["T"]}],
    },
}
#: What an update makes of it: every price is another one.
CHANGED: Final[dict[str, Any]] = {**FEED, "tick": {**FEED["tick"], "price": {"from": "{price}", "scale": -3}}}
#: In the hours before the synthetic market opens, as all edge objects.
_TEXT: Final = """\
kind,ticker,date,time,price,shares
T,Vend,20260105,07:00:00.5,425000,100
T,VEND,20260105,07:00:01.25,31415,20
Q,Vend,20260105,07:00:02.0,999999,0
T,Vend,20260105,08:59:59.999999999,425100,300
T,Vend,2026-01-05,13:00:30+01:00,424900,50
"""


def write_feeds(folder: Path, document: dict[str, Any]) -> Path:
    """Make a folder of feeds, as `generator.bundles --feeds` takes it, with this one in it."""
    folder.mkdir()
    (folder / f"{document['name']}.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def make_vendor_file(folder: Path, truth: Path, ordinal: int) -> ObjectFile:
    """Write the file into a folder, and its truth as the bench reads it by the feed before any update."""
    path = folder / f"edge-{ordinal}"
    path.write_text(_TEXT, encoding="utf-8")
    catalogue = Catalogue({FEED["name"]: feed_from(FEED)}, {})
    return take_in(path, folder, truth, key=KEY, catalogue=catalogue, ordinal=ordinal)
