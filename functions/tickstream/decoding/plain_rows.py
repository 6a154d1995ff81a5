"""Rows of text in blocks: polars for the rows that are proven to be plain, the strict path for every other row.

polars is fast and forgiving: it lets `+1`, `1.` and a tenth digit pass, and a stray quote makes it swallow lines.
So a block is first cut into physical lines, by LF alone, and each line is held against one regular expression, the
`Form` in which most of them seem to be written, made of the very patterns of `tickstream.ticks`. Lines that match can
be read in one way only, and only they go to polars' CSV reader. What is left is held against the next form. Numbers and
times out of range, which no pattern shows, are looked for in the numbers. Where polars refuses proven lines after
all, or makes another number of rows of them, they were not proven. Odd rows cost themselves only.

A block whose lines are all proven at first sight, as nearly all are, is read and folded in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, overload

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
    from collections.abc import Callable, Mapping, Sequence

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
    at_once: what `finish` does, while columns are read; None where it has to look at them first.
    """

    pattern: str
    columns: tuple[str, ...]
    dtypes: Mapping[str, pl.DataType]
    finish: Callable[[pl.DataFrame], pl.DataFrame]
    fields: Callable[[bytes], bytes] | None = None
    separator: str = ","
    quote: str | None = '"'
    newest_first: bool = False
    at_once: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None


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
    if not block:
        return
    sink.budget.check()
    lines = _lines(block, MOST_LINES) if len(block) <= _MOST_BYTES else None
    if lines is None and (cut := _middle(block)):
        decode_rows(block[:cut], offsets, reader, sink, limits)
        decode_rows(block[cut:], lambda places: offsets(places + cut), reader, sink, limits)
    else:
        _decode_lines(lines or _lines(block), offsets, reader, sink, limits)


def _decode_lines(
    lines: _Lines, offsets: Callable[[pl.Series], pl.Series], reader: Reader, sink: Sink, limits: Limits
) -> None:
    block = lines.block
    form = reader.form_of(_some(lines.row)) if lines.have_text else None
    proven = _proven(lines.row, lines.length, lines.whole, form, limits) if form else None
    if form and proven is not None and proven.all() and _add_at_once(lines, form, sink, offsets):
        return
    frame = lines.frame()
    # Blank lines are no rows, and may be millions.
    left = frame if lines.have_text else frame.filter(pl.col("row") != "")
    odd: list[pl.DataFrame] = []
    for turn in range(_MOST_FORMS):
        if not left.height or (turn and left.height < limits.few_rows):
            break
        if turn or form is None:
            form = reader.form_of(_some(left["row"]))
            proven = _proven(left["row"], left["length"], left["whole"], form, limits) if form else None
        if form is None or proven is None:
            break
        before = left.height
        found, left = (left, left.clear()) if proven.all() else (left.filter(proven), left.filter(~proven))
        if found.height:
            odd.append(_add(block if found.height == frame.height else None, found, form, sink, offsets))
        if found.height < before * _LEAST_SHARE:
            break
    rest = pl.concat([*odd, left]).sort("start") if odd else left
    places = offsets(rest["start"]).to_list()
    for start, length, offset in zip(rest["start"].to_list(), rest["length"].to_list(), places, strict=True):
        sink.add_text_row(block[start : start + length], offset, reader.parse)


