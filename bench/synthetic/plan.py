"""How a workload is cut into objects and runs of requests, before any tick is drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from bench.synthetic.vendors import VENDORS

if TYPE_CHECKING:
    from bench.workloads import Workload

#: About the bytes of one CSV row; only the number of rows of an object follows from it.
_ROW_BYTES: Final = 45
_FEWEST_ROWS: Final = 100


class Kind(StrEnum):
    """How a part of the workload travels."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    GZIP = "csv.gz"
    PARQUET = "parquet"
    POSTS = "posts"


@dataclass(frozen=True, slots=True)
class Part:
    """One object, or a run of requests.

    window: its share of the day's volume (0 to 1). corrupt: rows to spoil. turn: its share of what is sent, in the
    order of sending (0 to 1). symbol: the index of the only symbol in it, None for all. feed: which vendor's file it
    is; empty for the native format. round: which of its stream's objects it is, from 0. opens, closes: whether that
    vendor's auctions of the day are in it.
    """

    kind: Kind
    rows: int
    window: tuple[float, float]
    corrupt: int
    turn: tuple[float, float] = (0.0, 0.0)
    symbol: int | None = None
    feed: str = ""
    round: int = 0
    opens: bool = False
    closes: bool = False


class _Piece(NamedTuple):
    """What a part will be, before it is known when it goes."""

    kind: Kind
    rows: int
    feed: str = ""


def plan(workload: Workload) -> tuple[Part, ...]:
    """Cut a workload into parts, in the order in which they are sent; formats are mixed over it."""
    pieces = _streams(workload) if workload.streams else _windows(workload)
    order = np.random.default_rng([workload.seed, 2]).permutation(len(pieces))
    ordered = [pieces[index] for index in order]
    feeds = [piece.feed for piece in ordered]
    first = {feed: feeds.index(feed) for feed in VENDORS if feed in feeds}
    last = {feed: len(feeds) - 1 - feeds[::-1].index(feed) for feed in first}
    parts, done, corrupt, streamed = [], 0, 0, 0
    for number, (kind, rows, feed) in enumerate(ordered):
        turn = (done / workload.ticks, (done + rows) / workload.ticks)
        done += rows
        # What is still missing to the stated fraction of all rows so far: the parts' sum is it, to the row. The first
        # line of JSON lines stays, see Factory._drawn.
        spoiled = min(round(done * workload.corrupt_fraction) - corrupt, rows - (kind is Kind.JSON_LINES))
        corrupt += spoiled
        is_stream = bool(workload.streams) and kind is not Kind.POSTS
        window, symbol, round_ = turn, None, 0
        if is_stream:
            round_, stream = divmod(streamed, workload.streams)
            window, symbol = workload.window(round_), stream % workload.symbols
            streamed += 1
        part = Part(kind, rows, window, spoiled, turn, symbol, feed, round_)
        parts.append(replace(part, opens=first.get(feed) == number, closes=last.get(feed) == number))
    return tuple(parts)


def _windows(workload: Workload) -> list[_Piece]:
    """Pieces of objects that each hold one part of the day."""
    counts = _by_format(workload, workload.ticks)
    counts[Kind.POSTS] = int(workload.ticks * workload.posts.share)
    counts[Kind.CSV] -= counts[Kind.POSTS]
    of_vendors = _by_vendor(workload, workload.ticks)
    counts[Kind.CSV] -= sum(of_vendors.values())
    largest = _largest(workload, _ROW_BYTES)
    native = [_Piece(kind, rows) for kind in Kind for rows in _cut(counts[kind], -(-counts[kind] // largest))]
    vendors = [
        _Piece(kind, rows, feed)
        for (kind, feed), count in of_vendors.items()
        for rows in _cut(count, -(-count // _largest(workload, VENDORS[feed].row_bytes)))
    ]
    return native + vendors


def _largest(workload: Workload, row_bytes: int) -> int:
    """Return how many rows an object has at most, of which one takes so many bytes as text."""
    by_ranges = max(_FEWEST_ROWS, int(workload.objects.ranges_an_object * workload.range_bytes / row_bytes))
    return min(by_ranges, max(1, workload.ticks // workload.objects.at_least))


def _streams(workload: Workload) -> list[_Piece]:
    """Pieces of as many objects as all rounds of the streams have, and of the POSTs beside them."""
    posted = int(workload.ticks * workload.posts.share)
    objects = workload.streams * workload.rounds
    sizes = _cut(workload.ticks - posted, min(objects, workload.ticks - posted))
    counts = _by_format(workload, len(sizes))
    of_vendors = _by_vendor(workload, len(sizes))
    counts[Kind.CSV] -= sum(of_vendors.values())
    kinds = [(kind, "") for kind in counts for _ in range(counts[kind])]
    kinds += [one for one, count in of_vendors.items() for _ in range(count)]
    posts = [_Piece(Kind.POSTS, posted)] * bool(posted)
    return [_Piece(kind, rows, feed) for (kind, feed), rows in zip(kinds, sizes, strict=True)] + posts


def _by_format(workload: Workload, number: int) -> dict[Kind, int]:
    shares = workload.objects
    counts = {
        Kind.JSON_LINES: int(number * shares.jsonl_share),
        Kind.GZIP: int(number * shares.gzip_share),
        Kind.PARQUET: int(number * shares.parquet_share),
    }
    return {Kind.CSV: number - sum(counts.values()), **counts}


def _by_vendor(workload: Workload, number: int) -> dict[tuple[Kind, str], int]:
    """Return how many of a number of rows, or of objects, are in which vendor's files, plain and gzipped."""
    shares = workload.conditions
    each = number * shares.share / len(VENDORS)
    packed = {feed: int(each * shares.gzip_share) for feed in VENDORS}
    plain = {(Kind.CSV, feed): int(each) - packed[feed] for feed in VENDORS}
    return plain | {(Kind.GZIP, feed): packed[feed] for feed in VENDORS}


def _cut(rows: int, count: int) -> list[int]:
    """Cut a number of rows into pieces, as equal as possible."""
    return [rows * (index + 1) // count - rows * index // count for index in range(count)]
