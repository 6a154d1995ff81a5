"""CSV in blocks: polars for the rows that are proven to be plain, the strict path for every other row.

polars is fast and forgiving: it lets `1e3`, `+1` and a tenth digit pass, and a stray quote makes it swallow lines.
So a block is first cut into physical lines, by LF alone, and each line is held against one regular expression made
of the very patterns of `tickstream.ticks`: exactly these fields, no sign, no exponent, and no quote but a pair of them
around a field that nobody looks at (conditions like `"@,T"` are common). Lines that match cannot be read in two ways,
and only they go to polars' CSV reader. Zero prices and times out of range, which no pattern shows, are looked for in
the numbers. A few odd rows cost themselves only.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.decoding.frames import TIMESTAMP_PATTERN, plausible, symbol_dtype, timestamps_ns
from tickstream.errors import TickstreamError
from tickstream.rows import parse_csv_row
from tickstream.ticks import DECIMAL_PATTERN, FRACTION_DIGITS, SYMBOL_PATTERN

if TYPE_CHECKING:
    from tickstream.decoding.outcome import Limits, Sink

_PATTERNS: Final = {
    "symbol": SYMBOL_PATTERN,
    "timestamp": TIMESTAMP_PATTERN,
    "price": DECIMAL_PATTERN,
    "size": DECIMAL_PATTERN,
}
_DTYPES: Final = {
    "timestamp": pl.String(),
    "price": pl.Decimal(38, FRACTION_DIGITS),
    "size": pl.Decimal(38, FRACTION_DIGITS),
}
#: Any text without a quote or separator, or any quoted text without a quote: `"@,T"`. No NUL in either.
_IGNORED_PATTERN: Final = r'(?:[^",\r\x00]*|"[^"\r\x00]*")'
#: Below 2^63, and no less than any timestamp that is within bounds.
_INT64_PATTERN: Final = r"[1-4]?[0-9]{1,18}"
_LOOKED_AT: Final = 20
#: Lines decoded at a time: each takes some 100 bytes of memory, and 8 MiB may be eight million line ends.
MOST_LINES: Final = 500_000
# Stands for a byte that is not ASCII in a block that is not UTF-8: as long as it, and never in a proven row.
_NEVER_PLAIN: Final = b"\0"
_ASCII_ONLY: Final = bytes(range(128)) + _NEVER_PLAIN * 128


def decode_csv(block: bytes, offset: int, columns: tuple[str, ...], sink: Sink, limits: Limits) -> None:
    """Decode a block of rows that begins at this offset; the last may lack its line end."""
    if not block:
        return
    if block.count(b"\n") > MOST_LINES:
        cut = _middle(block)
        decode_csv(block[:cut], offset, columns, sink, limits)
        decode_csv(block[cut:], offset + cut, columns, sink, limits)
        return
    frame = _lines(block)
    nanoseconds = _mostly_nanoseconds(frame, columns)
    whole = pl.col("line").str.contains(_row_pattern(columns, nanoseconds))
    # Streaming: on all cores, like everything here that looks at each byte.
    frame = frame.lazy().with_columns(proven=whole & (pl.col("length") <= limits.row_bytes)).collect(engine="streaming")
    lines = frame if frame["proven"].all() else frame.filter("proven")
    if lines.height:
        ticks = _parse_plain(block, frame, lines, columns, nanoseconds=nanoseconds).with_columns(
            offset=lines["start"] + offset
        )
        good = ticks.select(plausible()).to_series()
        if not good.all():
            frame = frame.with_columns(
                proven=frame["proven"] & frame["start"].is_in(lines["start"].filter(good).implode())
            )
            ticks = ticks.filter(good)
        sink.fold.add_frame(ticks)
    parse = partial(parse_csv_row, columns=columns)
    # Blank lines are no rows, and may be millions.
    odd = frame.filter(~pl.col("proven")).filter(~pl.col("line").is_in(["", "\r"]))
    for start, length in zip(odd["start"].to_list(), odd["length"].to_list(), strict=True):
        sink.add_text_row(block[start : start + length], offset + start, parse)


def _middle(block: bytes) -> int:
    """Where a line begins near the middle of a block of very many lines; there is something before it and after it."""
    half = len(block) // 2
    cut = block.find(b"\n", half) + 1
    return cut if 0 < cut < len(block) else block.rfind(b"\n", 0, half) + 1


def _lines(block: bytes) -> pl.DataFrame:
    """Cut into physical lines: `line` (without LF), `start` within the block, `length` in bytes."""
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            block = block.translate(_ASCII_ONLY)
    frame = pl.read_lines(block, name="line")
    length = frame["line"].str.len_bytes()
    # The CR of a line end is no part of a line to it, but here every byte counts. Where all lines had one, or none had,
    # the sum tells; otherwise they are cut again.
    dropped_bytes = len(block) + (not block.endswith(b"\n")) - frame.height - int(length.sum())
    if dropped_bytes == frame.height:
        length += 1
    elif dropped_bytes:
        lines = pl.Series("line", [block.decode()]).str.split("\n").explode()
        frame = (lines.head(-1) if block.endswith(b"\n") else lines).to_frame()
        length = frame["line"].str.len_bytes()
    length = length.cast(pl.Int64).rename("length")
    return frame.with_columns(length, start=(length + 1).cum_sum() - length - 1)


def _mostly_nanoseconds(frame: pl.DataFrame, columns: tuple[str, ...]) -> bool:
    """Guess by a few lines how timestamps are written; a row in the other form takes the strict path."""
    some = frame["line"].gather_every(max(1, frame.height // _LOOKED_AT))
    return some.str.contains(_row_pattern(columns, nanoseconds=True)).sum() * 2 > some.len()


@lru_cache(maxsize=16)
def _row_pattern(columns: tuple[str, ...], nanoseconds: bool) -> str:  # noqa: FBT001 - lru_cache takes it by position
    patterns = _PATTERNS | ({"timestamp": _INT64_PATTERN} if nanoseconds else {})
    fields = ",".join(patterns.get(column, _IGNORED_PATTERN) for column in columns)
    return rf"\A{fields}\r?\z"


def _parse_plain(
    block: bytes, frame: pl.DataFrame, lines: pl.DataFrame, columns: tuple[str, ...], *, nanoseconds: bool
) -> pl.DataFrame:
    """Parse the proven lines: symbol (of `symbol_dtype`), timestamp (null where it is beyond reach), price, size."""
    # Joined again where some are left out; no line is empty, so lines and rows are the same.
    text = block if lines.height == frame.height else lines["line"].str.join("\n").item().encode()
    wanted = [index for index, column in enumerate(columns) if column in _PATTERNS]
    dtypes: dict[str, pl.DataType] = {**_DTYPES, "symbol": symbol_dtype()}
    if nanoseconds:
        dtypes["timestamp"] = pl.Int64()
    parsed = pl.read_csv(
        text,
        has_header=False,
        # By position: the names of ignored columns are anything.
        schema={f"{index}": dtypes.get(column, pl.String()) for index, column in enumerate(columns)},
        columns=wanted,
        # Where a proven line has a quote, it has two of them around an ignored field.
        quote_char='"',
    )
    if parsed.height != lines.height:
        raise TickstreamError(f"polars made {parsed.height} rows of {lines.height} proven lines")
    named = parsed.rename({f"{index}": columns[index] for index in wanted})
    # One piece: rows are gathered by their numbers.
    return named.select(
        "symbol",
        timestamps_ns(named["timestamp"]),
        pl.col("price").to_physical().cast(pl.Int64),
        pl.col("size").to_physical().cast(pl.Int64),
    ).rechunk()
