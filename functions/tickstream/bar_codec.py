"""Bars as bytes: columns of small integers as JSON, deflated.

DynamoDB bills writes by the KB, so each number is written as little as it says: minutes and offsets as steps, prices as
distances from the one before, times within their minute, and each column divided by what all of it is divisible by (a
price in cents, a time in milliseconds). A symbol-hour of 60 bars takes 1.2 KB, half of what the plain numbers take.
JSON because Python's integers pass through it exactly at any size and both ends are in C. Sources, that is keys and
ETags, stand once in a table, however many bars refer to them.
"""

from __future__ import annotations

import json
import zlib
from itertools import accumulate
from math import gcd
from operator import add, mul, sub
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tickstream.bars import Bar, Position, merge_two
from tickstream.errors import MalformedItem
from tickstream.keys import NS_PER_MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: The first byte of packed bars: how the rest is to be read.
_FORMAT: Final = b"\x03"
#: What was written before ticks had a sequence, and is stored: the same without its columns.
_WITHOUT_SEQUENCES: Final = b"\x02"
#: Columns that are always there; those of sources and of sequences are left out where all in them is 0.
_LEAST_COLUMNS: Final = 12
# Digits hardly repeat, so that looking for repetitions costs time and saves nothing beyond the sources.
_LEVEL: Final = 6
_STRATEGY: Final = zlib.Z_FILTERED


class BarColumns(NamedTuple):
    """Bars column by column, all of one length, in the units of `Bar`; sources are numbers in a table beside it."""

    minute: Sequence[int]
    open_e9: Sequence[int]
    high_e9: Sequence[int]
    low_e9: Sequence[int]
    close_e9: Sequence[int]
    volume_e9: Sequence[int]
    ticks: Sequence[int]
    notional_e18: Sequence[int]
    first_ns: Sequence[int]
    first_sequence: Sequence[int]
    first_source: Sequence[int]
    first_offset: Sequence[int]
    last_ns: Sequence[int]
    last_sequence: Sequence[int]
    last_source: Sequence[int]
    last_offset: Sequence[int]


_NO_BARS: Final = BarColumns._make([()] * len(BarColumns._fields))


def encode_bars(bars: Sequence[Bar]) -> bytes:
    """Pack bars, in any order; `decode_bars` gives them back equal and in the same order."""
    if not bars:
        return pack_columns(_NO_BARS, ())
    *numbers, firsts, lasts = zip(*bars, strict=True)
    sources: dict[tuple[str, str], int] = {}
    positions: list[Sequence[int]] = []
    for of_one in (firsts, lasts):
        times_ns, sequences, keys, etags, offsets = zip(*of_one, strict=True)
        which = [sources.setdefault(source, len(sources)) for source in zip(keys, etags, strict=True)]
        positions += [times_ns, sequences, which, offsets]
    return pack_columns(BarColumns._make((*numbers, *positions)), tuple(sources))


def pack_columns(columns: BarColumns, sources: Sequence[tuple[str, str]]) -> bytes:
    """Pack bars that are in columns, as `encode_bars` does."""
    at = columns
    small = [
        _steps(at.minute),
        _steps(at.close_e9),
        map(sub, at.open_e9, (0, *at.close_e9)),
        map(sub, at.high_e9, at.open_e9),
        map(sub, at.open_e9, at.low_e9),
        at.volume_e9,
        at.ticks,
        map(sub, at.notional_e18, map(mul, at.volume_e9, at.low_e9)),
        map(sub, at.first_ns, (NS_PER_MINUTE * minute for minute in at.minute)),
        map(sub, at.last_ns, at.first_ns),
        _steps(at.first_offset),
        map(sub, at.last_offset, at.first_offset),
    ]
    if len(sources) > 1:
        small += [at.first_source, at.last_source]
    if any(at.first_sequence) or any(at.last_sequence):
        small += [_steps(at.first_sequence), map(sub, at.last_sequence, at.first_sequence)]
    text = json.dumps([sources, *map(_divided, small)], separators=(",", ":"))
    packer = zlib.compressobj(_LEVEL, strategy=_STRATEGY)
    return _FORMAT + packer.compress(text.encode()) + packer.flush()


def decode_bars(packed: bytes) -> tuple[Bar, ...]:
    """Unpack what `encode_bars` packed. Raises MalformedItem."""
    try:
        return bars_of(*_unpacked(packed))
    except (zlib.error, ValueError, IndexError, TypeError) as error:
        raise _malformed(packed, error) from error


def merge_packed(parts: Iterable[bytes]) -> bytes:
    """Merge packed minute bars of one symbol as `merge_bars` does, into packed ones in order of time.

    A bar that is in one part only, as nearly all are, stays a row of numbers. Raises MalformedItem.
    """
    sources: dict[tuple[str, str], int] = {}
    rows: dict[int, tuple[int, ...]] = {}
    for packed in parts:
        try:
            columns, table = _unpacked(packed)
            numbers = [sources.setdefault(source, len(sources)) for source in table]
            columns = columns._replace(
                first_source=[numbers[which] for which in columns.first_source],
                last_source=[numbers[which] for which in columns.last_source],
            )
            for row in zip(*columns, strict=True):
                known = rows.setdefault(row[0], row)
                if known is not row:
                    rows[row[0]] = _merged_row(known, row, sources)
        except (zlib.error, ValueError, IndexError, TypeError) as error:
            raise _malformed(packed, error) from error
    if not rows:
        return pack_columns(_NO_BARS, ())
    columns = BarColumns._make(zip(*(rows[minute] for minute in sorted(rows)), strict=True))
    named = list(sources)
    # Those that are still the first or the last of some bar.
    used = {number: place for place, number in enumerate(sorted({*columns.first_source, *columns.last_source}))}
    columns = columns._replace(
        first_source=[used[number] for number in columns.first_source],
        last_source=[used[number] for number in columns.last_source],
    )
    return pack_columns(columns, [named[number] for number in used])


