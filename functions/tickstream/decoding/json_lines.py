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
from tickstream.decoding.plain_rows import FIELD_PATTERNS, NANOSECONDS_PATTERN, Form, Reader, decode_rows
from tickstream.rows import ALIAS_OF_SIZE, joints, parse_json_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tickstream.decoding.outcome import Limits, Sink

_BLANK: Final = r"[ \t\r]*"
_NUMBER: Final = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
# No control character may stand in a text, so one of them separates.
_TEXT: Final = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
_SCALAR: Final = rf"(?:{_TEXT}|{_NUMBER}|true|false|null)"
_IGNORED_PATTERN: Final = rf"(?:{_SCALAR}|\[{_BLANK}(?:{_SCALAR}(?:{_BLANK},{_BLANK}{_SCALAR})*{_BLANK})?\])"
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


def decode_json_lines(block: bytes, offset: int, sink: Sink, limits: Limits) -> None:
    """Decode a block of rows that begins at this offset; the last may lack its line end."""
    starts = joints(block)
    if starts:
        # A line feed before each row; the offsets leave them out again.
        bounds = [0, *starts, len(block)]
        block = b"\n".join(block[start:end] for start, end in pairwise(bounds))
    added = pl.Series([start + index for index, start in enumerate(starts)], dtype=pl.Int64)

    def offsets(places: pl.Series) -> pl.Series:
        return places + offset - added.search_sorted(places).cast(pl.Int64) if starts else places + offset

    decode_rows(block, offsets, Reader(_form_of, parse_json_row), sink, limits)


def _form_of(rows: Sequence[str]) -> Form | None:
    """Return the form of most of these rows that have one."""
    forms = Counter(parts for parts in map(_parts_of, rows) if parts is not None)
    return _form(forms.most_common(1)[0][0]) if forms else None


#: For each value the text before it, its column (empty where it is ignored) and its pattern; after the last its end.
type _Parts = tuple[tuple[tuple[str, str, str], ...], str]


def _parts_of(row: str) -> _Parts | None:
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
        column = "size" if pair["key"] == ALIAS_OF_SIZE else pair["key"]
        after = pair["after"] + pair["end"]
        if column in FIELD_PATTERNS:
            quote, pattern = _value_pattern(column, pair["value"])
            if not pattern:
                return None
            parts.append((before + quote, column, pattern))
            after = quote + after
        else:
            parts.append((before, "", _IGNORED_PATTERN))
        before, at, end = after, pair.end(), pair["end"]
    if sum(len(text) for text, _, _ in parts) + len(row) - at > _MOST_BETWEEN:
        return None
    if not _CLOSING.match(row, at) or sorted(column for _, column, _ in parts if column) != sorted(FIELD_PATTERNS):
        return None
    return tuple(parts), before + row[at:]


def _value_pattern(column: str, value: str) -> tuple[str, str]:
    """Return the quote around values like this one, and their pattern, empty where they are no part of a tick."""
    exponent = column in {"price", "size"} and "e" in value.lower()
    if not value.startswith('"'):
        if exponent:
            return "", _BARE_EXPONENT_PATTERN
        return "", _BARE_PATTERNS.get(column, "") if value[0] in "-0123456789" else ""
    if column == "timestamp" and _NANOSECONDS.fullmatch(value[1:-1]):
        return '"', NANOSECONDS_PATTERN
    return '"', EXPONENT_PATTERN if exponent else FIELD_PATTERNS[column]


@lru_cache(maxsize=64)
def _form(parts: _Parts) -> Form:
    values, closing = parts
    pattern = "".join(pl.escape_regex(before) + pattern for before, _, pattern in values)
    nanoseconds = any(column == "timestamp" and pattern != FIELD_PATTERNS[column] for _, column, pattern in values)
    exponents = any(pattern in {EXPONENT_PATTERN, _BARE_EXPONENT_PATTERN} for _, _, pattern in values)
    opening, *between = (before.encode() for before, _, _ in values)
    last = closing.encode() + b"\n"

    def fields(text: bytes) -> bytes:
        text = (text + b"\n").replace(opening, b"").replace(last, b"\n")
        for before in between:
            text = text.replace(before, _SEPARATOR)
        return text

    columns = tuple(column or f"ignored {index}" for index, (_, column, _) in enumerate(values))
    return Form(
        rf"\A{pattern}{pl.escape_regex(closing)}\z",
        columns,
        nanoseconds,
        fields,
        _SEPARATOR.decode(),
        quote=None,
        exponents=exponents,
    )
