"""Bars as bytes: columns of small integers as JSON, deflated.

DynamoDB bills writes by the KB, so each number is written as little as it says: minutes and offsets as steps, prices as
distances from the one before, times within their minute, and each column divided by what all of it is divisible by (a
price in cents, a time in milliseconds). A symbol-hour of 60 bars takes 1.2 KB, half of what the plain numbers take.
JSON because Python's integers pass through it exactly at any size, and msgspec reads and writes it quickest. Sources,
that is keys and ETags, stand once in a table, however many bars refer to them.
"""

from __future__ import annotations

import zlib
from itertools import accumulate, chain, pairwise
from math import gcd
from operator import add, lt, mul, sub
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tickstream.bars import Bar, Position, merge_two
from tickstream.errors import MalformedItem
from tickstream.keys import NS_PER_MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: The first byte of packed bars: how the rest is to be read. Of ticks that all update everything it is the plain one,
#: which code that knew nothing else reads too; the other has all columns, and three more.
_PLAIN: Final = b"\x03"
_WITH_UPDATES: Final = b"\x04"
#: What was written before ticks had a sequence, and is stored: the plain one without its columns.
_WITHOUT_SEQUENCES: Final = b"\x02"
#: What `BarColumns.unset` is made of: bars without open and close, and without high and low.
NO_ENDS: Final = 1
NO_EXTREMES: Final = 2
#: Columns that are always there; those of sources and of sequences are left out where all in them is 0.
_LEAST_COLUMNS: Final = 12
# Digits hardly repeat, so that looking for repetitions costs time and saves nothing beyond the sources.
_LEVEL: Final = 6
_STRATEGY: Final = zlib.Z_FILTERED


class BarColumns(NamedTuple):
    """Bars column by column, all of one length, in the units of `Bar`; sources are numbers in a table beside it.

    unset: which prices are None (`NO_ENDS`, `NO_EXTREMES`); what stands in their columns, and for the ends in those of
    first and last, is any number.
    """

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
    begin_ns: Sequence[int]
    end_ns: Sequence[int]
    unset: Sequence[int]


#: Where rows of `BarColumns` have what is merged.
_SUMS: Final = slice(5, 8)
_FIRST: Final = slice(8, 12)
_LAST: Final = slice(12, 16)
_BEGIN: Final = 16
_END: Final = 17
_UNSET: Final = 18
#: What reading packed bars may raise that are none.
_UNREADABLE: Final = (zlib.error, ValueError, IndexError, TypeError)
_NO_BARS: Final = BarColumns._make([()] * len(BarColumns._fields))


def encode_bars(bars: Sequence[Bar]) -> bytes:
    """Pack bars, in any order; `decode_bars` gives them back equal and in the same order."""
    sources: dict[tuple[str, str], int] = {}
    rows = [_row_of(bar, sources) for bar in bars]
    return pack_columns(BarColumns._make(zip(*rows, strict=True)) if rows else _NO_BARS, tuple(sources))


def pack_columns(columns: BarColumns, sources: Sequence[tuple[str, str]]) -> bytes:
    """Pack bars that are in columns, as `encode_bars` does."""
    at = columns
    is_plain = not any(at.unset) and [*at.begin_ns] == [*at.first_ns] and [*at.end_ns] == [*at.last_ns]
    if not is_plain:
        at = _filled(at)
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
    if len(sources) > 1 or not is_plain:
        small += [at.first_source, at.last_source]
    if any(at.first_sequence) or any(at.last_sequence) or not is_plain:
        small += [_steps(at.first_sequence), map(sub, at.last_sequence, at.first_sequence)]
    if not is_plain:
        small += [map(sub, at.first_ns, at.begin_ns), map(sub, at.end_ns, at.last_ns), at.unset]
    packer = zlib.compressobj(_LEVEL, strategy=_STRATEGY)
    text = packer.compress(_ENCODER.encode([sources, *map(_divided, small)]))
    return (_PLAIN if is_plain else _WITH_UPDATES) + text + packer.flush()


