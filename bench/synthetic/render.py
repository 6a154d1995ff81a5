"""Ticks as lines of text: exact decimals, and the byte at which each line begins.

All in columns: a million ticks take about a second. Numbers become text by integer arithmetic alone.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.synthetic.market import MarketDay, Ticks

STANDARD_COLUMNS: Final = ("symbol", "timestamp", "price", "size", "exchange", "conditions")
REORDERED_COLUMNS: Final = ("price", "size", "timestamp", "symbol")

_EXCHANGES: Final = ("P", "Q", "N", "Z", "K")
# One in 701 rows has a condition that holds a comma, so quoted.
_QUOTED_EVERY: Final = 701
# What stands behind a point, looked up, which takes a third of the time that writing it takes: four digits by
# themselves, nothing, two digits.
_NONE: Final = 10**4
_COARSE: Final = _NONE + 1
_DIGITS: Final = pl.Series([*(f"{number:04}" for number in range(10**4)), ""])
_POINT_DIGITS: Final = pl.Series(
    [*(f".{number:04}" for number in range(10**4)), "", *(f".{number:02}" for number in range(100))]
)


#: Fewer are not worth a thread.
_ROWS_A_PIECE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Text:
    """A file of lines. `lines`: columns `offset`, `length` (without line end), one row a line."""

    content: bytes
    lines: pl.DataFrame


def frame_of(market: MarketDay, ticks: Ticks) -> pl.DataFrame:
    """Ticks as they are and as texts: symbol, timestamp_ns, price_e9, size_e9, timestamp, price, size."""
    names = pl.Series(market.names, dtype=pl.String)
    fine = pl.Series(market.fine)
    crypto = pl.Series(market.crypto)
    frame = pl.DataFrame(
        {
            "symbol": names.gather(ticks.symbol),
            "timestamp_ns": ticks.timestamp_ns,
            "price_e9": ticks.price_e9,
            "size_e9": ticks.size_e9,
            "fine": fine.gather(ticks.symbol),
            "crypto": crypto.gather(ticks.symbol),
        }
    )
    return _by_all_cores(
        frame,
        lambda piece: piece.with_columns(
            timestamp=pl.col("timestamp_ns").cast(pl.String),
            price=pl.concat_str(
                _whole("price_e9"),
                _digits(_POINT_DIGITS, pl.when("fine").then(_group("price_e9", 1)).otherwise(_COARSE + _cents())),
            ),
            size=pl.concat_str(
                _whole("size_e9"),
                _digits(_POINT_DIGITS, pl.when("crypto").then(_group("size_e9", 1)).otherwise(_NONE)),
                _digits(_DIGITS, pl.when("crypto").then(_group("size_e9", 2)).otherwise(_NONE)),
            ),
        ).drop("fine", "crypto"),
    )


def csv_lines(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.Series:
    """One line a tick, in the order of the columns."""
    row = pl.col("row")
    exchanges = pl.Series(_EXCHANGES)
    line = {
        "exchange": pl.lit(exchanges).gather(row % len(_EXCHANGES)),
        "conditions": pl.when(row % _QUOTED_EVERY == _QUOTED_EVERY - 1).then(pl.lit('"@,T"')).otherwise(pl.lit("@")),
    }
    return _by_all_cores(
        frame.with_row_index("row"),
        lambda piece: piece.select(
            line=pl.concat_str([line.get(name, pl.col(name)) for name in columns], separator=",")
        ),
    )["line"]


def json_lines(frame: pl.DataFrame) -> pl.Series:
    """One JSON object a tick: numbers and strings, nanoseconds and ISO 8601, `size` and `volume` in turn."""
    row = pl.int_range(pl.len())
    iso = pl.from_epoch("timestamp_ns", time_unit="ns").dt.strftime("%Y-%m-%dT%H:%M:%S.%9fZ")
    numbers = pl.format('<"symbol":"{}","timestamp":{},"price":{},"size":{}>', "symbol", "timestamp", "price", "size")
    texts = pl.format(
        '<"symbol":"{}","timestamp":"{}","price":"{}","volume":"{}">', pl.col("symbol"), iso, "price", "size"
    )
    line = pl.when(row % 2 == 0).then(numbers).otherwise(texts)
    # pl.format knows no escape for braces: < and > stand for them, which no tick contains.
    return frame.select(line=line.str.replace_all("<", "{", literal=True).str.replace_all(">", "}", literal=True))[
        "line"
    ]


def text_of(header: bytes, lines: pl.Series, spoiled: dict[int, bytes], *, line_end: bytes, final_end: bool) -> Text:
    """Put lines together, some of them replaced by (perhaps undecodable) bytes: row number -> the row's bytes."""
    if spoiled:
        rows = list(spoiled)
        # Polars holds text only: a stand-in of the same length now, the bytes themselves afterwards.
        lines = lines.scatter(rows, ["?" * len(spoiled[row]) for row in rows])
    start = len(header) + len(line_end) if header else 0
    lengths = lines.str.len_bytes().cast(pl.Int64)
    offsets = (lengths + len(line_end)).cum_sum().shift(1, fill_value=0) + start
    target = io.BytesIO()
    if header:
        target.write(header + line_end)
    # The engine's own writer of one unquoted column: no Python object is made for a line.
    lines.to_frame("line").write_csv(
        target, include_header=False, quote_style="never", line_terminator=line_end.decode()
    )
    content = target.getbuffer()
    for row, replacement in spoiled.items():
        offset = offsets[row]
        content[offset : offset + len(replacement)] = replacement
    end = len(content) if final_end or not len(lines) else len(content) - len(line_end)
    return Text(bytes(content[:end]), pl.DataFrame({"offset": offsets, "length": lengths}))


def _by_all_cores(frame: pl.DataFrame, work: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
    """Do work that knows nothing but a row on pieces of the rows at once: polars does texts of one frame one by one."""
    pieces = max(1, min(pl.thread_pool_size(), frame.height // _ROWS_A_PIECE))
    rows = -(-frame.height // pieces)
    done = pl.collect_all([work(frame.lazy().slice(number * rows, rows)) for number in range(pieces)])
    return pl.concat(done, rechunk=True)


def _whole(column: str) -> pl.Expr:
    """What stands before the point of an integer of 10^-9."""
    return (pl.col(column) // 10**9).cast(pl.String)


def _group(column: str, number: int) -> pl.Expr:
    """Four digits after the point of an integer of 10^-9, the first (1) or the second (2), as a number."""
    found: pl.Expr = pl.col(column) // 10 ** (9 - 4 * number) % 10**4
    return found


def _cents() -> pl.Expr:
    """Two digits after the point of a price, as a number."""
    return pl.col("price_e9") // 10**7 % 100


def _digits(texts: pl.Series, place: pl.Expr) -> pl.Expr:
    return pl.lit(texts).gather(place)
