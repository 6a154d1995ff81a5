"""A page of `POST /bars` as columns, without an object for a bar: polars reads the JSON itself, off Python's lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tickstream_client.errors import AnswerError, ExportError
from tickstream_client.records import Bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PRICES: Final = ("open", "high", "low", "close", "vwap")
#: Behind the point: of prices and sizes nine digits, of their product eighteen.
_PRICE: Final = pl.Decimal(38, 9)
_PRODUCT: Final = pl.Decimal(38, 18)
_DECIMALS: Final[Mapping[str, pl.Decimal]] = {
    "open": _PRICE, "high": _PRICE, "low": _PRICE, "close": _PRICE,
    "volume": _PRICE, "notional": _PRODUCT, "vwap": _PRICE,
}  # fmt: skip

#: Columns as the API sends them: decimals and moments are text, as they were written.
WIRE: Final[Mapping[str, pl.DataType]] = {
    "symbol": pl.String(),
    "start": pl.String(),
    "open": pl.String(),
    "high": pl.String(),
    "low": pl.String(),
    "close": pl.String(),
    "volume": pl.String(),
    "ticks": pl.Int64(),
    "notional": pl.String(),
    "vwap": pl.String(),
    "session": pl.String(),
    "closed": pl.Boolean(),
    "filled": pl.Boolean(),
}
_BAR: Final = pl.Struct({name: kind for name, kind in WIRE.items() if name != "symbol"})
_AS_SENT: Final = tuple(name for name in WIRE if name not in {"symbol", "filled"})
_NEVER_NULL: Final = ("start", "volume", "ticks", "notional")


@dataclass(frozen=True, slots=True)
class Page:
    """One page. frame: columns as `WIRE`. unknown: symbols of which no tick ever came. next_token: None at the end."""

    frame: pl.DataFrame
    unknown: tuple[str, ...]
    next_token: str | None


def schema(*, floats: bool = False) -> dict[str, pl.DataType]:
    """Types of the columns that users get: exact decimals, or floats."""
    figures: Mapping[str, pl.DataType] = dict.fromkeys(_DECIMALS, pl.Float64()) if floats else _DECIMALS
    return {**WIRE, **figures, "start": pl.Datetime("us", "UTC"), "session": pl.Date()}


def decode(body: bytes, symbols: tuple[str, ...]) -> Page:
    """Read a page of these symbols, in their order. Raises AnswerError."""
    answer = pl.Struct(
        {
            "bars": pl.Struct(dict.fromkeys(symbols, pl.List(_BAR))),
            "unknown": pl.List(pl.String),
            "nextToken": pl.String,
        }
    )
    try:
        # An empty text is read as no answer at all.
        read = pl.Series([body.decode() or "null"]).str.json_decode(answer).struct.unnest()
        # By their places: polars takes some names, which symbols may have, for patterns of names.
        of_symbols = zip(symbols, read.get_column("bars").struct.unnest().get_columns(), strict=True)
        unknown, token = read.item(0, "unknown"), read.item(0, "nextToken")
        frames = [_frame(symbol, bars[0]) for symbol, bars in of_symbols if bars[0] is not None and len(bars[0])]
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise AnswerError(f"the answer is no page of bars: {str(error)[:200]}") from error
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=WIRE)
    if unknown is None or frame.select(pl.any_horizontal(pl.col(_NEVER_NULL).has_nulls())).item():
        raise AnswerError(f"the answer is no page of bars: {body[:200].decode(errors='replace')!r}")
    return Page(frame, tuple(unknown), token)


def _frame(symbol: str, bars: pl.Series) -> pl.DataFrame:
    # Only a bar that is filled says so.
    filled = pl.col("filled").fill_null(value=False)
    return bars.struct.unnest().select(pl.lit(symbol).alias("symbol"), *_AS_SENT, filled)


def typed(frame: pl.DataFrame, *, floats: bool = False) -> pl.DataFrame:
    """Turn the API's texts into `schema`. Raises ExportError for what has more digits than columns can have."""
    figures = (
        [pl.col(*_DECIMALS).cast(pl.Float64)]
        if floats
        else [pl.col(name).cast(kind) for name, kind in _DECIMALS.items()]
    )
    try:
        result = frame.with_columns(
            *figures,
            pl.col("start").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC"),
            pl.col("session").str.to_date("%Y-%m-%d"),
        )
        if (
            not floats
            and frame.select(pl.any_horizontal(_longer(name, kind) for name, kind in _DECIMALS.items())).item()
        ):
            raise ExportError("a figure has more digits behind the point than a column of decimals here")
    except pl.exceptions.PolarsError as error:
        raise ExportError(
            "a figure does not fit 38 digits, the most that a column of decimals has: iterate over the bars, or ask "
            f"for floats ({str(error)[:120]})"
        ) from error
    return result


def _longer(name: str, kind: pl.Decimal) -> pl.Expr:
    """Whether any of a column's texts has more digits behind the point than the type: polars would round it."""
    text = pl.col(name)
    return (text.str.len_bytes().cast(pl.Int64) - text.str.find(".", literal=True) - 1 > kind.scale).any()


def bars_of(frame: pl.DataFrame) -> Iterator[Bar]:
    """Yield a frame's rows, made of the API's texts: exact, however many digits there are."""
    for symbol, start, open_, high, low, close, volume, ticks, notional, vwap, session, *marks in frame.iter_rows():
        yield Bar(
            symbol,
            datetime.fromisoformat(start),
            _decimal(open_),
            _decimal(high),
            _decimal(low),
            _decimal(close),
            Decimal(volume),
            ticks,
            Decimal(notional),
            _decimal(vwap),
            None if session is None else date.fromisoformat(session),
            *marks,
        )


def _decimal(text: Any) -> Decimal | None:
    return None if text is None else Decimal(text)
