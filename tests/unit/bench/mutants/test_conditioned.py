"""The files with sale conditions and cancels of the mutants' trial: what must be in them for a mutant to show."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl
import pytest

from bench.ledger.sent import Origin
from bench.market_analytics.oracle import Oracle
from bench.mutants.conditioned import PAIRS_KEY, PRINTS_KEY, make_conditioned_files
from tests.unit.bench.own_file.both_readers import both
from tickstream.feeds.catalogue import installed

if TYPE_CHECKING:
    from pathlib import Path

    from bench.ledger.truth import ObjectFile

RANGE_BYTES = 65_536


@pytest.fixture
def files(tmp_path: Path) -> dict[str, ObjectFile]:
    """The files by key; their truth lies in the folder too."""
    return {one.key: one for one in make_conditioned_files(tmp_path, tmp_path, 7)}


def test_m26_the_real_pipeline_reads_them_as_their_truth_has_them(files: dict[str, ObjectFile]) -> None:
    """Ticks, what each updates, and the counts are the same, by the feeds that are built in."""
    for key, made in files.items():
        pipeline, bench = both(made.path.read_bytes(), key, installed(), range_bytes=RANGE_BYTES)
        assert pipeline == bench
    assert {key: (made.feed, made.rows, made.cancelled, made.refusal) for key, made in files.items()} == {
        PRINTS_KEY: ("massive-us-stocks-trades", 16, 2, ""),
        PAIRS_KEY: ("algoseek-trades", 1305, 7, ""),
    }


def test_m26_each_kind_of_effect_is_in_them(files: dict[str, ObjectFile], tmp_path: Path) -> None:
    """Prints that set all, nothing but volume, no close, no volume, and nothing at all."""
    updates = pl.read_parquet(tmp_path / "truth-*.parquet")["updates"].to_list()
    assert Counter(updates).keys() == {7, 4, 6, 3, 0}


def test_m26_a_minute_has_no_price_and_another_a_close_that_is_not_its_last_print(
    files: dict[str, ObjectFile], tmp_path: Path
) -> None:
    """The bars that only a pipeline that follows the conditions has."""
    bars = Oracle(tmp_path, [Origin(made.ordinal, key, made.etag) for key, made in files.items()]).bars()["PRNT"]
    opening = min(bars) + 150
    of_opening, priceless, closing = bars[opening], bars[opening + 1], bars[max(bars)]
    assert (of_opening.low_e9, of_opening.high_e9, of_opening.close_e9) == (101 * 10**9, 1019 * 10**8, 1012 * 10**8)
    assert (priceless.open_e9, priceless.high_e9, priceless.volume_e9, priceless.ticks) == (None, None, 3 * 10**9, 2)
    assert (closing.volume_e9, closing.ticks) == (50_000 * 10**9, 3)


def test_m26_trades_are_taken_back_from_another_range(files: dict[str, ObjectFile]) -> None:
    """The cancels stand in the last range, and of two equal trades of the first the later one goes."""
    text = files[PAIRS_KEY].path.read_bytes()
    assert RANGE_BYTES < text.index(b"TRADE CANCELLED") < 2 * RANGE_BYTES
    assert [text.index(b",33.00,901", at) < RANGE_BYTES for at in (0, text.index(b",33.00,901") + 1)] == [True, True]