def _merged_row(one: tuple[int, ...], other: tuple[int, ...], sources: dict[tuple[str, str], int]) -> tuple[int, ...]:
    *numbers, first, last = merge_two(*bars_of(BarColumns._make(zip(one, other, strict=True)), list(sources)))
    positions = ((at.timestamp_ns, at.sequence, sources[at.source, at.etag], at.offset) for at in (first, last))
    return (*numbers, *(number for position in positions for number in position))


def _malformed(packed: bytes, error: Exception) -> MalformedItem:
    return MalformedItem(f"packed bars of {len(packed)} bytes cannot be read: {error}")


def _unpacked(packed: bytes) -> tuple[BarColumns, list[tuple[str, str]]]:
    """Return columns and the table of their sources. Raises ValueError, zlib.error, IndexError, TypeError."""
    if packed[:1] not in {_FORMAT, _WITHOUT_SEQUENCES}:
        raise ValueError(f"a format of their own, which begins with {packed[:1]!r}")
    table, *small = _DECODER.decode(zlib.decompress(packed[1:]).decode())
    sources = [(source, etag) for source, etag in table]
    return _columns_from([_multiplied(column) for column in small], len(sources)), sources


def bars_of(columns: BarColumns, sources: Sequence[tuple[str, str]]) -> tuple[Bar, ...]:
    """Build the bars that stand in columns. Raises ValueError for columns of different lengths."""
    at = columns
    firsts = _positions(at.first_ns, at.first_sequence, at.first_source, at.first_offset, sources)
    lasts = _positions(at.last_ns, at.last_sequence, at.last_source, at.last_offset, sources)
    return tuple(map(Bar._make, zip(*at[:8], firsts, lasts, strict=True)))


def _positions(
    times_ns: Sequence[int],
    sequences: Sequence[int],
    which: Sequence[int],
    offsets: Sequence[int],
    sources: Sequence[tuple[str, str]],
) -> Iterable[Position]:
    keys, etags = [sources[source][0] for source in which], [sources[source][1] for source in which]
    return map(Position._make, zip(times_ns, sequences, keys, etags, offsets, strict=True))


def _columns_from(small: list[list[int]], sources: int) -> BarColumns:
    """Undo what `pack_columns` does to the numbers. Raises ValueError, TypeError."""
    none = [0] * len(small[0])
    if sources <= 1:
        small = [*small[:_LEAST_COLUMNS], none, none, *small[_LEAST_COLUMNS:]]
    if len(small) == _LEAST_COLUMNS + 2:
        small = [*small, none, none]
    lengths = {len(column) for column in small}
    if len(lengths) != 1:
        raise ValueError(f"columns of different lengths: {sorted(lengths)}")
    (
        minutes, closes, gaps, over_open, under_open, volume, ticks, over_low_notional,
        within_minute, durations, first_offsets, offset_distances, first_source, last_source,
        first_sequences, sequence_distances,
    ) = small  # fmt: skip
    minute = list(accumulate(minutes))
    close_e9 = list(accumulate(closes))
    open_e9 = list(map(add, gaps, (0, *close_e9)))
    low_e9 = list(map(sub, open_e9, under_open))
    first_ns = list(map(add, within_minute, (NS_PER_MINUTE * start for start in minute)))
    first_offset = list(accumulate(first_offsets))
    first_sequence = list(accumulate(first_sequences))
    return BarColumns(
        minute=minute,
        open_e9=open_e9,
        high_e9=list(map(add, open_e9, over_open)),
        low_e9=low_e9,
        close_e9=close_e9,
        volume_e9=volume,
        ticks=ticks,
        notional_e18=list(map(add, over_low_notional, map(mul, volume, low_e9))),
        first_ns=first_ns,
        first_sequence=first_sequence,
        first_source=first_source,
        first_offset=first_offset,
        last_ns=list(map(add, first_ns, durations)),
        last_sequence=list(map(add, first_sequence, sequence_distances)),
        last_source=last_source,
        last_offset=list(map(add, first_offset, offset_distances)),
    )


def _steps(column: Sequence[int]) -> Iterable[int]:
    return map(sub, column, (0, *column))


def _divided(column: Iterable[int]) -> list[int]:
    """Return what all are divisible by, then the quotients."""
    numbers = list(column)
    divisor = gcd(*numbers)
    if divisor <= 1:
        return [1, *numbers]
    return [divisor, *[number // divisor for number in numbers]]


def _multiplied(column: list[int]) -> list[int]:
    divisor, *numbers = column
    return numbers if divisor == 1 else [divisor * number for number in numbers]


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} among whole numbers")


_DECODER: Final = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)
