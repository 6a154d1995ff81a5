"""Bars: merging in any order and grouping, exactness against Decimal, and packing."""

from __future__ import annotations

import json
import zlib
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.bar_codec import decode_bars, encode_bars, merge_packed
from tickstream.bars import Bar, Position, bar_of, merge_bars, merge_two, resample
from tickstream.decoding import fold_ticks, packed_hours
from tickstream.decoding.fold import BarFold, tick_frame
from tickstream.errors import MalformedItem
from tickstream.sessions.grids import UtcGrid
from tickstream.ticks import PRICE_BOUND_E9, SIZE_BOUND_E9, Tick, Updates

if TYPE_CHECKING:
    import random

START_NS = 1_767_625_200 * 10**9
#: Two bars, the second alone, and none, as they were packed before ticks had a sequence.
OF_BEFORE = bytes.fromhex(
    "02789c7590c10ec2300c43ffa5670fe2b4a5cbb74439c0c401711ce2fb39ac9dd0103ebed89615774fafc7f25ccfd7d3b2be13d29d2930e0"
    "6d404d117042ad5ca4a88001afc8ad8a8a888860caad0acdcccc024e706e55bab0f1995a66db3d95e34c48c0153d8062476d95ba37ee9dbf"
    "a6060d3891bf06fc0fb5a3455ac06b9f54c75c1b24a308a616706222330a034e6c3f2108467c0097404ddc"
)
ONE_SOURCE_OF_BEFORE = bytes.fromhex(
    "02789c7d8d310a80301004ff72f5a2d9108d79cb728dc1422c23bedf4a1015a71d869164fb5ab7d6cf5d6d87c19668ee502c690c29127468"
    "001d2a2f408788f025a7bf267ecb1c9ee4dbe21a810e2582ee27bd152d7f"
)
NOTHING_OF_BEFORE = bytes.fromhex("02789c8b8e8ed589362409c70200800b0e6d")
PRICES = st.one_of(st.integers(-3, 3), st.integers(1 - PRICE_BOUND_E9, PRICE_BOUND_E9 - 1))
SIZES = st.one_of(st.integers(0, 10**12), st.integers(0, SIZE_BOUND_E9 - 1))
SEQUENCES = st.one_of(st.just(0), st.integers(-2, 2), st.integers(-(2**63), 2**63 - 1))
UPDATES = st.one_of(st.just(Updates.ALL), st.integers(0, 7).map(Updates))
# Few times, sources and offsets: ties everywhere, while no two ticks stand in the same place.
PLACED_TICKS = st.dictionaries(
    st.tuples(st.sampled_from(["a.csv", "b.csv"]), st.sampled_from(["", "e1"]), st.integers(0, 5)),
    st.tuples(st.integers(0, 3).map(lambda step: START_NS + step * 40 * 10**9), PRICES, SIZES, SEQUENCES, UPDATES),
    min_size=1,
    max_size=20,
)


type Placed = dict[tuple[str, str, int], tuple[int, int, int, int, Updates]]


def single_bars(placed: Placed) -> list[Bar]:
    """The bar of each tick alone."""
    return [bar_of(Tick("A", *values), *place) for place, values in placed.items()]


