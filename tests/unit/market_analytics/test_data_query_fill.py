"""Minutes without a trade, filled: `fill=previous` on a table in memory, against an oracle that knows no pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_analytics import data_query
from services.memory_table import MemoryTable
from tests.unit.market_analytics.query_world import DAY_NS, NOW_NS, get, post, put_ticks, tick
from tests.unit.market_analytics.test_data_query_sessions import SPECS, forged
from tickstream import keys
from tickstream.errors import BadRequest
from tickstream.promises import FILL_REACH_DAYS
from tickstream.sessions.spec import grid_of, hours_of
from tickstream.ticks import PRICE_BOUND_E9, Tick, Updates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream.items import Item
    from tickstream.sessions.grids import Grid

DAY = DAY_NS // keys.NS_PER_MINUTE
REACH = FILL_REACH_DAYS * 1440
NO_ENDS = Updates.HIGH_LOW | Updates.VOLUME
MORNING = {"from": "2013-10-07T09:00:00Z", "to": "2013-10-07T09:05:00Z", "fill": "previous"}


def without_close(symbol: str, minute: int) -> Tick:
    """A tick that may set no open and no close."""
    return replace(tick(symbol, minute, 7), updates=NO_ENDS)


def figures(bars: list[dict[str, Any]]) -> list[tuple[int, str | None, int, bool]]:
    """Minutes since the day began, close, ticks, and whether it is filled, of each bar."""
    return [
        (
            int(datetime.fromisoformat(bar["start"]).timestamp()) // 60 - DAY,
            bar["close"],
            bar["ticks"],
            bar.get("filled", False),
        )
        for bar in bars
    ]


def test_a_minute_without_a_trade_carries_the_close() -> None:
    """Its prices are the close before it, exactly; nothing was traded; the answer says what it was asked."""
    table = MemoryTable()
    put_ticks(table, [Tick("A", DAY_NS + 539 * keys.NS_PER_MINUTE, 1_234_567_890_123, 10**9), tick("A", 542, 50, 3)])
    answer = get(table, "A", **MORNING)
    assert answer["fill"] == "previous"
    assert answer["bars"][0] == {
        "start": "2013-10-07T09:00:00Z",
        **dict.fromkeys(("open", "high", "low", "close"), "1234.567890123"),
        "volume": "0",
        "ticks": 0,
        "notional": "0",
        "vwap": None,
        "closed": False,
        "filled": True,
    }
    carried = "1234.567890123"
    assert figures(answer["bars"]) == [
        (540, carried, 0, True), (541, carried, 0, True), (542, "50", 1, False), (543, "50", 0, True),
        (544, "50", 0, True),
    ]  # fmt: skip
    assert "filled" not in answer["bars"][2]
    many = post(table, {"symbols": ["A", "NONE"], **MORNING})
    assert (many["bars"], many["unknown"], many["fill"]) == ({"A": answer["bars"]}, ["NONE"], "previous")
    plain = get(table, "A", **{name: value for name, value in MORNING.items() if name != "fill"})
    assert ("fill" in plain, plain["bars"]) == (False, [answer["bars"][2]])


def test_nothing_is_filled_before_the_first_close() -> None:
    """Neither before the first bar of a symbol, nor behind one that has no close, nor beyond the reach."""
    table = MemoryTable()
    put_ticks(table, [without_close("A", 541), tick("A", 543), tick("B", 540 - REACH), tick("C", 540 - REACH - 1)])
    assert figures(get(table, "A", **MORNING)["bars"]) == [
        (541, None, 1, False), (543, "100", 1, False), (544, "100", 0, True)
    ]  # fmt: skip
    assert len(get(table, "B", **MORNING)["bars"]) == 5
    assert get(table, "C", **MORNING)["bars"] == []


def test_a_bar_without_a_close_changes_none() -> None:
    """The close before it goes on behind it; its own prices stay empty."""
    table = MemoryTable()
    put_ticks(table, [tick("A", 500), without_close("A", 540), without_close("A", 542)])
    expected = [(540, None, 1, False), (541, "100", 0, True), (542, None, 1, False), (543, "100", 0, True)]
    assert figures(get(table, "A", **MORNING)["bars"])[:4] == expected
    first = get(table, "A", **MORNING, limit="1")
    second = get(table, "A", **MORNING, limit="1", nextToken=first["nextToken"])
    assert figures(first["bars"] + second["bars"]) == expected[:2]


def test_nothing_is_filled_that_starts_in_the_future() -> None:
    """The minute that goes on is the last one, also before ticks that say a later time."""
    table = MemoryTable()
    put_ticks(table, [tick("A", 540), tick("A", 560)])
    body = {"symbols": ["A"], **MORNING, "to": "2013-10-07T10:00:00Z"}
    for now_s, last in ((0, 544), (1, 545), (59, 545), (60, 545)):
        bars = figures(post(table, body, DAY_NS + (545 * 60 + now_s) * 10**9)["bars"]["A"])
        assert [bar[0] for bar in bars] == [*range(540, last + 1), 560]
    assert len(post(table, body)["bars"]["A"]) == 60


def test_sessions_are_filled_within_their_hours() -> None:
    """A holiday and a weekend have no bars; a session without a trade has one, with its date."""
    table = MemoryTable()
    put_ticks(table, [tick("A", 14 * 60), tick("A", 21 * 60, 99)])
    window = {"from": "2013-10-07T00:00:00Z", "to": "2013-10-15T00:00:00Z"}
    body = {"symbols": ["A"], "interval": "1d", "session": "XNYS", "fill": "previous", **window}
    bars = post(table, body, DAY_NS + 30 * 24 * keys.NS_PER_HOUR)["bars"]["A"]
    assert [(bar["session"][-2:], bar["close"], bar["ticks"]) for bar in bars] == [
        ("07", "100", 1), ("08", "100", 0), ("09", "100", 0), ("10", "100", 0), ("11", "100", 0), ("14", "100", 0)
    ]  # fmt: skip
    extended = post(table, {**body, "hours": "extended"}, DAY_NS + 30 * 24 * keys.NS_PER_HOUR)["bars"]["A"]
    assert [bar["close"] for bar in extended] == ["99"] * 6


@dataclass(frozen=True)
class Question:
    """A question of one window. from_ns, to_ns, now_ns: Unix nanoseconds."""

    grid: Grid
    from_ns: int
    to_ns: int
    now_ns: int


def oracle(ticks: list[Tick], asked: Question) -> list[tuple[int, str | None, int, bool]]:
    """What must be answered of one symbol's ticks, minute by minute of all that there are."""
    grid = asked.grid
    # Of one minute they come in the order of their offsets, which is the list's.
    ordered = sorted(ticks, key=lambda one: one.timestamp_ns)
    placed = [(start, one) for one in ordered if (start := grid.start_of(minute_of(one.timestamp_ns))) is not None]
    bars: dict[int, list[Tick]] = {}
    for start, one in placed:
        bars.setdefault(start, []).append(one)
    first = grid.settled(-(-asked.from_ns // keys.NS_PER_MINUTE))
    last = asked.to_ns // keys.NS_PER_MINUTE + 3 * 1440
    slots = {start for minute in range(first, last) if (start := grid.start_of(minute)) is not None}
    close: str | None = None
    for start, one in placed:
        if first - REACH <= minute_of(one.timestamp_ns) and start < first and Updates.OPEN_CLOSE in one.updates:
            close = str(one.price_e9 // 10**9)
    found = []
    for start in sorted(slots | bars.keys()):
        if not asked.from_ns <= start * keys.NS_PER_MINUTE < asked.to_ns:
            continue
        of_bar = bars.get(start, [])
        setting = [one for one in of_bar if Updates.OPEN_CLOSE in one.updates]
        if setting:
            close = str(setting[-1].price_e9 // 10**9)
        if of_bar:
            found.append((start - DAY, close if setting else None, len(of_bar), False))
        elif close is not None and start * keys.NS_PER_MINUTE < asked.now_ns:
            found.append((start - DAY, close, 0, True))
    return found


def minute_of(moment_ns: int) -> int:
    """Whole minutes since 1970."""
    return moment_ns // keys.NS_PER_MINUTE


@settings(deadline=None, max_examples=150)
@given(
    minutes=st.lists(
        st.tuples(
            st.sampled_from("AB"),
            st.one_of(st.integers(-20_000, -1), st.integers(0, 600), st.integers(-3_000, 3_000)),
            st.integers(0, 4),
        ),
        max_size=25,
    ),
    asked=st.one_of(
        st.tuples(st.sampled_from(["1m", "5m", "15m", "1h", "4h", "1d"]), st.just((None, None))),
        st.tuples(st.sampled_from(["4h", "1d"]), st.sampled_from(SPECS)),
    ),
    limit=st.integers(1, 400),
    start=st.integers(-400, 400),
    length=st.integers(0, 500),
    scale=st.sampled_from([1, 1, 13]),
    now=st.integers(-1_000, 8_000),
)
def test_pages_of_any_size_equal_the_oracle(  # noqa: PLR0917 - hypothesis's arguments
    minutes: list[tuple[str, int, int]],
    asked: tuple[str, tuple[str | None, str | None]],
    limit: int,
    start: int,
    length: int,
    scale: int,
    now: int,
) -> None:
    """Of any ticks, interval, session and window, at any time; small pages together are one large one."""
    interval, (session, hours) = asked
    table = MemoryTable()
    ticks = [
        tick(symbol, minute, 1 + position) if kind else without_close(symbol, minute)
        for position, (symbol, minute, kind) in enumerate(minutes)
    ]
    put_ticks(table, ticks)
    from_ns = DAY_NS + start * keys.NS_PER_MINUTE + 7 * (start % 2)
    to_ns = from_ns + length * scale * keys.NS_PER_MINUTE
    now_ns = DAY_NS + now * keys.NS_PER_MINUTE + now % 3
    body: dict[str, Any] = {
        "symbols": ["B", "A"], "from": str(from_ns), "to": str(to_ns), "interval": interval, "fill": "previous",
        **{name: value for name, value in (("session", session), ("hours", hours)) if value is not None},
    }  # fmt: skip
    small = {"limit": max(limit, length * scale // 50 + 1)}
    pages = [post(table, body | small, now_ns)]
    while "nextToken" in pages[-1]:
        # A token is enough: the whole question is in it.
        more = {"symbols": ["B", "A"], "nextToken": pages[-1]["nextToken"]}
        pages.append(post(table, more | small, now_ns))
        assert pages[-1]["fill"] == "previous"
    whole = post(table, body | {"limit": 5000}, now_ns)
    question = Question(grid_of(interval, session, hours_of(session, hours)), from_ns, to_ns, now_ns)
    for symbol in whole["bars"]:
        paged = [bar for page in pages for bar in page["bars"].get(symbol, [])]
        if "nextToken" not in whole:
            assert paged == whole["bars"][symbol]
        assert figures(paged) == oracle([one for one in ticks if one.symbol == symbol], question)


def test_pages_go_on_where_time_was_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without time has one bar, filled or not, and the next one goes on behind it."""
    table = MemoryTable()
    put_ticks(table, [tick("A", 530), tick("A", 542, 50)])
    whole = get(table, "A", **MORNING)["bars"]
    monkeypatch.setattr(data_query, "_page_clock", lambda: lambda: True)
    pages = [get(table, "A", **MORNING)]
    while "nextToken" in pages[-1]:
        pages.append(get(table, "A", nextToken=pages[-1]["nextToken"]))
    assert [len(page["bars"]) for page in pages] == [1] * 5
    assert [bar for page in pages for bar in page["bars"]] == whole


def test_a_window_within_another_has_the_same_bars() -> None:
    """What is carried into a window is what a larger one would carry there."""
    table = MemoryTable()
    put_ticks(table, [tick("A", minute, 1 + minute) for minute in (3, 17, 30, 64, 300)])
    whole = get(table, "A", **{"from": str(DAY_NS), "to": str(DAY_NS + 400 * keys.NS_PER_MINUTE), "fill": "previous"})
    for first in range(0, 400, 23):
        window = {"from": str(DAY_NS + first * keys.NS_PER_MINUTE), "to": whole["to"], "fill": "previous"}
        bars = get(table, "A", **window)["bars"]
        assert bars == [bar for bar in whole["bars"] if figures([bar])[0][0] >= first]


@pytest.mark.parametrize("fill", ["", "next", "PREVIOUS", "0", "none"])
def test_a_fill_that_is_none_is_refused(fill: str) -> None:
    """By GET and by POST, whatever it is; the answer says which there are."""
    with pytest.raises(BadRequest, match="previous") as by_get:
        get(MemoryTable(), "A", fill=fill)
    with pytest.raises(BadRequest, match="previous") as by_post:
        post(MemoryTable(), {"symbols": ["A"], "fill": fill})
    assert [(one.value.status, one.value.code) for one in (by_get, by_post)] == [(400, "bad_fill")] * 2


@pytest.mark.parametrize("fill", [None, 7, True, ["previous"], {"previous": 1}])
def test_a_fill_is_a_text(fill: Any) -> None:
    """Nothing else in a body is read as one."""
    with pytest.raises(BadRequest) as refused:
        post(MemoryTable(), {"symbols": ["A"], "fill": fill})
    assert refused.value.code == "bad_fill"


def test_a_token_belongs_to_its_fill() -> None:
    """One of a question with gaps goes on with gaps, and the other way around."""
    table = MemoryTable()
    put_ticks(table, [tick("AAPL", minute) for minute in (530, 541, 543)])
    filled = get(table, "AAPL", **MORNING, limit="1")["nextToken"]
    window = {name: MORNING[name] for name in ("from", "to")}
    plain = get(table, "AAPL", **window, limit="1")["nextToken"]
    assert len(get(table, "AAPL", nextToken=filled)["bars"]) == 4
    with pytest.raises(BadRequest, match="another fill"):
        get(table, "AAPL", nextToken=plain, fill="previous")
    for fields in (
        ("previous", PRICE_BOUND_E9),
        ("previous", -PRICE_BOUND_E9),
        (None, 1),
    ):
        of_window = (DAY_NS, NOW_NS, 0, DAY + 541)
        with pytest.raises(BadRequest, match="points at nothing"):
            get(table, "AAPL", nextToken=forged(3, "1m", None, None, fields[0], *of_window, fields[1]))
    for fill, close in (("next", 1), (["previous"], 1), ("previous", 1.5), ("previous", True), ("previous", "1")):
        with pytest.raises(BadRequest, match="another version"):
            get(table, "AAPL", nextToken=forged(3, "1m", None, None, fill, DAY_NS, NOW_NS, 0, DAY + 541, close))


def test_a_window_without_a_trade_costs_what_one_hour_does() -> None:
    """Years without a trade: the close is found by a read or two at the first page, and not at all at the next."""
    reads: list[int] = []

    class Counting(MemoryTable):
        def query(self, *args: Any, **named: Any) -> Iterator[Item]:
            for item in super().query(*args, **named):
                reads.append(1)
                yield item

    table = Counting()
    put_ticks(table, [tick("A", minute) for minute in range(-10_000, 0, 60)])
    question = {"from": str(DAY_NS), "to": str(DAY_NS + 3000 * keys.NS_PER_MINUTE), "fill": "previous", "limit": "1000"}
    page = get(table, "A", **question)
    assert (len(page["bars"]), len(reads)) == (1000, 2)
    reads.clear()
    page = get(table, "A", nextToken=page["nextToken"])
    assert (len(page["bars"]), len(reads)) == (440, 0)
