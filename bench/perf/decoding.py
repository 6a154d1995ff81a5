"""DataProcessor's decoding and folding against bare polars, which reads and groups the same bytes."""

from __future__ import annotations

import io
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from bench.ledger.truth import ObjectFile
from bench.perf.figures import Better, Figure, Unit
from bench.synthetic.factory import Factory
from bench.workloads import load
from tickstream.decoding import decode_span
from tickstream.ingests import Format, Layout, Source, Span

if TYPE_CHECKING:
    from collections.abc import Callable

#: Not the default of a range: what earlier figures were measured with, so that they can be compared.
_RANGE_BYTES: Final = 8_388_608
#: What one round takes on one core is a tenth of a second: many rounds are cheap.
_ROUNDS_A_REPEAT: Final = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One range: its object, where it lies in it, and how to decode it."""

    content: bytes
    source: Source
    layout: Layout
    span: Span

    def decode(self) -> None:
        """What DataProcessor does with a range before it writes."""
        decode_span(self.source, self.layout, self.span, lambda start, stop: self.content[start:stop])

    def bare(self) -> None:
        """What polars alone takes for about the same bars, in floats and without any check."""
        bare_fold(bare_read(self.content[: self.span.end]))


def bare_read(content: bytes) -> pl.DataFrame:
    """Read native CSV as polars alone does."""
    types = {"timestamp": pl.Int64, "price": pl.Float64, "size": pl.Float64}
    return pl.read_csv(io.BytesIO(content), schema_overrides=types)


def bare_fold(ticks: pl.DataFrame) -> pl.DataFrame:
    """Fold ticks as polars alone does."""
    minute = pl.col("timestamp") // 60_000_000_000
    return ticks.group_by("symbol", minute.alias("minute")).agg(
        pl.col("price").first().alias("open"),
        pl.col("price").max().alias("high"),
        pl.col("price").min().alias("low"),
        pl.col("price").last().alias("close"),
        pl.col("size").sum().alias("volume"),
        pl.len().alias("ticks"),
    )


def measure(repeats: int) -> tuple[Figure, ...]:
    """Decode one clean CSV range of 500 symbols by both, by turns, after one round each that does not count."""
    sample = native_sample()
    rows = sample.content.count(b"\n", sample.span.start, sample.span.end)
    best_s(sample.decode), best_s(sample.bare)
    ratios, rates = [], []
    for _ in range(repeats):
        decode_s, bare_s = best_s(sample.decode), best_s(sample.bare)
        ratios.append(bare_s / decode_s)
        rates.append(rows / decode_s)
    about = f"a range of {sample.span.end:,} bytes, {rows:,} ticks of 500 symbols"
    return (
        Figure(
            name="decode and fold, against bare polars",
            unit=Unit.RATIO, better=Better.MORE, samples=tuple(ratios), goal=0.8, about=about,
        ),
        Figure(
            name="decode and fold", unit=Unit.TICKS_PER_S, better=Better.MORE, samples=tuple(rates), about=about,
        ),
    )  # fmt: skip


def native_sample() -> Sample:
    """Make one range of a clean CSV object of 500 symbols, in whole rows."""
    with tempfile.TemporaryDirectory(prefix="tickstream-perf-") as name:
        folder = Path(name)
        # The first object of the reference workload in its full size: how many bars a range has, and so what folding
        # costs, follows from how long a range lasts.
        workload = load("reference", range_bytes=_RANGE_BYTES)
        piece = next(piece for piece in Factory(workload, folder, folder).make() if isinstance(piece, ObjectFile))
        content = piece.path.read_bytes()
    header, _, _ = content.partition(b"\n")
    source = Source("bench", piece.key, "1", piece.etag, len(content))
    layout = Layout(Format.CSV, columns=tuple(header.decode().split(",")), data_start=len(header) + 1)
    # Whole rows, so that both read the same ones.
    end = content.rindex(b"\n", 0, min(len(content), _RANGE_BYTES)) + 1
    return Sample(content, source, layout, Span(0, layout.data_start, end))


def best_s(work: Callable[[], object]) -> float:
    """Return the seconds of the quickest of a few rounds: what the machine can do, not what else it was doing."""
    seconds = []
    for _ in range(_ROUNDS_A_REPEAT):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
