"""CSV in blocks: polars for the rows that are proven to be plain, the strict path for every other row.

polars is fast and forgiving: it lets `1e3`, `+1` and a tenth digit pass, and a stray quote makes it swallow lines.
So a block is first cut into physical lines, by LF alone, and each line is held against one regular expression made
of the very patterns of `tickstream.ticks`: exactly these fields, no quote, no sign, no exponent. Lines that match
cannot be read in two ways, and only they go to polars' CSV reader. Zero prices and times out of range, which no
pattern shows, are looked for in the numbers. A few odd rows cost themselves only.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.decoding.frames import TIMESTAMP_PATTERN, plausible, timestamps_ns
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
    "symbol": pl.String(),
    "timestamp": pl.String(),
    "price": pl.Decimal(38, FRACTION_DIGITS),
    "size": pl.Decimal(38, FRACTION_DIGITS),
}
_IGNORED_PATTERN: Final = r'[^",\r]*'
# Stands for a byte that is not ASCII in a block that is not UTF-8: as long as it, and never in a proven row.
_NEVER_PLAIN: Final = b'"'
_ASCII_ONLY: Final = bytes(range(128)) + _NEVER_PLAIN * 128


def decode_csv(block: bytes, offset: int, columns: tuple[str, ...], sink: Sink, limits: Limits) -> None:
    """Decode a block of rows that begins at this offset; the last may lack its line end."""
    if not block:
        return
    frame = _lines(block).with_columns(
        proven=pl.col("line").str.contains(_row_pattern(columns)) & (pl.col("length") <= limits.row_bytes)
    )
    lines = frame.filter("proven") if not frame["proven"].all() else frame
    if lines.height:
        ticks = _parse_plain(block, frame, lines, columns).with_columns(offset=lines["start"] + offset)
        good = ticks.select(plausible()).to_series()
        if not good.all():
            frame = frame.with_columns(
                proven=frame["proven"] & frame["start"].is_in(lines["start"].filter(good).implode())
            )
            ticks = ticks.filter(good)
        sink.fold.add_frame(ticks)
    parse = partial(parse_csv_row, columns=columns)
    odd = frame.filter(~pl.col("proven"))
    for start, length in zip(odd["start"].to_list(), odd["length"].to_list(), strict=True):
        sink.add_text_row(block[start : start + length], offset + start, parse)


def _lines(block: bytes) -> pl.DataFrame:
    """Cut into physical lines: `line` (without LF), `start` within the block, `length` in bytes."""
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            block = block.translate(_ASCII_ONLY)
    lines = pl.Series("line", [block.decode()]).str.split("\n").explode()
    if block.endswith(b"\n"):
        lines = lines.head(-1)
    lengths = lines.str.len_bytes().cast(pl.Int64)
    ends = (lengths + 1).cum_sum()
    return pl.DataFrame({"line": lines, "start": ends - lengths - 1, "length": lengths})


@lru_cache(maxsize=16)
def _row_pattern(columns: tuple[str, ...]) -> str:
    fields = ",".join(_PATTERNS.get(column, _IGNORED_PATTERN) for column in columns)
    return rf"\A{fields}\r?\z"


def _parse_plain(block: bytes, frame: pl.DataFrame, lines: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """Parse the proven lines: symbol, timestamp (null where it is beyond reach), price and size in Int128 of 10^-9."""
    # Joined again where some are left out; no line is empty, so lines and rows are the same.
    text = block if lines.height == frame.height else lines["line"].str.join("\n").item().encode()
    wanted = [index for index, column in enumerate(columns) if column in _PATTERNS]
    parsed = pl.read_csv(
        text,
        has_header=False,
        # By position: the names of ignored columns are anything.
        schema={f"{index}": _DTYPES.get(column, pl.String()) for index, column in enumerate(columns)},
        columns=wanted,
        quote_char=None,
    )
    if parsed.height != lines.height:
        raise TickstreamError(f"polars made {parsed.height} rows of {lines.height} proven lines")
    named = parsed.rename({f"{index}": columns[index] for index in wanted})
    return named.select(
        "symbol",
        timestamps_ns(named["timestamp"]),
        pl.col("price").to_physical(),
        pl.col("size").to_physical(),
    )
