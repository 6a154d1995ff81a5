"""What frozen descriptions say of each code is what the tables say from which they were made."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import tickstream.feeds
from bench.own_file.conditions import Conditions
from tickstream.feeds.catalogue import installed
from tickstream.feeds.documents import frozen_text

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILT_IN: Final = Path(tickstream.feeds.__file__).parent / "builtin"
COLUMNS: Final = ("updates_open_close", "updates_high_low", "updates_volume")
FEEDS: Final = [
    name
    for name in (path.stem for path in sorted(BUILT_IN.glob("*.json")))
    if "table" in (BUILT_IN / f"{name}.json").read_text(encoding="utf-8")
]


def rows_of(said: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield code, what `by` gives, and the row, of the tables that a rule names."""
    tables = said["table"] if isinstance(said["table"], dict) else {"": said["table"]}
    for by, table in tables.items():
        content = (BUILT_IN / "conditions" / f"{table}.csv").read_text(encoding="utf-8")
        for row in csv.DictReader(content.splitlines()):
            found = re.fullmatch(r"(.*) \(tapes (\w+)\)", row["code"])
            for one in found[2] if found else [by]:
                yield (found[1] if found else row["code"]), one, row


def value_of(code: str, said: dict[str, Any]) -> str:
    """A value that is this code alone, as the feed writes it."""
    if said.get("split") == "hexBits":
        return f"{1 << int(code.split()[1]):x}"
    return json.dumps([code]) if said.get("split") == "list" else code


def bits_of(texts: list[str]) -> int:
    """What columns of a table say, alone."""
    return sum(1 << at for at, text in enumerate(texts) if text != "false")


@pytest.mark.parametrize("feed", FEEDS)
def test_m26_each_code_of_a_feed_updates_what_its_table_says(feed: str) -> None:
    """In regular hours and outside of them, on each tape, for every row of the tables that ship."""
    found = installed().named(feed)
    assert found is not None
    frozen = json.loads(frozen_text(found))["tick"]["conditions"]
    written = json.loads((BUILT_IN / f"{feed}.json").read_text(encoding="utf-8"))["tick"]["conditions"]
    said = written[0] if isinstance(written, list) else written
    rule = Conditions(frozen[0])
    rows = list(rows_of(said))
    assert len(rows) > 20
    for code, by, row in rows:
        within = bits_of([row[name] for name in COLUMNS])
        outside = bits_of(row["outside_regular_hours"].split(",")) if row["outside_regular_hours"] else within
        assert rule.updates(value_of(code, said), by) == (within, outside), code
