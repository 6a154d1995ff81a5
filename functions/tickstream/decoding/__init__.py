"""Any range of any file, turned into exact minute bars and rejected rows.

`decode_span` reads one span of a frozen object, `decode_pieces` does so with less memory; `fold_ticks` folds posted
ticks; `packed_hours` packs what they give, `PackedBars` holds it. Nothing else is for others to use.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from tickstream.decoding.blocks import block_decoder
from tickstream.decoding.documents import json_pieces
from tickstream.decoding.feed_frames import feed_frame_decoder
from tickstream.decoding.fold import fold_ticks
from tickstream.decoding.folded import PackedBars, packed_hours
from tickstream.decoding.outcome import LIMITS, Budget, Decoded, Limits, Sink
from tickstream.decoding.parquet import decode_frame, parquet_frames
from tickstream.decoding.text import member_texts, rows_of_span, rows_of_stream, unpacked_blocks
from tickstream.feeds.heading import Head
from tickstream.ingests import Container, Format
from tickstream.layouts import SNIFFED_BYTES, start_of_member
from tickstream.pairs import NO_PAIRS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tickstream.ingests import Layout, Read, Source, Span
    from tickstream.pairs import PairTask

__all__ = [
    "LIMITS",
    "Budget",
    "Decoded",
    "Limits",
    "PackedBars",
    "decode_into",
    "decode_pieces",
    "decode_span",
    "fold_ticks",
    "packed_hours",
]


def decode_span(
    source: Source,
    layout: Layout,
    span: Span,
    read: Read,
    limits: Limits = LIMITS,
    *,
    budget: Budget | None = None,
    pairs: PairTask = NO_PAIRS,
) -> Decoded:
    """Decode the rows that begin in the span.

    Offsets are bytes in the object (unpacked where packed), in Parquet and documents of JSON row numbers. budget: what
    it may cost; by default what `limits` say. pairs: what to do about rows that take others back. Raises ObjectRejected
    where the object as a whole cannot be read (then none of its ticks counts), ServiceIncomplete where `read` returns
    too little or the time is over.
    """
    budget = budget or Budget(limits)
    sink = Sink(source, limits, budget, pairs)
    decode_into(sink, source, layout, span, read)
    return sink.decoded()


def decode_pieces(
    source: Source,
    layout: Layout,
    span: Span,
    read: Read,
    limits: Limits = LIMITS,
    *,
    budget: Budget | None = None,
    pairs: PairTask = NO_PAIRS,
) -> Iterator[Decoded]:
    """Decode a span piece by piece, in order: together they are what `decode_span` gives at once.

    A packed object is one span, however large, and so is a row group of Parquet: their pieces are of `block_bytes` and
    `parquet_rows`, and the limits on bars and rejects are those of a piece; the budget is that of all. Raises as
    `decode_span` does, possibly after some pieces.
    """
    budget = budget or Budget(limits)
    for decode in _pieces(source, layout, span, read, budget):
        sink = Sink(source, limits, budget, pairs)
        decode(sink)
        yield sink.decoded()


def decode_into(sink: Sink, source: Source, layout: Layout, span: Span, read: Read) -> None:
    """Decode a span into a sink. Raises as `decode_span` does."""
    for decode in _pieces(source, layout, span, read, sink.budget):
        decode(sink)


def _pieces(source: Source, layout: Layout, span: Span, read: Read, budget: Budget) -> Iterator[Callable[[Sink], None]]:
    """Yield what decodes one piece after the other; each is to be called before the next."""
    limits = budget.limits
    if layout.format is Format.PARQUET:
        decode = feed_frame_decoder(layout, source.key) if layout.feed else decode_frame
        for first, frame in parquet_frames(source, layout, span, read, budget):
            yield partial(decode, frame, first)
    elif layout.format is Format.JSON:
        yield from json_pieces(source, layout, read, budget)
    elif layout.container is Container.ZIP:
        for member, before, blocks in member_texts(source, layout, read, budget):
            decode_block = block_decoder(layout, source.key, member)
            first_block = next(blocks, b"")
            start = start_of_member(layout, Head(first_block[:SNIFFED_BYTES], len(first_block) < SNIFFED_BYTES, member))
            for offset, block in rows_of_stream(chain([first_block], blocks), start, layout.format, limits):
                yield partial(decode_block, block, before + offset)
    else:
        decode_block = block_decoder(layout, source.key, layout.member)
        if layout.container is Container.PLAIN:
            found = iter([rows_of_span(source, layout, span, read, limits)])
        else:
            unpacked = unpacked_blocks(source, layout.container, read, budget)
            found = rows_of_stream(unpacked, layout.data_start, layout.format, limits)
        for offset, block in found:
            yield partial(decode_block, block, offset)
