"""What decoding gives, its bounds, and the sink into which every decoder writes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.decoding.fold import BarFold, tick_frame
from tickstream.decoding.frames import plausible
from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete
from tickstream.feeds.readers import RowKind
from tickstream.pairs import MAX_NAMES, NO_PAIRS, PairRow, PairTask, name_of
from tickstream.rows import KEPT_BYTES, MAX_ROW_BYTES, Cancelled, Skipped, judge_line
from tickstream.ticks import RejectedRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tickstream.bars import Bar
    from tickstream.ingests import Source
    from tickstream.keys import SymbolHour
    from tickstream.rows import NoTick, ParseRow
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
    rejected_bytes: what is kept of all rejected rows of a range; of those beyond it only the first `brief_bytes` are.
    pair_rows: trades of a range that have the name of one that is taken back.
    few_rows: so few rows of another form than most are decided one by one.
    The bounds on work, which bytes do not tell: gzip_members; idle_bytes: packed ones of which no unpacked one comes
    (headers, padding, blocks with nothing in them); strict_work: bytes of rows that are decided one by one, each
    `STRICT_ROW_BYTES` longer than it is; cpu_s: seconds of CPU for all of it.
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
    rejected_bytes: int = 64 << 20
    brief_bytes: int = 64
    pair_rows: int = 500_000
    few_rows: int = 500
    gzip_members: int = 4_000_000
    idle_bytes: int = 64 << 20
    strict_work: int = 112 << 20
    cpu_s: float = 15.0


LIMITS: Final = Limits()


#: What a row costs that is decided by itself, in bytes of a long one.
STRICT_ROW_BYTES: Final = 64
#: Bytes of work between two looks at the clocks: a few milliseconds.
_UNWATCHED_BYTES: Final = 1 << 18


class Budget:
    """What the decoding of one object, or of a part of it, may still cost.

    What a decoder counts is the same wherever it runs. CPU time is not, and is there for what no count foresees.

    limits: the bounds on it.
    in_time: whether the invocation has time left.
    """

    def __init__(self, limits: Limits, in_time: Callable[[], bool] = lambda: True) -> None:
        self.limits = limits
        self._in_time = in_time
        self._strict_left = limits.strict_work
        self._watched_at = self._strict_left
        self._cpu_end_s = time.process_time() + limits.cpu_s

    @property
    def left(self) -> Limits:
        """The limits with what is left of them, for another process that goes on with this object."""
        cpu_s = max(0.0, self._cpu_end_s - time.process_time())
        return replace(self.limits, strict_work=max(0, self._strict_left), cpu_s=round(cpu_s, 1))

    def take(self, strict_work: int, cpu_s: float) -> None:
        """Count what another process has spent on this object."""
        self._strict_left -= strict_work
        self._cpu_end_s -= cpu_s

    def take_row(self, row_bytes: int) -> None:
        """Count a row that is decided by itself. Raises as `check` does."""
        self._strict_left -= row_bytes + STRICT_ROW_BYTES
        if self._strict_left < self._watched_at - _UNWATCHED_BYTES:
            self._watched_at = self._strict_left
            self.check()

    def check(self) -> None:
        """Stop what has cost enough: called before each piece of work that takes some milliseconds.

        Raises ObjectRejected (too_much_work), which is the object's fault; ServiceIncomplete, where the invocation
        ends before: it may have begun late, or have little of a CPU.
        """
        if self._strict_left < 0:
            raise too_much_work("too many of its rows are written in a way that is slow to read")
        if time.process_time() > self._cpu_end_s:
            raise too_much_work(f"it takes more than {self.limits.cpu_s:g} seconds of CPU")
        if not self._in_time():
            raise ServiceIncomplete("no time left: decoding takes longer than the invocation has")


def too_much_work(why: str) -> ObjectRejected:
    """Return the refusal of an object within the bounds on bytes that costs too much all the same."""
    return ObjectRejected(Reason.TOO_MUCH_WORK, f"{why}: split the object, or make ranges smaller")


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one range has: minute bars by symbol and hour, how many ticks are in them, and the rows that are none.

    skipped: rows that are no trades and no rejects either. cancelled: trades that are taken back, and rows that do so.
    pair_rows: rows that take others back, and trades of the names that were to be told.
    """

    bars: Mapping[SymbolHour, tuple[Bar, ...]]
    ticks: int
    rejects: tuple[RejectedRow, ...]
    skipped: int = 0
    cancelled: int = 0
    pair_rows: tuple[PairRow, ...] = ()