@given(PLACED_TICKS, st.randoms(use_true_random=False))
def test_m26_merging_in_any_order_and_grouping_gives_the_same_bars(placed: Placed, shuffled: random.Random) -> None:
    """Merged one by one, in groups, or in another order: the same bars, field by field as computed from the ticks."""
    bars = single_bars(placed)
    expected = []
    ticks = sorted((Position(values[0], values[3], *place), Tick("A", *values)) for place, values in placed.items())
    for minute in sorted({bar.minute for bar in bars}):
        of_minute = [(at, tick) for at, tick in ticks if tick.timestamp_ns // (60 * 10**9) == minute]
        ends = [(at, tick.price_e9) for at, tick in of_minute if Updates.OPEN_CLOSE in tick.updates]
        extremes = [tick.price_e9 for _, tick in of_minute if Updates.HIGH_LOW in tick.updates]
        sold = [tick for _, tick in of_minute if Updates.VOLUME in tick.updates]
        times_ns = [tick.timestamp_ns for _, tick in of_minute]
        expected.append(
            Bar(
                minute=minute,
                open_e9=ends[0][1] if ends else None,
                high_e9=max(extremes, default=None),
                low_e9=min(extremes, default=None),
                close_e9=ends[-1][1] if ends else None,
                volume_e9=sum(tick.size_e9 for tick in sold),
                ticks=len(of_minute),
                notional_e18=sum(tick.price_e9 * tick.size_e9 for tick in sold),
                first=ends[0][0] if ends else None,
                last=ends[-1][0] if ends else None,
                begin_ns=min(times_ns),
                end_ns=max(times_ns),
            )
        )
    assert merge_bars(bars) == tuple(expected)
    shuffled.shuffle(bars)
    cut = shuffled.randint(0, len(bars))
    assert merge_bars(merge_bars(bars[:cut]), merge_bars(bars[cut:])) == tuple(expected)


@given(PLACED_TICKS)
def test_merging_two_is_commutative_and_associative(
    placed: Placed,
) -> None:
    """The order of two and the brackets around three do not matter."""
    bars = single_bars(placed)
    one, two, three = bars[0], bars[len(bars) // 2], bars[-1]
    assert merge_two(one, two) == merge_two(two, one)
    assert merge_two(merge_two(one, two), three) == merge_two(one, merge_two(two, three))


@given(PLACED_TICKS, st.sampled_from([1, 5, 15, 60, 1440]))
def test_resampling_is_the_merge_of_the_minutes(placed: Placed, minutes: int) -> None:
    """A longer bar starts at a multiple of its length since 1970 and loses no tick."""
    bars = merge_bars(single_bars(placed))
    longer = resample(bars, UtcGrid(minutes).start_of)
    assert all(bar.minute % minutes == 0 for bar in longer)
    assert sum(bar.notional_e18 for bar in longer) == sum(bar.notional_e18 for bar in bars)
    ends = [bar for bar in bars if bar.first is not None]
    priced = [bar for bar in longer if bar.first is not None]
    assert [bar.first for bar in priced[:1]] == [bar.first for bar in ends[:1]]
    assert [bar.last for bar in priced[-1:]] == [bar.last for bar in ends[-1:]]


@given(
    st.one_of(st.integers(1, 4), st.integers(1, 10**26)), st.one_of(st.integers(-9, 9), st.integers(-(10**30), 10**30))
)
def test_vwap_is_rounded_half_to_even(volume: int, notional: int) -> None:
    """The volume-weighted price agrees with Decimal at ample precision, below zero too."""
    at = Position(0, 0, "", "", 0)
    bar = Bar(0, 1, 1, 1, 1, volume, 1, notional, at, at, 0, 0)
    with localcontext(prec=100):
        assert bar.vwap_e9 == (Decimal(notional) / volume).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert bar._replace(volume_e9=0).vwap_e9 is None


@given(PLACED_TICKS)
def test_notional_agrees_with_decimal(placed: Placed) -> None:
    """Price times size, summed, is exact to the eighteenth digit."""
    with localcontext(prec=100):
        products = (
            Decimal(price).scaleb(-9) * Decimal(size).scaleb(-9)
            for _, price, size, _, updates in placed.values()
            if Updates.VOLUME in updates
        )
        total = sum(products, start=Decimal(0))
        assert sum(bar.notional_e18 for bar in merge_bars(single_bars(placed))) == total.scaleb(18)


@given(PLACED_TICKS)
def test_packing_gives_equal_bars_back(placed: Placed) -> None:
    """Bars of any size, in any order, survive the item."""
    bars = tuple(single_bars(placed))
    assert decode_bars(encode_bars(bars)) == bars
    assert decode_bars(encode_bars(merge_bars(bars))) == merge_bars(bars)


@given(PLACED_TICKS, st.lists(st.integers(0, 3), min_size=20, max_size=20), st.data())
def test_packed_bars_merge_like_bars(placed: Placed, part_of: list[int], data: st.DataObject) -> None:
    """Whatever is merged in whatever order, packed or not, the bars are equal; merged again, so are the bytes."""
    parts: dict[int, list[Bar]] = {}
    for bar, part in zip(single_bars(placed), part_of, strict=False):
        parts.setdefault(part, []).append(bar)
    groups = [merge_bars(bars) for bars in parts.values()]
    packed = merge_packed(data.draw(st.permutations([encode_bars(()), *map(encode_bars, groups)])))
    assert decode_bars(packed) == merge_bars(*groups)
    assert merge_packed([packed]) == packed


@given(PLACED_TICKS, st.lists(st.integers(0, 20), max_size=4), st.data())
def test_packed_bars_of_ranges_that_follow_each_other_merge_like_bars(
    placed: Placed, cuts: list[int], data: st.DataObject
) -> None:
    """Ranges that are cut anywhere, in the middle of a minute too, give the bars of all their ticks in any order."""
    in_turn = sorted(single_bars(placed), key=lambda bar: bar.begin_ns)
    bounds = [0, *sorted(cuts), len(in_turn)]
    groups = [merge_bars(in_turn[begin:end]) for begin, end in pairwise(bounds)]
    packed = merge_packed(data.draw(st.permutations([encode_bars(group) for group in groups])))
    assert decode_bars(packed) == merge_bars(in_turn)
    assert merge_packed([packed]) == packed


def test_a_source_that_is_not_in_the_table_is_refused() -> None:
    """Bars that name a source beyond their table do not get another one."""
    places = {("a.csv", "", 0): (START_NS, 1, 1, 0, Updates.ALL), ("b.csv", "", 0): (START_NS, 2, 1, 0, Updates.ALL)}
    packed = encode_bars(merge_bars(single_bars(places)))
    table, *columns = json.loads(zlib.decompress(packed[1:]))
    assert len(table) == 2
    damaged = packed[:1] + zlib.compress(json.dumps([table, *columns[:-2], [1, 0], [1, 2]]).encode())
    for read in (decode_bars, lambda one: merge_packed([one]), lambda one: merge_packed([encode_bars(()), one])):
        with pytest.raises(MalformedItem):
            read(damaged)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no bars",
        zlib.compress(b"[[],[1]]"),
        *(b"\x03" + packed for packed in (b"no zlib", zlib.compress(b"\xff"))),
        b"\x05" + zlib.compress(b"[[]]"),
        *(b"\x04" + zlib.compress(text) for text in (b"[[]]", b"[[],[1]]")),
        *(b"\x03" + zlib.compress(text) for text in (b"{", b"{}", b"[1]", b"[[]]", b"[[],[]]", b"[[],[1,1.5]]")),
    ],
)
def test_what_is_not_packed_bars_is_refused(packed: bytes) -> None:
    """Damaged bytes are an error of their own and never guessed around."""
    with pytest.raises(MalformedItem):
        decode_bars(packed)
    with pytest.raises(MalformedItem):
        merge_packed([encode_bars(()), packed])


