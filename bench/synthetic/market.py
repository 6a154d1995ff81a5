"""The market: which symbols there are, when they trade, and at which prices.

Object after object is drawn in the order of the day; only the last price of each symbol is carried on, so a day of any
size takes the memory of one object.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.workloads import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.workloads import Workload

SESSION_START: Final = time(14, 30)
SESSION_NS: Final = int(6.5 * 3600 * 10**9)
E9: Final = 10**9

_CURVE_POINTS: Final = 4_001
# How sharp the peaks at open and close are, as a share of the session, and how much volume lies between them.
_PEAK_WIDTH: Final = 0.01
_BETWEEN_PEAKS: Final = 0.02
_TIED_NS: Final = 600 * 10**9
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Coprime to 26^4: multiplying by it visits every four-letter code once, and neighbours do not look alike.
_SCATTER: Final = 70_197


@dataclass(frozen=True, slots=True)
class Ticks:
    """Columns of equal length: index of the symbol, Unix nanoseconds, price and size in 10^-9."""

    symbol: NDArray[np.int32]
    timestamp_ns: NDArray[np.int64]
    price_e9: NDArray[np.int64]
    size_e9: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.symbol)


class MarketDay:
    """One trading day. Draw its ticks window by window, in order."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        rng = np.random.default_rng([workload.seed, 1])
        count = workload.symbols
        kinds = np.arange(count) % 20
        self.crypto: NDArray[np.bool_] = kinds == 7
        self.fine: NDArray[np.bool_] = kinds == 3
        self.names: tuple[str, ...] = tuple(_name(index, int(kind)) for index, kind in enumerate(kinds))
        weights = 1.0 / np.arange(1, count + 1)
        self._activity = np.cumsum(rng.permutation(weights) / weights.sum())
        self._increment_e9 = np.where(self.fine, 10**5, 10**7).astype(np.int64)
        self._price_steps = np.where(self.fine, rng.integers(2_000, 90_000, count), rng.integers(500, 60_000, count))
        self._milliseconds = rng.random(count) < workload.market.millisecond_share
        opening = datetime.combine(workload.market.day, SESSION_START, UTC)
        self.opening_ns = int(opening.timestamp()) * E9
        self._elapsed = np.linspace(0.0, 1.0, _CURVE_POINTS)
        volume = _volume(workload.market.volume, self._elapsed)
        self._volume = (volume - volume[0]) / (volume[-1] - volume[0])

    def elapsed(self, volume: float) -> float:
        """Return the share of the session that has passed when a share of its volume has (both 0 to 1)."""
        return float(np.interp(volume, self._volume, self._elapsed))

    def draw(
        self,
        rows: int,
        window: tuple[float, float],
        rng: np.random.Generator,
        only: int | None = None,
        *,
        shares_only: bool = False,
    ) -> Ticks:
        """Draw ticks whose place in the day's volume lies in a window (0 to 1), some late ones from before it.

        only: the index of the symbol that all of them are of; None for all symbols, each as active as it is.
        shares_only: a coin's ticks become those of the share before it.
        """
        market = self._workload.market
        start, end = window
        quantile = start + (end - start) * np.sort(rng.random(rows))
        late = rng.random(rows) < market.late_share
        quantile[late] = rng.random(int(late.sum())) * start
        # Rows stand in the file by when they were reported, and a few were reported well after their trade.
        reported = quantile + np.where(rng.random(rows) < market.displaced_share, rng.exponential(0.002, rows), 0.0)
        reported[late] = start + (end - start) * rng.random(int(late.sum()))
        order = np.argsort(reported, kind="stable")
        if only is None:
            symbol = np.minimum(np.searchsorted(self._activity, rng.random(rows)), self._workload.symbols - 1)
        else:
            symbol = np.full(rows, only)
        if shares_only:
            symbol = np.where(self.crypto[symbol], symbol - 1, symbol)
        elapsed_ns = (np.interp(quantile, self._volume, self._elapsed) * (SESSION_NS - 1)).astype(np.int64)
        tied = rng.random(rows) < market.tied_share
        elapsed_ns[tied] -= elapsed_ns[tied] % _TIED_NS
        timestamp_ns = self.opening_ns + elapsed_ns
        timestamp_ns = np.where(self._milliseconds[symbol], timestamp_ns - timestamp_ns % 10**6, timestamp_ns)
        ticks = Ticks(
            symbol=symbol[order].astype(np.int32),
            timestamp_ns=timestamp_ns[order],
            price_e9=self._walk(symbol, rng)[order],
            size_e9=self._sizes(symbol, rng)[order],
        )
        return _repeat_some(ticks, rng.random(rows) < market.repeated_share)

    def _walk(self, symbol: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Go on with each symbol's random walk, in steps of its price increment, never below one increment."""
        # Of 16 bits it is a radix sort, a fifth of the time.
        narrow = symbol.astype(np.uint16) if self._workload.symbols <= 2**16 else symbol
        by_symbol = np.argsort(narrow, kind="stable")
        steps = np.rint(rng.normal(0.0, 1.2, len(symbol))).astype(np.int64)
        total = np.cumsum(steps[by_symbol])
        sorted_symbol = symbol[by_symbol]
        first = np.searchsorted(sorted_symbol, np.arange(self._workload.symbols))
        before_first = np.concatenate([[0], total])[first]
        walked = np.maximum(self._price_steps[sorted_symbol] + total - before_first[sorted_symbol], 1)
        prices = np.empty(len(symbol), dtype=np.int64)
        prices[by_symbol] = walked * self._increment_e9[sorted_symbol]
        last = np.searchsorted(sorted_symbol, np.arange(self._workload.symbols), side="right") - 1
        traded = last >= first
        self._price_steps[traded] = walked[last[traded]]
        return prices

    def _sizes(self, symbol: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        rows = len(symbol)
        lots = 100 * rng.geometric(0.4, rows)
        odd = rng.integers(1, 100, rows)
        shares = np.where(rng.random(rows) < 0.3, odd, lots) * E9
        coins = rng.integers(1, 5 * 10**8, rows) * 10  # eight decimals
        return np.where(self.crypto[symbol], coins, shares).astype(np.int64)


def _volume(kind: Volume, elapsed: NDArray[np.float64]) -> NDArray[np.float64]:
    """The volume up to each share of the session, in any unit and from any start."""
    match kind:
        case Volume.U_SHAPED:
            # High at both ends: density 1 + 6 (x - 1/2)^2 over x from 0 to 1.
            return elapsed + 2 * (elapsed - 0.5) ** 3
        case Volume.PEAKS:
            peaks = np.exp((elapsed - 1) / _PEAK_WIDTH) - np.exp(-elapsed / _PEAK_WIDTH)
            return np.asarray(peaks + 2 * _BETWEEN_PEAKS * elapsed)
        case Volume.CONSTANT:
            return elapsed


def _repeat_some(ticks: Ticks, chosen: NDArray[np.bool_]) -> Ticks:
    if len(ticks) == 0:
        return ticks
    chosen[0] = False
    source = np.arange(len(ticks)) - chosen
    return Ticks(ticks.symbol[source], ticks.timestamp_ns[source], ticks.price_e9[source], ticks.size_e9[source])


def _name(index: int, kind: int) -> str:
    code, letters = index * _SCATTER % 26**4, ""
    for _ in range(4):
        code, digit = divmod(code, 26)
        letters += _LETTERS[digit]
    if kind == 7:
        return f"{letters}/USD"
    return f"{letters}.B" if kind == 11 else letters
