"""Massive's flat files of US stocks: lists of codes, marks of corrections, and a sequence number a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from bench.synthetic.prints import Fate, Sale
from bench.synthetic.vendor import Vendor, broken, count_of, faults_of
from tickstream.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.synthetic.prints import FreeRows, Prints
    from bench.workloads import Conditions

_CODES: Final = {
    Sale.REGULAR: "",
    Sale.ODD_LOT: "37",
    Sale.SWEEP: '"14,41"',
    Sale.SWEEP_ODD_LOT: '"14,37,41"',
    Sale.EXTENDED: "12",
    Sale.EXTENDED_ODD_LOT: '"12,37"',
    Sale.AVERAGE_PRICE: "2",
    Sale.PRIOR_REFERENCE: "22",
    Sale.OPENING: '"17,41"',
    Sale.OFFICIAL_OPEN: "16",
    Sale.CLOSING: '"8,41"',
    Sale.OFFICIAL_CLOSE: "15",
}
# The last one is where trades off exchanges are reported.
_EXCHANGES: Final = ("10", "11", "12", "8", "4")
_OFF_EXCHANGE: Final = len(_EXCHANGES) - 1
# Of a trade that was corrected, the row holds the corrected values, and so does a record of it behind. Trades that were
# errors or were cancelled have their records too.
_CORRECTED, _ERROR, _CANCELLED = 1, 7, 8
_CANCEL_RECORD, _ERROR_RECORD, _CORRECTION_RECORD = 10, 11, 12
_TRADES: Final = (0, _CORRECTED)


def _plant(
    prints: Prints, free: FreeRows, _corrupt: Sequence[int], shares: Conditions, rng: np.random.Generator
) -> None:
    cancelled, corrected = (count_of(len(prints), share) for share in (shares.cancelled_share, shares.corrected_share))
    for number in range(cancelled + corrected):
        if len(free) < 2:
            return
        trade, record = free.some(2)
        prints.repeat(trade, [record])
        if number >= cancelled:
            prints.mark[[trade, record]] = _CORRECTED, _CORRECTION_RECORD
        elif rng.random() < 0.5:
            prints.mark[[trade, record]] = _ERROR, _ERROR_RECORD
        else:
            prints.mark[[trade, record]] = _CANCELLED, _CANCEL_RECORD


def _fates(prints: Prints, _corrupt: Sequence[int]) -> NDArray[np.int8]:
    return np.where(np.isin(prints.mark, _TRADES), Fate.TICK, Fate.CANCELLED).astype(np.int8)


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    codes = pl.lit(pl.Series([_CODES[sale] for sale in Sale]))
    off_exchange = pl.col("venue") == _OFF_EXCHANGE
    made_ns = pl.col("timestamp_ns") - 14_000 - pl.col("sequence") % 997 * 1_000
    whole, rest = pl.col("price_e9") // 10**9, pl.col("price_e9") % 10**9 // 10**3
    return frame.select(
        ticker="symbol",
        conditions=codes.gather("sale"),
        correction=pl.col("mark").cast(pl.String),
        exchange=pl.lit(pl.Series(_EXCHANGES)).gather("venue"),
        id=(pl.col("sequence") + 52_983_525_000_000).cast(pl.String),
        participant_timestamp=made_ns.cast(pl.String),
        price=pl.concat_str(whole.cast(pl.String), rest.cast(pl.String).str.zfill(6), separator="."),
        sequence_number=pl.col("sequence").cast(pl.String),
        sip_timestamp=pl.col("timestamp_ns").cast(pl.String),
        size=pl.concat_str("size", pl.lit(".000000")),
        tape=(pl.col("symbol").str.len_bytes() % 3 + 1).cast(pl.String),
        trf_id=pl.when(off_exchange).then(pl.lit("202")).otherwise(pl.lit("0")),
        trf_timestamp=pl.when(off_exchange).then((made_ns + 9_000).cast(pl.String)).otherwise(pl.lit("0")),
    )


MASSIVE: Final = Vendor(
    feed="massive-us-stocks-trades",
    row_bytes=112,
    venues=len(_EXCHANGES),
    is_sequenced=True,
    plant=_plant,
    fates=_fates,
    texts=_texts,
    faults=(
        *faults_of("ticker", "price", "size"),
        broken(Reason.BAD_TIMESTAMP, sip_timestamp="yesterday"),
        broken(Reason.TIMESTAMP_OUT_OF_RANGE, sip_timestamp="1767623400"),
        broken(Reason.MISSING_FIELD, sip_timestamp=""),
        broken(Reason.BAD_SEQUENCE, sequence_number="3372.5"),
        broken(Reason.MISSING_FIELD, sequence_number=""),
    ),
)
