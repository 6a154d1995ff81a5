"""The work list, and the rollups it asks for.

DataProcessor writes a `pending` entry for each range before the range's receipt, so a committed range is either in
the list or in its rollups. A pass reads the shards of the list that have something new, then the receipts (no receipt:
not committed yet, the entry stays), then refreshes the rollups of the symbols and hours that the receipts name, and
only then deletes the entries:

- died before the deletes: the entries come again, the rollups name their ranges already, nothing is written;
- an event lost, or never sent: the entry is there, the next event or the schedule finds it;
- an event or a range delivered again: the entry may come again; as above;
- another aggregator wrote an older rollup over ours: readers add the slices that it does not name, and confirmation
  (`data_aggregator_confirmation`) looks at every range once more before anything is forgotten.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_hours import refresh_hour
from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.hours import HourItems, Rollup, Slice, refreshed_rollup
from tickstream.items import hour_item_from, key_of, pending_from, primary_key, receipt_from, rollup_item, sort_key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from services.table import Table
    from tickstream.ingests import Receipt
    from tickstream.items import Item
    from tickstream.keys import SymbolHour

#: Entries of the work list read at a time from each of its 16 shards: 80,000 of 1 KB in memory.
MAX_ENTRIES_A_SHARD: Final = 5_000
#: Receipts are read in as many as one BatchGetItem takes, and gathered until they name this many slices, so that the
#: ranges of one file are merged into a rollup together.
RECEIPTS_A_READ: Final = 100
SLICES_A_GROUP: Final = 20_000
#: Slices in memory at a time, at some 5 KB each.
SLICES_A_CHUNK: Final = 4_000

_UNREADABLE: Final = "an hour's items cannot be read"

#: Which ranges have a slice in an hour.
type Wanted = Mapping[SymbolHour, set[int]]

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Committed:
    """An entry of the work list whose range is committed."""

    entry: Item
    receipt: Receipt

    @property
    def range_id(self) -> int:
        """The suffix of the range's slices."""
        return keys.range_id(self.receipt.ingest_id, self.receipt.index)


def roll_up_pending(
    table: Table, shards: Collection[str], compaction_threshold: int, time_is_up: Callable[[], bool]
) -> bool:
    """Roll up all committed ranges of some shards of the work list; say whether it came to their end in time.

    Page after page: entries without a receipt stay in the list, and must hide none of those behind them. What is
    committed before the page that is read has an event of its own, which names its shard.

    Raises ServiceIncomplete or ServiceRefused; what was rolled up until then stays.
    """
    for page in pages_of(table, sorted(shards), MAX_ENTRIES_A_SHARD):
        page.sort(key=sort_key_of)  # the oldest first, over all shards
        for group in _groups(table, page):
            _work_off(table, group, compaction_threshold, time_is_up)
            if time_is_up():
                return False
    return True


def pages_of(table: Table, partitions: Iterable[str], entries_each: int) -> Iterator[list[Item]]:
    """Yield the items of some partitions, of each so many at a time, upwards."""
    first = dict.fromkeys(partitions, 0)
    while first:
        page = table.query_each(first, entries_each, first)
        yield page
        counts = Counter(item["symbol"]["S"] for item in page)
        last = {item["symbol"]["S"]: sort_key_of(item) for item in page}
        first = {name: last[name] + 1 for name in first if counts[name] >= entries_each}


def roll_up_entries(
    table: Table, entries: Sequence[Item], compaction_threshold: int, time_is_up: Callable[[], bool]
) -> bool:
    """Roll up those of these entries of the work list that are committed; say whether there was time for all.

    Entries that are done by now, and no longer in the list, change nothing. Raises as `roll_up_pending`.
    """
    for group in _groups(table, entries):
        _work_off(table, group, compaction_threshold, time_is_up)
        if time_is_up():
            return False
    return True


def _work_off(
    table: Table, group: Sequence[Committed], compaction_threshold: int, time_is_up: Callable[[], bool]
) -> None:
    """Roll up a group and take what is done off the list."""
    finished = _roll_up(table, group, compaction_threshold, time_is_up)
    table.batch_write((), [primary_key(committed.entry) for committed in finished])


