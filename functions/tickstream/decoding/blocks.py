"""Which decoder is for a block of rows of text: the native ones, or a feed's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tickstream.decoding.csv_blocks import decode_csv
from tickstream.decoding.feed_columns import FeedColumns, csv_forms
from tickstream.decoding.json_lines import decode_json_lines
from tickstream.decoding.plain_rows import Reader, decode_rows
from tickstream.feeds.documents import thawed
from tickstream.feeds.readers import RowReader, facts_of
from tickstream.feeds.rows import row_parser
from tickstream.ingests import Format

if TYPE_CHECKING:
    from collections.abc import Callable

    from tickstream.decoding.outcome import Sink
    from tickstream.ingests import Layout


def block_decoder(layout: Layout, key: str, member: str = "") -> Callable[[bytes, int, Sink], None]:
    """Return what decodes a block of whole rows at its offset; the last may lack its line end.

    key, member: of the object, and of the file within it where it is a zip.
    """
    if layout.feed:
        feed = thawed(layout.feed)
        columns = FeedColumns(RowReader(feed, facts_of(feed, key, member)))
        parse = row_parser(layout, key, member)
        if columns.reader.is_descending or feed.encoding != "utf-8":
            # Its order is of places, which the strict path knows; another encoding is not what proven rows are in.
            return partial(_decode, Reader(lambda _: None, parse))
        if layout.format is Format.CSV:
            return partial(_decode, Reader(csv_forms(columns, layout), parse))
        return lambda block, offset, sink: decode_json_lines(block, offset, sink, (columns, parse))
    if layout.format is Format.CSV:
        return lambda block, offset, sink: decode_csv(block, offset, layout.columns, sink, sink.limits)
    return decode_json_lines


def _decode(reader: Reader, block: bytes, offset: int, sink: Sink) -> None:
    decode_rows(block, lambda places: places + offset, reader, sink, sink.limits)