def _filled(columns: BarColumns) -> BarColumns:
    """Put in the place of what is None the numbers that take least: those of the bar before."""
    opens, highs, lows, closes = ([*column] for column in columns[1:5])
    first, last = ([[*column] for column in columns[at : at + 4]] for at in (8, 12))
    before = (0, 0, 0)
    for row, unset in enumerate(columns.unset):
        if unset & NO_ENDS:
            close_e9, sequence, offset = before
            opens[row] = closes[row] = close_e9
            for place, time_ns in ((first, columns.begin_ns[row]), (last, columns.end_ns[row])):
                place[0][row], place[1][row], place[2][row], place[3][row] = time_ns, sequence, 0, offset
        if unset & NO_EXTREMES:
            highs[row] = lows[row] = opens[row]
        before = closes[row], first[1][row], first[3][row]
    return BarColumns._make((columns.minute, opens, highs, lows, closes, *columns[5:8], *first, *last, *columns[16:]))


def _row_of(bar: Bar, sources: dict[tuple[str, str], int]) -> tuple[int, ...]:
    """Return a bar as a row of `BarColumns`; sources that are new get the next number."""
    unset = NO_ENDS * (bar.first is None) + NO_EXTREMES * (bar.high_e9 is None)
    places = [
        (at.timestamp_ns, at.sequence, sources.setdefault((at.source, at.etag), len(sources)), at.offset)
        if at is not None
        else (0, 0, 0, 0)
        for at in (bar.first, bar.last)
    ]
    prices = [0 if price is None else price for price in (bar.open_e9, bar.high_e9, bar.low_e9, bar.close_e9)]
    sums = (bar.volume_e9, bar.ticks, bar.notional_e18)
    return (bar.minute, *prices, *sums, *places[0], *places[1], bar.begin_ns, bar.end_ns, unset)


def decode_bars(packed: bytes) -> tuple[Bar, ...]:
    """Unpack what `encode_bars` packed. Raises MalformedItem."""
    try:
        return bars_of(*_unpacked(packed))
    except _UNREADABLE as error:
        raise _malformed(packed, error) from error


def merge_packed(parts: Iterable[bytes]) -> bytes:
    """Merge packed minute bars of one symbol as `merge_bars` does, into packed ones in order of time.

    A bar that is in one part only, as nearly all are, stays in its columns. Raises MalformedItem.
    """
    sources: dict[tuple[str, str], int] = {}
    pieces: list[BarColumns] = []
    for packed in parts:
        try:
            columns, table = _unpacked(packed)
            # A table may be empty: of bars without open and close only.
            numbers = [sources.setdefault(source, len(sources)) for source in table] or [0]
            which = {number: numbers[number] for number in {*columns.first_source, *columns.last_source}}
        except _UNREADABLE as error:
            raise _malformed(packed, error) from error
        if columns.minute:
            pieces.append(_renumbered(columns, which))
    pieces.sort(key=lambda piece: piece.minute[0])
    columns = _in_turn(pieces, sources) if _are_in_turn(pieces) else _interleaved(pieces, sources)
    named = list(sources)
    # Those that are still the first or the last of some bar.
    left = {*columns.first_source, *columns.last_source}
    if any(columns.unset):
        pairs = zip(columns.first_source, columns.last_source, columns.unset, strict=True)
        left = {number for *pair, unset in pairs if not unset & NO_ENDS for number in pair}
    used = {number: place for place, number in enumerate(sorted(left))}
    return pack_columns(_renumbered(columns, used), [named[number] for number in used])


def _renumbered(columns: BarColumns, numbers: Mapping[int, int]) -> BarColumns:
    """Give sources other numbers, 0 where they have none: then they count for nothing."""
    if all(numbers.get(number) == number for number in {*columns.first_source, *columns.last_source}):
        return columns
    first, last = ([numbers.get(one, 0) for one in column] for column in (columns.first_source, columns.last_source))
    return columns._replace(first_source=first, last_source=last)