def _groups(table: Table, entries: Sequence[Item]) -> Iterator[list[Committed]]:
    group: list[Committed] = []
    slices = 0
    for some in batched(entries, RECEIPTS_A_READ, strict=False):
        for committed in read_committed(table, some):
            group.append(committed)
            slices += sum(len(hours) for hours in committed.receipt.hours.values())
        if slices >= SLICES_A_GROUP:
            yield group
            group, slices = [], 0
    if group:
        yield group


def read_committed(table: Table, entries: Iterable[Item]) -> list[Committed]:
    """Return those entries of the work list whose receipt is there, with it."""
    by_range: dict[tuple[str, int], Item] = {}
    for entry in entries:
        try:
            pending = pending_from(entry)
        except MalformedItem:
            logger.exception("an entry of the work list cannot be read", entry=entry.get("symbol"))
        else:
            by_range[pending.ingest_id, pending.index] = entry
    return [
        Committed(by_range[receipt.ingest_id, receipt.index], receipt) for receipt in read_receipts(table, by_range)
    ]


def read_receipts(table: Table, ranges: Iterable[tuple[str, int]]) -> list[Receipt]:
    """Return the receipts of those ranges (ingest id, index) that are committed, whole."""
    heads = read_receipt_heads(table, ranges)
    # Part 0 is written last: where it is there, the other parts are.
    more = [
        key_of(head["symbol"]["S"], sort_key_of(head) + part)
        for head in heads
        for part in range(1, int(head["parts"]["N"]))
    ]
    parts: dict[tuple[str, int], list[Item]] = {}
    for item in (*heads, *(table.batch_get(more) if more else ())):
        index, _ = keys.receipt_index_and_part(sort_key_of(item))
        parts.setdefault((item["symbol"]["S"], index), []).append(item)
    receipts: list[Receipt] = []
    for (partition, index), of_one in parts.items():
        try:
            receipts.append(receipt_from(of_one))
        except MalformedItem:
            # As if it were not there: its range stays in the lists, is seen as overdue, and holds up nobody else.
            logger.exception("a receipt cannot be read", ingest_id=keys.ingest_of(partition), range=index)
    return receipts


def read_receipt_heads(table: Table, ranges: Iterable[tuple[str, int]]) -> list[Item]:
    """Return part 0 of the receipts of those ranges (ingest id, index) that are committed."""
    return table.batch_get(
        key_of(keys.ingest_partition(ingest_id), keys.receipt_sort_key(index, 0)) for ingest_id, index in ranges
    )


def _roll_up(
    table: Table, group: Sequence[Committed], compaction_threshold: int, time_is_up: Callable[[], bool]
) -> list[Committed]:
    """Refresh every rollup that the group's ranges belong in; return those ranges that are in all of theirs."""
    unfinished: set[int] = set()
    for chunk in _chunks(wanted_by(committed.receipt for committed in group)):
        if time_is_up():
            unfinished.update(*chunk.values())
            continue
        unfinished |= refresh_rollups(table, chunk, compaction_threshold, time_is_up)
    return [committed for committed in group if committed.range_id not in unfinished]


def wanted_by(receipts: Iterable[Receipt]) -> dict[SymbolHour, set[int]]:
    """Return the ranges that must be in the rollups (or segments) of each hour, going by these receipts."""
    wanted: dict[SymbolHour, set[int]] = {}
    for receipt in receipts:
        range_id = keys.range_id(receipt.ingest_id, receipt.index)
        for symbol, hours in receipt.hours.items():
            for hour in hours:
                wanted.setdefault((symbol, hour), set()).add(range_id)
    return wanted


def _chunks(wanted: Wanted) -> Iterator[dict[SymbolHour, set[int]]]:
    chunk: dict[SymbolHour, set[int]] = {}
    slices = 0
    # Sorted by symbol and hour, which is how the table keeps them.
    for symbol_hour in sorted(wanted):
        if chunk and slices + len(wanted[symbol_hour]) > SLICES_A_CHUNK:
            yield chunk
            chunk, slices = {}, 0
        chunk[symbol_hour] = wanted[symbol_hour]
        slices += len(wanted[symbol_hour])
    if chunk:
        yield chunk


