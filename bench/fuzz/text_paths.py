"""The paths that read text held against each other: ranges, blocks and polars against one row after the other.

The strict side cuts the whole text into rows and asks `tickstream.rows` about each; it knows nothing of ranges, blocks,
forms or polars, and unpacks with Python's own `gzip`.
"""

from __future__ import annotations

import gzip
import io
import random
import zlib
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from bench.fuzz.text_inputs import TextInput, make_input
from tickstream.bars import bar_of, merge_bars
from tickstream.decoding import LIMITS, decode_pieces, decode_span
from tickstream.errors import ObjectRejected, Reason, TickstreamError
from tickstream.ingests import Format, Source, Span
from tickstream.keys import hour_of
from tickstream.layouts import sniff
from tickstream.rows import joints, judge_line, parse_csv_row, parse_json_row
from tickstream.ticks import RejectedRow, Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tickstream.bars import Bar
    from tickstream.decoding import Decoded
    from tickstream.ingests import Layout

#: Small, so that rows are longer than the overlap, than a block and than a row may be; and polars reads all it can.
SMALL: Final = replace(
    LIMITS, row_bytes=150, overlap_bytes=4, block_bytes=200, raw_bytes=40, single_ticks=7, few_rows=0
)
_MOST_TRIES: Final = 3_000

type _Bars = dict[tuple[str, int], tuple[Bar, ...]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an object is to one side: its bars and rejects, or why it is refused as a whole."""

    bars: _Bars
    ticks: int
    rejects: tuple[RejectedRow, ...]
    refused: Reason | None = None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An object, as small as could be made, about which the sides differ, and how."""

    number: int
    found: TextInput
    seen: str


@dataclass(frozen=True, slots=True)
class Compared:
    """How many inputs were read by both sides, what was in them, and the first about which they differ."""

    inputs: int
    ticks: int
    rejects: int
    refused: int
    disagreement: Disagreement | None


def compare_paths(inputs: int, seed: int) -> Compared:
    """Read so many inputs by both sides; stop at the first disagreement and make it small."""
    ticks = rejects = refused = 0
    for number in range(inputs):
        # A generator for each: an input can be made again by its number.
        made = make_input(random.Random(f"{seed} {number}"))  # noqa: S311 - no secret depends on it
        if disagreement(made) is not None:
            small = smallest(made, lambda tried: disagreement(tried) is not None)
            return Compared(number + 1, ticks, rejects, refused, Disagreement(number, small, disagreement(small) or ""))
        strict = strictly(made)
        ticks += strict.ticks
        rejects += len(strict.rejects)
        refused += strict.refused is not None
    return Compared(inputs, ticks, rejects, refused, None)


def disagreement(one: TextInput) -> str | None:
    """Return how the sides differ about an object, None where they agree."""
    expected = strictly(one)
    for name, side in (("ranges", _by_ranges), ("pieces", _by_pieces)):
        try:
            found = side(one)
        except ObjectRejected as error:
            found = Outcome({}, 0, (), error.reason)
        except TickstreamError as error:
            return f"{name}: {error!r}"
        if found != expected:
            return f"{name}: {_said(found)}\nstrict: {_said(expected)}"
    return None


def strictly(one: TextInput) -> Outcome:
    """Read an object row by row."""
    try:
        layout = sniff(_source(one.data), partial(_read, one.data))
        text = _unpacked(one.data) if layout.whole else one.data
    except ObjectRejected as error:
        return Outcome({}, 0, (), error.reason)
    except (OSError, EOFError, zlib.error):
        return Outcome({}, 0, (), Reason.CORRUPT_GZIP)
    parse = parse_json_row if layout.format is Format.JSON_LINES else partial(parse_csv_row, columns=layout.columns)
    bars: _Bars = {}
    rejects, ticks = [], 0
    for offset, row in _rows(text, layout):
        judged = judge_line(row, offset, parse, SMALL.row_bytes, SMALL.raw_bytes)
        if isinstance(judged, RejectedRow):
            rejects.append(judged)
        elif isinstance(judged, Tick):
            ticks += 1
            key = judged.symbol, hour_of(judged.timestamp_ns)
            bars[key] = merge_bars(bars.get(key, ()), [bar_of(judged, "object", "etag", offset)])
    return Outcome(bars, ticks, tuple(rejects))


def smallest(found: TextInput, differs: Callable[[TextInput], bool]) -> TextInput:
    """Leave out of an input whatever can be left out while the sides differ, in a bounded number of tries."""
    tries = 0
    for simpler in (replace(found, cuts=(), tail=None), replace(found, tail=None), replace(found, cuts=())):
        if simpler != found and differs(simpler):
            found = simpler
            break
    step = len(found.text) // 2
    while step and tries < _MOST_TRIES:
        at, shorter = 0, False
        while at < len(found.text) and tries < _MOST_TRIES:
            cuts = tuple(cut if cut <= at else max(at, cut - step) for cut in found.cuts)
            tried = replace(found, text=found.text[:at] + found.text[at + step :], cuts=cuts)
            tries += 1
            if differs(tried):
                found, shorter = tried, True
            else:
                at += step
        step = step if shorter and step == 1 else step // 2
    return found


def _rows(text: bytes, layout: Layout) -> Iterator[tuple[int, bytes]]:
    start, rows = layout.data_start, text[layout.data_start :]
    behind = joints(rows) if layout.format is Format.JSON_LINES else []
    for first, last in pairwise([0, *behind, len(rows)]):
        offset = start + first
        for row in rows[first:last].split(b"\n"):
            yield offset, row
            offset += len(row) + 1


def _by_ranges(one: TextInput) -> Outcome:
    """Decode as DataProcessor does, in ranges that are cut anywhere."""
    data, source = one.data, _source(one.data)
    layout = sniff(source, partial(_read, data))
    bounds = [0, len(data)] if layout.whole else [layout.data_start, len(data)]
    if not layout.whole:
        bounds = sorted({*bounds, *(cut for cut in one.cuts if layout.data_start < cut < len(data))})
    spans = [Span(index, start, end) for index, (start, end) in enumerate(pairwise(bounds)) if start < end]
    return _together([decode_span(source, layout, span, partial(_read, data), SMALL) for span in spans])


def _by_pieces(one: TextInput) -> Outcome:
    """Decode as data-processor does, piece by piece."""
    data, source = one.data, _source(one.data)
    layout = sniff(source, partial(_read, data))
    span = Span(0, 0 if layout.whole else layout.data_start, len(data))
    if span.start == span.end:
        return _together([])
    return _together(list(decode_pieces(source, layout, span, partial(_read, data), SMALL)))


def _together(pieces: list[Decoded]) -> Outcome:
    bars: _Bars = {}
    for piece in pieces:
        for key, of_hour in piece.bars.items():
            bars[key] = merge_bars(bars.get(key, ()), of_hour)
    rejects = tuple(row for piece in pieces for row in piece.rejects)
    return Outcome(bars, sum(piece.ticks for piece in pieces), rejects)


def _source(data: bytes) -> Source:
    return Source("bucket", "object", "1", "etag", len(data))


def _read(data: bytes, start: int, end: int) -> bytes:
    return data[start:end]


def _unpacked(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        return packed.read()


def _said(outcome: Outcome) -> str:
    if outcome.refused is not None:
        return f"refused: {outcome.refused}"
    rejects = ", ".join(f"{row.reason} at {row.offset} ({row.detail})" for row in outcome.rejects[:5])
    return f"{outcome.ticks} ticks, {len(outcome.rejects)} rejects [{rejects}], bars {outcome.bars!r:.600}"
