"""The checks of what is said beside the figures: which bars are closed, and what stands where nothing was traded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.errors import ApiError
from bench.ledger.verdict import Check
from bench.market_analytics.api_reader import Window, read_by_get
from bench.market_analytics.compare import compare_bars
from bench.market_analytics.oracle import ExpectedBar, coarser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.ledger.api_client import ApiClient
    from bench.market_analytics.api_reader import AnsweredBars
    from bench.market_analytics.compare import BarFindings

CLOSED: Final = "bars are closed"
FILLED: Final = "minutes without a trade"
#: The clocks of the bench and of the API may differ by so much.
_SKEW_MINUTES: Final = 1
#: In minutes, by the API's names.
_INTERVALS: Final = {"1m": 1, "1h": 60}
#: Small, so that pages end between filled bars.
_BARS_A_PAGE: Final = 293
_HOUR, _DAY = 60, 1_440
#: So far back the API looks for the close before a window.
_REACH_MINUTES: Final = 10 * _DAY


def judge_closed(answered: AnsweredBars, now_minute: int) -> Check:
    """Say whether bars of a minute are closed where all is rolled up: each when its minute has passed."""
    bars = [(symbol, minute, bar) for symbol, of_symbol in answered.items() for minute, bar in of_symbol.items()]
    wrong = [
        f"{symbol} minute {minute}: closed {bar.closed}"
        for symbol, minute, bar in bars
        # Of one that ends about now, either is right.
        if abs(minute + 1 - now_minute) > _SKEW_MINUTES and bar.closed != (minute < now_minute)
    ]
    detail = f"{len(bars):,} bars, {len(wrong):,} of them not as their time says"
    return Check(CLOSED, not wrong, detail + (f"; {wrong[0]}" if wrong else ""))


def judge_filled(api: ApiClient, expected: Mapping[str, Mapping[int, ExpectedBar]], now_minute: int) -> Check | None:
    """Compare bars of the busiest, the quietest and a middling symbol, gaps filled; None where there are none."""
    ordered = sorted(expected, key=lambda symbol: len(expected[symbol]))
    some = sorted({ordered[0], ordered[len(ordered) // 2], ordered[-1]}) if ordered else []
    findings: list[BarFindings] = []
    wrong: list[str] = []
    try:
        for symbol in some:
            for window in _windows(expected[symbol], now_minute - _SKEW_MINUTES):
                for interval, length in _INTERVALS.items():
                    wanted, filled = filled_bars(expected[symbol], window, length)
                    answered = read_by_get(
                        api, [symbol], window, bars_a_page=_BARS_A_PAGE, interval=interval, fill="previous"
                    )
                    findings.append(compare_bars({symbol: wanted}, answered))
                    if filled != {minute for minute, bar in answered[symbol].items() if bar.filled}:
                        wrong.append(f"{symbol}, {interval}: other bars are marked as filled")
    except ApiError as error:
        return Check(FILLED, passed=False, detail=str(error))
    if not findings:
        return None
    wrong += [
        f"{one.symbol} minute {one.minute}: {one.field} {one.expected}, got {one.got}"
        for found in findings
        for one in found.examples
    ]
    detail = (
        f"{sum(one.bars for one in findings):,} bars with gaps filled, "
        f"{sum(one.wrong_bars for one in findings):,} of them not the oracle's in every field"
    )
    return Check(FILLED, not wrong, detail + (f"; {wrong[0]}" if wrong else ""))


def filled_bars(
    bars: Mapping[int, ExpectedBar], window: Window, length: int
) -> tuple[dict[int, ExpectedBar], frozenset[int]]:
    """Return the bars of an interval of so many minutes in a window, gaps filled, and which of them are filled.

    bars: all of the symbol's minutes. The window begins and ends with a bar and has passed.
    """
    close_e9: int | None = None
    for minute in sorted(bars):
        if window.first - _REACH_MINUTES <= minute < window.first and bars[minute].close_e9 is not None:
            close_e9 = bars[minute].close_e9
    whole = coarser({minute: bar for minute, bar in bars.items() if window.first <= minute < window.end}, length)
    wanted: dict[int, ExpectedBar] = {}
    for start in range(window.first, window.end, length):
        if start in whole:
            wanted[start] = whole[start]
            close_e9 = close_e9 if whole[start].close_e9 is None else whole[start].close_e9
        elif close_e9 is not None:
            wanted[start] = ExpectedBar(close_e9, close_e9, close_e9, close_e9, 0, 0, 0)
    return wanted, frozenset(wanted.keys() - whole.keys())


def _windows(bars: Mapping[int, ExpectedBar], now_minute: int) -> list[Window]:
    """Return what is asked for: from before the first bar on, and a piece in the middle; of what has passed."""
    first, last = min(bars), max(bars)
    middle = (first + last) // 2 // _HOUR * _HOUR
    begin = first // _HOUR * _HOUR - _HOUR
    windows = ((begin, min(last // _HOUR * _HOUR + 3 * _HOUR, begin + 2 * _DAY)), (middle, middle + 3 * _HOUR))
    until = now_minute // _HOUR * _HOUR
    return [Window(start, min(end, until)) for start, end in windows if start < min(end, until)]
