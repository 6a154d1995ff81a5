"""Which decoder is for a block of rows of text: the native ones, or a feed's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tickstream.decoding.csv_blocks import decode_csv
from tickstream.decoding.feed_columns import FeedColumns
from tickstream.decoding.feed_forms import csv_forms
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
        return _feed_decoder(layout, key, member)
    if layout.format is Format.CSV:
        return lambda block, offset, sink: decode_csv(block, offset, layout.columns, sink, sink.limits)
    return decode_json_lines


def _feed_decoder(layout: Layout, key: str, member: str) -> Callable[[bytes, int, Sink], None]:
    feed = thawed(layout.feed)
    columns = FeedColumns(RowReader(feed, facts_of(feed, key, member)))
    parse = row_parser(layout, key, member)
    strict = partial(_decode, Reader(lambda _: None, parse))

    def in_lines(block: bytes, offset: int, sink: Sink) -> None:
        decode_json_lines(block, offset, sink, (columns, parse))

    proven = in_lines
    if layout.format is Format.CSV:
        proven = partial(_decode, Reader(csv_forms(columns, layout), parse))
    if feed.encoding == "utf-8":
        return proven
    # Rows that are proven are in UTF-8; of another encoding that is what is ASCII.
    return lambda block, offset, sink: (proven if block.isascii() else strict)(block, offset, sink)


def _decode(reader: Reader, block: bytes, offset: int, sink: Sink) -> None:
    decode_rows(block, lambda places: places + offset, reader, sink, sink.limits)
