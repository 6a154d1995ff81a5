"""The vendor's file of the mutants: read by a feed that is not what it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from bench.mutants.vendor import CHANGED, FEED, KEY, make_vendor_file, write_feeds
from tickstream.decoding import decode_span
from tickstream.feeds.catalogue import catalogue_of
from tickstream.ingests import Source, Span
from tickstream.layouts import sniff

if TYPE_CHECKING:
    from pathlib import Path


def test_the_truth_of_the_vendors_file_is_that_of_the_feed_before_it_changes(tmp_path: Path) -> None:
    """The pipeline reads the bench's own truth by the feed as it was, and other prices by what it becomes."""
    truth = tmp_path / "truth"
    truth.mkdir()
    made = make_vendor_file(tmp_path, truth, 7)
    assert (made.key, made.rows, made.skipped, made.feed, made.refusal) == (KEY, 5, 1, FEED["name"], "")
    content = made.path.read_bytes()
    source = Source("bucket", made.key, "1", made.etag, made.size_bytes)
    prices = pl.read_parquet(truth / "truth-*.parquet")["price_e9"].to_list()
    for name, document, factor in (("before", FEED, 1), ("after", CHANGED, 10)):
        catalogue = catalogue_of(write_feeds(tmp_path / name, document))
        layout = sniff(source, lambda start, end: content[start:end], catalogue)
        span = Span(0, layout.data_start, len(content))
        decoded = decode_span(source, layout, span, lambda start, end: content[start:end])
        assert {symbol for symbol, _ in decoded.bars} == {"Vend/V", "VEND/V"}
        highs = [bar.high_e9 for bars in decoded.bars.values() for bar in bars]
        assert max(high for high in highs if high is not None) == max(prices) * factor
