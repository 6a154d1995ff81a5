"""The check of bars of sessions: of exchanges, of a zone and of a roll, read through the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.ledger.verdict import Check
from bench.market_analytics.api_reader import Window, collect, pages_of
from bench.market_analytics.compare import compare_bars
from bench.market_analytics.days_of_sessions import END_MINUTE, FIRST_MINUTE, AskedSession, SessionsNotKnown
from bench.market_analytics.oracle import coarser

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from bench.ledger.api_client import ApiClient
    from bench.market_analytics.compare import BarFindings
    from bench.market_analytics.days_of_sessions import Placing
    from bench.market_analytics.oracle import ExpectedBar

NAME: Final = "bars of sessions"
#: What is asked for: of each way to say a session one at least.
ASKED: Final = (
    AskedSession("XNYS", "regular"),
    AskedSession("XNYS", "extended"),
    AskedSession("XNYS", "regular", 240),
    AskedSession("XCME", "regular"),
    AskedSession("XTKS", "regular"),
    AskedSession("America/New_York"),
    AskedSession("17:00 America/Chicago"),
    AskedSession("06:00 Europe/London", None, 240),
)

_BARS_A_PAGE: Final = 7
#: Long enough before the first tick for the session that it is in to have begun.
_BEFORE_MINUTES: Final = 14 * 1_440
#: Longer than all time there is: bars of it are one bar.
_ALL_MINUTES: Final = 10**9


@dataclass(frozen=True, slots=True)
class SessionFindings:
    """What was seen of bars of sessions. checks: one or none. not_shown: what no minute that was sent could show."""

    checks: tuple[Check, ...]
    not_shown: tuple[str, ...]


def judge_sessions(api: ApiClient, expected: Mapping[str, Mapping[int, ExpectedBar]]) -> SessionFindings:
    """Compare bars of sessions of the busiest, the quietest and a middling symbol. Raises ApiError.

    expected: minute bars by symbol. Minutes outside of 1990 to 2035 are left out.
    """
    ordered = sorted(expected, key=lambda symbol: len(expected[symbol]))
    some = sorted({ordered[0], ordered[len(ordered) // 2], ordered[-1]}) if ordered else []
    minutes_of = {
        symbol: {minute: bar for minute, bar in expected[symbol].items() if FIRST_MINUTE <= minute < END_MINUTE}
        for symbol in some
    }
    minutes = [minute for bars in minutes_of.values() for minute in bars]
    if not minutes:
        return SessionFindings((), (f"{NAME} not shown: no tick of 1990 to 2035 was sent",))
    first, last = min(minutes), max(minutes)
    window = Window(max(first - _BEFORE_MINUTES, FIRST_MINUTE), last + 1)
    shown: list[tuple[AskedSession, BarFindings, Sequence[str]]] = []
    missing: list[str] = []
    for asked in ASKED:
        try:
            placing = asked.placing(first, last)
        except SessionsNotKnown as error:
            missing.append(f"{asked} ({error})")
            continue
        of_sessions = {symbol: _expected(bars, placing, window) for symbol, bars in minutes_of.items()}
        if any(of_sessions.values()):
            shown.append((asked, *_compare(api, asked, window, of_sessions)))
        else:
            missing.append(f"{asked} (no minute that was sent is in one)")
    not_shown = (f"{NAME} not shown: {', '.join(missing)}",) if missing else ()
    return SessionFindings((_check(shown),) if shown else (), not_shown)


def _expected(bars: Mapping[int, ExpectedBar], placing: Placing, window: Window) -> dict[int, tuple[date, ExpectedBar]]:
    """Bars of sessions that start in the window, by the minute in which each starts, with the session's date."""
    groups: dict[int, tuple[date, dict[int, ExpectedBar]]] = {}
    for minute, bar in bars.items():
        place = placing(minute)
        if place is not None and window.first <= place[1] < window.end:
            name, start = place
            groups.setdefault(start, (name, {}))[1][minute] = bar
    return {start: (name, coarser(group, _ALL_MINUTES)[0]) for start, (name, group) in groups.items()}


def _compare(
    api: ApiClient,
    asked: AskedSession,
    window: Window,
    expected: Mapping[str, Mapping[int, tuple[date, ExpectedBar]]],
) -> tuple[BarFindings, list[str]]:
    """Return how the bars compare, and which of them carry another session or answer another question."""
    answered: dict[str, dict[int, Any]] = {}
    wrong: list[str] = []
    echo = asked.parameters()
    for symbol, of_symbol in expected.items():
        request = {**echo, "limit": str(_BARS_A_PAGE), **window.parameters()}
        bars = answered.setdefault(symbol, {})
        for page in pages_of(lambda fields, path=f"/bars/{symbol}": api.get(path, fields), request):
            if any(page.get(name) != value for name, value in echo.items()):
                wrong.append(f"{symbol}: asked for {echo}, the answer is of {page.get('session')} {page.get('hours')}")
            known = set(bars)
            collect(bars, symbol, page["bars"])
            new = (minute for minute in bars if minute not in known)
            for minute, entry in zip(new, page["bars"], strict=True):
                name = of_symbol[minute][0].isoformat() if minute in of_symbol else None
                if name is not None and entry.get("session") != name:
                    wrong.append(f"{symbol} at {entry['start']}: session {entry.get('session')} instead of {name}")
    without_names = {
        symbol: {minute: bar for minute, (_, bar) in of_symbol.items()} for symbol, of_symbol in expected.items()
    }
    return compare_bars(without_names, answered), wrong


def _check(shown: Sequence[tuple[AskedSession, BarFindings, Sequence[str]]]) -> Check:
    said = ", ".join(f"{found.bars:,} of {asked}" for asked, found, _ in shown)
    bad = sum(found.wrong_bars for _, found, _ in shown)
    names = [one for _, _, wrong in shown for one in wrong]
    detail = f"{said} bars, {bad:,} of them not the oracle's in every field, {len(names):,} with a wrong session"
    first = [
        f"{asked}: {one.symbol} minute {one.minute}: {one.field} {one.expected}, got {one.got}"
        for asked, found, _ in shown
        for one in found.examples
    ] + names
    passed = all(found.passed for _, found, _ in shown) and not names
    return Check(NAME, passed, detail + (f"; {first[0]}" if first else ""))
