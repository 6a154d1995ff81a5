"""Vendors' files as whole objects: drawn rows become text, and the truth about each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from bench.synthetic import new_york, render
from bench.synthetic.algoseek import ALGOSEEK
from bench.synthetic.market import Ticks
from bench.synthetic.massive import MASSIVE
from bench.synthetic.prints import Fate, FreeRows, Session, hold_auction, prints_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bench.synthetic.market import MarketDay
    from bench.synthetic.vendor import Vendor
    from bench.workloads import Workload

#: By the name of the feed that reads their files.
VENDORS: Final[Mapping[str, Vendor]] = {one.feed: one for one in (MASSIVE, ALGOSEEK)}
_FEEDS: Final = tuple(VENDORS)
#: More than an object has rows: sequence numbers of an object are behind those of the objects before it.
_SEQUENCES_A_PART: Final = 10**8


@dataclass(frozen=True, slots=True)
class VendorRows:
    """The rows of one file, in their order.

    values: what a tick of each row is (symbol, timestamp_ns, price_e9, size_e9, sequence, updates). texts: the columns
    of the file. fates: what becomes of them but for the corrupt ones, which are ticks here.
    """

    values: pl.DataFrame
    texts: pl.DataFrame
    fates: NDArray[np.int8]

    @property
    def lines(self) -> pl.Series:
        """One line a row."""
        return self.texts.select(line=pl.concat_str(pl.all(), separator=","))["line"]

    @property
    def is_known(self) -> pl.Series:
        """Which rows the truth is told of: ticks and corrupt ones."""
        return pl.Series(self.fates == Fate.TICK)

    def count(self, fate: Fate) -> int:
        """Return how many rows have a fate."""
        return int((self.fates == fate).sum())


class VendorDay:
    """Makes the rows of vendors' files of one day, out of ticks of its shares."""

    def __init__(self, workload: Workload, market: MarketDay) -> None:
        day = workload.market.day
        self._workload = workload
        self._market = market
        self._session = Session(new_york.moment_ns(day, new_york.OPENING), new_york.moment_ns(day, new_york.CLOSING))

    def rows(
        self, feed: str, ticks: Ticks, corrupt: Sequence[int], number: int, *, opens: bool, closes: bool
    ) -> VendorRows:
        """Make the rows of one file.

        corrupt: rows that are going to be spoiled, in order. number: of the part; it decides what is random, beside the
        workload's seed. opens, closes: whether the auctions are in it.
        """
        vendor, session, shares = VENDORS[feed], self._session, self._workload.conditions
        rng = np.random.default_rng([self._workload.seed, 7, number])
        prints = prints_of(ticks, shares, session, vendor.venues, rng)
        free = FreeRows(len(prints), corrupt, rng)
        # An auction is held on the exchange where a share is listed, and each vendor here has the shares of one.
        listed = np.arange(_FEEDS.index(feed), len(self._market.names), len(_FEEDS), dtype=np.int32)
        if opens:
            hold_auction(prints, free, listed, session.opening_ns, rng, opens=True)
        if closes:
            hold_auction(prints, free, listed, session.closing_ns, rng, opens=False)
        vendor.plant(prints, free, corrupt, shares, rng)
        sequence = np.zeros(len(prints), dtype=np.int64)
        if vendor.is_sequenced:
            # In the order of time, which the file is not in; of equal times in one that no place in the file tells.
            order = np.lexsort([rng.random(len(prints)), prints.timestamp_ns])
            sequence[order] = number * _SEQUENCES_A_PART + np.arange(1, len(prints) + 1)
        traded = Ticks(prints.symbol, prints.timestamp_ns, prints.price_e9, prints.size_e9)
        frame = render.frame_of(self._market, traded).with_columns(
            sequence=pl.Series(sequence),
            updates=pl.Series(prints.updates()),
            sale=pl.Series(prints.sale),
            venue=pl.Series(prints.venue),
            mark=pl.Series(prints.mark),
        )
        values = frame.select("symbol", "timestamp_ns", "price_e9", "size_e9", "sequence", "updates")
        return VendorRows(values, vendor.texts(frame), vendor.fates(prints, corrupt))
