"""Bars: merging in any order and grouping, exactness against Decimal, and packing."""

from __future__ import annotations

import json
import zlib
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.bar_codec import decode_bars, encode_bars, merge_packed
from tickstream.bars import Bar, Position, bar_of, merge_bars, merge_two, resample
from tickstream.decoding import fold_ticks, packed_hours
from tickstream.decoding.fold import BarFold, tick_frame
from tickstream.errors import MalformedItem
from tickstream.ticks import Tick

if TYPE_CHECKING:
    import random

START_NS = 1_767_625_200 * 10**9
SCALED = st.integers(1, 10**18 - 1)
# Few times, sources and offsets: ties everywhere, while no two ticks stand in the same place.
PLACED_TICKS = st.dictionaries(
    st.tuples(st.sampled_from(["a.csv", "b.csv"]), st.sampled_from(["", "e1"]), st.integers(0, 5)),
    st.tuples(st.integers(0, 3).map(lambda step: START_NS + step * 40 * 10**9), SCALED, SCALED),
    min_size=1,
    max_size=20,
)


def single_bars(placed: dict[tuple[str, str, int], tuple[int, int, int]]) -> list[Bar]:
    """The bar of each tick alone."""
    return [bar_of(Tick("A", *values), *place) for place, values in placed.items()]


@given(PLACED_TICKS, st.randoms(use_true_random=False))
def test_merging_in_any_order_and_grouping_gives_the_same_bars(
    placed: dict[tuple[str, str, int], tuple[int, int, int]], shuffled: random.Random
) -> None:
    """Merged one by one, in groups, or in another order: the same bars, field by field as computed from the ticks."""
    bars = single_bars(placed)
    expected = []
    for minute in sorted({bar.minute for bar in bars}):
        rows = sorted((bar for bar in bars if bar.minute == minute), key=lambda bar: bar.first)
        expected.append(
            Bar(
                minute=minute,
                open_e9=rows[0].open_e9,
                high_e9=max(row.high_e9 for row in rows),
                low_e9=min(row.low_e9 for row in rows),
                close_e9=rows[-1].close_e9,
                volume_e9=sum(row.volume_e9 for row in rows),
                ticks=len(rows),
                notional_e18=sum(row.open_e9 * row.volume_e9 for row in rows),
                first=rows[0].first,
                last=rows[-1].last,
            )
        )
    assert merge_bars(bars) == tuple(expected)
    shuffled.shuffle(bars)
    cut = shuffled.randint(0, len(bars))
    assert merge_bars(merge_bars(bars[:cut]), merge_bars(bars[cut:])) == tuple(expected)


