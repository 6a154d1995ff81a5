"""What the pipeline would make of a file, here and now: the same code that the functions run, without AWS."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tickstream.bars import Bar, merge_bars
from tickstream.decoding import LIMITS, Budget, decode_into, decode_span
from tickstream.decoding.fold import BarFold
from tickstream.decoding.outcome import Sink
from tickstream.feeds.documents import is_descending, thawed
from tickstream.index_making import Making, first_entry
from tickstream.indexed_ranges import opened_range, spans_of, streams_of
from tickstream.ingests import Source
from tickstream.layouts import sniff
from tickstream.pairs import NO_PAIRS, task_of_whole
from tickstream.ranges import index_step_bytes, is_to_be_indexed, plan_spans
from tickstream.row_samples import refuse_rows_that_fail_alike
from tickstream.ticks import Updates, format_scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path
    from typing import IO

    from tickstream.decoding import Decoded
    from tickstream.feeds.catalogue import Catalogue
    from tickstream.ingests import Layout, Read, Span
    from tickstream.packed_index import Entry
    from tickstream.pairs import PairRow, PairTask
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
_RANGE_BYTES: Final = 32 << 20
#: Of a file that is larger, so many ranges are read: it is to take seconds.
SAMPLED_BYTES: Final = 256 << 20
SAMPLED_RANGES: Final = 5

#: Symbol, nanoseconds, price, size, sequence, and whether it updates open and close, high and low, volume.
type TickTexts = tuple[str, str, str, str, str, str, str, str]


@dataclass(slots=True)
class Trial:
    """What became of the rows of a file.

    feed: the name of the feed that reads it. first_ticks, first_rejects: some of each, in order. bars: minute bars of
    some symbols. sampled: what was read, where that is not all.
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
    sampled: str = ""

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


def try_file(
    path: Path, key: str, catalogue: Catalogue, ticks_out: IO[str] | None = None, *, whole: bool = False
) -> Trial:
    """Read a file as the pipeline would, under a key; of a large one a sample of its ranges, unless all are wanted.

    ticks_out: gets all ticks as CSV. Raises ObjectRejected where the pipeline refuses it as a whole, OSError.
    """
    with path.open("rb") as file:
        size_bytes = path.stat().st_size
        is_sampled = size_bytes > SAMPLED_BYTES and not whole
        source = Source("", key, "", "" if is_sampled else _digest_of(file), size_bytes)

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
        ranges = _Ranges(source, layout, read, is_sampled=is_sampled)
        pairs = NO_PAIRS
        if feed is not None and feed.tick.cancel.pair is not None:

            def rows(task: PairTask) -> Iterator[PairRow]:
                for one in ranges:
                    yield from decode_span(*one, pairs=task).pair_rows

            pairs = task_of_whole(rows, is_descending=is_descending(feed))
        for of_range, of_layout, span, read_range in ranges:
            sink = Sink(of_range, LIMITS, Budget(LIMITS), pairs)
            sink.fold = _WatchedFold(source, trial, writer)
            decode_into(sink, of_range, of_layout, span, read_range)
            _add(trial, sink.decoded())
        trial.sampled = ranges.sampled
    return trial


def _digest_of(file: BufferedReader) -> str:
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


class _Ranges:
    """The ranges of a file, or a sample of them, as often as they are asked for.

    sampled: what is read of how much, where it is a sample.
    """

    def __init__(self, source: Source, layout: Layout, read: Read, *, is_sampled: bool) -> None:
        self._about = source, layout, read
        self.sampled = ""
        self._entries: list[Entry] = []
        if is_to_be_indexed(source, layout, _RANGE_BYTES):
            making = Making(read, index_step_bytes(_RANGE_BYTES), chunk_bytes=_RANGE_BYTES)
            self._streams = streams_of(source, layout, read)
            entries = chain.from_iterable(making.entries(first_entry(stream)) for _, stream in self._streams)
            self._entries = list(islice(entries, SAMPLED_RANGES) if is_sampled else entries)
            if is_sampled:
                self.sampled = f"its first {len(self._entries)} ranges"
            self._spans = list(spans_of(self._entries, self._streams, layout, read))
            return
        self._spans = list(plan_spans(source, layout, _RANGE_BYTES, read))
        if is_sampled and len(self._spans) > SAMPLED_RANGES:
            step = (len(self._spans) - 1) / (SAMPLED_RANGES - 1)
            some = [self._spans[round(at * step)] for at in range(SAMPLED_RANGES)]
            self.sampled = f"{len(some)} of its {len(self._spans):,} ranges"
            self._spans = some

    def __iter__(self) -> Iterator[tuple[Source, Layout, Span, Read]]:
        source, layout, read = self._about
        for at, span in enumerate(self._spans):
            if self._entries:
                opened = opened_range(source, layout, span, self._entries[at], read)
                yield opened[0], opened[1], span, opened[2]
            else:
                yield source, layout, span, read


def _add(trial: Trial, decoded: Decoded) -> None:
    trial.ticks += decoded.ticks
    trial.skipped += decoded.skipped
    trial.cancelled += decoded.cancelled
    trial.rejected.update(row.reason.value for row in decoded.rejects)
    trial.first_rejects += decoded.rejects[: max(SHOWN - len(trial.first_rejects), 0)]
    for (symbol, _), bars in decoded.bars.items():
        if symbol in trial.bars or len(trial.bars) < SHOWN:
            trial.bars[symbol] = merge_bars(trial.bars.get(symbol, ()), bars)
