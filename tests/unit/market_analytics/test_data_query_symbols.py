"""`GET /symbols` on a table in memory: which symbols have bars, from when to when, whatever was taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_analytics import data_query, data_query_hours, data_query_symbols
from services.memory_table import MemoryTable
from tests.unit.market_analytics.aggregator_world import HOUR, World
from tests.unit.market_analytics.query_world import INGEST, put_ticks, symbols
from tickstream import keys
from tickstream.bar_codec import encode_bars
from tickstream.bars import bar_of
from tickstream.errors import BadRequest
from tickstream.hours import Revision, Rollup
from tickstream.items import key_of, revision_item, rollup_item
from tickstream.page_tokens import pack_token
from tickstream.symbol_lists import symbol_items
from tickstream.ticks import EARLIEST_NS, LATEST_NS, Tick
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from tickstream.items import Item


def pages_of(table: MemoryTable, limit: int = 100, prefix: str = "") -> list[dict[str, Any]]:
    """All pages, followed by their tokens."""
    asked = {"limit": str(limit)} | ({"prefix": prefix} if prefix else {})
    pages = [symbols(table, **asked)]
    while "nextToken" in pages[-1]:
        pages.append(symbols(table, **asked, nextToken=pages[-1]["nextToken"]))
        assert len(pages) < 10_000
    return pages


def listed(table: MemoryTable, limit: int = 100, prefix: str = "") -> dict[str, tuple[str, str]]:
    """First and last bar by symbol, of all pages, which have none twice and all in order."""
    found = [one for page in pages_of(table, limit, prefix) for one in page["symbols"]]
    names = [one["symbol"] for one in found]
    assert names == sorted(set(names))
    return {one["symbol"]: (one["firstBar"], one["lastBar"]) for one in found}


def put_rollup(table: MemoryTable, symbol: str, hour: int, *, withdrawn: bool = False) -> None:
    """An hour with a rollup of one tick; withdrawn: which does not count any more."""
    range_id = keys.range_id(INGEST, 0)
    bars = encode_bars([bar_of(Tick(symbol, hour * keys.NS_PER_HOUR, 10**9, 10**9), INGEST, "", 0)])
    table.put(rollup_item(Rollup(symbol, hour, frozenset({range_id}), 0, bars)))
    table.batch_write(symbol_items(symbol))
    if withdrawn:
        table.put(revision_item(Revision(symbol, hour, 1, frozenset({range_id}), frozenset())))


def moment(hour: int) -> str:
    """The beginning of an hour, as answers have it."""
    return iso_8601(hour * keys.NS_PER_HOUR)


def test_a_symbol_is_listed_when_its_first_hour_is_rolled_up() -> None:
    """Not before; then with the minutes of its first bar and its last, also of those that are not rolled up yet."""
    world = World()
    world.process("file", 0, ["A", "B/C"], hours=3)
    assert symbols(world.table) == {"symbols": []}
    world.event("file", 0)
    first = listed(world.table)
    assert list(first) == ["A", "B/C"]
    bars = [bar for (symbol, _), of_hour in world.expected.items() for bar in of_hour if symbol == "A"]
    assert first["A"] == tuple(iso_8601(minute * keys.NS_PER_MINUTE) for minute in (bars[0].minute, bars[-1].minute))
    put_ticks(world.table, [Tick("A", (HOUR + 9) * keys.NS_PER_HOUR, 10**9, 10**9)])
    assert listed(world.table)["A"] == (first["A"][0], moment(HOUR + 9))


def test_a_pass_lists_a_symbol_once_and_one_with_rollups_not_at_all() -> None:
    """New hours of a symbol in one invocation: one write; another range of the same hours: none."""
    world = World(threshold=1_000)
    writes: list[tuple[str, int]] = []
    world.table.before_write = writes.append
    world.process("file", 0, ["A"], hours=4)
    world.process("file", 1, ["A"], hours=9)
    world.announce("file", 1)
    world.event("file", 0)
    assert sum(partition.startswith("symbols#") for partition, _ in writes) == 1
    writes.clear()
    world.process("file", 2, ["A"], hours=9)
    world.event("file", 2)
    assert not [partition for partition, _ in writes if partition.startswith("symbols#")]


def test_what_was_taken_back_is_not_listed() -> None:
    """The bars that are left say from when to when; a symbol without any is in no list, and comes back."""
    world = World()
    for index, (name, hours) in enumerate((("long", 5), ("short", 1))):
        world.begin(name, 1)
        world.process(name, 0, ["A"] if index else ["A", "B"], hours=hours)
        world.event(name, 0)
    assert listed(world.table)["A"][1] > moment(HOUR + 4)
    world.delete("long")
    world.serve_orders()
    world.retracted.add("long")
    world.check_readers()
    found = listed(world.table)
    assert list(found) == ["A"]
    assert found["A"][0] == found["A"][1] < moment(HOUR + 1)
    world.process("again", 0, ["B"])
    world.event("again", 0)
    assert list(listed(world.table)) == ["A", "B"]


@settings(deadline=None)
@given(
    names=st.lists(st.text("!AB~", min_size=1, max_size=40), max_size=25, unique=True),
    prefix=st.text("!AB~", max_size=3),
    limit=st.integers(1, 7),
    at_a_time=st.integers(1, 5),
    emptied=st.data(),
)
def test_pages_of_any_size_have_every_symbol_once(
    names: list[str], prefix: str, limit: int, at_a_time: int, emptied: st.DataObject
) -> None:
    """With hours that were emptied at both ends, and in between, and symbols that have no others."""
    table, wanted = MemoryTable(), {}
    for name in names:
        counts = emptied.draw(st.lists(st.booleans(), min_size=1, max_size=4))
        for hour, does in enumerate(counts):
            put_rollup(table, name, HOUR + 100 * hour, withdrawn=not does)
        if any(counts) and name.startswith(prefix):
            last = len(counts) - 1 - counts[::-1].index(True)
            wanted[name] = (moment(HOUR + 100 * counts.index(True)), moment(HOUR + 100 * last))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_query_symbols, "SYMBOLS_AT_A_TIME", at_a_time)
        assert listed(table, limit, prefix) == dict(sorted(wanted.items()))


def test_a_page_without_time_still_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little time a page has, and however many emptied hours there are, the last page comes."""
    table = MemoryTable()
    for hour in range(40):
        put_rollup(table, "EMPTY", HOUR + hour, withdrawn=True)
        put_rollup(table, "LONG", HOUR + hour, withdrawn=hour != 20)
    put_rollup(table, "Z", HOUR)
    monkeypatch.setattr(data_query, "_page_clock", lambda: lambda: True)
    monkeypatch.setattr(data_query_hours, "HOURS_A_LOOK", 7)
    pages = pages_of(table)
    assert len(pages) >= 80
    assert [one for page in pages for one in page["symbols"]] == [
        {"symbol": "LONG", "firstBar": moment(HOUR + 20), "lastBar": moment(HOUR + 20)},
        {"symbol": "Z", "firstBar": moment(HOUR), "lastBar": moment(HOUR)},
    ]


