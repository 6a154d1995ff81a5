"""CSV: the forms of its rows that are proven to be plain.

Exactly the header's fields. A field may stand in quotes; conditions like `"@,T"` are common.
"""

from __future__ import annotations

from functools import lru_cache, partial
from operator import itemgetter
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
from tickstream.rows import parse_csv_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tickstream.decoding.outcome import Limits, Sink

#: Any text without a quote or separator, or any quoted text, in which a quote stands twice. No NUL in either.
_IGNORED_PATTERN: Final = r'(?:[^",\r\x00]*|"(?:[^"\r\x00]|"")*")'


def decode_csv(block: bytes, offset: int, columns: tuple[str, ...], sink: Sink, limits: Limits) -> None:
    """Decode a block of rows that begins at this offset; the last may lack its line end."""
    reader = Reader(partial(_form_of, columns), partial(parse_csv_row, columns=columns))
    decode_rows(block, lambda places: places + offset, reader, sink, limits)


def _form_of(columns: tuple[str, ...], rows: Sequence[str]) -> Form | None:
    """Guess by a few rows how timestamps are written, and whether most rows have an exponent."""
    some = pl.Series(rows, dtype=pl.String)
    plain, with_exponents = (
        max(
            ((int(some.str.contains(form.pattern).sum()), form) for form in _forms(columns, exponents=exponents)),
            key=itemgetter(0),
        )
        for exponents in (False, True)
    )
    found, form = plain if 2 * plain[0] >= with_exponents[0] else with_exponents
    return form if found else None


def _forms(columns: tuple[str, ...], *, exponents: bool) -> tuple[Form, Form]:
    return (
        _form(columns, nanoseconds=True, exponents=exponents),
        _form(columns, nanoseconds=False, exponents=exponents),
    )


@lru_cache(maxsize=16)
def _form(columns: tuple[str, ...], *, nanoseconds: bool, exponents: bool) -> Form:
    patterns = FIELD_PATTERNS | ({"timestamp": NANOSECONDS_PATTERN} if nanoseconds else {})
    if exponents:
        patterns |= {"price": EXPONENT_PATTERN, "size": EXPONENT_PATTERN}
    fields = (
        f'(?:{patterns[column]}|"{patterns[column]}")' if column in patterns else _IGNORED_PATTERN for column in columns
    )
    dtypes = native_dtypes(nanoseconds=nanoseconds, exponents=exponents)
    at_once = native_ticks_at_once if nanoseconds and not exponents else None
    return Form(rf"\A{','.join(fields)}\z", columns, dtypes, native_ticks, at_once=at_once)