def _some(rows: pl.Series) -> list[str]:
    return rows.gather_every(max(1, rows.len() // _LOOKED_AT)).to_list()


def _proven(rows: pl.Series, lengths: pl.Series, whole: pl.Series | None, form: Form, limits: Limits) -> pl.Series:
    """Say which rows have a form, and are whole and no longer than a row may be."""
    # Streaming: on all cores, like everything here that looks at each byte.
    matches = rows.to_frame().lazy().select(pl.col("row").str.contains(form.pattern)).collect(engine="streaming")
    found = matches.to_series()
    if int(lengths.max() or 0) > limits.row_bytes:  # type: ignore[arg-type] # integers
        found &= lengths <= limits.row_bytes
    return found if whole is None else found & whole


def _add_at_once(lines: _Lines, form: Form, sink: Sink, offsets: Callable[[pl.Series], pl.Series]) -> bool:
    """Add the ticks of a block whose lines are all proven, in one pass; False, and nothing, where that cannot be."""
    if form.at_once is None or form.newest_first or lines.block.endswith(b"\r"):
        return False
    scanned = pl.scan_csv(_csv_of(lines.block, form), **_options(form))
    ticks = form.at_once(scanned.select(pl.col(f"{index}").alias(form.columns[index]) for index in _wanted(form)))
    return sink.add_at_once(ticks, offsets(lines.starts()))


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
    text = rows.str.join("\n").item().encode() if block is None or block.endswith(b"\r") else block
    try:
        parsed = pl.read_csv(_csv_of(text, form), columns=_wanted(form), **_options(form))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    if parsed.height != rows.len() or any(parsed.null_count().row(0)):
        return None
    # One piece: rows are gathered by their numbers.
    return form.finish(parsed.rename({f"{index}": form.columns[index] for index in _wanted(form)})).rechunk()


def _wanted(form: Form) -> list[int]:
    return [index for index, column in enumerate(form.columns) if column in form.dtypes]


def _csv_of(text: bytes, form: Form) -> bytes:
    """Make CSV without a header of proven rows, which have no carriage return of their own."""
    text = text.replace(b"\r\n", b"\n") if b"\r" in text else text
    return form.fields(text.removesuffix(b"\n")) if form.fields else text


def _options(form: Form) -> dict[str, Any]:
    return {
        "has_header": False,
        # By position: the names of ignored columns are anything.
        "schema": {f"{index}": form.dtypes.get(column, pl.String()) for index, column in enumerate(form.columns)},
        "separator": form.separator,
        "quote_char": form.quote,
        "empty_string_is_null": False,
    }


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


def native_ticks_at_once(columns: pl.LazyFrame) -> pl.LazyFrame:
    """Make ticks of columns that `native_dtypes` reads, with integers for timestamps and without exponents.

    Sizes beyond 64 bits are null: then the columns have to be looked at.
    """
    decimals = (pl.col(name).to_physical().cast(pl.Int64, strict=False) for name in ("price", "size"))
    return columns.select("symbol", "timestamp", *decimals)


def _middle(block: bytes) -> int:
    """Return the start of a line near the middle of a block, 0 where it is all one line."""
    half = len(block) // 2
    cut = block.find(b"\n", half) + 1
    return cut if 0 < cut < len(block) else block.rfind(b"\n", 0, half) + 1


@dataclass(frozen=True, slots=True)
class _Lines:
    """Physical lines of a block.

    row: without its line end, LF or CR LF. length: in bytes, without the LF. whole: whether the row is what stands
    there, which a line that is no UTF-8 is not; None where all are.
    """

    block: bytes
    row: pl.Series
    length: pl.Series
    whole: pl.Series | None

    @property
    def have_text(self) -> bool:
        """Whether no line is blank."""
        # A blank line may have a CR.
        return int(self.length.min() or 0) > 1 or bool((self.row != "").all())  # type: ignore[arg-type] # integers

    def starts(self) -> pl.Series:
        """Return where each begins within the block."""
        ends = self.length.cum_sum().alias("start") + pl.int_range(self.length.len(), dtype=pl.Int64, eager=True)
        return ends - self.length

    def frame(self) -> pl.DataFrame:
        """Return all of it as columns, with `start`."""
        whole = pl.lit(value=True) if self.whole is None else self.whole
        return pl.DataFrame([self.row, self.length, self.starts()]).with_columns(whole=whole)


@overload
def _lines(block: bytes) -> _Lines: ...
@overload
def _lines(block: bytes, most: int) -> _Lines | None: ...
def _lines(block: bytes, most: int | None = None) -> _Lines | None:
    """Cut into physical lines; None where there are more than `most`."""
    whole: pl.Series | None = None
    text, measured = block, block
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            text, measured = block.decode(errors="replace").encode(), block.translate(_ASCII_ONLY)
    row = pl.read_lines(text, name="row", n_rows=most and most + 1)["row"]
    if most is not None and row.len() > most:
        return None
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
    return _Lines(block, row, length.cast(pl.Int64).alias("length"), whole)
