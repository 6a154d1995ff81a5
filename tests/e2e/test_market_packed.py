"""Packed objects through the deployed stack: indexed first, then the bars of their text, range by range."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest
from backports import zstd

from bench.faults import FaultInjector, FaultRule
from bench.faults.retries import retry_as_deployed, retry_soon
from tests.e2e.market import OPEN_NS, Trade, csv, expected_bars
from tests.patience import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.market import MarketStack

TRADES = 40_000


def trades_of(seed: str, symbol: str = "") -> list[Trade]:
    """Trades of one symbol (the seed, unless given) over half an hour, whose numbers hardly repeat."""
    symbol, chance = symbol or seed, random.Random(seed)  # noqa: S311
    return [
        Trade(
            symbol, OPEN_NS + at * 45_000_000, f"{chance.randrange(10_000, 20_000) / 100:.2f}", f"{chance.random():.9f}"
        )
        for at in range(TRADES)
    ]


def zipped(text: bytes) -> bytes:
    """A zip of one file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ticks.csv", text)
    return packed.getvalue()


def framed(text: bytes) -> bytes:
    """Frames of zstd, as tools that can seek in them write."""
    return b"".join(zstd.compress(text[at : at + 200_000]) for at in range(0, len(text), 200_000))


def columnar(text: bytes) -> bytes:
    """The same rows as Parquet, in eight row groups, its prices and sizes as exact as in the text."""
    rows = pl.read_csv(text, schema_overrides={"price": pl.String, "size": pl.String})
    exact = rows.with_columns(pl.col("price", "size").cast(pl.Decimal(38, 9)))
    target = io.BytesIO()
    exact.write_parquet(target, row_group_size=TRADES // 8)
    return target.getvalue()


#: By name: suffix of the key, how the text is packed, whether there is an index then.
PACKED: dict[str, tuple[str, Callable[[bytes], bytes], bool]] = {
    "plain": ("csv", bytes, False),
    "gzip": ("csv.gz", gzip.compress, True),
    "zip": ("zip", zipped, True),
    "zstd of frames": ("csv.zst", framed, True),
    "zstd of one frame": ("csv.zst", zstd.compress, True),
    "Parquet": ("parquet", columnar, False),
}


@pytest.mark.parametrize("name", PACKED)
def test_m22_the_same_rows_have_the_same_bars_however_they_are_packed(market: MarketStack, name: str) -> None:
    """Several ranges each, every tick once, the bars of the rows; of what is packed an index beside the rejects."""
    suffix, pack, is_indexed = PACKED[name]
    symbol = f"E2E.PACKED.{name.upper().replace(' ', '.')}"
    trades = trades_of("E2E.PACKED", symbol)
    ingest_id = market.put(f"packed/{name}.{suffix}", pack(csv(trades)))
    status = market.wait_for_state(ingest_id)
    assert (status["ticks"], status["rejected"]) == (TRADES, 0)
    assert status["ranges"]["total"] > 3
    assert market.bars(symbol) == expected_bars(trades)
    s3 = market.target.client("s3")
    parts = s3.list_objects_v2(Bucket=market.outputs["rejectedBucketName"], Prefix=f"index/{ingest_id}/")
    assert (parts["KeyCount"] >= 1) == is_indexed


def test_m22_a_packed_object_that_is_cut_off_is_refused_before_any_tick(market: MarketStack) -> None:
    """A truncated gzip that is large enough for an index counts nothing, and says why."""
    symbol = "E2E.PACKED.CUT"
    packed = gzip.compress(csv(trades_of(symbol)))
    status = market.wait_for_state(market.put("packed/cut.csv.gz", packed[: len(packed) * 2 // 3]), "rejected")
    assert (status["reason"]["code"], status["ticks"]) == ("corrupt_gzip", 0)
    assert market.call("GET", f"/bars/{symbol}").status == 404


def test_m22_a_new_version_while_the_old_one_is_indexed_counts_beside_it(market: MarketStack) -> None:
    """Both versions are read to their ends, each as it was when it came: the bars are of the ticks of both."""
    symbol, key = "E2E.PACKED.TWICE", "packed/twice.csv.gz"
    first, second = trades_of(symbol), trades_of(f"{symbol}.AGAIN", symbol)
    ingests = [market.put(key, gzip.compress(csv(trades))) for trades in (first, second)]
    assert len(set(ingests)) == 2
    for ingest_id in ingests:
        assert market.wait_for_state(ingest_id)["ticks"] == TRADES
    bars = market.bars(symbol)
    assert sum(bar["ticks"] for bar in bars) == 2 * TRADES
    volume = sum(Decimal(trade.size) for trade in (*first, *second))
    assert sum(Decimal(bar["volume"]) for bar in bars) == volume


def test_m22_an_index_that_is_deleted_between_two_ranges_is_made_again(market: MarketStack) -> None:
    """With its parts gone each range waits, the index is made anew, and every tick counts once."""
    symbol, s3 = "E2E.PACKED.LOST", market.target.client("s3")
    trades = trades_of(symbol)
    faults = FaultInjector(market.target)
    processor, key = market.outputs["processorFunctionName"], "packed/lost.csv.gz"
    # Ranges cannot be read until the index is gone.
    held = FaultRule("held", "s3", "GetObject", processor, key, code="SlowDown", status=503)
    faults.add([held])
    retry_soon(market.sqs, [market.outputs["largeRangeQueueUrl"]])
    try:
        ingest_id = market.put(key, gzip.compress(csv(trades)))
        bucket = {"Bucket": market.outputs["rejectedBucketName"]}
        wait_until("a range to be refused", lambda: faults.hits()["held"] or None)
        for part in s3.list_objects_v2(**bucket, Prefix=f"index/{ingest_id}/")["Contents"]:
            s3.delete_object(**bucket, Key=part["Key"])
    finally:
        faults.remove("held")
    status = market.wait_for_state(ingest_id)
    retry_as_deployed(market.sqs, [market.outputs["largeRangeQueueUrl"]])
    assert (status["ticks"], status["rejected"]) == (TRADES, 0)
    assert market.bars(symbol) == expected_bars(trades)
    assert s3.list_objects_v2(**bucket, Prefix=f"index/{ingest_id}/")["KeyCount"] >= 1
