"""The checks of closed bars, filled gaps and listed symbols, with DataQuery behind them: red of what is not right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bench.ledger.api_client import Answer
from bench.market_analytics import listed_symbols
from bench.market_analytics.api_reader import Window
from bench.market_analytics.bar_states import filled_bars, judge_closed, judge_filled
from bench.market_analytics.compare import AnsweredBar
from bench.market_analytics.listed_symbols import judge_symbols
from bench.market_analytics.oracle import ExpectedBar
from services.memory_table import MemoryTable
from tests.unit.market_analytics.query_world import DAY_NS, get, put_ticks, symbols
from tickstream import keys
from tickstream.symbol_lists import symbol_items
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DAY = DAY_NS // keys.NS_PER_MINUTE
LATER = DAY + 40 * 1440

type Spoil = Callable[[dict[str, Any]], None]


def bar(price: int) -> ExpectedBar:
    """A minute with one tick of that price (10^-9), of size 1."""
    return ExpectedBar(price, price, price, price, 10**9, 1, price * 10**9)


class Api:
    """DataQuery over ticks in memory; `spoil` may change an answer."""

    def __init__(self, minutes: Mapping[str, list[int]], spoil: Spoil = lambda _: None):
        self.table = MemoryTable()
        self.spoil = spoil
        self.expected = {name: {DAY + at: bar((1 + at) * 10**9) for at in some} for name, some in minutes.items()}
        put_ticks(
            self.table,
            [
                Tick(name, minute * keys.NS_PER_MINUTE, one.close_e9 or 0, 10**9)
                for name, bars in self.expected.items()
                for minute, one in bars.items()
            ],
        )
        for name in minutes:
            self.table.batch_write(symbol_items(name))

    def get(self, path: str, query: dict[str, str]) -> Answer:
        """Answer as the deployed API does."""
        body = symbols(self.table, **query) if path == "/symbols" else get(self.table, path[6:], **query)
        self.spoil(body)
        return Answer(200, body)


def of(api: Api) -> Any:
    """As much of the client as the checks need."""
    return api


#: The busiest, the quietest and a middling one, with gaps of minutes and hours.
MINUTES = {"A": [*range(30, 600, 7)], "B/C": [55, 300], "D": [100, 101, 400, 500]}


def test_gaps_that_are_filled_right_pass() -> None:
    """Of minutes and hours, from before the first bar on, over pages, and from the middle of the day on."""
    api = Api(MINUTES)
    check = judge_filled(of(api), api.expected, LATER)
    assert check is not None
    assert check.passed, check.detail
    assert "0 of them" in check.detail
    assert judge_filled(of(Api({})), {}, LATER) is None


def first_filled(body: dict[str, Any], change: Spoil) -> None:
    """Change the first bar of an answer that is filled."""
    for one in body["bars"]:
        if one.get("filled"):
            change(one)
            return


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(close="77"),
        lambda one: one.update(volume="1"),
        lambda one: one.update(ticks=1),
        lambda one: one.update(vwap="1"),
        lambda one: one.pop("filled"),
        lambda one: one.update(start="1999-01-01T00:00:00Z"),
        lambda one: one.update(filled="yes"),
        lambda one: one.pop("closed"),
    ],
)
def test_a_gap_that_is_filled_wrong_is_seen(change: Spoil) -> None:
    """A figure, the mark, or the place of one bar is enough."""
    api = Api(MINUTES, lambda body: first_filled(body, change))
    check = judge_filled(of(api), api.expected, LATER)
    assert check is not None
    assert not check.passed


def test_a_gap_that_is_left_out_is_seen() -> None:
    """A bar that is missing, and one where nothing may be, are wrong bars."""
    api = Api(MINUTES, lambda body: body["bars"].__delitem__(slice(3, 4)))
    check = judge_filled(of(api), api.expected, LATER)
    assert check is not None
    assert not check.passed


def test_what_is_filled_is_computed_from_the_minutes() -> None:
    """The last close before the window, at most ten days old, goes on; one that is none does not."""
    nothing = ExpectedBar(None, 5, 5, None, 1, 1, 5)
    bars = {100: bar(1), 130: nothing, 190: bar(3)}
    wanted, filled = filled_bars(bars, Window(120, 240), 60)
    assert wanted == {120: nothing, 180: bar(3)}
    assert not filled
    wanted, filled = filled_bars(bars, Window(120, 124), 1)
    assert wanted == dict.fromkeys(range(120, 124), ExpectedBar(1, 1, 1, 1, 0, 0, 0))
    assert filled == set(range(120, 124))
    assert filled_bars({100: bar(1)}, Window(100 + 14_401, 100 + 14_403), 1) == ({}, frozenset())
    assert len(filled_bars({100: bar(1)}, Window(100 + 14_400, 100 + 14_403), 1)[1]) == 3


def answered(*, closed: bool) -> AnsweredBar:
    """Any bar."""
    return AnsweredBar(1, 1, 1, 1, 1, 1, 1, 1, closed)


@pytest.mark.parametrize(
    ("minute", "closed", "passed"),
    [
        (10, True, True), (10, False, False), (97, True, True), (97, False, False),
        (98, False, True), (98, True, True), (99, False, True), (100, True, True),
        (101, True, False), (101, False, True), (500, True, False), (500, False, True),
    ],
)  # fmt: skip
def test_bars_are_closed_as_their_time_says(minute: int, *, closed: bool, passed: bool) -> None:
    """At minute 100: what ends about then may be either."""
    assert judge_closed({"A": {3: answered(closed=True), minute: answered(closed=closed)}}, 100).passed is passed


def test_symbols_as_they_must_be_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them over pages of one, and those of a prefix; what may be there too is passed over."""
    monkeypatch.setattr(listed_symbols, "_SYMBOLS_A_PAGE", 1)
    api = Api(MINUTES)
    check = judge_symbols(of(api), api.expected)
    assert check.passed, check.detail
    assert "3 symbols, 1 that begin with B" in check.detail
    more = Api({**MINUTES, "OTHER": [5]})
    assert judge_symbols(of(more), api.expected, {"OTHER"}).passed
    assert not judge_symbols(of(more), api.expected).passed
    assert judge_symbols(of(Api({})), {}).passed


@pytest.mark.parametrize(
    "change",
    [
        lambda some: some.pop(),
        lambda some: some.reverse(),
        lambda some: some.append(some[0]),
        lambda some: some[0].update(symbol="a"),
        lambda some: some[0].update(firstBar=some[0]["lastBar"]),
        lambda some: some[-1].update(lastBar="2099-01-01T00:00:00Z"),
        lambda some: some[0].update(firstBar="2013-10-07T00:00:01Z"),
        lambda some: some[0].pop("lastBar"),
    ],
)
def test_symbols_that_are_not_the_oracles_are_seen(change: Callable[[list[dict[str, str]]], None]) -> None:
    """One that is missing, moved, told twice, invented, or with another first or last bar."""
    api = Api({**MINUTES, "B": [7, 8]}, lambda body: change(body["symbols"]))
    assert not judge_symbols(of(api), api.expected).passed
