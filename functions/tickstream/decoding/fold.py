"""Ticks of one source folded into minute bars, in columns from end to end: a range of a busy market has 50,000 bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.decoding.folded import BAR_SCHEMA, FoldedBars
from tickstream.decoding.minute_bars import (
    INT64_MAX,
    INT128_MAX,
    MAX_ROWS,
    TICK_SCHEMA,
    bars_at_once,
    bars_of,
    has_sequences,
)
from tickstream.errors import ObjectRejected, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tickstream.bars import Bar
    from tickstream.keys import SymbolHour
    from tickstream.ticks import Tick

_POSITION_SPAN: Final = 2**62


class BarFold:
    """Adds up the ticks of one source.

    max_bars: the bound on memory. max_hours: of symbols, each of which is a slice to write: the bound on time. Beyond
    them the object is too large.
    """

    def __init__(self, source: str, etag: str, max_bars: int, max_hours: int) -> None:
        self._source = source
        self._etag = etag
        self._max_bars = max_bars
        self._max_hours = max_hours
        self._frames: list[pl.DataFrame] = []
        self._merged_bars = 0
        self.ticks = 0

    def add_frame(self, ticks: pl.DataFrame) -> None:
        """Add valid ticks in columns of `TICK_SCHEMA`, offsets ascending. Raises ObjectRejected (too_large).

        Symbols may be of `symbol_dtype` too.
        """
        for some in ticks.iter_slices(MAX_ROWS):
            self.ticks += some.height
            self._frames.append(bars_of(some))
        self._merge_if_many()

    def add_at_once(self, ticks: pl.LazyFrame, good: pl.Expr, offsets: pl.Series) -> bool:
        """Add ticks as `minute_bars.bars_at_once` folds them; False where it does not. Raises as `add_frame` does."""
        bars = bars_at_once(ticks, good, offsets)
        if bars is None:
            return False
        self.ticks += offsets.len()
        self._frames.append(bars)
        self._merge_if_many()
        return True

    def _merge_if_many(self) -> None:
        # Not whenever there is one too many: a merge that leaves nearly all of them would come with each block.
        if self._count() > max(self._max_bars, self._merged_bars + self._max_bars // 2):
            self._merge()

    def bars(self) -> Mapping[SymbolHour, tuple[Bar, ...]]:
        """Return the bars by symbol and hour, in order of time. Raises ObjectRejected (too_large)."""
        bars = self._all_bars()
        # An hour has a bar at least; to count them takes time.
        if self._count() > self._max_hours and len(bars) > self._max_hours:
            raise ObjectRejected(
                Reason.TOO_LARGE,
                f"more than {self._max_hours} hours of symbols in one range: split the object, or make ranges smaller",
            )
        return bars

    def _all_bars(self) -> Mapping[SymbolHour, tuple[Bar, ...]]:
        self._merge()
        (frame,) = self._frames or [pl.DataFrame(schema=BAR_SCHEMA)]
        return FoldedBars(frame, self._source, self._etag)

    def _merge(self) -> None:
        """Make one frame of several. Raises ObjectRejected (too_large)."""
        if len(self._frames) > 1:
            self._frames = [_merged(pl.concat(self._frames))]
            self._merged_bars = self._count()
        if self._count() > self._max_bars:
            raise ObjectRejected(
                Reason.TOO_LARGE, f"more than {self._max_bars} minute bars in one range: split the object"
            )

    def _count(self) -> int:
        return sum(frame.height for frame in self._frames)


def _merged(bars: pl.DataFrame) -> pl.DataFrame:
    """Merge bars of one symbol and minute; the columns' version of `bars.merge_two`."""
    return (
        bars.lazy()
        .with_columns(first=_place(bars, "first"), last=_place(bars, "last"))
        .group_by("symbol", "minute")
        .agg(
            pl.col("open", "first_ns", "first_sequence", "first_offset").min_by("first"),
            pl.col("close", "last_ns", "last_sequence", "last_offset").max_by("last"),
            pl.col("high", "end_ns").max(),
            pl.col("low", "begin_ns").min(),
            pl.col("volume", "ticks", "notional_whole", "notional_rest").sum(),
        )
        .select(BAR_SCHEMA.keys())
        .collect()
    )


def _place(bars: pl.DataFrame, end: str) -> pl.Expr:
    """Return a number for the place of each bar's first or last tick in the order of ticks.

    A bar without comes after all that have a first, and before all that have a last.
    """
    if has_sequences(bars, f"{end}_sequence"):
        order = pl.arg_sort_by(f"{end}_ns", f"{end}_sequence", f"{end}_offset", nulls_last=end == "first")
        return pl.lit(bars.select(order).to_series().arg_sort())
    # Time and offset in one number: both are below 2^62.
    place = pl.col(f"{end}_ns").cast(pl.Int128) * _POSITION_SPAN + pl.col(f"{end}_offset")
    return place.fill_null(INT128_MAX if end == "first" else -1)


def tick_frame(positioned: Sequence[tuple[int, Tick]]) -> pl.DataFrame:
    """Put ticks, each with its offset, into columns in the order given."""
    ticks = [tick for _, tick in positioned]
    sizes = [tick.size_e9 for tick in ticks]
    wide = max(sizes, default=0) > INT64_MAX
    return pl.DataFrame(
        {
            "symbol": [tick.symbol for tick in ticks],
            "timestamp": [tick.timestamp_ns for tick in ticks],
            "price": [tick.price_e9 for tick in ticks],
            "size": sizes,
            "sequence": [tick.sequence for tick in ticks],
            "updates": [tick.updates for tick in ticks],
            "offset": [offset for offset, _ in positioned],
        },
        schema={**TICK_SCHEMA, "size": pl.Int128()} if wide else TICK_SCHEMA,
    )


def fold_ticks(positioned: Iterable[tuple[int, Tick]], source: str, etag: str) -> Mapping[SymbolHour, tuple[Bar, ...]]:
    """Fold posted ticks, each with its position in the request. `source`: the ingest id; `etag`: empty."""
    ordered = sorted(positioned, key=lambda pair: pair[0])
    fold = BarFold(source, etag, max_bars=len(ordered), max_hours=len(ordered))
    fold.add_frame(tick_frame(ordered))
    return fold.bars()
