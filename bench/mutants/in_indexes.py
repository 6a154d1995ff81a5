"""Mutants in how packed objects are indexed and read from the middle."""

from __future__ import annotations

from typing import Final

from bench.mutants.mutant import Edit, Mutant

_STORED: Final = "bars in DynamoDB"
_RECEIPTS: Final = "receipts"
_INDEX: Final = "tickstream/packed_index.py"
_MAKING: Final = "tickstream/index_making.py"
_TEXT: Final = "tickstream/indexed_text.py"
_RANGES: Final = "tickstream/indexed_ranges.py"
#: Without it a text that is not what was packed would be noticed, and waited for until the trial's patience ends.
_NO_CHECKSUM: Final = Edit(
    _TEXT, "if zlib.crc32(memoryview(self._text)[:own_bytes]) != entry.checksum:", "if not entry.text_end:"
)

INDEXING: Final = (
    Mutant(
        "window-off-by-one",
        "the text before a place stands one byte too early in the index",
        (
            Edit(
                _INDEX,
                'body = fields + place.window.ljust(WINDOW_BYTES, b"\\0")',
                'body = fields + place.window[1:].ljust(WINDOW_BYTES, b"\\0")',
            ),
            _NO_CHECKSUM,
        ),
        (_STORED,),
    ),
    Mutant(
        "last-block-dropped",
        "what is left of a packed text behind its last full range is in no range",
        (
            Edit(
                _MAKING,
                "if following.text - at.place.text >= making.step_bytes or is_last:",
                "if following.text - at.place.text >= making.step_bytes:",
            ),
        ),
        (_STORED,),
    ),
    Mutant(
        "row-over-a-place-lost",
        "a row that goes on beyond a range of an indexed object ends with the range",
        (Edit(_RANGES, "end = text.reach(span.end + _NEAR_BYTES)", "end = text.reach(span.end)"),),
        (_STORED, _RECEIPTS),
    ),
)