def test_bars_that_were_stored_before_ticks_had_a_sequence_are_read() -> None:
    """Bytes of the format of before give their bars, with sequences of 0, and merge with those of today."""
    minute = START_NS // 60 // 10**9
    one = Bar(
        minute, 187_500_000_000, 188_010_000_000, 187_490_000_000, 187_510_000_000, 1_250_000_000_000, 17,
        234_401_250_000_000_000_000_000,
        Position(START_NS + 5, 0, "ticks/a.csv", "e1", 120),
        Position(START_NS + 59 * 10**9, 0, "ticks/b.csv", "e2", 7),
        START_NS + 5, START_NS + 59 * 10**9,
    )  # fmt: skip
    most = 10**18 - 1
    other = Bar(
        minute + 1, most, most, 1, 5, most, 2, most**2 + 5,
        Position(START_NS + 60 * 10**9, 0, "ticks/b.csv", "e2", 99),
        Position(START_NS + 60 * 10**9, 0, "ticks/b.csv", "e2", 140),
        START_NS + 60 * 10**9, START_NS + 60 * 10**9,
    )  # fmt: skip
    assert decode_bars(OF_BEFORE) == (one, other)
    assert decode_bars(ONE_SOURCE_OF_BEFORE) == (other,)
    assert decode_bars(NOTHING_OF_BEFORE) == ()
    later = bar_of(Tick("A", START_NS + 60 * 10**9, -7, 1, -1), "k", "e", 0)
    merged = merge_packed([ONE_SOURCE_OF_BEFORE, encode_bars([later]), NOTHING_OF_BEFORE])
    assert decode_bars(merged) == (merge_two(other, later),)
    assert merge_packed([OF_BEFORE]) == encode_bars([one, other])


def test_sequences_cost_nothing_where_there_are_none() -> None:
    """Bars whose ticks have no sequence are as many bytes as they were before."""
    for packed in (OF_BEFORE, ONE_SOURCE_OF_BEFORE, NOTHING_OF_BEFORE):
        assert encode_bars(decode_bars(packed)) == b"\x03" + packed[1:]


