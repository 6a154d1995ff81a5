"""Ticks that show in their bars which of them were counted: each has a power of two for its size.

The volume of a bar, written in binary, then says which ticks are in it; a tick that counts twice carries into the next
bit, and the number of ticks no longer fits. What a bar must be is folded here, from the ticks alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

#: Monday, 5 January 2026, 13:00 UTC: the hour before schedules begin.
FIRST_MINUTE: Final = 1_767_618_000 // 60
_NS_PER_MINUTE: Final = 60 * 10**9

#: A bar: symbol and minute (since 1970).
type BarKey = tuple[str, int]


class TicksError(BenchError):
    """A bar that no set of the schedule's ticks makes."""


@dataclass(frozen=True, slots=True, order=True)
class Tick:
    """One tick. bit: its size is 2 to this; of one bar no two ticks have the same."""

    timestamp_ns: int
    symbol: str
    price: int
    bit: int

    @property
    def bar(self) -> BarKey:
        """The bar that it belongs in."""
        return self.symbol, self.timestamp_ns // _NS_PER_MINUTE

    def row(self) -> str:
        """Write it as a line of CSV."""
        return f"{self.symbol},{self.timestamp_ns},{self.price},{1 << self.bit}\n"

    def entry(self) -> dict[str, str]:
        """Write it as an entry of a POST."""
        return {
            "symbol": self.symbol,
            "timestamp": str(self.timestamp_ns),
            "price": str(self.price),
            "size": str(1 << self.bit),
        }


class Maker:
    """Makes ticks, one unlike the other, in an order of its own."""

    def __init__(self) -> None:
        self._made: dict[BarKey, int] = {}
        self._number = 0

    def tick(self, symbol: str, minute: int) -> Tick:
        """Make the next tick of a bar; minute: from `FIRST_MINUTE`."""
        bar = symbol, FIRST_MINUTE + minute
        bit = self._made.get(bar, 0)
        self._made[bar] = bit + 1
        self._number += 1
        # Times are all different, and do not come in order: 37 and 60 have no common divisor.
        second = bit * 37 % 60
        return Tick(bar[1] * _NS_PER_MINUTE + second * 10**9 + self._number, symbol, 1 + self._number * 7 % 50, bit)


def counted(
    bars: Iterable[Mapping[str, Any]],
    symbol: str,
    known: Mapping[BarKey, Sequence[Tick]],
    again: Sequence[Collection[Tick]] = (),
) -> list[Tick]:
    """Return the ticks that bars of one symbol, as the API answers them, are made of; known: all there are, by bar.

    again: ticks that may be counted once more, each of these groups as a whole (in a bar).
    Raises TicksError for a bar that is not exactly what its ticks make.
    """
    found: list[Tick] = []
    for bar in bars:
        minute = int(datetime.fromisoformat(bar["start"]).timestamp()) // 60
        of_bar = known.get((symbol, minute), ())
        said = {name: bar[name] for name in _FIELDS}
        more = [some for group in again if (some := [tick for tick in group if tick in of_bar])]
        made = (_made(said, of_bar, extra) for extra in _combined(more))
        ticks = next((one for one in made if one), None)
        if ticks is None:
            once = [tick for tick in of_bar if int(bar["volume"]) >> tick.bit & 1]
            raise TicksError(f"the bar of {symbol} at {bar['start']} is {said}, its ticks make {_fold(once)}")
        found += ticks
    return found


def _combined(groups: Sequence[Sequence[Tick]]) -> Iterator[list[Tick]]:
    """Yield what any number of groups have together, none first."""
    for number in range(len(groups) + 1):
        for some in combinations(groups, number):
            yield [tick for group in some for tick in group]


def _made(said: Mapping[str, Any], of_bar: Sequence[Tick], extra: Sequence[Tick]) -> list[Tick]:
    """Return the ticks of a bar of which some are counted once more; none where it is not what they make."""
    volume = int(said["volume"]) - sum(1 << tick.bit for tick in extra)
    if volume <= 0:
        return []
    once = [tick for tick in of_bar if volume >> tick.bit & 1]
    ticks = [*once, *extra]
    return ticks if said == _fold(ticks) and set(extra) <= set(once) else []


_FIELDS: Final = ("open", "high", "low", "close", "volume", "ticks", "notional")


def _fold(ticks: Sequence[Tick]) -> dict[str, Any]:
    """Fold ticks, all with different times, into what the API says of their bar."""
    if not ticks:
        return {}
    in_order = sorted(ticks)
    prices = [tick.price for tick in in_order]
    return {
        "open": str(prices[0]),
        "high": str(max(prices)),
        "low": str(min(prices)),
        "close": str(prices[-1]),
        "volume": str(sum(1 << tick.bit for tick in ticks)),
        "ticks": len(ticks),
        "notional": str(sum(tick.price << tick.bit for tick in ticks)),
    }


def by_bar(ticks: Iterable[Tick]) -> dict[BarKey, list[Tick]]:
    """Group ticks by the bar that they belong in."""
    grouped: dict[BarKey, list[Tick]] = {}
    for tick in ticks:
        grouped.setdefault(tick.bar, []).append(tick)
    return grouped
