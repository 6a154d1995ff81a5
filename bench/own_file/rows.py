"""Rows of text, each taken apart into the texts of some fields."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Any, Final

from bench.own_file.description import folded
from bench.own_file.headings import BOM, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.own_file.description import Description
    from bench.own_file.headings import Heading
    from bench.own_file.packing import Text

SKIPPED: Final = "skipped"
_LONGEST_ROW_BYTES: Final = 1_048_576
# The module's own limit is an eighth of it.
csv.field_size_limit(_LONGEST_ROW_BYTES)
_NATIVE: Final = ("symbol", "timestamp", "price", "size")
#: Where JSON stands right behind other JSON on one line, as Firehose writes it: the second brace begins a row.
_BEHIND: Final = re.compile(rb'\}(?=\{"[^ \t\n\r\f\v",:}\]])')

#: A fault or none, then texts; None where there is nothing.
type Fields = tuple[str | None, ...]
#: Where a row stands, how long it is, and what is in it.
type Row = tuple[Any, ...]


class Fault(Exception):
    """A row that cannot be taken apart; its text is the reason."""


def text_rows(text: Text, begin: int, read: Callable[[bytes], Fields], *, is_json: bool, width: int) -> Iterator[Row]:
    """Yield the rows of a text. begin: where they begin. width: how many texts `read` gives."""
    nothing = (None,) * width
    for at, line in text.lines(begin):
        for place, piece in _pieces(at, line, is_json=is_json):
            bare = piece.removesuffix(b"\n")
            row = bare.removesuffix(b"\r")
            if len(bare) > _LONGEST_ROW_BYTES:
                yield (place, len(bare), "row_too_long", *nothing)
            elif row:
                try:
                    fields = read(row)
                except Fault as fault:
                    fields = (str(fault), *nothing)
                yield (place, len(row), *fields)


def _pieces(at: int, line: bytes, *, is_json: bool) -> Iterator[tuple[int, bytes]]:
    begin = 0
    for found in _BEHIND.finditer(line) if is_json and b'}{"' in line else ():
        yield at + begin, line[begin : found.end()]
        begin = found.end()
    yield at + begin, line[begin:]


def after_bom(head: bytes) -> int:
    """Return where the text itself begins."""
    return len(BOM) if head.startswith(BOM) else 0


def native_csv(heading: Heading) -> Callable[[bytes], Fields]:
    """Return what reads a native row of CSV."""
    places = [heading.columns.index(name) for name in _NATIVE if name in heading.columns]

    def read(row: bytes) -> Fields:
        fields = _fields(_decoded(row, "utf-8"), len(heading.columns), ",", '"')
        return (None, *(fields[at] for at in places))

    return read


def native_json(row: bytes) -> Fields:
    """Read a native row of JSON: a fault or none, and the four texts."""
    value = loaded(_decoded(row, "utf-8"))
    if not isinstance(value, dict) or ("size" in value and "volume" in value):
        raise Fault("malformed_row")
    value.setdefault("size", value.get("volume"))
    for name in _NATIVE:
        one = value.get(name)
        if one is None:
            raise Fault("missing_field")
        if not isinstance(one, str) or (name == "symbol" and isinstance(one, Number)):
            raise Fault(f"bad_{name}")
    return (None, *(_storable(value[name]) for name in _NATIVE))


def feed_csv(feed: Description, heading: Heading, names: Sequence[str]) -> Callable[[bytes], Fields]:
    """Return what reads a row of a feed's CSV: the texts of the named columns."""
    at_of = {folded(name): at for at, name in enumerate(heading.columns)}
    places = [at_of.get(folded(name)) for name in names]

    def read(row: bytes) -> Fields:
        text = _decoded(row, feed.encoding)
        if feed.comment and text.startswith(feed.comment):
            raise Fault(SKIPPED)
        fields = _fields(text, len(heading.columns), heading.delimiter, feed.quote)
        return (None, *(None if at is None else fields[at] for at in places))

    return read


def feed_json(feed: Description, names: Sequence[str]) -> Callable[[bytes], Fields]:
    """Return what reads a line of a feed's JSON: the texts of the named columns."""

    def read(row: bytes) -> Fields:
        return (None, *json_texts(loaded(_decoded(row, feed.encoding)), feed, names))

    return read


def json_texts(value: Any, feed: Description, names: Sequence[str]) -> list[str | None]:
    """Return the texts of the named columns of a row. Raises Fault."""
    if isinstance(value, list):
        order = [folded(name) for name, _ in feed.fields]
        found = dict(zip(order, value, strict=False))
    elif isinstance(value, dict):
        wanted = {folded(name) for name in names}
        found = {}
        for key, one in value.items():
            if folded(key) in wanted and folded(key) in found:
                raise Fault("malformed_row")
            found[folded(key)] = one
    else:
        raise Fault("malformed_row")
    return [_text(found.get(folded(name))) for name in names]


class Number(str):
    """A number of JSON, as it is written."""

    __slots__ = ()


class Twice:
    """An object of JSON in which a name stands twice."""


def _object(pairs: list[tuple[str, Any]]) -> Any:
    made = dict(pairs)
    return made if len(made) == len(pairs) else Twice()


def _no_constant(_: str) -> Any:
    raise ValueError


def loaded(text: str) -> Any:
    """Read JSON with its numbers as they are written. Raises Fault."""
    try:
        return json.loads(
            text, parse_float=Number, parse_int=Number, parse_constant=_no_constant, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        raise Fault("malformed_row") from error


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and not any(isinstance(one, (dict, list, Twice)) for one in value):
        # Codes: a number is one too.
        return json.dumps([_text(one) for one in value if one is not None], ensure_ascii=False)
    return None if value is None or isinstance(value, (dict, list, Twice)) else _storable(str(value))


def _storable(text: str) -> str:
    # Half a pair of surrogates is no character: no database takes it, and no symbol or number has it.
    return text.encode(errors="replace").decode()


def _fields(text: str, number: int, delimiter: str, quote: str | None) -> list[str]:
    try:
        fields = split(text, delimiter, quote)
    except csv.Error as error:
        raise Fault("malformed_row") from error
    if len(fields) != number:
        raise Fault("malformed_row")
    return fields


def _decoded(row: bytes, encoding: str) -> str:
    try:
        return row.decode(encoding)
    except UnicodeDecodeError as error:
        raise Fault("not_utf8") from error
