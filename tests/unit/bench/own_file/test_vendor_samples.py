"""The bench's own reader makes of each vendor's sample exactly the ticks that another program made of it."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest

from bench.own_file.taking import take_in
from tests.vendor_samples import OWN_FEEDS, SAMPLES, UPDATES
from tickstream.feeds.catalogue import Catalogue, catalogue_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.vendor_samples import Sample


@pytest.fixture(scope="module")
def everything() -> Catalogue:
    """The built-in feeds, and those of a user's own."""
    return catalogue_of(OWN_FEEDS)


@pytest.mark.parametrize("sample", SAMPLES, ids=[one.sample for one in SAMPLES])
def test_m23_the_truth_of_a_sample_is_its_ticks(sample: Sample, everything: Catalogue, tmp_path: Path) -> None:
    """Symbols, times, prices, sizes, the order of equals, effects and counts are those of the sample."""
    truth = tmp_path / "truth"
    truth.mkdir()
    taken = take_in(sample.path, tmp_path, truth, key=sample.key, catalogue=everything)
    rows = pl.read_parquet(truth / "truth-*.parquet").to_dicts()
    wanted = sample.ticks()
    rejected = Counter(row["reason"] for row in rows if row["reason"] is not None)
    assert (taken.refusal, taken.feed) == ("", sample.read_by or "native")
    assert [one[:2] + one[4:] for one in _in_order(rows)] == [
        (
            row["symbol"],
            int(row["timestamp_ns"]),
            Decimal(row["price"]),
            Decimal(row["size"]),
            sum(1 << bit for bit, name in enumerate(UPDATES) if row[name] == "true"),
        )
        for row in sorted(wanted, key=lambda row: (row["symbol"], int(row["timestamp_ns"]), int(row["sequence"] or 0)))
    ]
    assert sample.counts() == {
        "rows": taken.rows,
        "ticks": len(rows) - rejected.total(),
        "skipped": taken.skipped,
        "cancelled": taken.cancelled,
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
            row["updates"],
        )
        for row in rows
        if row["reason"] is None
    )
