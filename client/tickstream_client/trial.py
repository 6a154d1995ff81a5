"""What the pipeline would make of a file, here and now: the same code that the functions run, without AWS."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tickstream.bars import Bar, merge_bars
from tickstream.decoding import LIMITS, Budget, decode_into, decode_span
from tickstream.decoding.fold import BarFold
from tickstream.decoding.outcome import Sink
from tickstream.feeds.documents import is_descending, thawed
from tickstream.ingests import Source
from tickstream.layouts import sniff
from tickstream.pairs import NO_PAIRS, PairTask, RangePairs
from tickstream.ranges import plan_spans
from tickstream.row_samples import refuse_rows_that_fail_alike
from tickstream.ticks import Updates, format_scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from tickstream.decoding import Decoded
    from tickstream.feeds.catalogue import Catalogue
    from tickstream.ingests import Layout
    from tickstream.pairs import PairRow
    from tickstream.ticks import RejectedRow

#: Rows of each kind, and symbols, that are kept for a person to look at.
SHOWN: Final = 5
TICK_COLUMNS: Final = (
    "symbol",
    "timestamp_ns",
    "price",
    "size",
    "sequence",
    "updates_open_close",
    "updates_high_low",
    "updates_volume",
)
_RANGE_BYTES: Final = 16 << 20

#: Symbol, nanoseconds, price, size, sequence, and whether it updates open and close, high and low, volume.
type TickTexts = tuple[str, str, str, str, str, str, str, str]


@dataclass(slots=True)
class Trial:
    """What became of the rows of a file.

    feed: the name of the feed that reads it. first_ticks, first_rejects: some of each, in order. bars: minute bars of
    some symbols.
    """

    layout: Layout
    feed: str
    ticks: int = 0
    skipped: int = 0
    cancelled: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first_ticks: list[TickTexts] = field(default_factory=list)
    first_rejects: list[RejectedRow] = field(default_factory=list)
    bars: dict[str, tuple[Bar, ...]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, Any]:
        """The counts, as JSON has them. Rows are all but blank lines and the header."""
        return {
            "rows": self.ticks + self.skipped + self.cancelled + self.rejected.total(),
            "ticks": self.ticks,
            "skipped": self.skipped,
            "cancelled": self.cancelled,
            "rejected": dict(sorted(self.rejected.items())),
        }


class TickWriter:
    """Writes ticks as CSV, a row as soon as it is decoded.

    has_sequence: whether the feed has one; the column is blank otherwise.
    """

    def __init__(self, file: IO[str], *, has_sequence: bool) -> None:
        self._rows = csv.writer(file, lineterminator="\n")
        self._rows.writerow(TICK_COLUMNS)
        self._has_sequence = has_sequence

    def write(self, ticks: pl.DataFrame) -> None:
        """Write ticks in columns. Raises OSError."""
        for symbol, time, price, size, sequence, *updates in tick_texts(ticks):
            self._rows.writerow((symbol, time, price, size, sequence if self._has_sequence else "", *updates))


class _WatchedFold(BarFold):
    """Folds ticks, and shows them to the trial."""

    def __init__(self, source: Source, trial: Trial, writer: TickWriter | None) -> None:
        super().__init__(source.key, source.etag, LIMITS.bars, LIMITS.hours)
        self._trial = trial
        self._writer = writer

    def add_frame(self, ticks: pl.DataFrame) -> None:
        """Add ticks in columns."""
        self._trial.first_ticks += tick_texts(ticks.head(max(SHOWN - len(self._trial.first_ticks), 0)))
        if self._writer is not None:
            self._writer.write(ticks)
        super().add_frame(ticks)


def tick_texts(ticks: pl.DataFrame) -> Iterator[TickTexts]:
    """Yield each tick as texts."""
    left_out = {"sequence": pl.lit(0), "updates": pl.lit(Updates.ALL.value)}
    whole = ticks.with_columns(**{name: value for name, value in left_out.items() if name not in ticks.columns})
    columns = whole.select(pl.col("symbol").cast(pl.String), "timestamp", "price", "size", "sequence", "updates")
    for symbol, timestamp, price, size, sequence, updates in columns.iter_rows():
        open_close, high_low, volume = (
            "true" if updates & one else "false" for one in (Updates.OPEN_CLOSE, Updates.HIGH_LOW, Updates.VOLUME)
        )
        numbers = (str(timestamp), format_scaled(price), format_scaled(size), str(sequence))
        yield symbol, *numbers, open_close, high_low, volume


def try_file(path: Path, key: str, catalogue: Catalogue, ticks_out: IO[str] | None = None) -> Trial:
    """Read a file as the pipeline would, under a key. ticks_out: gets all ticks as CSV.

    Raises ObjectRejected where the pipeline refuses it as a whole, OSError.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        source = Source("", key, "", digest, path.stat().st_size)

        def read(start: int, end: int) -> bytes:
            file.seek(start)
            return file.read(max(end - start, 0))

        layout = sniff(source, read, catalogue)
        refuse_rows_that_fail_alike(source, layout, read)
        feed = thawed(layout.feed) if layout.feed else None
        trial = Trial(layout, feed.name if feed else "native")
        writer = None
        if ticks_out is not None:
            writer = TickWriter(ticks_out, has_sequence=feed is not None and feed.tick.sequence is not None)
        spans = plan_spans(source, layout, _RANGE_BYTES, read)
        pairs = NO_PAIRS
        if feed is not None and feed.tick.cancel.pair is not None:

            def rows(task: PairTask) -> Iterator[PairRow]:
                for span in spans:
                    yield from decode_span(source, layout, span, read, pairs=task).pair_rows

            names = frozenset(row.name for row in rows(NO_PAIRS))
            taken_back = RangePairs(rows(PairTask(watched=names)), is_descending=is_descending(feed)).taken_back()
            pairs = PairTask(taken_back=taken_back)
        for span in spans:
            sink = Sink(source, LIMITS, Budget(LIMITS), pairs)
            sink.fold = _WatchedFold(source, trial, writer)
            decode_into(sink, source, layout, span, read)
            _add(trial, sink.decoded())
    return trial


def _add(trial: Trial, decoded: Decoded) -> None:
    trial.ticks += decoded.ticks
    trial.skipped += decoded.skipped
    trial.cancelled += decoded.cancelled
    trial.rejected.update(row.reason.value for row in decoded.rejects)
    trial.first_rejects += decoded.rejects[: max(SHOWN - len(trial.first_rejects), 0)]
    for (symbol, _), bars in decoded.bars.items():
        if symbol in trial.bars or len(trial.bars) < SHOWN:
            trial.bars[symbol] = merge_bars(trial.bars.get(symbol, ()), bars)