@given(PLACED_TICKS)
def test_merging_two_is_commutative_and_associative(
    placed: dict[tuple[str, str, int], tuple[int, int, int]],
) -> None:
    """The order of two and the brackets around three do not matter."""
    bars = single_bars(placed)
    one, two, three = bars[0], bars[len(bars) // 2], bars[-1]
    assert merge_two(one, two) == merge_two(two, one)
    assert merge_two(merge_two(one, two), three) == merge_two(one, merge_two(two, three))


@given(PLACED_TICKS, st.sampled_from([1, 5, 15, 60, 1440]))
def test_resampling_is_the_merge_of_the_minutes(
    placed: dict[tuple[str, str, int], tuple[int, int, int]], minutes: int
) -> None:
    """A longer bar starts at a multiple of its length since 1970 and loses no tick."""
    bars = merge_bars(single_bars(placed))
    longer = resample(bars, minutes)
    assert all(bar.minute % minutes == 0 for bar in longer)
    assert sum(bar.notional_e18 for bar in longer) == sum(bar.notional_e18 for bar in bars)
    assert longer[0].first == bars[0].first
    assert longer[-1].last == bars[-1].last


@given(SCALED, st.integers(1, 10**30))
def test_vwap_is_rounded_half_to_even(volume: int, notional: int) -> None:
    """The volume-weighted price agrees with Decimal at ample precision."""
    bar = Bar(0, 1, 1, 1, 1, volume, 1, notional, Position(0, "", "", 0), Position(0, "", "", 0))
    with localcontext(prec=100):
        assert bar.vwap_e9 == (Decimal(notional) / volume).quantize(Decimal(1), ROUND_HALF_EVEN)


@given(PLACED_TICKS)
def test_notional_agrees_with_decimal(placed: dict[tuple[str, str, int], tuple[int, int, int]]) -> None:
    """Price times size, summed, is exact to the eighteenth digit."""
    with localcontext(prec=100):
        products = (Decimal(price).scaleb(-9) * Decimal(size).scaleb(-9) for _, price, size in placed.values())
        total = sum(products, start=Decimal(0))
        assert sum(bar.notional_e18 for bar in merge_bars(single_bars(placed))) == total.scaleb(18)


@given(PLACED_TICKS)
def test_packing_gives_equal_bars_back(placed: dict[tuple[str, str, int], tuple[int, int, int]]) -> None:
    """Bars of any size, in any order, survive the item."""
    bars = tuple(single_bars(placed))
    assert decode_bars(encode_bars(bars)) == bars
    assert decode_bars(encode_bars(merge_bars(bars))) == merge_bars(bars)


@given(PLACED_TICKS, st.lists(st.integers(0, 3), min_size=20, max_size=20), st.data())
def test_packed_bars_merge_like_bars(
    placed: dict[tuple[str, str, int], tuple[int, int, int]], part_of: list[int], data: st.DataObject
) -> None:
    """Whatever is merged in whatever order, packed or not, the bars are equal; merged again, so are the bytes."""
    parts: dict[int, list[Bar]] = {}
    for bar, part in zip(single_bars(placed), part_of, strict=False):
        parts.setdefault(part, []).append(bar)
    groups = [merge_bars(bars) for bars in parts.values()]
    packed = merge_packed(data.draw(st.permutations([encode_bars(()), *map(encode_bars, groups)])))
    assert decode_bars(packed) == merge_bars(*groups)
    assert merge_packed([packed]) == packed


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no bars",
        zlib.compress(b"[[],[1]]"),
        *(b"\x02" + packed for packed in (b"no zlib", zlib.compress(b"\xff"))),
        *(b"\x02" + zlib.compress(text) for text in (b"{", b"{}", b"[1]", b"[[]]", b"[[],[]]", b"[[],[1,1.5]]")),
    ],
)
def test_what_is_not_packed_bars_is_refused(packed: bytes) -> None:
    """Damaged bytes are an error of their own and never guessed around."""
    with pytest.raises(MalformedItem):
        decode_bars(packed)
    with pytest.raises(MalformedItem):
        merge_packed([encode_bars(()), packed])


def test_columns_of_different_lengths_are_refused() -> None:
    """A column that lacks a value does not make shorter bars."""
    packed = encode_bars([bar_of(Tick("A", START_NS, 1, 1), "k", "e", 0)])
    for column in range(12):
        columns = json.loads(zlib.decompress(packed[1:]))
        columns[1 + column] = [1]
        with pytest.raises(MalformedItem):
            decode_bars(packed[:1] + zlib.compress(json.dumps(columns).encode()))


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 200), SCALED, SCALED), max_size=30), st.data())
def test_folding_posted_ticks_is_the_merge_of_their_bars(
    rows: list[tuple[str, int, int, int]], data: st.DataObject
) -> None:
    """The fold of a POST, in any order, has the bars of its ticks by symbol and hour."""
    ticks = [Tick(symbol, START_NS + step * 30 * 10**9, price, size) for symbol, step, price, size in rows]
    folded = fold_ticks(data.draw(st.permutations(list(enumerate(ticks)))), "ingest", "")
    assert all(bar.hour == hour for (_, hour), bars in folded.items() for bar in bars)
    for symbol in "AB":
        expected = merge_bars(
            bar_of(tick, "ingest", "", place) for place, tick in enumerate(ticks) if tick.symbol == symbol
        )
        found = tuple(bar for name, hour in sorted(folded) if name == symbol for bar in folded[name, hour])
        assert found == expected


HUGE = st.integers(10**17, 10**18 - 1)


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 5), st.one_of(SCALED, HUGE), HUGE), max_size=60),
        max_size=5,
    )
)
def test_blocks_of_any_size_of_numbers_fold_like_single_ticks(
    blocks: list[list[tuple[str, int, int, int]]],
) -> None:
    """Whether sums of a block fit into 128 bits, of all blocks do, or neither: the bars are those of the ticks."""
    fold, expected, place = BarFold("k", "e", max_bars=10, max_hours=10), dict[str, tuple[Bar, ...]](), 0
    for block in blocks:
        ticks = [Tick(symbol, START_NS + step * 40 * 10**9, price, size) for symbol, step, price, size in block]
        fold.add_frame(tick_frame(list(enumerate(ticks, start=place))))
        for tick in ticks:
            expected[tick.symbol] = merge_bars(expected.get(tick.symbol, ()), [bar_of(tick, "k", "e", place)])
            place += 1
    found = {symbol: bars for (symbol, _), bars in fold.bars().items()}
    assert found == expected
    assert {hour: decode_bars(packed) for hour, packed in packed_hours(fold.bars())} == dict(fold.bars())
