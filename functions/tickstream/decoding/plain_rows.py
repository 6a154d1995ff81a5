"""Rows of text in blocks: polars for the rows that are proven to be plain, the strict path for every other row.

polars is fast and forgiving: it lets `+1`, `1.` and a tenth digit pass, and a stray quote makes it swallow lines.
So a block is first cut into physical lines, by LF alone, and each line is held against one regular expression, the
`Form` in which most of them seem to be written, made of the very patterns of `tickstream.ticks`. Lines that match can
be read in one way only, and only they go to polars' CSV reader. What is left is held against the next form. Numbers and
times out of range, which no pattern shows, are looked for in the numbers. Where polars refuses proven lines after
all, or makes another number of rows of them, they were not proven. Odd rows cost themselves only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from tickstream.decoding.frames import (
    PLAIN_DECIMAL_PATTERN,
    TIMESTAMP_PATTERN,
    exponents_e9,
    narrowed,
    symbol_dtype,
    timestamps_ns,
)
from tickstream.ticks import FRACTION_DIGITS, SYMBOL_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tickstream.decoding.outcome import Limits, Sink
    from tickstream.rows import ParseRow

#: Below 2^63, and no less than any timestamp that is within bounds.
NANOSECONDS_PATTERN: Final = r"[1-4]?[0-9]{1,18}"
#: What a field that is looked at may hold; a timestamp is either all nanoseconds or any form.
FIELD_PATTERNS: Final = {
    "symbol": SYMBOL_PATTERN,
    "timestamp": TIMESTAMP_PATTERN,
    "price": PLAIN_DECIMAL_PATTERN,
    "size": PLAIN_DECIMAL_PATTERN,
}
_LOOKED_AT: Final = 32
#: Forms that a block is held against, and the share of the rest that one must have for another to be tried.
_MOST_FORMS: Final = 8
_LEAST_SHARE: Final = 0.05
#: Lines decoded at a time: each takes some 100 bytes of memory, and 8 MiB may be eight million line ends.
MOST_LINES: Final = 500_000
#: Bytes decoded at a time: they are held several times over.
_MOST_BYTES: Final = 32 << 20
# Stands for a byte that is not ASCII where only the length of lines counts.
_ASCII_ONLY: Final = bytes(range(128)) + b"?" * 128
_REPLACED: Final = "\ufffd"


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a tick.

    pattern: the regular expression of a whole row; a row that matches can be read in one way only.
    columns: the names of the fields in the text that `fields` returns.
    dtypes: how the columns that are looked at are read.
    finish: makes ticks of those columns, in columns of `TICK_SCHEMA` without the offset, and null where only the strict
    path can tell; `kind` and `pair` as `Sink.add_columns` wants them.
    fields: makes rows that are joined by line feeds, the last without one, into CSV without a header.
    separator, quote: of that CSV.
    newest_first: whether rows stand in that order, so that a place decides between ticks of one nanosecond.
    """

    pattern: str
    columns: tuple[str, ...]
    dtypes: Mapping[str, pl.DataType]
    finish: Callable[[pl.DataFrame], pl.DataFrame]
    fields: Callable[[bytes], bytes] | None = None
    separator: str = ","
    quote: str | None = '"'
    newest_first: bool = False
    exponents: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """How rows are read.

    form_of: finds the form in which most of a few rows are written.
    parse: decides a row strictly.
    """

    form_of: Callable[[Sequence[str]], Form | None]
    parse: ParseRow


def decode_rows(
    block: bytes, offsets: Callable[[pl.Series], pl.Series], reader: Reader, sink: Sink, limits: Limits
) -> None:
    """Decode a block of rows; the last may lack its line end. `offsets`: those in the object of places in the block."""
    for at, piece in _pieces(block, 0):
        sink.budget.check()
        _decode_piece(piece, lambda starts, at=at: offsets(starts + at), reader, sink, limits)  # type: ignore[misc]


