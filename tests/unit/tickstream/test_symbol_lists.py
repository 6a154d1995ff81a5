"""The lists of symbols: whatever symbols there are, they are read back in order, by any prefix, from any place on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from services.memory_table import MemoryTable
from tickstream import keys
from tickstream.items import sort_key_of
from tickstream.promises import PREFIX_PATTERN
from tickstream.symbol_lists import CHARACTERS_A_LIST, symbol_items, symbols_of
from tickstream.ticks import SYMBOL_PATTERN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tickstream.items import Item

#: Few letters, so that many begin alike; the lowest and the highest that a symbol may have.
SYMBOLS = st.text("!A~", min_size=1, max_size=64) | st.builds(
    lambda times, end: ("A" * CHARACTERS_A_LIST * times + end)[:64], st.integers(0, 4), st.text("!A~", max_size=3)
).filter(bool)


def table_with(symbols: list[str]) -> MemoryTable:
    """A table in which they are listed, each twice."""
    table = MemoryTable()
    for symbol in (*symbols, *reversed(symbols)):
        table.batch_write(symbol_items(symbol))
    return table


def read_all(table: MemoryTable, prefix: str, start: str, at_a_time: int) -> list[list[str]]:
    """The symbols of each lane."""

    def read(partition: str, first: int, last: int, limit: int) -> Sequence[Item]:
        return list(table.query(partition, first, last, limit=limit))

    return [list(symbols_of(read, lane, prefix, start, at_a_time)) for lane in range(keys.LANES)]


@given(st.lists(SYMBOLS, max_size=30), SYMBOLS | st.just(""), SYMBOLS | st.just(""), st.integers(1, 5))
def test_symbols_are_read_back_in_order(symbols: list[str], prefix: str, start: str, at_a_time: int) -> None:
    """Of each lane, those that begin so and do not come before a place: all of them, once, in order."""
    lanes = read_all(table_with(symbols), prefix, start, at_a_time)
    assert [names == sorted(names) for names in lanes] == [True] * keys.LANES
    wanted = sorted({symbol for symbol in symbols if symbol.startswith(prefix) and symbol >= start})
    assert sorted(name for names in lanes for name in names) == wanted


@given(st.lists(SYMBOLS, min_size=1, max_size=20), st.data())
def test_a_place_between_two_symbols_is_behind_the_first(symbols: list[str], data: st.DataObject) -> None:
    """What follows a symbol begins with the next one, also one that goes on where it ends."""
    after = data.draw(st.sampled_from(symbols))
    lanes = read_all(table_with(symbols), "", f"{after}\0", 3)
    assert sorted(name for names in lanes for name in names) == sorted({one for one in symbols if one > after})


def test_a_place_is_a_number_that_dynamodb_keeps() -> None:
    """38 digits are exact there; each symbol has as many items as lists lead to it."""
    for length, items in ((1, 1), (15, 1), (16, 2), (30, 2), (31, 3), (64, 5)):
        found = symbol_items("~" * length)
        assert len(found) == items
        assert all(len(str(sort_key_of(item))) <= 38 for item in found)


def test_a_prefix_is_what_a_symbol_may_begin_with() -> None:
    """The two patterns allow the same characters."""
    assert PREFIX_PATTERN.replace("{0,64}", "{1,64}") == SYMBOL_PATTERN
    assert re.fullmatch(PREFIX_PATTERN, "")
