"""A look at the first rows of a file, row by row and strictly, without the libraries that decode all of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tickstream.feeds.documents import thawed
from tickstream.feeds.rows import row_parser
from tickstream.ingests import Format
from tickstream.layouts import head_of
from tickstream.rows import Skipped, joints, judge_line
from tickstream.ticks import RejectedRow, Tick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream.ingests import Layout, Read, Source

SAMPLE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """What the first rows are: how many were looked at, how many are ticks or skipped, and the first of the others."""

    rows: int
    ticks: int
    bad: tuple[RejectedRow, ...]


def sample_rows(source: Source, layout: Layout, read: Read, max_bad: int, sample_bytes: int = SAMPLE_BYTES) -> Sample:
    """Look at the rows that end within the first `sample_bytes` after the header; Parquet has no rows to look at so.

    max_bad: how many of the bad rows to return.

    Raises ObjectRejected (corrupt_gzip).
    """
    if layout.format in {Format.PARQUET, Format.JSON} or source.size_bytes == 0:
        return Sample(0, 0, ())
    end = layout.data_start + sample_bytes
    if layout.whole:
        pattern = thawed(layout.feed).tick.match.member if layout.feed else ""
        head = head_of(source, read, layout.container, pattern, end)
        if head is None:
            return Sample(0, 0, ())
        text, whole, member = head.text[layout.data_start :], head.whole, head.member
    else:
        text, member = read(layout.data_start, min(end, source.size_bytes)), ""
        whole = end >= source.size_bytes
    parse = row_parser(layout, source.key, member)
    lines = list(_rows_in(text, layout.format))
    if not whole:
        # The last line goes on somewhere beyond: what stands here may be half of it.
        lines.pop()
    rows = ticks = 0
    bad: list[RejectedRow] = []
    for start, line in lines:
        judged = judge_line(line, layout.data_start + start, parse)
        rows += judged is not None
        # A row that is no trade is as it should be.
        ticks += isinstance(judged, (Tick, Skipped))
        if isinstance(judged, RejectedRow) and len(bad) < max_bad:
            bad.append(judged)
    return Sample(rows, ticks, tuple(bad))


def _rows_in(text: bytes, written: Format) -> Iterator[tuple[int, bytes]]:
    """Yield what may be rows, without their LF, each with where it stands."""
    line_ends = [found.start() for found in re.finditer(b"\n", text)]
    behind = joints(text) if written is Format.JSON_LINES else []
    starts = sorted([0, *(end + 1 for end in line_ends), *behind])
    for start, end in pairwise([*starts, len(text) + 1]):
        yield start, text[start:end].removesuffix(b"\n")