def refresh_rollups(
    table: Table, wanted: Wanted, compaction_threshold: int, time_is_up: Callable[[], bool]
) -> set[int]:
    """Bring the rollups of some hours up to date for the ranges wanted in them; return the ranges that are not in yet.

    The fast way reads exactly the rollups and the slices that they do not name, a hundred in a request. It is open
    only where the rollup was made over no segment. With segments, a range that the rollup does not name may be in one
    of them: merging its slice (which may still be there) would count it twice, so such hours are read as a whole. Not
    where the rollup names all that is wanted and no newer segment is there: a pass that ran out of time leaves the next
    one only the hours that it has not done.
    Should a first segment appear while the fast way is under way, its rollup is one that readers ignore.
    """
    rollups, damaged = _read_rollups(table, wanted)
    unfinished = {range_id for symbol_hour in damaged for range_id in wanted[symbol_hour]}
    whole: list[SymbolHour] = []
    named: list[Rollup] = []
    missing: dict[SymbolHour, set[int]] = {}
    for symbol_hour in wanted.keys() - damaged:
        rollup = rollups.get(symbol_hour)
        known = rollup.ranges if rollup else frozenset()
        if rollup and rollup.segments and not wanted[symbol_hour] - known:
            named.append(rollup)
        elif (rollup and rollup.segments) or len(known | wanted[symbol_hour]) >= compaction_threshold:
            whole.append(symbol_hour)
        elif wanted[symbol_hour] - known:
            missing[symbol_hour] = wanted[symbol_hour] - known

    whole += _outdated(table, named)
    slices = _read_slices(table, missing)
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
            unfinished |= wanted[symbol_hour]
    # Without conditions: an older rollup over a newer one is a cache that misses something, no more.
    table.batch_write(rollup_item(rollup) for rollup in fresh)
    for symbol_hour in sorted(whole):
        unfinished |= refresh_whole(table, symbol_hour, wanted[symbol_hour], compaction_threshold, time_is_up)
    return unfinished


def _outdated(table: Table, rollups: Iterable[Rollup]) -> list[SymbolHour]:
    """Return the hours of those rollups over a segment that readers ignore, because there is a newer one."""
    newer = table.batch_get(segment_key((one.symbol, one.hour), one.segments + 1) for one in rollups)
    return [(item["symbol"]["S"], keys.hour_and_suffix(sort_key_of(item))[0]) for item in newer]


def refresh_whole(
    table: Table, symbol_hour: SymbolHour, wanted: set[int], compaction_threshold: int, time_is_up: Callable[[], bool]
) -> set[int]:
    """Refresh one hour from everything that it has; return those of the wanted ranges that are not in afterwards."""
    try:
        included = refresh_hour(table, symbol_hour, compaction_threshold, time_is_up)
    except MalformedItem:
        # This hour's ranges stay in the list and are seen as lag; the others go on.
        logger.exception(_UNREADABLE, symbol=symbol_hour[0], hour=symbol_hour[1])
        return wanted
    if included is None:
        return wanted
    lost = wanted - included
    if lost:
        logger.error(
            "a receipt names slices that are nowhere", symbol=symbol_hour[0], hour=symbol_hour[1], slices=len(lost)
        )
    return lost


def _read_rollups(table: Table, wanted: Wanted) -> tuple[dict[SymbolHour, Rollup], set[SymbolHour]]:
    """Return the rollups that are there, and the hours whose rollup cannot be read."""
    rollups: dict[SymbolHour, Rollup] = {}
    damaged: set[SymbolHour] = set()
    for item in table.batch_get(rollup_key(symbol_hour) for symbol_hour in wanted):
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


def _read_slices(table: Table, wanted: Wanted) -> dict[SymbolHour, list[Slice]]:
    slices: dict[SymbolHour, list[Slice]] = {}
    found = table.batch_get(
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


def rollup_key(symbol_hour: SymbolHour) -> Item:
    """Build the primary key of an hour's rollup."""
    symbol, hour = symbol_hour
    return key_of(symbol, keys.sort_key(hour, keys.ROLLUP_SUFFIX))


def segment_key(symbol_hour: SymbolHour, number: int) -> Item:
    """Build the primary key of a segment of an hour."""
    symbol, hour = symbol_hour
    return key_of(symbol, keys.sort_key(hour, keys.segment_suffix(number)))


def oldest_commit_ms(table: Table) -> int | None:
    """Return when the oldest range that is committed and not rolled up was committed; None if there is none.

    The oldest by when it was received, page after page behind those that were never committed.
    """
    for page in pages_of(table, keys.pending_partitions(), RECEIPTS_A_READ):
        if committed := read_committed(table, page):
            return min(one.receipt.committed_ms for one in committed)
    return None
