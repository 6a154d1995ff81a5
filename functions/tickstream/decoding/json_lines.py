"""JSON lines: the forms of its rows that are proven to be plain.

A form is made of a row itself: what stands between its values, to the byte, and for each value a pattern. Keys are
different and have no escapes, and only values that nobody looks at may be anything but a plain text or number. No value
holds a bare quote and a colon after it, so the text before each value stands once in a row, and replacing it by
a separator leaves the values.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.decoding.frames import EXPONENT_PATTERN
from tickstream.decoding.plain_rows import (
    FIELD_PATTERNS,
    NANOSECONDS_PATTERN,
    Form,
    Reader,
    decode_rows,
    native_dtypes,
    native_ticks,
    native_ticks_at_once,
)
from tickstream.feeds.readers import column_key
from tickstream.rows import ALIAS_OF_SIZE, joints, parse_json_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tickstream.decoding.feed_columns import FeedColumns
    from tickstream.decoding.outcome import Sink
    from tickstream.rows import ParseRow

    type Finish = Callable[[pl.DataFrame], pl.DataFrame]
    type AtOnce = Callable[[pl.LazyFrame], pl.LazyFrame]

_BLANK: Final = r"[ \t\r]*"
_NUMBER: Final = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
# No control character may stand in a text, so one of them separates.
_TEXT: Final = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
_SCALAR: Final = rf"(?:{_TEXT}|{_NUMBER}|true|false|null)"
_IGNORED_PATTERN: Final = rf"(?:{_SCALAR}|\[{_BLANK}(?:{_SCALAR}(?:{_BLANK},{_BLANK}{_SCALAR})*{_BLANK})?\])"
#: One in which nothing is escaped.
_PLAIN_TEXT: Final = r'[^"\\\x00-\x1f]*'
_SEPARATOR: Final = b"\x01"
#: Numbers of JSON have no leading zeros.
_BARE_PATTERNS: Final = {
    "timestamp": r"[1-4]?[0-9]{1,18}",
    "price": r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,9}0{0,21})?",
    "size": r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,9}0{0,21})?",
}
_BARE_EXPONENT_PATTERN: Final = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,3})?"
#: Text between the values of a row: a regular expression is made of it.
_MOST_BETWEEN: Final = 4096

_PAIR: Final = re.compile(
    rf'(?P<before>{_BLANK}"(?P<key>[^"\\\x00-\x1f]*)"{_BLANK}:{_BLANK})(?P<value>{_IGNORED_PATTERN})'
    rf"(?P<after>{_BLANK})(?P<end>[,}}])"
)
_OPENING: Final = re.compile(rf"{_BLANK}\{{")
_CLOSING: Final = re.compile(rf"{_BLANK}\Z")
_NANOSECONDS: Final = re.compile(NANOSECONDS_PATTERN)


def decode_json_lines(block: bytes, offset: int, sink: Sink, feed: tuple[FeedColumns, ParseRow] | None = None) -> None:
    """Decode a block of rows that begins at this offset; the last may lack its line end.

    feed: its columns, and what decides a row of it; the native format by default.
    """
    starts = joints(block)
    if starts:
        # A line feed before each row; the offsets leave them out again.
        bounds = [0, *starts, len(block)]
        block = b"\n".join(block[start:end] for start, end in pairwise(bounds))
    added = pl.Series([start + index for index, start in enumerate(starts)], dtype=pl.Int64)

    def offsets(places: pl.Series) -> pl.Series:
        return places + offset - added.search_sorted(places).cast(pl.Int64) if starts else places + offset

    names, parse = (_Native(), parse_json_row) if feed is None else (_OfFeed(feed[0]), feed[1])
    decode_rows(block, offsets, Reader(lambda rows: _form_of(rows, names), parse), sink, sink.limits)


class _Native:
    """Whose values a row has: those of a tick, by their names."""

    newest_first = False

    def column(self, key: str) -> str:
        """Return the column of a key; empty where nobody looks at it."""
        column = "size" if key == ALIAS_OF_SIZE else key
        return column if column in FIELD_PATTERNS else ""

    def value_pattern(self, column: str, value: str) -> tuple[str, str]:
        """Return the quote around values like this one, and their pattern, empty where they are no part of a tick."""
        exponent = column in {"price", "size"} and "e" in value.lower()
        if not value.startswith('"'):
            if exponent:
                return "", _BARE_EXPONENT_PATTERN
            return "", _BARE_PATTERNS.get(column, "") if value[0] in "-0123456789" else ""
        if column == "timestamp" and _NANOSECONDS.fullmatch(value[1:-1]):
            return '"', NANOSECONDS_PATTERN
        return '"', EXPONENT_PATTERN if exponent else FIELD_PATTERNS[column]

    def are_all(self, columns: Sequence[str]) -> bool:
        """Say whether these are the columns of a row."""
        return sorted(columns) == sorted(FIELD_PATTERNS)

    def form(self, patterns: Sequence[tuple[str, str]]) -> tuple[dict[str, pl.DataType], Finish, AtOnce | None]:
        """Return how columns of these patterns are read, and what makes ticks of them, afterwards and at once."""
        nanoseconds = ("timestamp", FIELD_PATTERNS["timestamp"]) not in patterns
        exponents = any(pattern in {EXPONENT_PATTERN, _BARE_EXPONENT_PATTERN} for _, pattern in patterns)
        at_once = native_ticks_at_once if nanoseconds and not exponents else None
        return native_dtypes(nanoseconds=nanoseconds, exponents=exponents), native_ticks, at_once

    def __hash__(self) -> int:
        return hash(_Native)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Native)


class _OfFeed:
    """Those that a feed looks at, whatever they are called; each is any plain text or number."""

    def __init__(self, columns: FeedColumns) -> None:
        self._columns = columns
        self.newest_first = columns.reader.is_descending
        self._names = {column_key(name): name for name in columns.columns}

    def column(self, key: str) -> str:
        return self._names.get(column_key(key), "")

    def value_pattern(self, _: str, value: str) -> tuple[str, str]:
        if value.startswith('"'):
            return '"', _PLAIN_TEXT
        return "", _NUMBER if value[0] in "-0123456789" else ""

    def __hash__(self) -> int:
        return id(self._columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _OfFeed) and other._columns is self._columns

    def are_all(self, columns: Sequence[str]) -> bool:
        return len(set(columns)) == len(columns) and set(self._columns.required) <= set(columns)

    def form(self, patterns: Sequence[tuple[str, str]]) -> tuple[dict[str, pl.DataType], Finish, AtOnce | None]:
        return {column: pl.String() for column, _ in patterns if column}, self._columns.finish, None


type _Names = _Native | _OfFeed


def _form_of(rows: Sequence[str], names: _Names) -> Form | None:
    """Return the form of most of these rows that have one."""
    forms = Counter(parts for row in rows if (parts := _parts_of(row, names)) is not None)
    return _form(forms.most_common(1)[0][0], names) if forms else None


#: For each value the text before it, its column (empty where it is ignored) and its pattern; after the last its end.
type _Parts = tuple[tuple[tuple[str, str, str], ...], str]


def _parts_of(row: str, names: _Names) -> _Parts | None:
    opening = _OPENING.match(row)
    if opening is None:
        return None
    parts: list[tuple[str, str, str]] = []
    before, at, end, keys = opening[0], opening.end(), ",", set[str]()
    while end == ",":
        pair = _PAIR.match(row, at)
        if pair is None or pair["key"] in keys:
            return None
        keys.add(pair["key"])
        before += pair["before"]
        column = names.column(pair["key"])
        after = pair["after"] + pair["end"]
        if column:
            quote, pattern = names.value_pattern(column, pair["value"])
            if not pattern:
                return None
            parts.append((before + quote, column, pattern))
            after = quote + after
        else:
            parts.append((before, "", _IGNORED_PATTERN))
        before, at, end = after, pair.end(), pair["end"]
    if sum(len(text) for text, _, _ in parts) + len(row) - at > _MOST_BETWEEN:
        return None
    if not _CLOSING.match(row, at) or not names.are_all([column for _, column, _ in parts if column]):
        return None
    return tuple(parts), before + row[at:]


@lru_cache(maxsize=64)
def _form(parts: _Parts, names: _Names) -> Form:
    values, closing = parts
    pattern = "".join(pl.escape_regex(before) + pattern for before, _, pattern in values)
    opening, *between = (before.encode() for before, _, _ in values)
    last = closing.encode() + b"\n"

    def fields(text: bytes) -> bytes:
        text = (text + b"\n").replace(opening, b"").replace(last, b"\n")
        for before in between:
            text = text.replace(before, _SEPARATOR)
        return text

    columns = tuple(column or f"ignored {index}" for index, (_, column, _) in enumerate(values))
    dtypes, finish, at_once = names.form([(column, pattern) for _, column, pattern in values if column])
    pattern = rf"\A{pattern}{pl.escape_regex(closing)}\z"
    return Form(
        pattern, columns, dtypes, finish, fields, _SEPARATOR.decode(), quote=None, newest_first=names.newest_first,
        at_once=at_once,
    )  # fmt: skip
