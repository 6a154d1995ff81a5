"""Rows of a feed's CSV: the forms that are proven to be plain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from tickstream.decoding.frames import symbol_dtype
from tickstream.decoding.plain_rows import Form
from tickstream.feeds.readers import column_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tickstream.decoding.feed_columns import FeedColumns
    from tickstream.ingests import Layout


def csv_forms(columns: FeedColumns, layout: Layout) -> Callable[[Sequence[str]], Form | None]:
    """Return what finds the form of rows of CSV: every field is plain, or quoted without a quote in it."""
    forms = [
        _csv_form(columns, layout, typed)
        for typed in (columns.typed(integer_times=True), columns.typed(integer_times=False), {})
    ]

    def form_of(rows: Sequence[str]) -> Form | None:
        some = pl.Series(rows, dtype=pl.String)
        found, form = max(
            ((int(some.str.contains(form.pattern).sum()), form) for form in forms), key=lambda pair: pair[0]
        )
        return form if found else None

    return form_of


def _csv_form(columns: FeedColumns, layout: Layout, typed: Mapping[str, tuple[str, pl.DataType]]) -> Form:
    names = {column_key(name): name for name in columns.columns}
    dialect = columns.reader.feed.dialect
    wanted = tuple(names.get(column_key(name), f"ignored {at}") for at, name in enumerate(layout.columns))
    quote, delimiter = dialect.quote_char, layout.delimiter
    mark = re.escape(quote) if quote else ""
    bare = rf"[^{_in_class(delimiter + (quote or ''))}\r\x00]*"
    fields = []
    for at, name in enumerate(wanted):
        if name in typed:
            plain, quoted = typed[name][0], typed[name][0]
        else:
            plain, quoted = bare, rf"[^{_in_class(quote or '')}\r\x00]*"
            if at == 0 and dialect.comment_char:
                # A row that begins with the comment's character is none.
                plain = rf"(?:[^{_in_class(delimiter + (quote or '') + dialect.comment_char)}\r\x00]{bare})?"
        fields.append(rf"(?:{plain}|{mark}{quoted}{mark})" if quote else plain)
    few = columns.of_few_texts
    dtypes = {
        name: typed[name][1] if name in typed else symbol_dtype() if name in few else pl.String()
        for name in wanted
        if name in columns.columns
    }
    pattern = rf"\A{re.escape(delimiter).join(fields)}\z"
    return Form(
        pattern,
        wanted,
        dtypes,
        columns.finish,
        separator=delimiter,
        quote=quote,
        newest_first=columns.reader.is_descending,
        at_once=columns.at_once(typed),
    )


def _in_class(characters: str) -> str:
    return "".join(f"\\{one}" if one in "\\]^-[&~" else one for one in characters)
