"""Packed objects through the deployed stack: indexed first, then the bars of their text, range by range."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from typing import TYPE_CHECKING

import polars as pl
import pytest
from backports import zstd

from tests.e2e.market import OPEN_NS, Trade, csv, expected_bars

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
    symbol = f"E2E.{name.upper().replace(' ', '.')}"
    trades = trades_of("E2E.PACKED", symbol)
    ingest_id = market.put(f"packed/{name}.{suffix}", pack(csv(trades)))
    status = market.wait_for_state(ingest_id)
    assert (status["ticks"], status["rejected"]) == (TRADES, 0)
    assert status["ranges"]["total"] > 5
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
