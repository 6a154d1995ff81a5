"""A file's statistics by symbol, exact however the file was cut, and the totals that they add up to."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tickstream.bars import merge_two
from tickstream.errors import MalformedItem, ObjectRejected, Reason
from tickstream.keys import MINUTES_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tickstream.bars import Bar
    from tickstream.keys import SymbolHour

#: The bound on memory: some 150 bytes each.
MAX_SYMBOL_HOURS: Final = 500_000

_COLUMNS: Final = ("symbol", "ticks", "bars", "volume", "notional", "high", "low", "first", "last")


@dataclass(frozen=True, slots=True)
class SymbolStatistics:
    """What a file has of one symbol.

    bars: its one-minute bars. volume_e9, high_e9, low_e9: in 10^-9; notional_e18: in 10^-18. High and low are None
    where no tick may set a price. first_ns, last_ns: Unix nanoseconds of the earliest and the latest tick.
    """

    symbol: str
    ticks: int
    bars: int
    volume_e9: int
    notional_e18: int
    high_e9: int | None
    low_e9: int | None
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What a file has in all. first_ns, last_ns: None where it has no tick."""

    ticks: int
    rejected: int
    symbols: int
    bars: int
    volume_e9: int
    notional_e18: int
    first_ns: int | None
    last_ns: int | None


class StatisticsFold:
    """Adds up the bars of one file's spans, in any order.

    max_symbol_hours: the bound on memory; beyond it the file is too large.
    """

    def __init__(self, max_symbol_hours: int = MAX_SYMBOL_HOURS) -> None:
        self._max_symbol_hours = max_symbol_hours
        # One bar over all of a symbol's ticks: the merge of bars knows sums and extremes already.
        self._whole: dict[str, Bar] = {}
        # A bit for each minute of an hour that has a bar: the same minute may come in several spans and is one bar.
        self._minutes: dict[SymbolHour, int] = {}

    @property
    def symbols(self) -> int:
        """How many symbols there are so far."""
        return len(self._whole)

    def add(self, bars: Mapping[SymbolHour, Sequence[Bar]]) -> None:
        """Add the minute bars of a span. Raises ObjectRejected (too_large)."""
        for symbol_hour, of_hour in bars.items():
            minutes = self._minutes.get(symbol_hour, 0)
            whole = self._whole.get(symbol_hour[0])
            for bar in of_hour:
                minutes |= 1 << bar.minute % MINUTES_PER_HOUR
                whole = bar if whole is None else merge_two(whole, bar)
            self._minutes[symbol_hour] = minutes
            if whole is not None:
                self._whole[symbol_hour[0]] = whole
        if len(self._minutes) > self._max_symbol_hours:
            raise ObjectRejected(
                Reason.TOO_LARGE, f"more than {self._max_symbol_hours} hours of symbols in one file: split it"
            )

    def statistics(self) -> tuple[SymbolStatistics, ...]:
        """Return the statistics, in order of symbols."""
        bars = dict.fromkeys(self._whole, 0)
        for (symbol, _), minutes in self._minutes.items():
            bars[symbol] += minutes.bit_count()
        return tuple(
            SymbolStatistics(
                symbol=symbol,
                ticks=whole.ticks,
                bars=bars[symbol],
                volume_e9=whole.volume_e9,
                notional_e18=whole.notional_e18,
                high_e9=whole.high_e9,
                low_e9=whole.low_e9,
                first_ns=whole.begin_ns,
                last_ns=whole.end_ns,
            )
            for symbol, whole in sorted(self._whole.items())
        )


def totals_of(statistics: Sequence[SymbolStatistics], rejected: int) -> Totals:
    """Add up a file's statistics. `rejected`: how many of its rows are no ticks."""
    return Totals(
        ticks=sum(one.ticks for one in statistics),
        rejected=rejected,
        symbols=len(statistics),
        bars=sum(one.bars for one in statistics),
        volume_e9=sum(one.volume_e9 for one in statistics),
        notional_e18=sum(one.notional_e18 for one in statistics),
        first_ns=min((one.first_ns for one in statistics), default=None),
        last_ns=max((one.last_ns for one in statistics), default=None),
    )


def pack_statistics(statistics: Sequence[SymbolStatistics]) -> bytes:
    """Write statistics as columns of JSON, deflated as far as it goes: they must fit into one item."""
    columns = [
        [one.symbol for one in statistics],
        [one.ticks for one in statistics],
        [one.bars for one in statistics],
        [one.volume_e9 for one in statistics],
        [one.notional_e18 for one in statistics],
        [one.high_e9 for one in statistics],
        [one.low_e9 for one in statistics],
        [one.first_ns for one in statistics],
        [one.last_ns for one in statistics],
    ]
    fields = dict(zip(_COLUMNS, columns, strict=True))
    return zlib.compress(json.dumps(fields, separators=(",", ":")).encode(), 9)


def unpack_statistics(packed: bytes) -> tuple[SymbolStatistics, ...]:
    """Read what `pack_statistics` wrote. Raises MalformedItem."""
    try:
        fields = json.loads(zlib.decompress(packed))
        columns = [fields[name] for name in _COLUMNS]
        return tuple(SymbolStatistics(*row) for row in zip(*columns, strict=True))
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise MalformedItem(f"packed statistics of {len(packed)} bytes cannot be read: {error!r}") from error
