from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.ledger.sent import Origin
from bench.ledger.truth import write_part
from bench.market_analytics.oracle import ExpectedBar, Oracle, coarser

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MINUTE_NS = 60 * 10**9
START_NS = 1_767_623_400 * 10**9

type Row = tuple[str, int, int, int]


def store(folder: Path, sources: list[list[Row]]) -> None:
    """Write the truth of some sources."""
    for ordinal, rows in enumerate(sources):
        frame = pl.DataFrame(
            [
                {
                    "source": ordinal,
                    "offset": offset,
                    "length": 1,
                    "symbol": symbol,
                    "timestamp_ns": at,
                    "price_e9": price,
                    "size_e9": size,
                    "reason": None,
                }
                for offset, (symbol, at, price, size) in enumerate(rows)
            ],
            infer_schema_length=None,
        )
        write_part(folder, ordinal, frame)


def test_equal_timestamps_are_ordered_by_source_etag_and_offset(tmp_path: Path) -> None:
    """Open and close of a minute in which everything happened at once follow the total order."""
    first_etag = [("X", START_NS, 1, 1), ("A", START_NS, 8, 1)]  # at a higher offset than the second ETag's
    store(tmp_path, [[("A", START_NS, 5, 1)], [("A", START_NS, 6, 1), ("A", START_NS, 7, 1)], first_etag])
    origins = [Origin(0, "b", "0"), Origin(1, "a", "2"), Origin(2, "a", "1")]
    bar = Oracle(tmp_path, origins).bars()["A"][START_NS // MINUTE_NS]
    assert (bar.open_e9, bar.close_e9, bar.ticks) == (8, 5, 4)


def test_only_acknowledged_sources_count(tmp_path: Path) -> None:
    """What the service never confirmed is not expected of it."""
    store(tmp_path, [[("A", START_NS, 5, 1)], [("A", START_NS, 6, 1)]])
    bar = Oracle(tmp_path, [Origin(1, "k", "e")]).bars()["A"][START_NS // MINUTE_NS]
    assert (bar.open_e9, bar.low_e9, bar.ticks) == (6, 6, 1)


def test_nothing_sent_is_no_bar_and_no_error(tmp_path: Path) -> None:
    """A run of zero ticks has an empty oracle."""
    oracle = Oracle(tmp_path, [])
    assert oracle.bars() == {}
    assert oracle.planted() == []
    assert oracle.good_ticks(0, 0, 10) == 0


def test_largest_numbers_are_exact(tmp_path: Path) -> None:
    """A notional beyond 64 and beyond 100 bits keeps its last digit."""
    largest = 10**18 - 1
    store(tmp_path, [[("A", START_NS, largest, largest)] * 50])
    bar = Oracle(tmp_path, [Origin(0, "k", "e")]).bars()["A"][START_NS // MINUTE_NS]
    assert bar.notional_e18 == 50 * largest * largest
    assert bar.volume_e9 == 50 * largest


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B/USD"]),
        st.integers(START_NS, START_NS + 3 * MINUTE_NS),
        st.integers(1, 10**18 - 1),
        st.integers(1, 10**18 - 1),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=40)
@given(sources=st.lists(ROWS, min_size=1, max_size=3))
def test_bars_equal_a_walk_over_the_ticks_in_order(
    tmp_path_factory: pytest.TempPathFactory, sources: list[list[Row]]
) -> None:
    """SQL and a plain walk over the sorted ticks agree on every field."""
    folder = tmp_path_factory.mktemp("truth")
    store(folder, sources)
    origins = [Origin(ordinal, f"key-{ordinal}", "e") for ordinal in range(len(sources))]
    walked: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    ordered = sorted(
        (at, ordinal, offset, symbol, price, size)
        for ordinal, rows in enumerate(sources)
        for offset, (symbol, at, price, size) in enumerate(rows)
    )
    for at, _, _, symbol, price, size in ordered:
        walked[symbol, at // MINUTE_NS].append((price, size))
    bars = Oracle(folder, origins).bars()
    assert sum(map(len, bars.values())) == len(walked)
    for (symbol, minute), trades in walked.items():
        bar = bars[symbol][minute]
        prices = [price for price, _ in trades]
        assert (bar.open_e9, bar.high_e9, bar.low_e9, bar.close_e9) == (
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
        )
        assert bar.volume_e9 == sum(size for _, size in trades)
        assert bar.notional_e18 == sum(price * size for price, size in trades)
        assert bar.ticks == len(trades)


def test_good_ticks_of_an_extent_are_counted(tmp_path: Path) -> None:
    """Ticks of one dead-lettered range are those whose rows begin in it."""
    store(tmp_path, [[("A", START_NS, 1, 1)] * 10])
    assert Oracle(tmp_path, [Origin(0, "k", "e")]).good_ticks(0, 3, 7) == 4


def test_longer_intervals_are_added_up_from_minutes() -> None:
    """Opened by the first minute, closed by the last, aligned to 1970."""
    first = ExpectedBar(open_e9=5, high_e9=9, low_e9=4, close_e9=6, volume_e9=1, ticks=1, notional_e18=10)
    later = ExpectedBar(open_e9=7, high_e9=8, low_e9=2, close_e9=3, volume_e9=2, ticks=3, notional_e18=20)
    other = ExpectedBar(open_e9=1, high_e9=1, low_e9=1, close_e9=1, volume_e9=1, ticks=1, notional_e18=1)

    found = coarser({14: later, 11: first, 15: other}, 5)

    assert found == {
        10: ExpectedBar(open_e9=5, high_e9=9, low_e9=2, close_e9=3, volume_e9=3, ticks=4, notional_e18=30),
        15: other,
    }