def _decode_piece(
    block: bytes, offsets: Callable[[pl.Series], pl.Series], reader: Reader, sink: Sink, limits: Limits
) -> None:
    frame = _lines(block)
    # Blank lines are no rows, and may be millions.
    left = frame if (frame["row"] != "").all() else frame.filter(pl.col("row") != "")
    odd: list[pl.DataFrame] = []
    for turn in range(_MOST_FORMS):
        if not left.height or (turn and left.height < limits.few_rows):
            break
        form = reader.form_of(left["row"].gather_every(max(1, left.height // _LOOKED_AT)).to_list())
        if form is None:
            break
        matches = pl.col("row").str.contains(form.pattern) & (pl.col("length") <= limits.row_bytes) & pl.col("whole")
        # Streaming: on all cores, like everything here that looks at each byte.
        proven = left.lazy().select(matches).collect(engine="streaming").to_series()
        before = left.height
        lines, left = (left, left.clear()) if proven.all() else (left.filter(proven), left.filter(~proven))
        if lines.height:
            odd.append(_add(block if lines.height == frame.height else None, lines, form, sink, offsets))
        if lines.height < before * _LEAST_SHARE:
            break
    rest = pl.concat([*odd, left]).sort("start") if odd else left
    places = offsets(rest["start"]).to_list()
    for start, length, offset in zip(rest["start"].to_list(), rest["length"].to_list(), places, strict=True):
        sink.add_text_row(block[start : start + length], offset, reader.parse)


def _add(
    block: bytes | None,
    lines: pl.DataFrame,
    form: Form,
    sink: Sink,
    offsets: Callable[[pl.Series], pl.Series],
) -> pl.DataFrame:
    """Add the ticks of proven lines, all of the block where it is given; return the lines that are none."""
    parsed = _parse(block, lines["row"], form)
    if parsed is None:
        return lines
    ticks = parsed.with_columns(offsets(lines["start"]).alias("offset"))
    if form.newest_first:
        ticks = ticks.with_columns(sequence=-pl.col("offset"))
    return lines.filter(sink.add_columns(ticks))


def _parse(block: bytes | None, rows: pl.Series, form: Form) -> pl.DataFrame | None:
    """Parse proven rows: symbol (of `symbol_dtype`), timestamp and price (null where they are beyond reach), size.

    None where polars does not make of them what was proven.
    """
    if block is None or block.endswith(b"\r"):
        text = rows.str.join("\n").item().encode()
    else:
        # Proven rows have no carriage return of their own.
        text = block.replace(b"\r\n", b"\n") if b"\r" in block else block
        text = text.removesuffix(b"\n") if form.fields else text
    wanted = [index for index, column in enumerate(form.columns) if column in form.dtypes]
    try:
        parsed = pl.read_csv(
            form.fields(text) if form.fields else text,
            has_header=False,
            # By position: the names of ignored columns are anything.
            schema={f"{index}": form.dtypes.get(column, pl.String()) for index, column in enumerate(form.columns)},
            columns=wanted,
            separator=form.separator,
            quote_char=form.quote,
            empty_string_is_null=False,
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    if parsed.height != rows.len() or any(parsed.null_count().row(0)):
        return None
    # One piece: rows are gathered by their numbers.
    return form.finish(parsed.rename({f"{index}": form.columns[index] for index in wanted})).rechunk()


def native_dtypes(*, nanoseconds: bool, exponents: bool) -> dict[str, pl.DataType]:
    """Return how the columns of a tick are read.

    nanoseconds: whether each timestamp is an integer. exponents: whether prices and sizes are of `EXPONENT_PATTERN` and
    not all of `PLAIN_DECIMAL_PATTERN`.
    """
    number = pl.String() if exponents else pl.Decimal(38, FRACTION_DIGITS)
    return {
        "symbol": symbol_dtype(),
        "timestamp": pl.Int64() if nanoseconds else pl.String(),
        "price": number,
        "size": number,
    }


def native_ticks(parsed: pl.DataFrame) -> pl.DataFrame:
    """Make ticks of the columns that `native_dtypes` reads."""
    if parsed["price"].dtype == pl.String:
        parsed = parsed.with_columns(exponents_e9(parsed[name]) for name in ("price", "size"))
    return parsed.select(
        "symbol",
        timestamps_ns(parsed["timestamp"]),
        # Null, and so no tick, beyond 64 bits.
        pl.col("price").to_physical().cast(pl.Int64, strict=False),
        narrowed(parsed["size"].to_physical()),
    )


def _pieces(block: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Cut a block between lines until no piece has too many of them, or too many bytes where it can be cut."""
    if len(block) <= _MOST_BYTES and block.count(b"\n") <= MOST_LINES:
        if block:
            yield at, block
        return
    half = len(block) // 2
    cut = block.find(b"\n", half) + 1
    if not 0 < cut < len(block):
        cut = block.rfind(b"\n", 0, half) + 1
    if cut:
        yield from _pieces(block[:cut], at)
        yield from _pieces(block[cut:], at + cut)
    else:
        yield at, block


def _lines(block: bytes) -> pl.DataFrame:
    """Cut into physical lines.

    `row`: without its line end, LF or CR LF; `start` within the block; `length` in bytes without the LF; `whole`: the
    row is what stands there, which a line that is no UTF-8 is not.
    """
    whole: pl.Series | None = None
    text, measured = block, block
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            text, measured = block.decode(errors="replace").encode(), block.translate(_ASCII_ONLY)
    row = pl.read_lines(text, name="row")["row"]
    length = row.str.len_bytes()
    if text is not block:
        whole = ~row.str.contains(_REPLACED, literal=True)
        length = pl.read_lines(measured, name="row")["row"].str.len_bytes()
    # The CR of a line end is no part of a line to it, but here every byte counts. Where all lines had one, or none had,
    # the sum tells; otherwise they are cut again.
    dropped_bytes = len(block) + (not block.endswith(b"\n")) - row.len() - int(length.sum())
    if dropped_bytes == row.len():
        length += 1
    elif dropped_bytes:
        lines = pl.Series("line", [measured.decode()]).str.split("\n").explode()
        length = (lines.head(-1) if block.endswith(b"\n") else lines).str.len_bytes()
    length = length.cast(pl.Int64).alias("length")
    return pl.DataFrame([row, length]).with_columns(
        start=(length + 1).cum_sum() - length - 1, whole=pl.lit(value=True) if whole is None else whole
    )
