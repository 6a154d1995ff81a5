"""What a feed makes of rows, in columns: exact where it answers, null where the strict path must decide.

Whatever is not a plain number is decided by the strict code itself (`tickstream.feeds.readers`), once for each
different text of a block: symbols, seconds and most prices come again and again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tickstream.decoding.frames import decimal_e9, narrowed, symbol_dtype
from tickstream.decoding.plain_rows import Form
from tickstream.errors import RowRejected
from tickstream.feeds.documents import columns_of, required_columns_of
from tickstream.feeds.moments import NS_PER_UNIT
from tickstream.feeds.readers import column_key
from tickstream.feeds.templates import take_apart
from tickstream.ticks import EARLIEST_NS, LATEST_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from polars.series.struct import StructNameSpace

    from tickstream.feeds.description import Number
    from tickstream.feeds.readers import RowReader, Values
    from tickstream.ingests import Layout

#: Joins the values of a row of which a template is filled: no CSV or JSON text that is proven holds one.
_JOINT: Final = "\x00"
#: Text before a fraction, the fraction, and what follows it: moments differ in it, and few before it.
_FRACTION: Final = r"\A(.*:[0-9]{2}[.,])([0-9]{1,9})([^0-9.,].*)?\z"
_INTEGER: Final = r"\A-?[0-9]{1,18}\z"


class FeedColumns:
    """Makes ticks of columns of texts, which have the names that the feed gives them.

    reader: decides what columns do not.
    """

    def __init__(self, reader: RowReader) -> None:
        self.reader = reader
        self._feed = reader.feed
        self._missing = list(self._feed.schema.missing_values)
        self.columns = columns_of(self._feed)
        self.required = required_columns_of(self._feed)

    def finish(self, texts: pl.DataFrame) -> pl.DataFrame:
        """Return ticks in columns of `TICK_SCHEMA` without the offset, and `skipped`."""
        columns = {
            "symbol": self._symbols(texts),
            "timestamp": self._timestamps(texts),
            "price": self._prices(texts),
            "size": self._sizes(texts),
            "sequence": self._sequences(texts),
            "skipped": self._skipped(texts),
        }
        return pl.DataFrame([series.alias(name) for name, series in columns.items()])

    def _each(
        self,
        texts: pl.DataFrame,
        templates: Sequence[str],
        decide: Callable[[Values], Any],
        dtype: pl.DataType,
    ) -> pl.Series:
        """Decide once for each different set of values that some templates need."""
        names = list(dict.fromkeys(name for one in templates for name in take_apart(one).names))
        varying = [name for name in names if name in texts.columns]
        if not varying:
            return pl.Series([self._decided(decide, {})], dtype=dtype).new_from_index(0, texts.height)
        if len(varying) == 1:
            keys = texts[varying[0]]
        else:
            keys = texts.select(pl.concat_str(varying, separator=_JOINT)).to_series()
        different = keys.unique()
        values = [
            self._decided(decide, dict(zip(varying, key.split(_JOINT), strict=True))) for key in different.to_list()
        ]
        found = pl.Series(values, dtype=dtype)
        return pl.select(pl.lit(keys).replace_strict(different, found, return_dtype=dtype)).to_series()

    def _decided(self, decide: Callable[[Values], Any], fields: dict[str, str]) -> Any:
        try:
            return decide(self.reader.values_of(fields))
        except RowRejected:
            return None

    def _symbols(self, texts: pl.DataFrame) -> pl.Series:
        symbol = self._feed.tick.symbol
        templates = symbol.templates if symbol else ()
        return self._each(texts, templates, self.reader.symbol, pl.String()).cast(symbol_dtype())

    def _timestamps(self, texts: pl.DataFrame) -> pl.Series:
        time = self._feed.tick.timestamp
        name = self._plain(time.template, texts)
        if name and time.unit and time.since == "epoch":
            epochs = _epochs(texts[name], time.unit)
            if not time.formats or epochs.null_count() < texts.height:
                return epochs
        if name and time.formats:
            parts = texts[name].str.extract_groups(_FRACTION).struct
            if parts.field("1").null_count() < texts.height:
                return self._with_fractions(texts, name, parts)
        templates = [time.template, *([time.date.template] if time.date else [])]
        return self._each(texts, templates, self.reader.moment, pl.Int64())

    def _with_fractions(self, texts: pl.DataFrame, name: str, parts: StructNameSpace) -> pl.Series:
        """Decide once for each second; a row without a fraction, or with one elsewhere, is its own second."""
        fraction = parts.field("2")
        ns: pl.Series = fraction.str.pad_end(9, "0").cast(pl.Int64).fill_null(0)
        zero = parts.field("1") + "0" + parts.field("3").fill_null("")
        whole = pl.DataFrame({name: pl.select(pl.coalesce(pl.lit(zero), pl.lit(texts[name]))).to_series()})
        seconds = self._each(whole, [f"{{{name}}}"], self.reader.moment, pl.Int64())
        return seconds + ns

    def _prices(self, texts: pl.DataFrame) -> pl.Series:
        return self._numbers(texts, self._feed.tick.price, self.reader.price).cast(pl.Int64, strict=False)

    def _sizes(self, texts: pl.DataFrame) -> pl.Series:
        return narrowed(self._numbers(texts, self._feed.tick.size, self.reader.size))

    def _numbers(self, texts: pl.DataFrame, number: Number, read: Callable[[Values], int]) -> pl.Series:
        name = self._plain(number.template, texts)
        schema = self._feed.schema
        is_plain = number.scale == 0 and number.decimals is None and not number.abs
        if name and is_plain and schema.decimal_char == "." and not schema.group_char:
            found = texts.select(decimal_e9(pl.col(name))).to_series()
            if found.null_count() < texts.height:
                return found
        templates = [one for one in (number.template, *(number.middle or ())) if one]
        return self._each(texts, templates, read, pl.Int128())

    def _sequences(self, texts: pl.DataFrame) -> pl.Series:
        sequence = self._feed.tick.sequence
        if sequence is None or sequence.order:
            return pl.Series([0], dtype=pl.Int64).new_from_index(0, texts.height)
        name = self._plain(sequence.template, texts)
        if name:
            column = texts[name]
            return column.set(~column.str.contains(_INTEGER), None).cast(pl.Int64, strict=False)
        return self._each(texts, [sequence.template], self.reader.sequence, pl.Int64())

    def _skipped(self, texts: pl.DataFrame) -> pl.Series:
        templates = [one.value for one in self._feed.tick.where]
        return self._each(texts, templates, self.reader.is_skipped, pl.Boolean())

    def _plain(self, template: str, texts: pl.DataFrame) -> str | None:
        """Return the column that is all of a template."""
        name = take_apart(template).only_name if template else None
        return name if name in texts.columns else None


def _epochs(texts: pl.Series, unit: str) -> pl.Series:
    """Unix nanoseconds of numbers of a unit, with or without a fraction; null where they are none, or none for sure."""
    text = pl.lit(texts)
    whole = text.str.extract(r"\A([0-9]{1,19})(?:\.[0-9]{1,18})?\z").cast(pl.Int128)
    fraction = text.str.extract(r"\A[0-9]{1,19}\.([0-9]{1,18})\z").fill_null("0")
    if unit == "auto":
        per = pl.coalesce(
            pl.when((whole * scale).is_between(EARLIEST_NS, LATEST_NS, closed="left")).then(pl.lit(scale, pl.Int128))
            for scale in NS_PER_UNIT.values()
        )
    else:
        per = pl.lit(NS_PER_UNIT[unit], pl.Int128)
    padded = fraction.str.pad_end(18, "0").cast(pl.Int128) * per
    exact = pl.when(padded % 10**18 == 0).then(whole * per + padded // 10**18)
    return pl.select(exact.cast(pl.Int64, strict=False)).to_series()


def csv_form(columns: FeedColumns, layout: Layout) -> Form:
    """Return the form of rows of CSV in which every field is plain, or quoted without a quote in it."""
    names = {column_key(name): name for name in columns.columns}
    dialect = columns.reader.feed.dialect
    wanted = tuple(names.get(column_key(name), f"ignored {at}") for at, name in enumerate(layout.columns))
    return Form(
        _csv_pattern(len(wanted), layout.delimiter, dialect.quote_char, dialect.comment_char),
        wanted,
        {name: pl.String() for name in wanted if name in columns.columns},
        columns.finish,
        separator=layout.delimiter,
        quote=dialect.quote_char,
    )


def _csv_pattern(fields: int, delimiter: str, quote: str | None, comment: str | None) -> str:
    """Return the regular expression of a row of so many fields that can be read in one way only."""
    bare = rf"[^{_in_class(delimiter + (quote or ''))}\r\x00]*"
    # A row that begins with the comment's character is none.
    first = bare if comment is None else rf"(?:[^{_in_class(delimiter + (quote or '') + comment)}\r\x00]{bare})?"
    quoted = ""
    if quote is not None:
        mark = re.escape(quote)
        quoted = rf"|{mark}[^{_in_class(quote)}\r\x00]*{mark}"
    field, first = rf"(?:{bare}{quoted})", rf"(?:{first}{quoted})"
    return rf"\A{first}(?:{re.escape(delimiter)}{field}){{{fields - 1}}}\z"


def _in_class(characters: str) -> str:
    return "".join(f"\\{one}" if one in "\\]^-[&~" else one for one in characters)
