"""What decoding gives, its bounds, and the sink into which every decoder writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tickstream.decoding.fold import BarFold, tick_frame
from tickstream.errors import ObjectRejected, Reason
from tickstream.rows import KEPT_BYTES, MAX_ROW_BYTES, judge_line
from tickstream.ticks import RejectedRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tickstream.bars import Bar
    from tickstream.ingests import Source
    from tickstream.keys import SymbolHour
    from tickstream.ticks import Tick


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds on memory and reads; tests make them small.

    row_bytes: the longest row up to its LF. overlap_bytes: what is read past a range's end at first, then twice as
    much, up to `row_bytes`. block_bytes: what is read and decoded at a time of a gzipped object. unpacked_bytes: the
    largest gzipped object, unpacked, and the largest Parquet range. raw_bytes: what is kept of a row that is too long.
    rejects, bars, hours (of symbols): how many one range may have. Megabytes of rows that are too short for a tick are
    no file of ticks; each hour of a symbol is a slice, and to write so many takes the better part of an invocation.
    parquet_rows: rows decoded at a time. single_ticks: ticks that come one by one and are folded together.
    """

    row_bytes: int = MAX_ROW_BYTES
    overlap_bytes: int = 64 << 10
    block_bytes: int = 8 << 20
    unpacked_bytes: int = 256 << 20
    raw_bytes: int = KEPT_BYTES
    rejects: int = 1_000_000
    bars: int = 2_000_000
    hours: int = 250_000
    parquet_rows: int = 250_000
    single_ticks: int = 200_000


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one range has: minute bars by symbol and hour, how many ticks are in them, and the rows that are none."""

    bars: Mapping[SymbolHour, tuple[Bar, ...]]
    ticks: int
    rejects: tuple[RejectedRow, ...]


class Sink:
    """Collects the ticks and rejects of one range of one source."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self.fold = BarFold(source.key, source.etag, limits.bars, limits.hours)
        self._limits = limits
        self._rejects: list[RejectedRow] = []
        self._single: list[tuple[int, Tick]] = []

    def add_text_row(self, raw: bytes, offset: int, parse: Callable[[bytes], Tick]) -> None:
        """Decide one line (without its LF) strictly; an empty line is no row. Raises ObjectRejected (too_large)."""
        judged = judge_line(raw, offset, parse, self._limits.row_bytes, self._limits.raw_bytes)
        if isinstance(judged, RejectedRow):
            self.add_reject(judged)
        elif judged is not None:
            self.add_tick(judged, offset)

    def add_tick(self, tick: Tick, offset: int) -> None:
        """Add one tick; offsets ascend. Raises ObjectRejected (too_large)."""
        self._single.append((offset, tick))
        if len(self._single) >= self._limits.single_ticks:
            self._fold_single()

    def add_reject(self, row: RejectedRow) -> None:
        """Record a row that is no tick. Raises ObjectRejected (too_large) beyond the bound."""
        if len(self._rejects) >= self._limits.rejects:
            raise ObjectRejected(Reason.TOO_LARGE, f"more than {self._limits.rejects} rejected rows in one range")
        self._rejects.append(row)

    def decoded(self) -> Decoded:
        """Return all of it, rejects in the order of their offsets."""
        self._fold_single()
        rejects = tuple(sorted(self._rejects, key=lambda row: row.offset))
        return Decoded(self.fold.bars(), self.fold.ticks, rejects)

    def _fold_single(self) -> None:
        self.fold.add_frame(tick_frame(self._single))
        self._single.clear()
