"""A look at the first rows of a file, row by row and strictly, without the libraries that decode all of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tickstream.errors import ObjectRejected
from tickstream.feeds.documents import thawed
from tickstream.feeds.rows import row_parser
from tickstream.ingests import Format
from tickstream.layouts import SNIFFED_BYTES, head_of
from tickstream.rows import joints, judge_line
from tickstream.ticks import RejectedRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream.ingests import Layout, Read, Source
    from tickstream.rows import NoTick
    from tickstream.ticks import Tick

SAMPLE_BYTES: Final = 1 << 20
#: So many rows that all fail alike say that the object is not what it is taken for.
ALIKE_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Sample:
    """What the first rows are: how many were looked at, how many are ticks or skipped, and the first of the others."""

    rows: int
    ticks: int
    bad: tuple[RejectedRow, ...]


def sample_rows(source: Source, layout: Layout, read: Read, max_bad: int, sample_bytes: int = SAMPLE_BYTES) -> Sample:
    """Look at the rows that end within the first `sample_bytes` after the header; Parquet has no rows to look at so.

    max_bad: how many of the bad rows to return.

    Raises ObjectRejected (corrupt_gzip, ...).
    """
    rows = ticks = 0
    bad: list[RejectedRow] = []
    for judged in _judged(source, layout, read, layout.data_start + sample_bytes):
        rows += 1
        # A row that is no trade is as it should be.
        ticks += not isinstance(judged, RejectedRow)
        if isinstance(judged, RejectedRow) and len(bad) < max_bad:
            bad.append(judged)
    return Sample(rows, ticks, tuple(bad))


def refuse_rows_that_fail_alike(source: Source, layout: Layout, read: Read) -> None:
    """Refuse an object whose first thousand rows all fail for one reason, for that reason, and not row by row.

    Nearly always the first row is a tick, and nothing else is looked at. Raises ObjectRejected.
    """
    # What was read to recognise it first.
    for wanted_bytes in (SNIFFED_BYTES, layout.data_start + SAMPLE_BYTES):
        first = None
        for rows, judged in enumerate(_judged(source, layout, read, wanted_bytes), 1):
            if not isinstance(judged, RejectedRow) or (first is not None and judged.reason is not first.reason):
                return
            first = first or judged
            if rows == ALIKE_ROWS:
                raise all_fail_alike(rows, first)


def all_fail_alike(rows: int, first: RejectedRow) -> ObjectRejected:
    """Return the refusal of an object whose rows are all rejected as this one is."""
    return ObjectRejected(first.reason, f"its first {rows} rows all fail alike: {first.detail}")


def _judged(source: Source, layout: Layout, read: Read, wanted_bytes: int) -> Iterator[Tick | NoTick | RejectedRow]:
    """Yield what the rows are that end within so many bytes, with the header."""
    if layout.format in {Format.PARQUET, Format.JSON} or source.size_bytes == 0:
        return
    pattern = thawed(layout.feed).tick.match.member if layout.feed else ""
    head = head_of(source, read, layout.container, pattern, wanted_bytes)
    if head is None:
        return
    text = head.text[layout.data_start :]
    parse = row_parser(layout, source.key, head.member)
    lines = list(_rows_in(text, layout.format))
    if not head.whole:
        # The last line goes on somewhere beyond: what stands here may be half of it.
        lines.pop()
    for start, line in lines:
        judged = judge_line(line, layout.data_start + start, parse)
        if judged is not None:
            yield judged


def _rows_in(text: bytes, written: Format) -> Iterator[tuple[int, bytes]]:
    """Yield what may be rows, without their LF, each with where it stands."""
    line_ends = [found.start() for found in re.finditer(b"\n", text)]
    behind = joints(text) if written is Format.JSON_LINES else []
    starts = sorted([0, *(end + 1 for end in line_ends), *behind])
    for start, end in pairwise([*starts, len(text) + 1]):
        yield start, text[start:end].removesuffix(b"\n")
