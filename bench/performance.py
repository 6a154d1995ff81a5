"""The benchmarks: `python -m bench perf`. Speed and memory are recorded, never asserted in a test."""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from bench.run import run
from bench.synthetic.factory import Factory
from bench.truth import ObjectFile
from bench.workloads import market_day
from tickstream.decoding import decode_span
from tickstream.ingests import Format, Layout, Source, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.report.console import Reporter
    from bench.run import RunOptions, Trial
    from bench.verify import Verdict

_ROUNDS: Final = 5
_RANGE_BYTES: Final = 8_388_608
# A day of a million ticks: how many bars a range has, and so what folding costs, follows from how long it lasts.
_ROWS: Final = 1_000_000


def measure(trial: Trial, options: RunOptions, reporter: Reporter) -> Verdict:
    """Measure decoding alone, then a whole run; both go into the run's result file. Raises BenchError."""
    decoding = decoding_facts(trial.seed)
    reporter.line(
        f"decoding {decoding['decode_rows_per_s']:,.0f} rows/s, bare polars {decoding['bare_polars_rows_per_s']:,.0f} "
        f"rows/s: {decoding['decode_to_bare_ratio']:.2f} of it"
    )
    return run(trial, options, reporter, more_facts={"decoding": decoding})


def decoding_facts(seed: int) -> dict[str, Any]:
    """Rows a second of one clean CSV range of 8 MiB, 500 symbols: the pipeline's decode-and-fold against bare polars.

    The best of a few rounds each: what the machine can do, not what else it was doing.
    """
    with tempfile.TemporaryDirectory(prefix="tickstream-perf-") as name:
        folder = Path(name)
        workload = market_day(ticks=_ROWS, symbols=500, seed=seed, corrupt_fraction=0.0, range_bytes=_RANGE_BYTES)
        pieces = (piece for piece in Factory(workload, folder, folder).make() if isinstance(piece, ObjectFile))
        largest = max((piece for piece in pieces if piece.path.suffix == ".csv"), key=lambda piece: piece.size_bytes)
        content = largest.path.read_bytes()
    header, _, _ = content.partition(b"\n")
    columns = tuple(header.decode().rstrip("\r").split(","))
    source = Source("bench", largest.key, "1", largest.etag, len(content))
    layout = Layout(Format.CSV, columns=columns, data_start=len(header) + 1)
    end = min(len(content), _RANGE_BYTES)
    span = Span(0, layout.data_start, end)
    rows = content.count(b"\n", layout.data_start, end)

    def read(start: int, stop: int) -> bytes:
        return content[start:stop]

    decode_s = _best(lambda: decode_span(source, layout, span, read))
    bare_s = _best(lambda: _bare(content[: content.rindex(b"\n", 0, end) + 1]))
    return {
        "rows": rows,
        "range_bytes": end,
        "bars": sum(map(len, decode_span(source, layout, span, read).bars.values())),
        "decode_rows_per_s": rows / decode_s,
        "bare_polars_rows_per_s": rows / bare_s,
        "decode_to_bare_ratio": bare_s / decode_s,
    }


def _bare(content: bytes) -> pl.DataFrame:
    """What polars alone takes for about the same bars, in floats and without any check."""
    minute = pl.col("timestamp") // 60_000_000_000
    return (
        pl.read_csv(
            io.BytesIO(content),
            schema_overrides={"timestamp": pl.Int64, "price": pl.Float64, "size": pl.Float64},
        )
        .group_by("symbol", minute.alias("minute"))
        .agg(
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.col("size").sum().alias("volume"),
            pl.len().alias("ticks"),
        )
    )


def _best(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