class Sink:
    """Collects the ticks and rejects of one range of one source."""

    def __init__(
        self, source: Source, limits: Limits, budget: Budget | None = None, pairs: PairTask = NO_PAIRS
    ) -> None:
        self.budget = budget or Budget(limits)
        self.fold = BarFold(source.key, source.etag, limits.bars, limits.hours)
        self.limits = limits
        self._rejects: list[RejectedRow] = []
        self._rejected_bytes = 0
        self._single: list[tuple[int, Tick]] = []
        self._pairs = pairs
        self._pair_rows: list[PairRow] = []
        self._names: set[bytes] = set()
        self._skipped = 0
        self._cancelled = 0

    def add_columns(self, ticks: pl.DataFrame) -> pl.Series:
        """Add what columns make of rows; return which rows they leave to the strict path.

        ticks: columns of `TICK_SCHEMA`, null where only the strict path can tell; `kind` (RowKind) where not all rows
        are trades, and `pair` where some may take others back. Raises ObjectRejected (too_large).
        """
        values = pl.exclude("kind", "pair")
        good = ticks.select(plausible() & pl.all_horizontal(values.is_not_null())).to_series()
        if "kind" not in ticks.columns:
            self.fold.add_frame(ticks if good.all() else ticks.filter(good))
            return ~good
        kind = ticks["kind"]
        no_tick = (kind == RowKind.SKIPPED) | (kind == RowKind.CANCELLED)
        if "pair" in ticks.columns:
            named = ticks["pair"].is_not_null()
            takes_back = (kind == RowKind.TAKES_BACK) & named
            good &= named
            no_tick |= takes_back
            for offset, pair in ticks.filter(takes_back).select("offset", "pair").iter_rows():
                self._note_pair(offset, pair, takes_back=True)
        no_tick = no_tick.fill_null(value=False)
        good &= (kind == RowKind.TRADE).fill_null(value=False)
        skipped = int((kind == RowKind.SKIPPED).sum())
        self._skipped += skipped
        self._cancelled += int(no_tick.sum()) - skipped
        self._add_trades(ticks.filter(good))
        return ~(good | no_tick)

    def add_at_once(self, ticks: pl.LazyFrame, offsets: pl.Series) -> bool:
        """Add the ticks of rows, read and folded in one pass; False, and nothing, unless each row is one for certain.

        ticks: symbol, timestamp, price and size as `add_columns` wants them. offsets: of all rows.
        """
        return not self._pairs.taken_back and self.fold.add_at_once(ticks, plausible(), offsets)

    def _add_trades(self, trades: pl.DataFrame) -> None:
        """Add trades in columns, but for those that are taken back."""
        if self._pairs.taken_back:
            taken = trades["offset"].is_in(list(self._pairs.taken_back))
            self._cancelled += int(taken.sum())
            trades = trades.filter(~taken)
        if self._pairs.watched and "pair" in trades.columns:
            for offset, pair in trades.select("offset", "pair").iter_rows():
                self._note_pair(offset, pair, takes_back=False)
        self.fold.add_frame(trades.select(pl.exclude("kind", "pair")))

    def _note_pair(self, offset: int, pair: str, *, takes_back: bool) -> None:
        name = name_of(pair)
        if not takes_back and name not in self._pairs.watched:
            return
        self._names.add(name)
        self._pair_rows.append(PairRow(offset, name, takes_back))
        if len(self._names) > MAX_NAMES or len(self._pair_rows) > self.limits.pair_rows:
            raise ObjectRejected(Reason.TOO_LARGE, f"more than {MAX_NAMES} trades of one range are taken back")

    def add_text_row(self, raw: bytes, offset: int, parse: ParseRow) -> None:
        """Decide one line (without its LF) strictly; an empty line is no row.

        Raises ObjectRejected (too_large, too_much_work) and ServiceIncomplete.
        """
        self.budget.take_row(min(len(raw), self.limits.row_bytes))
        judged = judge_line(raw, offset, parse, self.limits.row_bytes, self.limits.raw_bytes)
        if isinstance(judged, RejectedRow):
            self.add_reject(judged)
        elif judged is not None:
            self.add_judged(judged, offset)

    def add_judged(self, judged: Tick | NoTick, offset: int) -> None:
        """Add what the strict path made of a row; offsets ascend. Raises ObjectRejected (too_large)."""
        if isinstance(judged, Skipped):
            self._skipped += 1
        elif isinstance(judged, Cancelled):
            self._cancelled += 1
            if judged.takes_back:
                self._note_pair(offset, judged.takes_back, takes_back=True)
        else:
            self.add_tick(judged, offset)

    def add_tick(self, tick: Tick, offset: int) -> None:
        """Add one tick; offsets ascend. Raises ObjectRejected (too_large)."""
        if offset in self._pairs.taken_back:
            self._cancelled += 1
            return
        if self._pairs.watched:
            self._note_pair(offset, tick.pair, takes_back=False)
        self._single.append((offset, tick))
        if len(self._single) >= self.limits.single_ticks:
            self._fold_single()

    def add_reject(self, row: RejectedRow) -> None:
        """Record a row that is no tick. Raises ObjectRejected (too_large) beyond the bound."""
        if len(self._rejects) >= self.limits.rejects:
            raise ObjectRejected(Reason.TOO_LARGE, f"more than {self.limits.rejects} rejected rows in one range")
        if self._rejected_bytes + len(row.raw) > self.limits.rejected_bytes:
            row = replace(row, raw=row.raw[: self.limits.brief_bytes])
        self._rejected_bytes += len(row.raw)
        self._rejects.append(row)

    def decoded(self) -> Decoded:
        """Return all of it, rejects in the order of their offsets."""
        self._fold_single()
        rejects = tuple(sorted(self._rejects, key=lambda row: row.offset))
        return Decoded(
            self.fold.bars(), self.fold.ticks, rejects, self._skipped, self._cancelled, tuple(self._pair_rows)
        )

    def _fold_single(self) -> None:
        self.fold.add_frame(tick_frame(self._single))
        self._single.clear()
