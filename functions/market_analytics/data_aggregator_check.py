"""What is rolled up for good: looked for hour by hour, listed again where missing, kept alive until it is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import batched
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_lists import read_receipt_heads, read_receipts
from market_analytics.data_aggregator_rollups import rollup_key, segment_key
from market_analytics.hour_reads import read_hour
from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.hours import Rollup
from tickstream.ingests import RETENTION_SECONDS, Pending
from tickstream.items import EXPIRY_ATTRIBUTE, hour_item_from, key_of, pending_item, receipt_items, sort_key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from market_analytics.data_aggregator_rollups import Wanted
    from services.table import Table
    from tickstream.ingests import Receipt
    from tickstream.items import Item
    from tickstream.keys import SymbolHour

#: Ranges whose hours are in memory at a time: one of a busy market touches a thousand, ...
RANGES_A_CHECK: Final = 50
#: ... of which so many are looked at between two looks at the clock: a range may touch 250,000.
HOURS_A_LOOK: Final = 4_000
#: What is not confirmed and would expire within this gets all of its time again: 40 days after it came.
RENEW_S: Final = 20 * 24 * 3600

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class RangeOf:
    """A range of an ingest. received_ms: of the ingest."""

    ingest_id: str
    index: int
    received_ms: int


@dataclass(slots=True)
class Check:
    """One look for committed ranges in what is rolled up.

    relisted: the lanes in which ranges were listed again, because they are missing.
    """

    table: Table
    now_ms: int
    time_is_up: Callable[[], bool]
    relisted: set[int] = field(default_factory=set)

    def confirmed_of(self, ranges: Iterable[RangeOf]) -> set[tuple[str, int]]:
        """Return those of some committed ranges (ingest id, index) that are rolled up for good."""
        confirmed: set[tuple[str, int]] = set()
        for some in batched(ranges, RANGES_A_CHECK, strict=False):
            if self.time_is_up():
                break
            received_ms = {(one.ingest_id, one.index): one.received_ms for one in some}
            receipts = read_receipts(self.table, received_ms)  # of one that cannot be read, the log tells
            missing = self._missing(_wanted_by(receipts))
            confirmed |= {
                (one.ingest_id, one.index) for one in receipts if keys.range_id(one.ingest_id, one.index) not in missing
            }
            self._list_again(receipts, received_ms, missing)
            self._keep_alive([one for one in receipts if (one.ingest_id, one.index) not in confirmed])
        return confirmed

    def _missing(self, wanted: Wanted) -> dict[int, set[int]]:
        """Return the ranges that are not known to be in all of their hours, and the lanes of those that miss them."""
        missing: dict[int, set[int]] = {}
        for symbol_hours in batched(sorted(wanted), HOURS_A_LOOK, strict=False):
            some = {symbol_hour: wanted[symbol_hour] for symbol_hour in symbol_hours}
            if self.time_is_up():
                # They may be there: nothing is to be done for them.
                for range_ids in some.values():
                    for range_id in range_ids:
                        missing.setdefault(range_id, set())
                continue
            for (symbol, _), range_ids in _not_rolled_up(self.table, some).items():
                for range_id in range_ids:
                    missing.setdefault(range_id, set()).add(keys.lane_of(symbol))
        return missing

    def _list_again(
        self, receipts: Sequence[Receipt], received_ms: dict[tuple[str, int], int], missing: dict[int, set[int]]
    ) -> None:
        """List ranges that are missing in hours of their lanes: whoever has the lane refreshes those.

        Twice, or in the middle of a pass: their rollups name them then, and the entries go. As a whole, because a
        rollup may be one over an older segment, which the fast way would take for good.
        """
        entries = [
            pending_item(Pending(one.ingest_id, one.index, received_ms[one.ingest_id, one.index], lane, whole=True))
            for one in receipts
            for lane in missing.get(keys.range_id(one.ingest_id, one.index), ())
        ]
        if entries:
            logger.warning("rollups lost ranges that they had, or never had them: listed again", entries=len(entries))
            self.table.batch_write(entries)
            self.relisted.update(keys.pending_lane(entry["symbol"]["S"]) for entry in entries)

    def _keep_alive(self, receipts: Sequence[Receipt]) -> None:
        """Have what ranges wrote live on that are not confirmed, long before it expires.

        The slices first, the receipt's part 0 last, by which it is seen that this was done. Died in between: the same
        again. A slice that is compacted meanwhile comes back, and counts for nothing: a segment names it.
        """
        heads = read_receipt_heads(self.table, ((one.ingest_id, one.index) for one in receipts))
        soon = {
            (keys.ingest_of(head["symbol"]["S"]), keys.receipt_index_and_part(sort_key_of(head))[0])
            for head in heads
            if EXPIRY_ATTRIBUTE in head and int(head[EXPIRY_ATTRIBUTE]["N"]) - self.now_ms // 1000 < RENEW_S
        }
        for one in receipts:
            if (one.ingest_id, one.index) in soon and not self.time_is_up():
                self._renew(one)

    def _renew(self, receipt: Receipt) -> None:
        range_id = keys.range_id(receipt.ingest_id, receipt.index)
        slices = [
            key_of(symbol, keys.sort_key(hour, range_id)) for symbol, hours in receipt.hours.items() for hour in hours
        ]
        for some in batched(slices, HOURS_A_LOOK, strict=False):
            if self.time_is_up():
                return
            self.table.batch_write(self._renewed(item) for item in self.table.batch_get(some))
        *parts, head = receipt_items(receipt, self.now_ms)
        self.table.batch_write(parts)
        self.table.batch_write([head])
        logger.warning("not rolled up for long: kept alive", ingest_id=receipt.ingest_id, range=receipt.index)

    def _renewed(self, item: Item) -> Item:
        return {**item, EXPIRY_ATTRIBUTE: {"N": str(self.now_ms // 1000 + RETENTION_SECONDS)}}


def _wanted_by(receipts: Iterable[Receipt]) -> dict[SymbolHour, set[int]]:
    """Return the ranges that must be in the rollups (or segments) of each hour, going by these receipts."""
    wanted: dict[SymbolHour, set[int]] = {}
    for receipt in receipts:
        range_id = keys.range_id(receipt.ingest_id, receipt.index)
        for symbol, hours in receipt.hours.items():
            for hour in hours:
                wanted.setdefault((symbol, hour), set()).add(range_id)
    return wanted


def _not_rolled_up(table: Table, wanted: Wanted) -> dict[SymbolHour, set[int]]:
    """Return, by hour, the ranges that are not withdrawn and that neither rollup nor segment includes which count."""
    # Segments are numbered from 1 without gaps and stay for ever: where the first is not there, none is.
    found = table.batch_get(
        key for symbol_hour in wanted for key in (rollup_key(symbol_hour), segment_key(symbol_hour, 1))
    )
    rolled_up: dict[SymbolHour, frozenset[int]] = {}
    segmented: set[SymbolHour] = set()
    missing: dict[SymbolHour, set[int]] = {}
    for item in found:
        symbol_hour = item["symbol"]["S"], keys.hour_and_suffix(sort_key_of(item))[0]
        try:
            read = hour_item_from(item)
        except MalformedItem:
            segmented.add(symbol_hour)  # reading it as a whole says what is wrong with it
            continue
        if isinstance(read, Rollup) and read.segments == 0:
            rolled_up[symbol_hour] = read.ranges
        else:
            segmented.add(symbol_hour)
    for symbol_hour, range_ids in wanted.items():
        lost = range_ids - rolled_up.get(symbol_hour, frozenset())
        if symbol_hour in segmented or lost:
            lost = _not_in_whole_hour(table, symbol_hour, range_ids)
        if lost:
            missing[symbol_hour] = lost
    return missing


def _not_in_whole_hour(table: Table, symbol_hour: SymbolHour, range_ids: set[int]) -> set[int]:
    try:
        hour = read_hour(table, symbol_hour, max_slices=0)
        return {range_id for range_id in range_ids if not hour.has_settled(range_id)}
    except MalformedItem:
        logger.exception("an hour's items cannot be read", symbol=symbol_hour[0], hour=symbol_hour[1])
        return range_ids