def test_columns_of_different_lengths_are_refused() -> None:
    """A column that lacks a value does not make shorter bars."""
    packed = encode_bars([bar_of(Tick("A", START_NS, 1, 1, 5), "k", "e", 0)])
    for column in range(14):
        columns = json.loads(zlib.decompress(packed[1:]))
        columns[1 + column] = [1]
        with pytest.raises(MalformedItem):
            decode_bars(packed[:1] + zlib.compress(json.dumps(columns).encode()))


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 200), PRICES, SIZES, UPDATES), max_size=30), st.data())
def test_m26_folding_ticks_is_the_merge_of_their_bars(
    rows: list[tuple[str, int, int, int, Updates]], data: st.DataObject
) -> None:
    """The fold of ticks, in any order, has the bars of its ticks by symbol and hour, whatever they may set."""
    ticks = [
        Tick(symbol, START_NS + step * 30 * 10**9, price, size, updates=updates)
        for symbol, step, price, size, updates in rows
    ]
    folded = fold_ticks(data.draw(st.permutations(list(enumerate(ticks)))), "ingest", "")
    assert all(bar.hour == hour for (_, hour), bars in folded.items() for bar in bars)
    for symbol in "AB":
        expected = merge_bars(
            bar_of(tick, "ingest", "", place) for place, tick in enumerate(ticks) if tick.symbol == symbol
        )
        found = tuple(bar for name, hour in sorted(folded) if name == symbol for bar in folded[name, hour])
        assert found == expected


ROWS = st.tuples(st.sampled_from("AB"), st.integers(0, 5), PRICES, SIZES, SEQUENCES)


@given(st.lists(st.lists(ROWS, max_size=60), max_size=5))
def test_blocks_of_any_size_of_numbers_fold_like_single_ticks(
    blocks: list[list[tuple[str, int, int, int, int]]],
) -> None:
    """Whatever fits into 64 or 128 bits, whichever block has sequences: the bars are those of the ticks."""
    fold, expected, place = BarFold("k", "e", max_bars=10, max_hours=10), dict[str, tuple[Bar, ...]](), 0
    for block in blocks:
        ticks = [
            Tick(symbol, START_NS + step * 40 * 10**9, price, size, sequence)
            for symbol, step, price, size, sequence in block
        ]
        frame = tick_frame(list(enumerate(ticks, start=place)))
        if not any(tick.sequence for tick in ticks):
            frame = frame.drop("sequence")
        fold.add_frame(frame)
        for tick in ticks:
            expected[tick.symbol] = merge_bars(expected.get(tick.symbol, ()), [bar_of(tick, "k", "e", place)])
            place += 1
    found = {symbol: bars for (symbol, _), bars in fold.bars().items()}
    assert found == expected
    assert {hour: decode_bars(packed) for hour, packed in packed_hours(fold.bars())} == dict(fold.bars())


def test_the_largest_sums_do_not_wrap_around() -> None:
    """A thousand ticks of the largest price and size, and of the smallest, have the notional that they have."""
    for price in (PRICE_BOUND_E9 - 1, 1 - PRICE_BOUND_E9):
        tick = Tick("A", START_NS, price, SIZE_BOUND_E9 - 1)
        [[bar]] = fold_ticks([(place, tick) for place in range(1_000)], "k", "e").values()
        assert bar.notional_e18 == 1_000 * price * (SIZE_BOUND_E9 - 1)
        assert bar.volume_e9 == 1_000 * (SIZE_BOUND_E9 - 1)
        assert bar.vwap_e9 == price


@pytest.mark.parametrize("sequences", [(2, 1), (-1, -(2**63))])
def test_the_sequence_orders_ticks_of_one_nanosecond(sequences: tuple[int, int]) -> None:
    """Of ticks of one nanosecond the lowest sequence opens, wherever it stands, in one frame or in several."""
    ticks = [Tick("A", START_NS, 10 + place, 1, sequence) for place, sequence in enumerate(sequences)]
    [[bar]] = fold_ticks(enumerate(ticks), "k", "e").values()
    assert (bar.open_e9, bar.close_e9) == (11, 10)
    fold = BarFold("k", "e", max_bars=10, max_hours=10)
    for place, tick in enumerate(ticks):
        fold.add_frame(tick_frame([(place, tick)]))
    assert dict(fold.bars()) == {("A", bar.hour): (bar,)}
