"""Packed objects through the deployed stack: indexed first, then the bars of their text, range by range."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from typing import TYPE_CHECKING

import pytest
from backports import zstd

from tests.e2e.market import OPEN_NS, Trade, csv, expected_bars

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.market import MarketStack

TRADES = 40_000


def trades_of(symbol: str) -> list[Trade]:
    """Trades of one symbol over half an hour, whose numbers hardly repeat."""
    chance = random.Random(symbol)  # noqa: S311
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


@pytest.mark.parametrize(
    ("suffix", "pack"), [("csv.gz", gzip.compress), ("zip", zipped), ("csv.zst", framed)], ids=["gzip", "zip", "zstd"]
)
def test_m22_a_packed_object_is_indexed_and_has_the_bars_of_its_text(
    market: MarketStack, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """The same text in gzip, zip and zst: several ranges each, every tick once, and an index beside the rejects."""
    symbol = f"E2E.PACKED.{suffix.upper()}"
    trades = trades_of(symbol)
    ingest_id = market.put(f"packed/ticks.{suffix}", pack(csv(trades)))
    status = market.wait_for_state(ingest_id)
    assert (status["ticks"], status["rejected"]) == (TRADES, 0)
    assert status["ranges"]["total"] > 5
    assert market.bars(symbol) == expected_bars(trades)
    s3 = market.target.client("s3")
    parts = s3.list_objects_v2(Bucket=market.outputs["rejectedBucketName"], Prefix=f"index/{ingest_id}/")
    assert parts["KeyCount"] >= 1


def test_m22_a_packed_object_that_is_cut_off_is_refused_before_any_tick(market: MarketStack) -> None:
    """A truncated gzip that is large enough for an index counts nothing, and says why."""
    symbol = "E2E.PACKED.CUT"
    packed = gzip.compress(csv(trades_of(symbol)))
    status = market.wait_for_state(market.put("packed/cut.csv.gz", packed[: len(packed) * 2 // 3]), "rejected")
    assert (status["reason"]["code"], status["ticks"]) == ("corrupt_gzip", 0)
    assert market.call("GET", f"/bars/{symbol}").status == 404
