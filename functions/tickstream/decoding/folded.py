"""What folding gives: minute bars in columns, which become slices without a Python object for each bar."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.bar_codec import (
    NO_ENDS,
    NO_EXTREMES,
    BarColumns,
    bars_of,
    decode_bars,
    encode_bars,
    pack_columns,
)
from tickstream.keys import MINUTES_PER_HOUR
from tickstream.ticks import NOTIONAL_SCALE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream.bars import Bar
    from tickstream.keys import SymbolHour

#: Columns of bars, in the units of `tickstream.bars.Bar`, null where that has None; the notional is
#: `notional_whole` x 10^18 + `notional_rest`, which may be more than 128 bits hold.
BAR_SCHEMA: Final = {
    "symbol": pl.String(),
    "minute": pl.Int64(),
    "open": pl.Int64(),
    "high": pl.Int64(),
    "low": pl.Int64(),
    "close": pl.Int64(),
    "volume": pl.Int128(),
    "ticks": pl.Int64(),
    "notional_whole": pl.Int128(),
    "notional_rest": pl.Int128(),
    "first_ns": pl.Int64(),
    "first_sequence": pl.Int64(),
    "first_offset": pl.Int64(),
    "last_ns": pl.Int64(),
    "last_sequence": pl.Int64(),
    "last_offset": pl.Int64(),
    "begin_ns": pl.Int64(),
    "end_ns": pl.Int64(),
}


class FoldedBars(Mapping["SymbolHour", "tuple[Bar, ...]"]):
    """The minute bars of one source by symbol and hour, in order of time.

    frame: columns of `BAR_SCHEMA`, one row for each symbol and minute, in any order. source, etag: of all its ticks.
    """

    def __init__(self, frame: pl.DataFrame, source: str, etag: str) -> None:
        self._frame = frame
        self._sources = ((source, etag),)

    def __getitem__(self, hour: SymbolHour) -> tuple[Bar, ...]:
        return bars_of(self._columns_of(self._hours[hour]), self._sources)

    def __iter__(self) -> Iterator[SymbolHour]:
        return iter(self._hours)

    def __len__(self) -> int:
        return len(self._hours)

    def packed(self) -> Iterator[tuple[SymbolHour, bytes]]:
        """Yield each symbol and hour with its bars as `encode_bars` packs them."""
        for hour, rows in self._hours.items():
            yield hour, pack_columns(self._columns_of(rows), self._sources)

    @cached_property
    def _sorted(self) -> pl.DataFrame:
        return self._frame.sort("symbol", "minute")

    @cached_property
    def _hours(self) -> dict[SymbolHour, slice]:
        lengths = self._sorted.group_by("symbol", hour=pl.col("minute") // MINUTES_PER_HOUR, maintain_order=True).len()
        bounds = pairwise(accumulate(lengths["len"].to_list(), initial=0))
        hours = zip(lengths["symbol"].to_list(), lengths["hour"].to_list(), strict=True)
        return {hour: slice(*bound) for hour, bound in zip(hours, bounds, strict=True)}

    @cached_property
    def _columns(self) -> BarColumns:
        found = self._sorted
        columns = {name: self._numbers(name) for name in BAR_SCHEMA if name != "symbol"}
        wholes, rests = columns.pop("notional_whole"), columns.pop("notional_rest")
        unset = NO_ENDS * found["open"].is_null().cast(pl.Int64) + NO_EXTREMES * found["high"].is_null().cast(pl.Int64)
        sources = [0] * found.height
        renamed = {f"{name}_e9": columns.pop(name) for name in ("open", "high", "low", "close", "volume")}
        return BarColumns(
            **columns,
            **renamed,
            notional_e18=[whole * NOTIONAL_SCALE + rest for whole, rest in zip(wholes, rests, strict=True)],
            first_source=sources,
            last_source=sources,
            unset=unset.to_list(),
        )

    def _numbers(self, name: str) -> list[int]:
        found = self._sorted[name].fill_null(0)
        # Most sources have no sequence: their zeros are made here at a tenth of the cost.
        return [0] * found.len() if name.endswith("_sequence") and (found == 0).all() else found.to_list()

    def _columns_of(self, rows: slice) -> BarColumns:
        return BarColumns._make(column[rows] for column in self._columns)


class PackedBars(Mapping["SymbolHour", "tuple[Bar, ...]"]):
    """The minute bars of one source by symbol and hour, packed as `encode_bars` packs them."""

    def __init__(self, hours: Mapping[SymbolHour, bytes]) -> None:
        self._hours = hours

    def __getitem__(self, hour: SymbolHour) -> tuple[Bar, ...]:
        return decode_bars(self._hours[hour])

    def __iter__(self) -> Iterator[SymbolHour]:
        return iter(self._hours)

    def __len__(self) -> int:
        return len(self._hours)

    def packed(self) -> Iterator[tuple[SymbolHour, bytes]]:
        """Yield each symbol and hour with its bars, packed."""
        yield from self._hours.items()


def packed_hours(bars: Mapping[SymbolHour, tuple[Bar, ...]]) -> Iterator[tuple[SymbolHour, bytes]]:
    """Yield each symbol and hour of folded bars with the bars as `encode_bars` packs them."""
    if isinstance(bars, (FoldedBars, PackedBars)):
        return bars.packed()
    return ((hour, encode_bars(of_hour)) for hour, of_hour in bars.items())