def _are_in_turn(pieces: Sequence[BarColumns]) -> bool:
    """Say whether each piece is in order of time, and begins with the last minute of the one before, or after it."""
    return all(all(map(lt, one.minute, one.minute[1:])) for one in pieces) and all(
        before.minute[-1] <= after.minute[0] for before, after in pairwise(pieces)
    )


def _in_turn(pieces: Iterable[BarColumns], sources: Mapping[tuple[str, str], int]) -> BarColumns:
    """Put pieces that are in turn behind each other."""
    columns: list[list[int]] = [[] for _ in BarColumns._fields]
    for piece in pieces:
        begin = 0
        if columns[0] and columns[0][-1] == piece.minute[0]:
            begin = 1
            last, first = tuple(column.pop() for column in columns), tuple(column[0] for column in piece)
            for column, number in zip(columns, _merged_row(last, first, sources), strict=True):
                column.append(number)
        for column, more in zip(columns, piece, strict=True):
            column.extend(more[begin:])
    return BarColumns._make(columns)


def _interleaved(pieces: Iterable[BarColumns], sources: Mapping[tuple[str, str], int]) -> BarColumns:
    """Merge pieces in any order."""
    rows: dict[int, tuple[int, ...]] = {}
    for row in chain.from_iterable(zip(*piece, strict=True) for piece in pieces):
        known = rows.get(row[0])
        rows[row[0]] = row if known is None else _merged_row(known, row, sources)
    return BarColumns._make(zip(*(rows[minute] for minute in sorted(rows)), strict=True)) if rows else _NO_BARS


def _merged_row(
    one: tuple[int, ...], other: tuple[int, ...], sources: Mapping[tuple[str, str], int]
) -> tuple[int, ...]:
    """Merge two rows of `BarColumns` of one minute, as `bars.merge_two` merges bars."""
    if one[_UNSET] or other[_UNSET]:
        known = dict(sources)
        return _row_of(merge_two(*bars_of(BarColumns._make(zip(one, other, strict=True)), list(sources))), known)
    first = one if _is_not_after(one[_FIRST], other[_FIRST], sources) else other
    last = other if _is_not_after(one[_LAST], other[_LAST], sources) else one
    return (
        one[0], first[1], max(one[2], other[2]), min(one[3], other[3]), last[4],
        *map(add, one[_SUMS], other[_SUMS]), *first[_FIRST], *last[_LAST],
        min(one[_BEGIN], other[_BEGIN]), max(one[_END], other[_END]), 0,
    )  # fmt: skip


def _is_not_after(one: tuple[int, ...], other: tuple[int, ...], sources: Mapping[tuple[str, str], int]) -> bool:
    """Compare two places: time, sequence, source and offset, as `bars.Position` does."""
    if one[:2] != other[:2] or one[2] == other[2]:
        return one <= other
    named = list(sources)
    return named[one[2]] < named[other[2]]


def _malformed(packed: bytes, error: Exception) -> MalformedItem:
    return MalformedItem(f"packed bars of {len(packed)} bytes cannot be read: {error}")


def _unpacked(packed: bytes) -> tuple[BarColumns, list[tuple[str, str]]]:
    """Return columns and the table of their sources. Raises ValueError, zlib.error, IndexError, TypeError."""
    if packed[:1] not in {_PLAIN, _WITH_UPDATES, _WITHOUT_SEQUENCES}:
        raise ValueError(f"a format of their own, which begins with {packed[:1]!r}")
    table, *small = _DECODER.decode(zlib.decompress(packed[1:]))
    sources = [(source, etag) for source, etag in table]
    columns = [_multiplied(column) for column in small]
    if packed[:1] != _WITH_UPDATES:
        columns = _with_all(columns, len(sources))
    return _columns_from(columns), sources


