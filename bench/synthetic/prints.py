"""Rows of a vendor's file: trades of shares with their sale conditions, and the auctions that open and close the day.

What a kind of print updates stands here, in a table of the generator's own: how the pipeline reads conditions is not
shared with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.ledger.truth import EVERYTHING, HIGH_LOW, VOLUME
from bench.synthetic import new_york
from bench.synthetic.market import E9

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.synthetic.market import Ticks
    from bench.workloads import Conditions

#: Of an object's rows, the prints and records of one auction are at most so many.
_MOST_AUCTIONED: Final = 0.1
_AUCTION_NS: Final = 2 * E9
_RECORDED_WITHIN_NS: Final = E9 // 20
#: How far from regular hours extended ones go here. Each hour more is an hour of every symbol to roll up.
_EXTENDED_NS: Final = 3_600 * E9
# Of the prints with an extended hours' condition: so many are late reports within regular hours, and so many stand at a
# bound of these, to the nanosecond.
_REPORTED_LATE: Final = 0.2
_AT_A_BOUND: Final = 0.1


class Sale(IntEnum):
    """What kind of a print a row is. A number above a kind stands for its odd lots."""

    REGULAR = 0
    ODD_LOT = 1
    SWEEP = 2
    SWEEP_ODD_LOT = 3
    EXTENDED = 4
    EXTENDED_ODD_LOT = 5
    AVERAGE_PRICE = 6
    PRIOR_REFERENCE = 7
    OPENING = 8
    OFFICIAL_OPEN = 9
    CLOSING = 10
    OFFICIAL_CLOSE = 11


_WITH_ODD_LOTS: Final = (Sale.REGULAR, Sale.SWEEP, Sale.EXTENDED)
#: What a kind updates within regular hours, and outside of them.
_UPDATES: Final = {
    Sale.REGULAR: (EVERYTHING, EVERYTHING),
    Sale.ODD_LOT: (VOLUME, VOLUME),
    Sale.SWEEP: (EVERYTHING, EVERYTHING),
    Sale.SWEEP_ODD_LOT: (VOLUME, VOLUME),
    Sale.EXTENDED: (VOLUME, EVERYTHING),
    Sale.EXTENDED_ODD_LOT: (VOLUME, VOLUME),
    Sale.AVERAGE_PRICE: (VOLUME, VOLUME),
    Sale.PRIOR_REFERENCE: (HIGH_LOW | VOLUME, HIGH_LOW | VOLUME),
    Sale.OPENING: (EVERYTHING, EVERYTHING),
    Sale.OFFICIAL_OPEN: (0, 0),
    Sale.CLOSING: (EVERYTHING, EVERYTHING),
    Sale.OFFICIAL_CLOSE: (0, 0),
}


class Fate(IntEnum):
    """What becomes of a row that is not corrupt."""

    TICK = 0
    SKIPPED = 1
    CANCELLED = 2


@dataclass(frozen=True, slots=True)
class Prints:
    """Columns of equal length, one row a row of the file, in its order; their values are filled in step by step.

    symbol: its index. timestamp_ns: Unix nanoseconds. price_e9, size_e9: in 10^-9. sale: a `Sale`. venue: the index of
    an exchange, the last one for trades off all of them. mark: what the vendor calls the row.
    """

    symbol: NDArray[np.int32]
    timestamp_ns: NDArray[np.int64]
    price_e9: NDArray[np.int64]
    size_e9: NDArray[np.int64]
    sale: NDArray[np.int8]
    venue: NDArray[np.int8]
    mark: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.symbol)

    def repeat(self, row: int, at: Sequence[int]) -> None:
        """Put a row's trade into other rows; they keep their own times."""
        for column in (self.symbol, self.price_e9, self.size_e9, self.sale, self.venue):
            column[list(at)] = column[row]

    def updates(self) -> NDArray[np.uint8]:
        """Return the bits of what each row's trade updates."""
        table = np.array([_UPDATES[sale] for sale in Sale], dtype=np.uint8)
        return table[self.sale, 1 - new_york.is_regular(self.timestamp_ns).astype(np.int8)]


class FreeRows:
    """Rows that nothing special is planned for yet: at first all that are not corrupt."""

    def __init__(self, rows: int, corrupt: Sequence[int], rng: np.random.Generator) -> None:
        self._left = np.delete(np.arange(rows), corrupt)
        self._rng = rng

    def __len__(self) -> int:
        return len(self._left)

    def some(self, count: int) -> list[int]:
        """Take so many from anywhere in the file, in its order; fewer where there are no more."""
        return self._taken(np.sort(self._rng.choice(len(self), min(count, len(self)), replace=False)))

    def first(self, count: int) -> list[int]:
        """Take the first ones of the file."""
        return self._taken(np.arange(min(count, len(self))))

    def last(self, count: int) -> list[int]:
        """Take the last ones of the file, in its order."""
        return self._taken(np.arange(max(0, len(self) - count), len(self)))

    def _taken(self, places: NDArray[np.int64]) -> list[int]:
        rows: list[int] = self._left[places].tolist()
        self._left = np.delete(self._left, places)
        return rows


