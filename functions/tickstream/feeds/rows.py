"""From the bytes of one row, or a value of JSON, to the tick that a feed makes of it."""

from __future__ import annotations

import csv
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from tickstream.errors import Reason, RowRejected
from tickstream.feeds.documents import columns_of, thawed
from tickstream.feeds.heading import split_row
from tickstream.feeds.readers import RowReader, column_key, facts_of
from tickstream.ingests import Format
from tickstream.rows import SKIPPED, Ambiguous, load_json, parse_csv_row, parse_json_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tickstream.ingests import Layout
    from tickstream.rows import NoTick, ParseRow
    from tickstream.ticks import Tick


def row_parser(layout: Layout, key: str, member: str = "") -> ParseRow:
    """Return what decides one row of text of an object.

    key, member: of the object, and of the file within it where it is a zip.
    """
    if layout.feed:
        feed = thawed(layout.feed)
        reader = RowReader(feed, facts_of(feed, key, member))
        return csv_rows(reader, layout.columns, layout.delimiter) if layout.format is Format.CSV else json_rows(reader)
    if layout.format is Format.CSV:
        return partial(parse_csv_row, columns=layout.columns)
    return parse_json_row


def csv_rows(reader: RowReader, columns: Sequence[str], delimiter: str) -> ParseRow:
    """Return what reads one line (without its end) at its offset; it raises RowRejected."""
    feed = reader.feed
    at_of = {column_key(name): at for at, name in enumerate(columns)}
    places = [(name, at_of[column_key(name)]) for name in columns_of(feed) if column_key(name) in at_of]
    comment, quote = feed.dialect.comment_char, feed.dialect.quote_char

    def read(raw: bytes, place: int) -> Tick | NoTick:
        text = _text_of(raw, feed.encoding)
        if comment and text.startswith(comment):
            return SKIPPED
        try:
            values = split_row(text, delimiter, quote)
        except csv.Error as error:
            raise RowRejected(Reason.MALFORMED_ROW, f"not CSV: {error}") from error
        if len(values) != len(columns):
            raise RowRejected(Reason.MALFORMED_ROW, f"{len(values)} fields where there are {len(columns)} columns")
        return reader.read({name: values[at] for name, at in places}, place)

    return read


def json_rows(reader: RowReader) -> ParseRow:
    """Return what reads one line of JSON at its offset; it raises RowRejected."""
    fields_from = json_fields(reader)
    encoding = reader.feed.encoding

    def read(raw: bytes, place: int) -> Tick | NoTick:
        try:
            value = load_json(_text_of(raw, encoding))
        except ValueError as error:
            raise RowRejected(Reason.MALFORMED_ROW, f"not JSON: {error}") from error
        return reader.read(fields_from(value), place)

    return read


def json_values(reader: RowReader) -> Callable[[tuple[str, Any], int], Tick | NoTick]:
    """Return what reads a row of a JSON document, and what `*` stands for, at its place; it raises RowRejected."""
    fields_from = json_fields(reader)

    def read(row: tuple[str, Any], place: int) -> Tick | NoTick:
        star, value = row
        return reader.read({**fields_from(value), "*": star}, place)

    return read


def json_fields(reader: RowReader) -> Callable[[Any], Mapping[str, str | None]]:
    """Return what takes a row of JSON apart into texts by column; it raises RowRejected."""
    feed = reader.feed
    names = {column_key(name): name for name in columns_of(feed)}
    order = tuple(names.get(column_key(one.name)) for one in feed.schema.fields)
    keys: dict[str, str | None] = {}

    def known(key: str) -> str | None:
        if key not in keys:
            if len(keys) > 10_000:
                keys.clear()
            keys[key] = names.get(column_key(key))
        return keys[key]

    def fields_from(value: Any) -> Mapping[str, str | None]:
        if isinstance(value, Ambiguous):
            raise RowRejected(Reason.MALFORMED_ROW, "a field is named twice")
        if isinstance(value, list):
            pairs = zip(order, value, strict=False)
            return {name: json_text(one) for name, one in pairs if name is not None}
        if not isinstance(value, dict):
            raise RowRejected(Reason.MALFORMED_ROW, "a row is a JSON object or an array")
        fields: dict[str, str | None] = {}
        for key, one in value.items():
            name = known(key)
            if name is not None:
                if name in fields:
                    raise RowRejected(Reason.MALFORMED_ROW, f"{name} is there twice")
                fields[name] = json_text(one)
        return fields

    return fields_from


def json_text(value: Any) -> str | None:
    """Write a value of JSON as a text; None where it is none, or no plain one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        # Of codes: each becomes a text, and what is null is none.
        plain = not any(isinstance(one, (list, dict, Ambiguous)) for one in value)
        return json.dumps([json_text(one) for one in value if one is not None], ensure_ascii=False) if plain else None
    if value is None or isinstance(value, (dict, Ambiguous)):
        return None
    return str(value)


def _text_of(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise RowRejected(Reason.NOT_UTF8, f"byte {error.start} of the row is not {encoding}") from error
