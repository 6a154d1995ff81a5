"""What the pipeline would make of a file, here and now: the same code that the functions run, without AWS."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tickstream.bars import Bar, merge_bars
from tickstream.decoding import LIMITS, Budget, decode_into
from tickstream.decoding.fold import BarFold
from tickstream.decoding.outcome import Sink
from tickstream.feeds.documents import thawed
from tickstream.ingests import Source
from tickstream.layouts import sniff
from tickstream.ranges import plan_spans
from tickstream.row_samples import refuse_rows_that_fail_alike
from tickstream.ticks import format_scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from tickstream.feeds.catalogue import Catalogue
    from tickstream.ingests import Layout, Read, Span
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

type TickTexts = tuple[str, str, str, str, str]


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
    rejected: Counter[str] = field(default_factory=Counter)
    first_ticks: list[TickTexts] = field(default_factory=list)
    first_rejects: list[RejectedRow] = field(default_factory=list)
    bars: dict[str, tuple[Bar, ...]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, Any]:
        """The counts, as JSON has them. Rows are all but blank lines and the header."""
        return {
            "rows": self.ticks + self.skipped + self.rejected.total(),
            "ticks": self.ticks,
            "skipped": self.skipped,
            "cancelled": 0,
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
        for *fields, sequence in tick_texts(ticks):
            self._rows.writerow((*fields, sequence if self._has_sequence else "", "true", "true", "true"))


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
    """Yield symbol, nanoseconds, price, size and sequence of each tick as texts."""
    whole = ticks if "sequence" in ticks.columns else ticks.with_columns(sequence=pl.lit(0))
    columns = whole.select(pl.col("symbol").cast(pl.String), "timestamp", "price", "size", "sequence")
    for symbol, timestamp, price, size, sequence in columns.iter_rows():
        yield symbol, str(timestamp), format_scaled(price), format_scaled(size), str(sequence)


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
        for span in plan_spans(source, layout, _RANGE_BYTES, read):
            _add(trial, source, span, read, writer)
    return trial


def _add(trial: Trial, source: Source, span: Span, read: Read, writer: TickWriter | None) -> None:
    sink = Sink(source, LIMITS, Budget(LIMITS))
    sink.fold = _WatchedFold(source, trial, writer)
    decode_into(sink, source, trial.layout, span, read)
    decoded = sink.decoded()
    trial.ticks += decoded.ticks
    trial.skipped += decoded.skipped
    trial.rejected.update(row.reason.value for row in decoded.rejects)
    trial.first_rejects += decoded.rejects[: max(SHOWN - len(trial.first_rejects), 0)]
    for (symbol, _), bars in decoded.bars.items():
        if symbol in trial.bars or len(trial.bars) < SHOWN:
            trial.bars[symbol] = merge_bars(trial.bars.get(symbol, ()), bars)
