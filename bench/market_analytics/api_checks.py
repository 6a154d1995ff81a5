"""The checks of what the API answers: everything is read as users read it, some requests at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Final

from bench.ledger.verdict import Check
from bench.market_analytics.api_reader import SYMBOLS_A_REQUEST, Window, read_by_get, read_by_post
from bench.market_analytics.bar_states import judge_closed, judge_filled
from bench.market_analytics.compare import compare_bars
from bench.market_analytics.listed_symbols import judge_symbols
from bench.market_analytics.oracle import coarser
from bench.market_analytics.session_bars import judge_sessions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bench.ledger.api_client import ApiClient
    from bench.market_analytics.api_reader import AnsweredBars
    from bench.market_analytics.compare import BarFindings, Mismatch
    from bench.market_analytics.oracle import BarTable, ExpectedBar
    from bench.market_analytics.session_bars import SessionFindings

#: One is served while the bench reads what another was answered.
_READERS: Final = 3
_SYMBOLS_BY_GET: Final = 10
# Small, so that one hour-long symbol takes many pages and a page often ends in the middle of an hour.
_BARS_A_PAGE_BY_GET: Final = 97
#: The API's intervals above a minute, in minutes.
_INTERVALS: Final = {"5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1_440}


@dataclass(frozen=True, slots=True)
class ApiFindings:
    """What the API answered, against the oracle.

    by_get: of `symbols` symbols. by_interval: of those above a minute. filled: None where there is nothing to fill.
    """

    by_post: BarFindings
    by_get: BarFindings
    symbols: int
    by_interval: Mapping[str, BarFindings]
    sessions: SessionFindings
    closed: Check
    filled: Check | None
    listed: Check

    def checks(self) -> tuple[Check, ...]:
        """State what was found."""
        return (
            judge_bars("bars through POST /bars", self.by_post),
            judge_bars(f"bars through GET /bars ({self.symbols} symbols)", self.by_get),
            _judge_intervals(self.by_interval),
            *self.sessions.checks,
            self.closed,
            *([self.filled] if self.filled else []),
            self.listed,
        )

    def differences(self) -> list[Mismatch]:
        """The first differences of each way of reading."""
        found = (self.by_post, self.by_get, *self.by_interval.values())
        return [one for of_one in found for one in of_one.examples]


def read_api(api: ApiClient, expected: BarTable, others: Collection[str], now_minute: int) -> ApiFindings:
    """Read bars and symbols in every way, and compare them. Raises ApiError.

    expected: all bars there are. others: symbols that may be listed besides. now_minute: whole minutes since 1970.
    """
    # By number of bars: the quietest symbol first. A slash is in the names of the quietest.
    ordered = sorted((symbol for symbol, bars in expected.items() if bars), key=lambda symbol: len(expected[symbol]))
    minutes = [minute for bars in expected.values() for minute in bars]
    window = Window(min(minutes), max(minutes) + 1) if minutes else Window(0, 0)
    by_get = sorted({*ordered[: _SYMBOLS_BY_GET // 2], *ordered[-_SYMBOLS_BY_GET // 2 :]})
    some = sorted({ordered[0], ordered[len(ordered) // 2], ordered[-1]}) if ordered else []
    threads = ThreadPoolExecutor(_READERS, thread_name_prefix="reader")
    try:
        # What takes longest begins first.
        listed = threads.submit(judge_symbols, api, expected, others)
        posted = [
            threads.submit(read_by_post, api, batch, window)
            for batch in batched(sorted(ordered), SYMBOLS_A_REQUEST, strict=False)
        ]
        got = threads.submit(_compare_by_get, api, by_get, window, expected)
        coarse = {
            interval: threads.submit(_compare_interval, api, some, window, expected, interval)
            for interval in (_INTERVALS if some else ())
        }
        sessions = threads.submit(judge_sessions, api, expected)
        filled = threads.submit(judge_filled, api, expected, now_minute)
        answered: AnsweredBars = {}
        for batch in posted:
            answered |= batch.result()
        return ApiFindings(
            by_post=compare_bars(expected, answered),
            by_get=got.result(),
            symbols=len(by_get),
            by_interval={interval: found.result() for interval, found in coarse.items()},
            sessions=sessions.result(),
            closed=judge_closed(answered, now_minute),
            filled=filled.result(),
            listed=listed.result(),
        )
    finally:
        # An API that answers wrong, or not at all, is not asked for the rest; nor is it after Ctrl-C.
        threads.shutdown(cancel_futures=True)


def judge_bars(name: str, found: BarFindings) -> Check:
    """Say how bars compare."""
    detail = f"{found.bars:,} bars, {found.wrong_bars:,} of them not the oracle's in every field"
    return Check(name, found.passed, detail)


def _compare_by_get(api: ApiClient, symbols: Sequence[str], window: Window, expected: BarTable) -> BarFindings:
    answered = read_by_get(api, symbols, window, bars_a_page=_BARS_A_PAGE_BY_GET)
    return compare_bars({symbol: expected[symbol] for symbol in symbols}, answered)


def _compare_interval(
    api: ApiClient, symbols: Sequence[str], window: Window, expected: BarTable, interval: str
) -> BarFindings:
    """Compare bars of an interval above a minute."""
    # From the start of the day: what is asked for are the bars that start in the window.
    whole_days = Window(window.first - window.first % _INTERVALS["1d"], window.end)
    bars: dict[str, dict[int, ExpectedBar]] = {
        symbol: coarser(expected[symbol], _INTERVALS[interval]) for symbol in symbols
    }
    return compare_bars(bars, read_by_get(api, symbols, whole_days, bars_a_page=_BARS_A_PAGE_BY_GET, interval=interval))


def _judge_intervals(found: Mapping[str, BarFindings]) -> Check:
    said = ", ".join(f"{one.bars:,} of {interval}" for interval, one in found.items())
    wrong = sum(one.wrong_bars for one in found.values())
    detail = f"{said or '0'} bars, {wrong:,} of them not the oracle's in every field"
    return Check("bars of longer intervals", all(one.passed for one in found.values()), detail)
