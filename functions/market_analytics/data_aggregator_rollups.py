"""Rollups brought up to date for the ranges that are wanted in them, many hours at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_hours import refresh_hour
from services.side_by_side import side_by_side
from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.hours import HourItems, Rollup, Slice, refreshed_rollup
from tickstream.items import hour_item_from, key_of, rollup_item, sort_key_of
from tickstream.symbol_lists import symbol_items

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from services.table import Table
    from tickstream.items import Item
    from tickstream.keys import SymbolHour

#: Slices in memory at a time, at some 5 KB each.
SLICES_A_CHUNK: Final = 4_000
#: Hours that are read as a whole side by side.
HOURS_AT_A_TIME: Final = 8

_UNREADABLE: Final = "an hour's items cannot be read"

#: Which ranges have a slice in an hour.
type Wanted = Mapping[SymbolHour, set[int]]

logger = Logger(child=True)


@cache
def _threads() -> ThreadPoolExecutor:
    # Not the table's own: whoever waits in a thread of those for another of them might wait for ever.
    return ThreadPoolExecutor(HOURS_AT_A_TIME, thread_name_prefix="hours")


@dataclass(slots=True)
class Rollups:
    """The rollups of one aggregator's time. It must have claimed the lanes of what it writes.

    compaction_threshold: a rollup of that many ranges is made a segment. listed: symbols that are known to be in their
    list. has_written: whether anything changed.
    """

    table: Table
    compaction_threshold: int
    time_is_up: Callable[[], bool]
    listed: set[str] = field(default_factory=set)
    has_written: bool = False

    def refresh(self, wanted: Wanted, whole: Collection[SymbolHour] = ()) -> Wanted:
        """Refresh every rollup that ranges are wanted in; return those that are not in theirs afterwards.

        In the order in which they are wanted, as long as there is time. whole: hours whose rollup is not to be
        believed. Raises ServiceIncomplete or ServiceRefused; what was written until then stays.
        """
        unfinished: dict[SymbolHour, set[int]] = {}
        for chunk in _chunks(wanted):
            unfinished |= chunk if self.time_is_up() else self._refresh_chunk(chunk, whole)
        return unfinished

    def _refresh_chunk(self, wanted: Wanted, doubted: Collection[SymbolHour]) -> Wanted:
        """Bring the rollups of some hours up to date; return the ranges that are not in yet.

        The fast way reads exactly the rollups and the slices that they do not name, a hundred in a request. It is open
        only where the rollup was made over no segment. With segments, a range that the rollup does not name may be in
        one of them: merging its slice (which may still be there) would count it twice, so such hours are read as a
        whole. Not where the rollup names all that is wanted and no newer segment is there: a pass that ran out of time
        leaves the next one only the hours that it has not done.
        Should a first segment appear while the fast way is under way, its rollup is one that readers ignore.
        """
        rollups, damaged = self._read_rollups(wanted)
        self._list_symbols({symbol for symbol, _ in wanted.keys() - damaged - rollups.keys()})
        unfinished = {symbol_hour: wanted[symbol_hour] for symbol_hour in damaged}
        whole: list[SymbolHour] = []
        named: list[Rollup] = []
        missing: dict[SymbolHour, set[int]] = {}
        for symbol_hour in (one for one in wanted if one not in damaged):
            rollup = rollups.get(symbol_hour)
            known = rollup.ranges if rollup else frozenset()
            if symbol_hour in doubted:
                whole.append(symbol_hour)
            elif rollup and rollup.segments and not wanted[symbol_hour] - known:
                named.append(rollup)
            elif (rollup and rollup.segments) or len(known | wanted[symbol_hour]) >= self.compaction_threshold:
                whole.append(symbol_hour)
            elif wanted[symbol_hour] - known:
                missing[symbol_hour] = wanted[symbol_hour] - known

        whole += self._outdated(named)
        slices = self._read_slices(missing)
        fresh: list[Rollup] = []
        for symbol_hour, range_ids in missing.items():
            found = slices.get(symbol_hour, [])
            if len(found) < len(range_ids):
                whole.append(symbol_hour)  # compacted away: the rollup that was read is of before
                continue
            try:
                fresh.append(refreshed_rollup(HourItems(*symbol_hour, rollups.get(symbol_hour), tuple(found))))
            except MalformedItem:
                logger.exception(_UNREADABLE, symbol=symbol_hour[0], hour=symbol_hour[1])
                unfinished[symbol_hour] = wanted[symbol_hour]
        # Without conditions: an older rollup over a newer one is a cache that misses something, no more.
        self.table.batch_write(rollup_item(rollup) for rollup in fresh)
        self.has_written |= bool(fresh)
        places = {symbol_hour: place for place, symbol_hour in enumerate(wanted)}
        whole.sort(key=places.__getitem__)
        lost = side_by_side(
            _threads(), lambda symbol_hour: self._refresh_whole(symbol_hour, wanted[symbol_hour]), whole
        )
        return unfinished | {symbol_hour: ids for symbol_hour, ids in zip(whole, lost, strict=True) if ids}

    def _list_symbols(self, symbols: Collection[str]) -> None:
        """List the symbols of hours that have no rollup yet, before they get one.

        Died before the rollup, which is for ever: the hour comes again, and its symbol is listed again. So each symbol
        that has a rollup or a segment is in its list, for one unit an hour; nobody needs to look what the list has.
        """
        new = sorted(set(symbols) - self.listed)
        self.table.batch_write(item for symbol in new for item in symbol_items(symbol))
        self.listed.update(new)

    def _outdated(self, rollups: Iterable[Rollup]) -> list[SymbolHour]:
        """Return the hours of those rollups over a segment that readers ignore, because there is a newer one."""
        newer = self.table.batch_get(segment_key((one.symbol, one.hour), one.segments + 1) for one in rollups)
        return [(item["symbol"]["S"], keys.hour_and_suffix(sort_key_of(item))[0]) for item in newer]

    def _refresh_whole(self, symbol_hour: SymbolHour, wanted: set[int]) -> set[int]:
        """Refresh one hour from everything that it has; return those of the wanted ranges that are not settled then."""
        try:
            refreshed = refresh_hour(self.table, symbol_hour, self.compaction_threshold, self.time_is_up)
        except MalformedItem:
            # This hour's ranges stay in the list and are seen as lag; the others go on.
            logger.exception(_UNREADABLE, symbol=symbol_hour[0], hour=symbol_hour[1])
            return wanted
        self.has_written |= refreshed.has_written
        if refreshed.settled is None:
            return wanted
        lost = wanted - refreshed.settled
        if lost:
            logger.error(
                "a receipt names slices that are nowhere", symbol=symbol_hour[0], hour=symbol_hour[1], slices=len(lost)
            )
        return lost

    def _read_rollups(self, wanted: Wanted) -> tuple[dict[SymbolHour, Rollup], set[SymbolHour]]:
        """Return the rollups that are there, and the hours whose rollup cannot be read."""
        rollups: dict[SymbolHour, Rollup] = {}
        damaged: set[SymbolHour] = set()
        for item in self.table.batch_get(rollup_key(symbol_hour) for symbol_hour in wanted):
            try:
                rollup = hour_item_from(item)
            except MalformedItem:
                symbol_hour = item["symbol"]["S"], keys.hour_and_suffix(sort_key_of(item))[0]
                logger.exception(_UNREADABLE, symbol=symbol_hour[0], hour=symbol_hour[1])
                damaged.add(symbol_hour)
            else:
                if isinstance(rollup, Rollup):
                    rollups[rollup.symbol, rollup.hour] = rollup
        return rollups, damaged

    def _read_slices(self, wanted: Wanted) -> dict[SymbolHour, list[Slice]]:
        slices: dict[SymbolHour, list[Slice]] = {}
        found = self.table.batch_get(
            key_of(symbol, keys.sort_key(hour, range_id))
            for (symbol, hour), range_ids in wanted.items()
            for range_id in range_ids
        )
        for item in found:
            with suppress(MalformedItem):  # the hour is then read as a whole, which says what is wrong with it
                piece = hour_item_from(item)
                if isinstance(piece, Slice):
                    slices.setdefault((piece.symbol, piece.hour), []).append(piece)
        return slices


def _chunks(wanted: Wanted) -> Iterator[dict[SymbolHour, set[int]]]:
    chunk: dict[SymbolHour, set[int]] = {}
    slices = 0
    for symbol_hour in wanted:
        if chunk and slices + len(wanted[symbol_hour]) > SLICES_A_CHUNK:
            yield chunk
            chunk, slices = {}, 0
        chunk[symbol_hour] = wanted[symbol_hour]
        slices += len(wanted[symbol_hour])
    if chunk:
        yield chunk


def rollup_key(symbol_hour: SymbolHour) -> Item:
    """Build the primary key of an hour's rollup."""
    symbol, hour = symbol_hour
    return key_of(symbol, keys.sort_key(hour, keys.ROLLUP_SUFFIX))


def segment_key(symbol_hour: SymbolHour, number: int) -> Item:
    """Build the primary key of a segment of an hour."""
    symbol, hour = symbol_hour
    return key_of(symbol, keys.sort_key(hour, keys.segment_suffix(number)))