def bars_of(columns: BarColumns, sources: Sequence[tuple[str, str]]) -> tuple[Bar, ...]:
    """Build the bars that stand in columns. Raises ValueError for columns of different lengths, IndexError."""
    at = columns
    prices: tuple[Sequence[int | None], ...] = at[1:5]
    has_ends: Sequence[bool] | None = None
    if any(at.unset):
        has_ends = [not unset & NO_ENDS for unset in at.unset]
        has_extremes = [not unset & NO_EXTREMES for unset in at.unset]
        which = (has_ends, has_extremes, has_extremes, has_ends)
        prices = tuple(_none_where_not(column, there) for column, there in zip(prices, which, strict=True))
    firsts = _positions((at.first_ns, at.first_sequence, at.first_source, at.first_offset), sources, has_ends)
    lasts = _positions((at.last_ns, at.last_sequence, at.last_source, at.last_offset), sources, has_ends)
    rows = zip(at.minute, *prices, *at[5:8], firsts, lasts, at.begin_ns, at.end_ns, strict=True)
    return tuple(map(Bar._make, rows))


def _none_where_not(column: Sequence[int | None], there: Sequence[bool]) -> list[int | None]:
    return [number if is_there else None for number, is_there in zip(column, there, strict=True)]


#: Times, sequences, numbers of sources and offsets.
type _Places = tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int]]


def _positions(
    places: _Places, sources: Sequence[tuple[str, str]], there: Sequence[bool] | None
) -> Iterable[Position | None]:
    if there is not None:
        return (
            Position(time_ns, sequence, *sources[source], offset) if is_there else None
            for time_ns, sequence, source, offset, is_there in zip(*places, there, strict=True)
        )
    times_ns, sequences, which, offsets = places
    keys, etags = [sources[source][0] for source in which], [sources[source][1] for source in which]
    return map(Position._make, zip(times_ns, sequences, keys, etags, offsets, strict=True))


def _with_all(small: list[list[int]], sources: int) -> list[list[int]]:
    """Return plain columns with those that were left out. Raises IndexError."""
    none = [0] * len(small[0])
    if sources <= 1:
        small = [*small[:_LEAST_COLUMNS], none, none, *small[_LEAST_COLUMNS:]]
    if len(small) == _LEAST_COLUMNS + 2:
        small = [*small, none, none]
    return [*small, none, none, none]


def _columns_from(small: list[list[int]]) -> BarColumns:
    """Undo what `pack_columns` does to the numbers. Raises ValueError, TypeError."""
    lengths = {len(column) for column in small}
    if len(lengths) != 1:
        raise ValueError(f"columns of different lengths: {sorted(lengths)}")
    (
        minutes, closes, gaps, over_open, under_open, volume, ticks, over_low_notional,
        within_minute, durations, first_offsets, offset_distances, first_source, last_source,
        first_sequences, sequence_distances, before_first, after_last, unset,
    ) = small  # fmt: skip
    minute = list(accumulate(minutes))
    close_e9 = list(accumulate(closes))
    open_e9 = list(map(add, gaps, (0, *close_e9)))
    low_e9 = list(map(sub, open_e9, under_open))
    first_ns = list(map(add, within_minute, (NS_PER_MINUTE * start for start in minute)))
    last_ns = list(map(add, first_ns, durations))
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
        last_ns=last_ns,
        last_sequence=list(map(add, first_sequence, sequence_distances)),
        last_source=last_source,
        last_offset=list(map(add, first_offset, offset_distances)),
        begin_ns=list(map(sub, first_ns, before_first)),
        end_ns=list(map(add, last_ns, after_last)),
        unset=unset,
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


_ENCODER: Final = msgspec.json.Encoder()
#: The table of sources, then columns: whole numbers and nothing else, which `json` does not ask for.
_DECODER: Final[msgspec.json.Decoder[list[list[Any]]]] = msgspec.json.Decoder(list[list[int | tuple[str, str]]])
