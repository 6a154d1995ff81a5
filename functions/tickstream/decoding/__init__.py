"""Any range of any file, turned into exact minute bars and rejected rows.

`decode_span` reads one span of a frozen object, `decode_pieces` does so with less memory; `fold_ticks` folds posted
ticks; `packed_hours` packs what they give, `PackedBars` holds it. Nothing else is for others to use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tickstream.decoding.csv_blocks import decode_csv
from tickstream.decoding.fold import fold_ticks
from tickstream.decoding.folded import PackedBars, packed_hours
from tickstream.decoding.json_lines import decode_json_lines
from tickstream.decoding.outcome import LIMITS, Budget, Decoded, Limits, Sink
from tickstream.decoding.parquet import decode_frame, decode_parquet, parquet_frames
from tickstream.decoding.text import rows_of_span, unpacked_rows
from tickstream.ingests import Format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream.ingests import Layout, Read, Source, Span

__all__ = [
    "LIMITS",
    "Budget",
    "Decoded",
    "Limits",
    "PackedBars",
    "decode_pieces",
    "decode_span",
    "fold_ticks",
    "packed_hours",
]


def decode_span(
    source: Source, layout: Layout, span: Span, read: Read, limits: Limits = LIMITS, *, budget: Budget | None = None
) -> Decoded:
    """Decode the rows that begin in the span.

    Offsets are bytes in the object (unpacked where gzipped), in Parquet row numbers. budget: what it may cost; by
    default what `limits` say. Raises ObjectRejected where the object as a whole cannot be read (then none of its ticks
    counts), ServiceIncomplete where `read` returns too little or the time is over.
    """
    budget = budget or Budget(limits)
    sink = Sink(source, limits, budget)
    if layout.format is Format.PARQUET:
        decode_parquet(source, span, read, sink, limits)
    else:
        for offset, block in _blocks(source, layout, span, read, budget):
            _decode_block(layout, offset, block, sink, limits)
    return sink.decoded()


def decode_pieces(
    source: Source, layout: Layout, span: Span, read: Read, limits: Limits = LIMITS, *, budget: Budget | None = None
) -> Iterator[Decoded]:
    """Decode a span piece by piece, in order: together they are what `decode_span` gives at once.

    A gzipped object is one span, however large, and so is a row group of Parquet: their pieces are of `block_bytes` and
    `parquet_rows`, and the limits on bars and rejects are those of a piece; the budget is that of all. Raises as
    `decode_span` does, possibly after some pieces.
    """
    budget = budget or Budget(limits)
    if layout.format is Format.PARQUET:
        for first, frame in parquet_frames(source, span, read, limits, budget):
            sink = Sink(source, limits, budget)
            decode_frame(frame, first, sink)
            yield sink.decoded()
    else:
        for offset, block in _blocks(source, layout, span, read, budget):
            sink = Sink(source, limits, budget)
            _decode_block(layout, offset, block, sink, limits)
            yield sink.decoded()


def _blocks(source: Source, layout: Layout, span: Span, read: Read, budget: Budget) -> Iterator[tuple[int, bytes]]:
    if layout.gzipped:
        return unpacked_rows(source, layout, read, budget)
    return iter([rows_of_span(source, layout, span, read, budget.limits)])


def _decode_block(layout: Layout, offset: int, block: bytes, sink: Sink, limits: Limits) -> None:
    if layout.format is Format.CSV:
        decode_csv(block, offset, layout.columns, sink, limits)
    else:
        decode_json_lines(block, offset, sink, limits)