@dataclass(frozen=True, slots=True)
class Session:
    """The regular hours of a day, in Unix nanoseconds: [opening, closing)."""

    opening_ns: int
    closing_ns: int


def prints_of(ticks: Ticks, shares: Conditions, session: Session, venues: int, rng: np.random.Generator) -> Prints:
    """Make prints of ticks of shares: of every kind but those of auctions, as often as the workload has them.

    venues: how many exchanges there are.
    """
    rows = len(ticks)
    sale = _sales(rows, shares, rng)
    is_odd = np.isin(sale, [kind + 1 for kind in _WITH_ODD_LOTS])
    whole = ticks.size_e9 // E9
    size = np.where(is_odd, whole % 99 + 1, np.maximum(whole // 100, 1) * 100)
    venue = rng.integers(0, venues, rows).astype(np.int8)
    # Nobody trades at an average price, or at one of before, on an exchange.
    venue[np.isin(sale, [Sale.AVERAGE_PRICE, Sale.PRIOR_REFERENCE])] = venues - 1
    return Prints(
        symbol=ticks.symbol.copy(),
        timestamp_ns=_times(ticks.timestamp_ns, sale, session, rng),
        price_e9=ticks.price_e9.copy(),
        size_e9=size * E9,
        sale=sale,
        venue=venue,
        mark=np.zeros(rows, dtype=np.int8),
    )


def _sales(rows: int, shares: Conditions, rng: np.random.Generator) -> NDArray[np.int8]:
    kinds = {
        Sale.SWEEP: shares.sweep_share,
        Sale.EXTENDED: shares.extended_share,
        Sale.AVERAGE_PRICE: shares.average_price_share,
        Sale.PRIOR_REFERENCE: shares.prior_reference_share,
    }
    bounds = np.cumsum(list(kinds.values()))
    drawn = np.searchsorted(bounds, rng.random(rows), side="right")
    sale = np.array([*kinds, Sale.REGULAR], dtype=np.int8)[drawn]
    # The share is one of all trades, and some kinds have no odd lots here.
    with_odd_lots = np.isin(sale, _WITH_ODD_LOTS)
    share = min(1.0, shares.odd_lot_share / max(1 - shares.average_price_share - shares.prior_reference_share, 0.01))
    return np.where(with_odd_lots & (rng.random(rows) < share), sale + 1, sale).astype(np.int8)


def _times(
    timestamp_ns: NDArray[np.int64], sale: NDArray[np.int8], session: Session, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Move extended hours' prints out of the session, to the nearer side; some stay or come to its very bounds."""
    rows = len(sale)
    away_ns = rng.integers(1, _EXTENDED_NS, rows)
    chance = rng.random(rows)
    is_early = timestamp_ns < (session.opening_ns + session.closing_ns) // 2
    moved = np.where(is_early, session.opening_ns - away_ns, session.closing_ns + away_ns)
    bound = np.where(is_early, session.opening_ns, session.closing_ns) - rng.integers(0, 2, rows)
    moved = np.where(chance < _REPORTED_LATE + _AT_A_BOUND, bound, moved)
    moved = np.where(chance < _REPORTED_LATE, timestamp_ns, moved)
    return np.where(np.isin(sale, [Sale.EXTENDED, Sale.EXTENDED_ODD_LOT]), moved, timestamp_ns)


def hold_auction(
    prints: Prints, free: FreeRows, symbols: NDArray[np.int32], at_ns: int, rng: np.random.Generator, *, opens: bool
) -> None:
    """Let a day open or close: one large print of each symbol, and the exchange's record of it a little later.

    symbols: indexes of those that may have one; they do where the file has a price of them. The prints are the first
    rows of the file, or the last.
    """
    traded = prints.symbol if opens else prints.symbol[::-1]
    prices = prints.price_e9 if opens else prints.price_e9[::-1]
    found, first = np.unique(traded, return_index=True)
    here = np.isin(found, symbols)
    count = min(int(here.sum()), int(len(prints) * _MOST_AUCTIONED) // 2, len(free) // 2)
    symbol, price_e9 = found[here][:count], prices[first[here][:count]]
    size_e9 = rng.integers(50, 5_000, count) * 100 * E9
    traded_ns = at_ns + rng.integers(0, _AUCTION_NS, count)
    recorded_ns = traded_ns + rng.integers(1, _RECORDED_WITHIN_NS, count)
    times = np.concatenate([traded_ns, recorded_ns])
    order = np.argsort(times, kind="stable")
    at = free.first(2 * count) if opens else free.last(2 * count)
    kinds = (Sale.OPENING, Sale.OFFICIAL_OPEN) if opens else (Sale.CLOSING, Sale.OFFICIAL_CLOSE)
    prints.timestamp_ns[at] = times[order]
    prints.sale[at] = np.repeat(np.array(kinds, dtype=np.int8), count)[order]
    for column, values in ((prints.symbol, symbol), (prints.price_e9, price_e9), (prints.size_e9, size_e9)):
        column[at] = np.concatenate([values, values])[order]
    # The listing exchange's.
    prints.venue[at] = 0
