"""Vendors' files with sale conditions and cancels among the edge objects, read by built-in feeds."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Final

from bench.own_file.taking import take_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.ledger.truth import ObjectFile

PRINTS_KEY: Final = "us_stocks_sip/trades_v1/2026/01/2026-01-05.csv.gz"
PAIRS_KEY: Final = "20260105/PAIR.csv"

_SECOND_NS: Final = 10**9
_EARLY_NS: Final = 1_767_614_400 * _SECOND_NS  # 2026-01-05, 07:00 in New York
_PRINTS_HEADER: Final = (
    "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape,"
    "trf_id,trf_timestamp\n"
)
#: Nanoseconds since seven, conditions, correction, price, size.
_PRINTS: Final = (
    # Form T: it sets prices before regular hours, and not within them.
    (0, "12", 0, "100.50", 100),
    (_SECOND_NS, "", 0, "100.00", 50),
    (2 * _SECOND_NS, "12", 0, "100.25", 70),
    (9_000 * _SECOND_NS, "", 0, "101.00", 100),
    (9_001 * _SECOND_NS, "12", 0, "105.00", 100),
    # An odd lot far below.
    (9_002 * _SECOND_NS, "12,37", 0, "90.00", 5),
    (9_003 * _SECOND_NS, "", 0, "101.10", 100),
    # Trades that were taken back or corrected later, what corrects them, and a derivatively priced print: it comes
    # last and closes nothing.
    (9_005 * _SECOND_NS, "", 8, "250.00", 10_000),
    (9_006 * _SECOND_NS, "", 12, "1.00", 10_000),
    (9_007 * _SECOND_NS, "", 1, "101.20", 40),
    (9_008 * _SECOND_NS, "10,41", 0, "101.90", 300),
    # A minute of its own, in which no print sets a price.
    (9_060 * _SECOND_NS, "37", 0, "101.15", 3),
    (9_061 * _SECOND_NS, "16", 0, "101.00", 100),
    # The closing auction, and the official close that says the same volume again.
    (32_398 * _SECOND_NS, "19,41", 0, "102.00", 50_000),
    (32_399 * _SECOND_NS, "15", 0, "102.00", 50_000),
    (32_399 * _SECOND_NS + 1, "38", 0, "102.01", 50_000),
)
_FILLERS: Final = 1_300
_REGULAR, _DERIVATIVE, _ODD_LOT = "00000001", "00000200", "80000001"


def make_conditioned_files(folder: Path, truth: Path, first_ordinal: int) -> Iterator[ObjectFile]:
    """Write the files into a folder, and the truth of each; ordinals count from `first_ordinal`."""
    contents = ((PRINTS_KEY, gzip.compress(_prints().encode(), mtime=0)), (PAIRS_KEY, _pairs().encode()))
    for ordinal, (key, content) in enumerate(contents, first_ordinal):
        path = folder / f"edge-{ordinal}"
        path.write_bytes(content)
        yield take_in(path, folder, truth, key=key, ordinal=ordinal)


def _prints() -> str:
    rows = (
        f'PRNT,"{conditions}",{correction},4,{at},{at},{price},{at},{at},{size},1,0,0\n'
        for at, conditions, correction, price, size in ((_EARLY_NS + since, *rest) for since, *rest in _PRINTS)
    )
    return _PRINTS_HEADER + "".join(rows)


def _pairs() -> str:
    """Return so many trades that the file is cut into several ranges, and cancels in the last of them."""
    rows = [_row(second, "30.00", 100 + second % 7) for second in range(_FILLERS)]
    # Of two equal trades, minutes apart, the later one is taken back; one alone; and one within the last range.
    for second, price, size in ((10, "33.00", 901), (400, "33.00", 901), (200, "36.00", 902), (1_250, "27.00", 903)):
        rows[second] = _row(second, price, size)
    # The first and the last of their minutes.
    rows[480] = _row(480, "21.00", 905, _ODD_LOT)
    rows[539] = _row(539, "31.00", 904, _DERIVATIVE)
    taken_back = (("33.00", 901), ("36.00", 902), ("27.00", 903), ("99.00", 906))
    rows += [_row(_FILLERS + at, price, size, event="TRADE CANCELLED") for at, (price, size) in enumerate(taken_back)]
    # It stands behind its cancel, and counts.
    rows.append(_row(_FILLERS + 10, "99.00", 906))
    return "Date,Timestamp,EventType,Ticker,Price,Quantity,Exchange,Conditions\n" + "".join(rows)


def _row(second: int, price: str, size: int, flags: str = _REGULAR, event: str = "TRADE") -> str:
    clock = f"{7 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000000000"
    return f"20260105,{clock},{event},PAIR,{price},{size},NYSE,{flags}\n"
