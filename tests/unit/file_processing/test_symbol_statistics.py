"""Statistics against Decimal sums over the ticks, however a file is cut and written."""

from __future__ import annotations

import gzip
import io
import json
from decimal import Decimal, localcontext
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from file_processing import data_processor_files
from tickstream.bars import bar_of
from tickstream.decoding import Limits
from tickstream.errors import MalformedItem, ObjectRejected
from tickstream.files import decode_pointer
from tickstream.symbol_statistics import (
    StatisticsFold,
    SymbolStatistics,
    Totals,
    pack_statistics,
    totals_of,
    unpack_statistics,
)
from tickstream.ticks import NOTIONAL_SCALE, SCALE, Tick

START_NS = 1_767_623_400 * 10**9
decimals = st.tuples(st.integers(0, 999_999_999), st.integers(0, 999_999_999)).map(
    lambda parts: f"{parts[0]}.{parts[1]:09d}" if any(parts) else "1"
)
ticks = st.lists(
    st.tuples(st.sampled_from(["AAPL", "BRK.B", "EUR/USD"]), st.integers(0, 4 * 3600 * 10**9), decimals, decimals),
    max_size=40,
)
SETTINGS = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


def oracle(rows: list[tuple[str, int, str, str]]) -> dict[str, dict[str, Any]]:
    """Statistics by symbol, from the texts, with Decimals."""
    found: dict[str, dict[str, Any]] = {}
    for symbol in {row[0] for row in rows}:
        mine = [(START_NS + at, Decimal(price), Decimal(size)) for name, at, price, size in rows if name == symbol]
        found[symbol] = {
            "ticks": len(mine),
            "bars": len({at // (60 * 10**9) for at, _, _ in mine}),
            "volume": sum(size for _, _, size in mine),
            "notional": sum(price * size for _, price, size in mine),
            "high": max(price for _, price, _ in mine),
            "low": min(price for _, price, _ in mine),
            "first": min(at for at, _, _ in mine),
            "last": max(at for at, _, _ in mine),
        }
    return found


def parquet(rows: list[tuple[str, int, str, str]]) -> bytes:
    """The rows as Parquet, in row groups of 16."""
    names = {"symbol": pl.String, "timestamp": pl.Int64, "price": pl.String, "size": pl.String}
    frame = pl.DataFrame([(s, START_NS + at, p, v) for s, at, p, v in rows], schema=names, orient="row")
    written = io.BytesIO()
    frame.write_parquet(written, row_group_size=16)
    return written.getvalue()


def as_decimals(one: SymbolStatistics) -> dict[str, Any]:
    """Statistics in the oracle's terms."""
    return {
        "ticks": one.ticks,
        "bars": one.bars,
        "volume": Decimal(one.volume_e9) / SCALE,
        "notional": Decimal(one.notional_e18) / NOTIONAL_SCALE,
        "high": None if one.high_e9 is None else Decimal(one.high_e9) / SCALE,
        "low": None if one.low_e9 is None else Decimal(one.low_e9) / SCALE,
        "first": one.first_ns,
        "last": one.last_ns,
    }


@SETTINGS
@given(
    rows=ticks,
    span_bytes=st.sampled_from([32, 77, 250, 1 << 20]),
    form=st.sampled_from(["csv", "jsonl", "gzip", "parquet"]),
)
def test_f11_statistics_are_exact_for_any_cut_and_format(
    make_world: Any, rows: list[tuple[str, int, str, str]], span_bytes: int, form: str
) -> None:
    """Each symbol's figures equal Decimal's over the texts, and the totals are their sums."""
    if form == "jsonl":
        fields = [{"symbol": s, "timestamp": START_NS + at, "price": p, "size": v} for s, at, p, v in rows]
        content = "".join(json.dumps(one) + "\n" for one in fields).encode() or b"\n"
    else:
        lines = (f"{symbol},{START_NS + at},{price},{size}\n" for symbol, at, price, size in rows)
        content = ("symbol,timestamp,price,size\n" + "".join(lines)).encode()
    if form == "parquet":
        content = parquet(rows)
    if form == "gzip":
        half = len(content) // 2
        content = gzip.compress(content[:half]) + gzip.compress(content[half:])
    world = make_world()
    world.validate(world.upload("file", content))
    with pytest.MonkeyPatch.context() as patch:
        # Pieces so small that a gzipped file, or a row group, is several.
        patch.setattr(data_processor_files, "LIMITS", Limits(block_bytes=max(span_bytes, 64), parquet_rows=7))
        world.process(world.to_processor.pop(), span_bytes)
    (body,) = world.to_aggregator
    packed = world.statuses.get_statistics(decode_pointer(body))
    world.complete(world.to_aggregator.pop())
    last = world.status("file").last
    with localcontext(prec=100):
        _compare(last, packed, oracle(rows), len(rows))


def _compare(last: Any, packed: bytes, expected: dict[str, dict[str, Any]], rows: int) -> None:
    assert {one.symbol: as_decimals(one) for one in unpack_statistics(packed)} == expected
    assert last.totals == Totals(
        ticks=rows,
        rejected=0,
        symbols=len(expected),
        bars=sum(one["bars"] for one in expected.values()),
        volume_e9=int(sum(one["volume"] for one in expected.values()) * SCALE),
        notional_e18=sum(int(one["notional"].scaleb(18)) for one in expected.values()),
        first_ns=min((one["first"] for one in expected.values()), default=None),
        last_ns=max((one["last"] for one in expected.values()), default=None),
    )


def test_a_minute_that_two_spans_share_is_one_bar() -> None:
    """Cut in the middle of a minute, the minute counts once."""
    fold = StatisticsFold()
    for offset in (0, 1):
        bar = bar_of(Tick("AAPL", START_NS + offset, SCALE, SCALE), "key", "etag", offset)
        fold.add({("AAPL", bar.hour): (bar,)})
    (one,) = fold.statistics()
    assert (one.bars, one.ticks) == (1, 2)


def test_memory_is_bounded() -> None:
    """A file that touches more hours of symbols than the function can hold is refused with what to do."""
    fold = StatisticsFold(max_symbol_hours=2)
    bar = bar_of(Tick("AAPL", START_NS, SCALE, SCALE), "key", "etag", 0)
    fold.add({("AAPL", 1): (bar,), ("AAPL", 2): (bar,)})
    with pytest.raises(ObjectRejected, match="split it"):
        fold.add({("AAPL", 3): (bar,)})


def test_5000_symbols_of_a_busy_day_fit_into_one_item() -> None:
    """Packed, they leave room for the rest of the item below DynamoDB's 400 KB."""
    statistics = [
        SymbolStatistics(
            symbol=f"S{number * 7919 % 17_576:05d}",
            ticks=number * 7_919 % 900_000,
            bars=number % 391,
            volume_e9=number * 982_451_653_000_000 % 10**17,
            notional_e18=number * 67_280_421_310_721_000_003 % 10**29,
            high_e9=number * 104_729_000_000 % 10**13,
            low_e9=number * 103_729_000_000 % 10**13,
            first_ns=START_NS + number * 15_485_863_001,
            last_ns=START_NS + 23_400 * 10**9 - number * 32_452_843_007 % 10**12,
        )
        for number in range(1, 5_001)
    ]
    packed = pack_statistics(statistics)
    assert len(packed) < 350_000
    assert unpack_statistics(packed) == tuple(statistics)


def test_damaged_statistics_are_refused() -> None:
    """Bytes that are no statistics are an error, never zeros."""
    for packed in (b"", b"\x00", pack_statistics([])[:-3]):
        with pytest.raises(MalformedItem):
            unpack_statistics(packed)
    assert totals_of(unpack_statistics(pack_statistics([])), 4).rejected == 4
