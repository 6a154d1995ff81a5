"""JSON lines, row by row: the strict path is the only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tickstream.rows import parse_json_row

if TYPE_CHECKING:
    from tickstream.decoding.outcome import Sink


def decode_json_lines(block: bytes, offset: int, sink: Sink) -> None:
    """Decode a block of rows that begins at this offset."""
    for line in block.split(b"\n"):
        if line and line != b"\r":  # blank lines are no rows, and may be millions
            sink.add_text_row(line, offset, parse_json_row)
        offset += len(line) + 1