def test_a_symbol_is_two_reads_of_few_items() -> None:
    """However many hours it has, the first and the last are read, and nothing of those between."""
    limits: list[int | None] = []

    class Counting(MemoryTable):
        def query(self, *args: Any, limit: int | None = None, **named: Any) -> Any:
            if args[0] == "A":
                limits.append(limit)
            return super().query(*args, limit=limit, **named)

    table = Counting()
    for hour in range(500):
        put_rollup(table, "A", HOUR + hour)
    assert listed(table) == {"A": (moment(HOUR), moment(HOUR + 499))}
    assert sorted(map(str, limits)) == ["1", "2"]


def test_the_first_and_the_last_moment_that_a_tick_may_have() -> None:
    """1990 and 2100 are within what is looked at."""
    table = MemoryTable()
    table.batch_write(symbol_items("A"))
    put_ticks(table, [Tick("A", EARLIEST_NS, 10**9, 10**9), Tick("A", LATEST_NS - 1, 10**9, 10**9)])
    assert listed(table) == {"A": ("1990-01-01T00:00:00Z", "2099-12-31T23:59:00Z")}


def test_an_hour_that_cannot_be_read_hides_no_other_symbol() -> None:
    """Its own symbol is left out, and the log says which."""
    table = MemoryTable()
    for name in ("A", "B", "C"):
        put_rollup(table, name, HOUR)
    broken: Item = {**key_of("B", keys.sort_key(HOUR, 0)), "bars": {"S": "?"}}
    table.put(broken)
    assert list(listed(table)) == ["A", "C"]


