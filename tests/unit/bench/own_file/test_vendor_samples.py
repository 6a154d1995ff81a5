"""The bench's own reader makes of each vendor's sample exactly the ticks that another program made of it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from bench.own_file.taking import take_in
from tickstream.feeds.catalogue import Catalogue, catalogue_of

FEEDS: Final = Path(__file__).parents[3] / "feeds"
SAMPLES: Final = list(csv.DictReader((FEEDS / "samples" / "INDEX.csv").read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def everything() -> Catalogue:
    """The built-in feeds, and those of a user's own."""
    return catalogue_of(FEEDS / "own")


@pytest.mark.parametrize("sample", SAMPLES, ids=[one["sample"] for one in SAMPLES])
def test_m23_the_truth_of_a_sample_is_its_ticks(sample: dict[str, str], everything: Catalogue, tmp_path: Path) -> None:
    """Symbols, nanoseconds, prices, sizes, the order of equals and the counts are those of the sample."""
    folder, truth = FEEDS / "samples" / sample["sample"], tmp_path / "truth"
    truth.mkdir()
    path = folder / sample["file"]
    # Some of a user's own feeds are known by the folder.
    key = sample["file"] if sample["feed"] else f"{sample['sample']}/{sample['file']}"
    taken = take_in(path, tmp_path, truth, key=key, catalogue=everything)
    rows = pl.read_parquet(truth / "truth-*.parquet").to_dicts()
    wanted = list(csv.DictReader((folder / "ticks.csv").read_text(encoding="utf-8").splitlines()))
    rejected = Counter(row["reason"] for row in rows if row["reason"] is not None)
    assert (taken.refusal, taken.feed) == ("", sample["own_feed"] or sample["feed"] or "native")
    assert [one[:2] + one[4:] for one in _in_order(rows)] == [
        (row["symbol"], int(row["timestamp_ns"]), Decimal(row["price"]), Decimal(row["size"]))
        for row in sorted(wanted, key=lambda row: (row["symbol"], int(row["timestamp_ns"]), int(row["sequence"] or 0)))
    ]
    assert json.loads((folder / "counts.json").read_text(encoding="utf-8")) == {
        "rows": taken.rows,
        "ticks": len(rows) - rejected.total(),
        "skipped": taken.skipped,
        "cancelled": 0,
        "rejected": dict(rejected),
    }


def _in_order(rows: list[dict[str, object]]) -> list[tuple[object, ...]]:
    return sorted(
        (
            row["symbol"],
            row["timestamp_ns"],
            row["sequence"],
            row["offset"],
            Decimal(str(row["price_e9"])).scaleb(-9),
            Decimal(str(row["size_e9"])).scaleb(-9),
        )
        for row in rows
        if row["reason"] is None
    )
