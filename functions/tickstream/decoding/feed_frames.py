"""Parquet of a feed: its columns as the texts that the same values have in a file of texts."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.decoding.feed_columns import FeedColumns
from tickstream.errors import ObjectRejected, Reason, RowRejected
from tickstream.feeds.documents import thawed
from tickstream.feeds.readers import RowReader, column_key, facts_of
from tickstream.ticks import RejectedRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from tickstream.decoding.outcome import Sink
    from tickstream.ingests import Layout

#: No value of a tick is longer; of others a person needs to see the beginning.
_LONGEST_CHARACTERS: Final = 256


def feed_frame_decoder(layout: Layout, key: str) -> Callable[[pl.DataFrame, int, Sink], None]:
    """Return what decodes rows of which the first has a number."""
    feed = thawed(layout.feed)
    return partial(_decode, FeedColumns(RowReader(feed, facts_of(feed, key))))


def _decode(columns: FeedColumns, frame: pl.DataFrame, first: int, sink: Sink) -> None:
    names = {column_key(name): name for name in columns.columns}
    texts = frame.select(_text_of(name, dtype).alias(names[column_key(name)]) for name, dtype in frame.schema.items())
    offset = pl.int_range(first, first + frame.height, dtype=pl.Int64, eager=True)
    # What is null there is missing here: an empty text is, wherever nothing else is said.
    ticks = columns.finish(texts).with_columns(offset.alias("offset"))
    if columns.reader.is_descending:
        ticks = ticks.with_columns(sequence=-offset)
    odd = texts.with_columns(ticks["offset"].alias("\0offset")).filter(sink.add_columns(ticks))
    for fields in odd.iter_rows(named=True):
        _decide(columns.reader, fields, fields.pop("\0offset"), sink)


def _decide(reader: RowReader, fields: dict[str, str | None], offset: int, sink: Sink) -> None:
    sink.budget.take_row(0)  # its texts are cut already
    try:
        sink.add_judged(reader.read(fields, offset), offset)
    except RowRejected as refusal:
        sink.add_reject(RejectedRow(offset, refusal.reason, refusal.detail, json.dumps(fields).encode()))


def _text_of(name: str, dtype: pl.DataType) -> pl.Expr:
    """Write the values of a column as texts, exactly."""
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.9f")
        return column.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.9fZ")
    if isinstance(dtype, pl.Time):
        return column.dt.strftime("%H:%M:%S%.9f")
    if isinstance(dtype, pl.Date):
        return column.dt.strftime("%Y-%m-%d")
    if isinstance(dtype, pl.String):
        return column.str.head(_LONGEST_CHARACTERS)
    if isinstance(dtype, (pl.Categorical, pl.Enum, pl.Decimal, pl.Boolean)) or dtype.is_numeric():
        return column.cast(pl.String)
    raise ObjectRejected(Reason.UNSUITABLE_COLUMN, f"column {name[:100]} is {dtype}, of which no text can be made")
