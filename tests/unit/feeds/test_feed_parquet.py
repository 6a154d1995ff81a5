"""Parquet whose columns are a program's or a vendor's own."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tickstream.decoding import Decoded, decode_span
from tickstream.errors import ObjectRejected, Reason
from tickstream.feeds.catalogue import Catalogue
from tickstream.feeds.documents import feed_from
from tickstream.ingests import Source
from tickstream.layouts import sniff_with_footer
from tickstream.ranges import plan_spans

MOMENT: Final = datetime(2026, 1, 5, 14, 30, 0, 123456, UTC)
MOMENT_NS: Final = 1_767_623_400_123_456_000


def written(columns: dict[str, Any], **how: Any) -> bytes:
    """A Parquet file by pyarrow."""
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **how)
    return file.getvalue()


def decoded(data: bytes, *documents: dict[str, Any]) -> Decoded:
    """What comes of a file."""
    source = Source("b", "x/trades.parquet", "v", "e", len(data))
    feeds = Catalogue({one["name"]: feed_from(one) for one in documents}, {})

    def read(start: int, end: int) -> bytes:
        return data[start:end]

    layout, footer = sniff_with_footer(source, read, feeds)
    (span,) = plan_spans(source, layout, 1 << 20, read, footer=footer)
    return decode_span(source, layout, span, read)


def test_m23_timestamps_of_96_bits_are_of_utc() -> None:
    """Spark and Impala write moments so, which cannot say their zone; they are UTC."""
    moments = pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("ns"))
    columns = {"symbol": ["A"], "timestamp": moments, "price": [Decimal("1.5")], "size": [2], "index": [0]}
    found = decoded(written(columns, use_deprecated_int96_timestamps=True))
    [[bar]] = found.bars.values()
    assert (bar.begin_ns, bar.open_e9, bar.volume_e9) == (MOMENT_NS, 1_500_000_000, 2_000_000_000)
    with pytest.raises(ObjectRejected) as refused:
        decoded(written(columns))
    assert (refused.value.reason, "time zone" in refused.value.detail) == (Reason.UNSUITABLE_COLUMN, True)


FLOATS: Final = {
    "name": "floats",
    "format": "parquet",
    "schema": {"fields": [{"name": "Ticker"}, {"name": "ts"}, {"name": "px"}, {"name": "qty"}, {"name": "id"}]},
    "tick": {
        "symbol": {"from": "{Ticker}"},
        "timestamp": {"from": "{ts}", "format": "iso", "zone": "America/New_York"},
        "price": {"from": "{px}", "decimals": 4},
        "size": {"from": "{qty}", "decimals": 0},
        "sequence": {"from": "{id}"},
    },
}


def test_m23_floats_are_what_was_meant_where_a_feed_says_their_decimals() -> None:
    """A float is rounded to its decimals, refused where it is no such number, and the sequence orders equal times."""
    local = pa.array([datetime(2026, 1, 5, 9, 30)] * 4, pa.timestamp("us"))  # noqa: DTZ001 # of no zone on purpose
    prices = [203.14900000000003, 1.1, 0.12345, 5e-324]
    columns = {"ticker": ["A"] * 4, "TS": local, "px": prices, "qty": [1.0, 2.0, 3.0, 4.0], "id": [9, 3, 1, 2]}
    found = decoded(written(columns), FLOATS)
    [[bar]] = found.bars.values()
    assert (bar.open_e9, bar.close_e9, bar.ticks) == (1_100_000_000, 203_149_000_000, 2)
    assert bar.begin_ns == 1_767_623_400 * 10**9
    assert [(row.offset, row.reason) for row in found.rejects] == [(2, Reason.BAD_PRICE), (3, Reason.BAD_PRICE)]


def test_m23_floats_without_decimals_are_refused() -> None:
    """Which number a float was meant to be nobody knows: the refusal names the key that would say it."""
    tick = {**FLOATS["tick"], "price": {"from": "{px}"}}  # type: ignore[dict-item] # a part of it
    columns = {"ticker": ["A"], "ts": [MOMENT], "px": [1.5], "qty": [1.0], "id": [1]}
    with pytest.raises(ObjectRejected) as refused:
        decoded(written(columns), {**FLOATS, "tick": tick})
    assert "tick.price.decimals" in refused.value.detail


def test_m23_a_column_that_stands_twice_but_for_its_case_is_refused() -> None:
    """Which of the two is meant nobody knows."""
    columns = {"ticker": ["A"], "TICKER": ["B"], "ts": [MOMENT], "px": [1.5], "qty": [1.0], "id": [1]}
    with pytest.raises(ObjectRejected) as refused:
        decoded(written(columns), FLOATS)
    assert refused.value.reason is Reason.DUPLICATE_COLUMN
