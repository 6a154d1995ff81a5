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
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

MINUTE_NS = 60 * 10**9
START_NS = 1_767_623_400 * 10**9

#: Symbol, time, price, size; what it updates may follow, and its sequence.
type Row = tuple[str | int, ...]


def store(folder: Path, sources: Sequence[Sequence[Row]]) -> None:
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
                    "updates": more[0] if more else 7,
                    "sequence": more[1] if more[1:] else 0,
                    "reason": None,
                }
                for offset, (symbol, at, price, size, *more) in enumerate(rows)
            ],
            schema_overrides={"size_e9": pl.Decimal(38, 0)},
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


def test_what_drawn_ids_decide_is_known(tmp_path: Path) -> None:
    """An end that a POST shares with another source; not one that objects share, or that stands in one POST alone."""
    minutes = [START_NS + at * MINUTE_NS for at in range(3)]
    of_object = [("A", minutes[0], 1, 1), ("A", minutes[1], 1, 1), ("A", minutes[2] + 9, 1, 1), ("B", minutes[0], 1, 1)]
    of_post = [
        ("A", minutes[0], 2, 1),
        ("A", minutes[0] + 5, 2, 1),
        ("A", minutes[0] + 5, 3, 1),
        ("A", minutes[2] + 9, 2, 1),
    ]
    store(tmp_path, [of_object, of_post, [("B", minutes[0], 2, 1)]])
    origins = [Origin(0, "a.csv", "e"), Origin(1, "0" * 32, ""), Origin(2, "b.csv", "e")]
    first = START_NS // MINUTE_NS
    both = frozenset({"open", "close"})
    assert Oracle(tmp_path, origins).drawn_ends() == {("A", first): frozenset({"open"}), ("A", first + 2): both}


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


def rows(most_size_e9: int, most_sequence: int) -> st.SearchStrategy[list[list[tuple[str, int, int, int, int, int]]]]:
    """Ticks of a few sources: sizes of more than 64 bits and sequences are added up and put in order in another way."""
    tick = st.tuples(
        st.sampled_from(["A", "B/USD"]),
        st.integers(START_NS, START_NS + 3 * MINUTE_NS) | st.just(START_NS),
        st.integers(1, 10**18 - 1),
        st.integers(1, most_size_e9),
        st.integers(0, 7),
        st.integers(0, most_sequence),
    )
    return st.lists(st.lists(tick, min_size=1, max_size=20), min_size=1, max_size=3)


@settings(max_examples=80)
@given(sources=st.sampled_from([10**18 - 1, 10**27]).flatmap(lambda most: rows(most, 0) | rows(most, 3)))
def test_bars_equal_a_walk_over_the_ticks_in_order(
    tmp_path_factory: pytest.TempPathFactory, sources: list[list[tuple[str, int, int, int, int, int]]]
) -> None:
    """SQL and a plain walk over the sorted ticks agree on every field."""
    folder = tmp_path_factory.mktemp("truth")
    store(folder, sources)
    origins = [Origin(ordinal, f"key-{ordinal}", "e") for ordinal in range(len(sources))]
    walked: dict[tuple[str, int], list[tuple[int, int, int]]] = defaultdict(list)
    ordered = sorted(
        (at, sequence, ordinal, offset, symbol, price, size, updates)
        for ordinal, rows in enumerate(sources)
        for offset, (symbol, at, price, size, updates, sequence) in enumerate(rows)
    )
    for at, _, _, _, symbol, price, size, updates in ordered:
        walked[symbol, at // MINUTE_NS].append((price, size, updates))
    bars = Oracle(folder, origins).bars()
    assert sum(map(len, bars.values())) == len(walked)
    for (symbol, minute), trades in walked.items():
        ends: list[int | None] = [price for price, _, updates in trades if updates & 1] or [None]
        extremes = [price for price, _, updates in trades if updates & 2]
        assert bars[symbol][minute] == ExpectedBar(
            open_e9=ends[0],
            high_e9=max(extremes, default=None),
            low_e9=min(extremes, default=None),
            close_e9=ends[-1],
            volume_e9=sum(size for _, size, updates in trades if updates & 4),
            ticks=len(trades),
            notional_e18=sum(price * size for price, size, updates in trades if updates & 4),
        )


def test_m26_a_minute_whose_trades_set_nothing_has_ticks_only(tmp_path: Path) -> None:
    """Prices are none and sums are 0 where no trade may update them, and the ticks are there all the same."""
    store(tmp_path, [[("A", START_NS, 5, 3, 0), ("A", START_NS + 1, 6, 3, 0)]])
    bar = Oracle(tmp_path, [Origin(0, "k", "e")]).bars()["A"][START_NS // MINUTE_NS]
    assert bar == ExpectedBar(None, None, None, None, volume_e9=0, ticks=2, notional_e18=0)


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


def test_m26_minutes_without_prices_take_part_in_longer_intervals() -> None:
    """They add their volume and ticks, and leave open and close to the minutes that have them."""
    nothing = ExpectedBar(None, None, None, None, volume_e9=4, ticks=2, notional_e18=8)
    extremes_only = ExpectedBar(None, 9, 1, None, volume_e9=0, ticks=1, notional_e18=0)
    whole = ExpectedBar(open_e9=5, high_e9=6, low_e9=4, close_e9=6, volume_e9=1, ticks=1, notional_e18=10)

    found = coarser({0: nothing, 1: whole, 2: extremes_only, 5: nothing, 6: nothing}, 5)

    assert found == {
        0: ExpectedBar(open_e9=5, high_e9=9, low_e9=1, close_e9=6, volume_e9=5, ticks=4, notional_e18=18),
        5: ExpectedBar(None, None, None, None, volume_e9=8, ticks=4, notional_e18=16),
    }
