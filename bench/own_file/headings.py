"""The lines before the first row: which names the columns have, and where rows begin."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.own_file.description import folded
from bench.own_file.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.own_file.description import Description

BOM: Final = b"\xef\xbb\xbf"
REQUIRED: Final = ("symbol", "timestamp", "price", "size")
_MOST_COLUMNS: Final = 256
_LOOKS: Final = {
    "integer": r" *-?\d+ *",
    "decimal": r" *-?(\d*[.,]\d+([eE][+-]?\d+)?|\d*[eE][+-]?\d+) *",
    "number": r" *-?\d*([.,]\d+)?([eE][+-]?\d+)? *",
}


@dataclass(frozen=True, slots=True)
class Heading:
    """Names of a row's fields, where in the text rows begin, and what stands between fields."""

    columns: tuple[str, ...]
    begin: int
    delimiter: str = ","


def split(text: str, delimiter: str, quote: str | None) -> list[str]:
    """Take a row of CSV apart. Raises csv.Error."""
    if quote is None or quote not in text:
        return text.split(delimiter)
    return next(csv.reader([text], delimiter=delimiter, quotechar=quote, strict=True))


def native_heading(head: bytes) -> Heading:
    """Find the header of a native CSV text. Raises Refused."""
    for begin, end, line in _lines(head, "#"):
        if line.strip().strip(b'"').lower() == b"sep=,":
            continue
        try:
            text = line.decode()
            names = tuple(folded(name) for name in split(text, ",", '"'))
        except (UnicodeDecodeError, csv.Error) as error:
            raise Refused("unknown_format", f"its first line is no CSV header: {error}") from error
        if text[0] in "[<" or not text.isprintable():
            raise Refused("unknown_format", "it is neither CSV with a header, JSON lines nor Parquet")
        _check_names(names)
        return Heading(names, end if end > begin else len(head))
    return Heading((), len(head))


def _check_names(names: Sequence[str]) -> None:
    if len(names) > _MOST_COLUMNS:
        raise Refused("too_large", f"{len(names)} columns")
    if missing := [name for name in REQUIRED if name not in names]:
        raise Refused("missing_column", f"no column {', '.join(missing)}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Refused("duplicate_column", f"more than one column {', '.join(twice)}")


def feed_heading(head: bytes, feed: Description) -> Heading | None:
    """Find the heading of a feed's text: with the delimiter that gives most of the wanted columns."""
    wanted = [folded(name) for name in _wanted(feed)]
    found: list[tuple[int, Heading]] = []
    for delimiter in feed.delimiters:
        heading = _heading(head, feed, delimiter, wanted)
        if heading:
            names = {folded(name) for name in heading.columns}
            found.append((sum(name in names for name in wanted) + len(heading.columns), heading))
    # Of equals the first.
    return max(found, key=lambda one: one[0])[1] if found else None


def _wanted(feed: Description) -> list[str]:
    return [*feed.known_by, *feed.columns(wanted_only=True)] if feed.known_by else feed.columns()


def _heading(head: bytes, feed: Description, delimiter: str, wanted: Sequence[str]) -> Heading | None:
    before = feed.header_rows - 1
    for begin, end, line in _lines(head, feed.comment or ""):
        shown = line.strip().lower().strip(b'"')
        if shown.startswith(b"sep=") and len(line.strip()) <= len(b"sep=;"):
            continue
        if before:
            before -= 1
            continue
        try:
            names = tuple(name.strip() for name in split(line.decode(feed.encoding), delimiter, feed.quote))
        except (UnicodeDecodeError, csv.Error):
            return None
        is_header = {
            True: True,
            False: False,
            "optional": set(wanted) <= {folded(name) for name in names},
            "ignored": not _is_row(names, feed),
        }[feed.header]
        if is_header and feed.header != "ignored":
            return Heading(names, end, delimiter)
        known = tuple(name for name, _ in feed.fields)
        return (
            Heading(known[: len(names)], end if is_header else begin, delimiter) if len(names) <= len(known) else None
        )
    return Heading(tuple(name for name, _ in feed.fields), len(head), delimiter) if feed.header is not True else None


def _is_row(values: Sequence[str], feed: Description) -> bool:
    """Say whether the values look like the types that the feed gives its columns."""
    return all(
        value in feed.missing or kind not in _LOOKS or re.fullmatch(_LOOKS[kind], value, re.ASCII)
        for value, (_, kind) in zip(values, feed.fields, strict=False)
    )


def _lines(head: bytes, comment: str) -> Iterator[tuple[int, int, bytes]]:
    """Yield begin, end and text of the lines of a head that are neither blank nor comments, behind a BOM."""
    at = len(BOM) if head.startswith(BOM) else 0
    while at < len(head):
        end = head.find(b"\n", at) + 1 or len(head)
        line = head[at:end].removesuffix(b"\n").removesuffix(b"\r")
        is_comment = bool(comment) and (line if comment != "#" else line.lstrip()).startswith(comment.encode())
        if line.strip() and not is_comment:
            yield at, end, line
        at = end
