"""AlgoSeek's files of US equities: masks of flags, the clock of New York, quotes between trades, cancels in pairs.

A cancel has the values of a trade and takes it back: the latest one before it that was not taken yet.
"""

from __future__ import annotations

from itertools import cycle, islice
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from bench.synthetic import new_york
from bench.synthetic.prints import Fate, Sale
from bench.synthetic.vendor import Vendor, broken, count_of, faults_of
from tickstream.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.synthetic.prints import FreeRows, Prints
    from bench.workloads import Conditions

_MASKS: Final = {
    Sale.REGULAR: "00000001",
    Sale.ODD_LOT: "80000001",
    Sale.SWEEP: "20000020",
    Sale.SWEEP_ODD_LOT: "A0000020",
    Sale.EXTENDED: "00002000",
    Sale.EXTENDED_ODD_LOT: "80002000",
    Sale.AVERAGE_PRICE: "20100000",
    Sale.PRIOR_REFERENCE: "02000001",
    Sale.OPENING: "20000040",
    Sale.OFFICIAL_OPEN: "04000000",
    Sale.CLOSING: "20200080",
    Sale.OFFICIAL_CLOSE: "01000000",
}
# The last one is where trades off exchanges are reported.
_EXCHANGES: Final = ("NYSE", "NASDAQ", "ARCA", "EDGX", "FINRA")
_EVENTS: Final = ("TRADE", "TRADE NB", "TRADE CANCELLED", "QUOTE BID", "QUOTE ASK")
_TRADE, _TRADE_NB, _CANCEL, _BID, _ASK = range(len(_EVENTS))
#: Rows of equal values in the order of the file: trades, quotes and cancels. Some trades stay though they are like a
#: cancel: the first of two, and one behind it. A quote is no trade.
_PATTERNS: Final = ("TC", "TTC", "TC", "CT", "TC", "TTCC", "TC", "TQC")
_MARK_OF: Final = {"T": _TRADE, "C": _CANCEL, "Q": _BID}
#: Each n-th cancel has the values of a row that is corrupt.
_CORRUPT_EVERY: Final = 10


def _plant(
    prints: Prints, free: FreeRows, corrupt: Sequence[int], shares: Conditions, rng: np.random.Generator
) -> None:
    prints.mark[(prints.sale == Sale.SWEEP) | (prints.venue == len(_EXCHANGES) - 1)] = _TRADE_NB
    # A corrected trade is one that is cancelled, and another one.
    missing = count_of(len(prints), shares.cancelled_share + shares.corrected_share)
    # Small objects have few cancels: they do not all begin with the same ones.
    patterns = islice(cycle(_PATTERNS), int(rng.integers(len(_PATTERNS))), None)
    for number, pattern in enumerate(patterns):
        if missing <= 0 or len(free) < len(pattern):
            break
        missing -= pattern.count("C")
        if corrupt and number % _CORRUPT_EVERY == _CORRUPT_EVERY // 2:
            rows = free.some(1)
            prints.repeat(int(rng.choice(corrupt)), rows)
            prints.mark[rows] = _CANCEL
            continue
        rows = free.some(len(pattern))
        prints.repeat(rows[0], rows)
        prints.mark[rows] = [_MARK_OF[letter] for letter in pattern]
    quotes = free.some(count_of(len(prints), shares.quote_share))
    prints.mark[quotes] = rng.choice([_BID, _ASK], len(quotes))


def _fates(prints: Prints, corrupt: Sequence[int]) -> NDArray[np.int8]:
    fates = np.full(len(prints), Fate.TICK, dtype=np.int8)
    fates[np.isin(prints.mark, [_BID, _ASK])] = Fate.SKIPPED
    names = list(
        zip(
            prints.symbol.tolist(),
            prints.price_e9.tolist(),
            prints.size_e9.tolist(),
            prints.venue.tolist(),
            strict=True,
        )
    )
    is_cancel = prints.mark == _CANCEL
    left: dict[tuple[int, ...], list[int]] = {names[row]: [] for row in np.flatnonzero(is_cancel)}
    no_trades = {*corrupt, *np.flatnonzero(fates == Fate.SKIPPED).tolist()}
    for row, name in enumerate(names):
        if name not in left or row in no_trades:
            continue
        if not is_cancel[row]:
            left[name].append(row)
            continue
        fates[row] = Fate.CANCELLED
        if left[name]:
            fates[left[name].pop()] = Fate.CANCELLED
    return fates


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    is_quote = pl.col("mark") >= _BID
    masks = pl.lit(pl.Series([_MASKS[sale] for sale in Sale]))
    clock = new_york.local("timestamp_ns")
    return frame.select(
        Date=clock.dt.strftime("%Y%m%d"),
        Timestamp=clock.dt.strftime("%H:%M:%S.%9f"),
        EventType=pl.lit(pl.Series(_EVENTS)).gather("mark"),
        Ticker="symbol",
        Price="price",
        Quantity="size",
        Exchange=pl.lit(pl.Series(_EXCHANGES)).gather("venue"),
        Conditions=pl.when(is_quote).then(pl.lit("00000001")).otherwise(masks.gather("sale")),
    )


ALGOSEEK: Final = Vendor(
    feed="algoseek-trades",
    row_bytes=65,
    venues=len(_EXCHANGES),
    is_sequenced=False,
    plant=_plant,
    fates=_fates,
    texts=_texts,
    faults=(
        *faults_of("Ticker", "Price", "Quantity"),
        broken(Reason.BAD_TIMESTAMP, Timestamp="25:00:00.5"),
        broken(Reason.BAD_TIMESTAMP, Timestamp="0930"),
        broken(Reason.BAD_TIMESTAMP, Date="20260230"),
        broken(Reason.TIMESTAMP_OUT_OF_RANGE, Date="19890105"),
        broken(Reason.MISSING_FIELD, Date=""),
        broken(Reason.MISSING_FIELD, Exchange=""),
        broken(Reason.BAD_CONDITION, Conditions="20000O20"),
        broken(Reason.BAD_CONDITION, Conditions="0x"),
    ),
)
