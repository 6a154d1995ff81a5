"""Rows that take earlier ones back: the same trades however an object is cut, and in whatever order ranges look."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tickstream.pair_items import (
    index_of,
    pair_balances_from,
    pair_balances_item,
    pair_names_from,
    pair_names_item,
)
from tickstream.pairs import Balance, PairRow, RangePairs, name_of

NAMES = [name_of(text) for text in "ab"]
#: Rows in order: a name, and whether it takes back.
ROWS = st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), max_size=24)


def taken_in_order(rows: list[tuple[int, bytes, bool]]) -> set[int]:
    """The offsets that are taken back, by one walk over all rows, the earliest first."""
    open_trades: dict[bytes, list[int]] = {}
    taken = set()
    for offset, name, takes_back in rows:
        trades = open_trades.setdefault(name, [])
        if not takes_back:
            trades.append(offset)
        elif trades:
            taken.add(trades.pop())
    return taken


@given(ROWS, st.lists(st.integers(0, 24), max_size=5), st.booleans())
def test_m26_any_split_takes_the_same_trades_back(
    rows: list[tuple[bytes, bool]],
    cuts: list[int],
    is_descending: bool,  # noqa: FBT001
) -> None:
    """The latest earlier trade of a name that is still there is taken, wherever ranges are cut; newest first too."""
    placed = [PairRow(at * 10, name, takes_back) for at, (name, takes_back) in enumerate(rows)]
    expected = taken_in_order([*reversed(placed)] if is_descending else [*placed])
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    ranges = [RangePairs(placed[start:end], is_descending=is_descending) for start, end in pairwise(bounds)]
    balances = [one.balances() for one in ranges]
    found: set[int] = set()
    for index, one in enumerate(ranges):
        later = balances[:index][::-1] if is_descending else balances[index + 1 :]
        found |= one.taken_back(later)
    assert found == expected


@given(st.dictionaries(st.binary(min_size=12, max_size=12), st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_what_ranges_tell_each_other_is_read_as_it_was_written(told: dict[bytes, tuple[int, int]]) -> None:
    """Names and balances come back equal, and so does the range that they are of."""
    balances = {name: Balance(*counts) for name, counts in told.items()}
    item = pair_balances_item("i", 7, balances, 1_000)
    assert (index_of(item), pair_balances_from(item)) == (7, balances)
    item = pair_names_item("i", 8, told, 1_000)
    assert (index_of(item), pair_names_from(item)) == (8, frozenset(told))
