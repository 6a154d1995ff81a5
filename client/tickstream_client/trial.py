"""What the pipeline would make of a file, here and now: the same code that the functions run, without AWS."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.decoding import decode_into
from tickstream.decoding.outcome import LIMITS, Budget, Sink
from tickstream.ingests import Source, Span
from tickstream.layouts import sniff
from tickstream.ranges import plan_spans
from tickstream.ticks import format_scaled
from tickstream.bars import Bar, merge_bars

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from tickstream.feeds.catalogue import Catalogue
    from tickstream.ingests import Layout
    from tickstream.ticks import RejectedRow

SHOWN_ROWS: Final = 5
_RANGE_BYTES: Final = 16 << 20
_TICK_COLUMNS: Final = (
    "symbol",
    "timestamp_ns",
    "price",
    "size",
    "sequence",
    "updates_open_close",
    "updates_high_low",
    "updates_volume",
)


@dataclass(slots=True)
class Trial:
    """What became of the rows of a file.

    bars: of the first symbols; first_ticks: the first rows that are ticks, as text; first_rejects: the first of others.
    """

    layout: Layout
    ticks: int = 0
    skipped: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first_ticks: list[tuple[str, ...]] = field(default_factory=list)
    first_rejects: list[RejectedRow] = field(default_factory=list)
    bars: dict[str, tuple[Bar, ...]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, object]:
        """The counts, as JSON has them. Rows are all but blank lines and the header."""
        return {
            "rows": self.ticks + self.skipped + self.rejected.total(),
            "ticks": self.ticks,
            "skipped": self.skipped,
            "cancelled": 0,
            "rejected": dict(sorted(self.rejected.items())),
        }


class _Fold:
    """Stands before a sink's fold and shows its ticks."""

    def __init__(self, trial: Trial, sink: Sink, out: Iterator[None] | None, writer: _TickWriter | None) -> None:
        self._trial, self._fold, self._writer = trial, sink.fold, writer

    def add_frame(self, ticks: pl.DataFrame) -> None:
        """Add ticks in columns."""
        missing = SHOWN_ROWS - len(self._trial.first_ticks)
        self._trial.first_ticks += _texts(ticks.head(max(missing, 0)))
        if self._writer:
            self._writer.write(ticks)
        self._fold.add_frame(ticks)

    def __getattr__(self, name: str) -> object:
        return getattr(self._fold, name)


class _TickWriter:
    def __init__(self, file: IO[str]) -> None:
        self._csv = csv.writer(file, lineterminator="\n")
        self._csv.writerow(_TICK_COLUMNS)
        self.has_sequence = False

    def write(self, ticks: pl.DataFrame) -> None:
        self._csv.writerows(
            (*row, "true", "true", "true") if self.has_sequence else (*row[:-1], "", "true", "true", "true")
            for row in _texts(ticks)
        )


def _texts(ticks: pl.DataFrame) -> list[tuple[str, ...]]:
    sequences = ticks['sequence'].to_list() if 'sequence' in ticks.columns else [0] * ticks.height
    columns = (ticks[name].cast(pl.String).to_list() if name == "symbol" else ticks[name].to_list() for name in
               ("symbol", "timestamp", "price", "size"))
    return [
        (symbol, str(timestamp), format_scaled(price), format_scaled(size), str(sequence))
        for symbol, timestamp, price, size, sequence in zip(*columns, sequences, strict=True)
    ]


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
        trial = Trial(layout)
        writer = _TickWriter(ticks_out) if ticks_out else None
        if writer and layout.feed:
            from tickstream.feeds.documents import thawed

            writer.has_sequence = thawed(layout.feed).tick.sequence is not None
        for span in plan_spans(source, layout, _RANGE_BYTES, read):
            _add(trial, source, span, read, writer)
    return trial


def _add(trial: Trial, source: Source, span: Span, read: object, writer: _TickWriter | None) -> None:
    budget = Budget(LIMITS)
    sink = Sink(source, LIMITS, budget)
    sink.fold = _Fold(trial, sink, None, writer)  # type: ignore[assignment]
    decode_into(source, trial.layout, span, read, budget, sink)  # type: ignore[arg-type]
    decoded = sink.decoded()
    trial.ticks += decoded.ticks
    trial.skipped += decoded.skipped
    trial.rejected.update(row.reason.value for row in decoded.rejects)
    trial.first_rejects += decoded.rejects[: max(SHOWN_ROWS - len(trial.first_rejects), 0)]
    for (symbol, _), bars in decoded.bars.items():
        if symbol in trial.bars or len(trial.bars) < SHOWN_ROWS:
            trial.bars[symbol] = merge_bars(trial.bars.get(symbol, ()), bars)