BAD: list[tuple[dict[str, str], str, str]] = [
    ({"prefix": "A B"}, "bad_prefix", "no blank"),
    ({"prefix": "A" * 65}, "bad_prefix", "64"),
    ({"prefix": "A\n"}, "bad_prefix", "no blank"),
    ({"prefix": "ä"}, "bad_prefix", "no blank"),
    ({"limit": "0"}, "bad_limit", "1 to 500"),
    ({"limit": "501"}, "bad_limit", "1 to 500"),
    ({"limit": "1e1"}, "bad_limit", "1 to 500"),
    ({"symbol": "A"}, "unknown_parameter", "limit, nextToken, prefix"),
    ({"nextToken": "?"}, "bad_token", "not one that this API gave"),
    ({"nextToken": pack_token([2, "", "A", 0, 1])}, "bad_token", "another version"),
    ({"nextToken": pack_token([1, "", "A", 0])}, "bad_token", "another version"),
    ({"nextToken": pack_token([1, "", "A", 0.0, 1])}, "bad_token", "another version"),
    ({"nextToken": pack_token([1, "", "A", True, 1])}, "bad_token", "another version"),
    ({"nextToken": pack_token([1, "", "A", 0, 1]), "prefix": "A"}, "bad_token", "another prefix"),
    ({"nextToken": pack_token([1, "A", "B", 0, 1]), "prefix": "A"}, "bad_token", "points at nothing"),
    ({"nextToken": pack_token([1, "", "a b", 0, 1])}, "bad_token", "points at nothing"),
    ({"nextToken": pack_token([1, "", 7, 0, 1])}, "bad_token", "points at nothing"),
    ({"nextToken": pack_token([1, "", "A", 2, 1])}, "bad_token", "points at nothing"),
    ({"nextToken": pack_token([1, "", "A", -1, 1])}, "bad_token", "points at nothing"),
    ({"nextToken": pack_token([1, "", "A", 0, 10**40])}, "bad_token", "points at nothing"),
]


@pytest.mark.parametrize(("asked", "code", "says"), BAD)
def test_a_bad_question_is_refused_with_a_clear_answer(asked: dict[str, str], code: str, says: str) -> None:
    """Each mistake has its code and a message that says what would be right."""
    with pytest.raises(BadRequest) as raised:
        symbols(MemoryTable(), **asked)
    assert (raised.value.status, raised.value.code) == (400, code)
    assert says in raised.value.message


def test_a_prefix_is_meant_character_by_character() -> None:
    """Its case matters, and every character that a symbol may have."""
    table = MemoryTable()
    for name in ("BTC/USD", "BTC", "btc", "BTC/EUR", "^GSPC", "ES+1", "%41"):
        put_rollup(table, name, HOUR)
    assert list(listed(table, prefix="BTC/")) == ["BTC/EUR", "BTC/USD"]
    assert list(listed(table, prefix="BTC")) == ["BTC", "BTC/EUR", "BTC/USD"]
    assert list(listed(table, prefix="%")) == ["%41"]
    assert list(listed(table, prefix="ES+1")) == ["ES+1"]
    assert list(listed(table)) == ["%41", "BTC", "BTC/EUR", "BTC/USD", "ES+1", "^GSPC", "btc"]
