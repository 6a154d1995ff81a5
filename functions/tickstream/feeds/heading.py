"""The lines before the first row: which names the columns have, and where rows begin."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tickstream.errors import ObjectRejected, Reason
from tickstream.feeds.readers import column_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tickstream.feeds.description import Feed

UTF8_BOM: Final = b"\xef\xbb\xbf"
#: The header's names travel in every message, and the decoder's regular expression grows with them.
MAX_COLUMNS: Final = 256


@dataclass(frozen=True, slots=True)
class Head:
    """The first unpacked bytes of an object, or of a member of it. `whole`: this is all there is."""

    text: bytes
    whole: bool
    member: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """What a head says of the rows.

    columns: of a row, in order. data_start: where the first row begins. delimiter: between fields. named: whether a
    line of the file names the columns.
    """

    columns: tuple[str, ...]
    data_start: int
    delimiter: str
    named: bool


def lines_of(head: Head, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that end within a head, without their line end, each with where it begins."""
    text = head.text
    while start < len(text):
        end = text.find(b"\n", start)
        if end < 0:
            if head.whole:
                yield start, text[start:].removesuffix(b"\r")
            return
        yield start, text[start:end].removesuffix(b"\r")
        start = end + 1


def split_row(text: str, delimiter: str, quote: str | None) -> list[str]:
    """Take a row apart. Raises csv.Error."""
    if quote is None or quote not in text:
        return text.split(delimiter)
    # A single physical line: what a quote leaves open ends with the line, so it cannot swallow the rows that follow.
    return next(csv.reader([text], strict=True, delimiter=delimiter, quotechar=quote))


def heading_of(head: Head, feed: Feed, wanted: Sequence[str]) -> Heading | None:
    """Find the header of a head, or where the first row begins if the feed's files have none; None: it is no CSV.

    wanted: the columns by which a header is known. Raises ObjectRejected (too_large).
    """
    found = [one for delimiter in feed.dialect.delimiters if (one := _heading_with(head, feed, delimiter, wanted))]
    return max(found, key=lambda one: _likeness(one, wanted), default=None)


def _likeness(heading: Heading, wanted: Sequence[str]) -> int:
    keys = {column_key(name) for name in heading.columns}
    return sum(column_key(name) in keys for name in wanted) + len(heading.columns)


def _heading_with(head: Head, feed: Feed, delimiter: str, wanted: Sequence[str]) -> Heading | None:
    dialect = feed.dialect
    start = len(UTF8_BOM) if head.text.startswith(UTF8_BOM) else 0
    comment = dialect.comment_char.encode() if dialect.comment_char else None
    before = dialect.header_rows[0] - 1
    for at, line in lines_of(head, start):
        stripped = line.strip()
        if not stripped or (comment and line.startswith(comment)) or _names_separator(stripped):
            continue
        if before:
            before -= 1
            continue
        end = head.text.find(b"\n", at) + 1 or len(head.text)
        try:
            values = [name.strip() for name in split_row(line.decode(feed.encoding), delimiter, dialect.quote_char)]
        except (UnicodeDecodeError, csv.Error):
            return None
        if dialect.header is not True and not _is_header(feed, values, wanted):
            return _unnamed(feed, values, at, delimiter)
        if dialect.header == "ignored":
            return _unnamed(feed, values, end, delimiter)
        if len(values) > MAX_COLUMNS:
            raise ObjectRejected(
                Reason.TOO_LARGE, f"a header names at most {MAX_COLUMNS} columns, this one {len(values)}"
            )
        return Heading(tuple(values), end, delimiter, named=True)
    if head.whole and dialect.header is not True:
        return Heading(tuple(one.name for one in feed.schema.fields), len(head.text), delimiter, named=False)
    return None


def _is_header(feed: Feed, values: Sequence[str], wanted: Sequence[str]) -> bool:
    """Say whether the first line of a file that may lack a header is one."""
    if feed.dialect.header == "ignored":
        return not looks_like(feed, values)
    keys = {column_key(name) for name in values}
    return feed.dialect.header == "optional" and all(column_key(name) in keys for name in wanted)


def _unnamed(feed: Feed, values: Sequence[str], at: int, delimiter: str) -> Heading | None:
    """Return the heading of rows without names: there may be fewer values than the feed names, and not more."""
    names = tuple(one.name for one in feed.schema.fields)
    return Heading(names[: len(values)], at, delimiter, named=False) if len(values) <= len(names) else None


_LOOKS: Final = {
    "integer": re.compile(r" *-?[0-9]+ *"),
    "decimal": re.compile(r" *-?[0-9]*(?:[.,][0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+) *"),
    "number": re.compile(r" *-?[0-9]*(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)? *"),
}


def looks_like(feed: Feed, values: Sequence[str], columns: Sequence[str] | None = None) -> bool:
    """Say whether a row's values look like the types of the columns; by position where no columns are given."""
    missing = set(feed.schema.missing_values)
    if columns is None:
        pairs = list(zip(values, feed.schema.fields, strict=False))
    else:
        types = {column_key(one.name): one for one in feed.schema.fields}
        named = zip(values, map(column_key, columns), strict=False)
        pairs = [(value, types[key]) for value, key in named if key in types]
    return all(
        value in missing or one.type not in _LOOKS or _LOOKS[one.type].fullmatch(value) is not None
        for value, one in pairs
    )


def _names_separator(line: bytes) -> bool:
    """Say whether a line is the one by which Excel is told the separator: `sep=;`."""
    return len(line) <= 5 and line.lower().strip(b'"').startswith(b"sep=")
