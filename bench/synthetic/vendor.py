"""What a vendor's file is: how its rows are written and spoiled, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tickstream.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from bench.synthetic.prints import FreeRows, Prints
    from bench.workloads import Conditions

#: A row's texts by column, as they stand in the file.
type Values = dict[str, str]
type RowFault = tuple[Reason, Callable[[Values], bytes]]

#: Below so many rows an object need not have of everything that the workload has a share of.
_SMALL: Final = 100


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's files of trades.

    feed: the built-in feed that reads them. row_bytes: about what a row takes. venues: how many exchanges it knows.
    is_sequenced: whether rows have sequence numbers. plant: gives rows their marks, cancels and corrections among them,
    beside some (in order) that are corrupt. fates: what becomes of each row (`Fate`) beside those. texts: the file's
    columns, of a frame with symbol, timestamp_ns, sequence, price_e9, size_e9, price and size (texts), sale, venue and
    mark. faults: what may be wrong with a row of a trade.
    """

    feed: str
    row_bytes: int
    venues: int
    is_sequenced: bool
    plant: Callable[[Prints, FreeRows, Sequence[int], Conditions, np.random.Generator], None]
    fates: Callable[[Prints, Sequence[int]], NDArray[np.int8]]
    texts: Callable[[pl.DataFrame], pl.DataFrame]
    faults: tuple[RowFault, ...]


def line_of(values: Values) -> bytes:
    """Write a row."""
    return ",".join(values.values()).encode()


def broken(reason: Reason, **values: str) -> RowFault:
    """Return a fault that puts other texts into some columns."""
    return reason, lambda row: line_of(row | values)


def faults_of(symbol: str, price: str, size: str) -> tuple[RowFault, ...]:
    """Return what may be wrong in the file of every vendor, of which three columns are named."""
    return (
        broken(Reason.BAD_SYMBOL, **{symbol: "AA PL"}),
        broken(Reason.BAD_SYMBOL, **{symbol: "AAPL#1"}),
        broken(Reason.BAD_SYMBOL, **{symbol: "A" * 65}),
        broken(Reason.BAD_PRICE, **{price: "9000000000"}),
        broken(Reason.BAD_PRICE, **{price: "NaN"}),
        broken(Reason.BAD_PRICE, **{price: "1.1234567891"}),
        broken(Reason.BAD_SIZE, **{size: "-100"}),
        broken(Reason.BAD_SIZE, **{size: "1_000"}),
        broken(Reason.BAD_SIZE, **{size: "1E15"}),
        broken(Reason.MISSING_FIELD, **{price: ""}),
        broken(Reason.MISSING_FIELD, **{symbol: ""}),
        (Reason.MALFORMED_ROW, lambda row: line_of(row).rpartition(b",")[0]),
        (Reason.MALFORMED_ROW, lambda row: line_of(row) + b",surplus"),
        (Reason.MALFORMED_ROW, lambda row: b'"' + line_of(row)),
        (Reason.NOT_UTF8, lambda row: line_of(row | {symbol: "A"}) + b"\xff\xfe"),
    )


def count_of(rows: int, share: float) -> int:
    """Return how many of an object's rows a share is: at least one of any share, unless the object is small."""
    return max(round(rows * share), int(rows >= _SMALL and share > 0))
