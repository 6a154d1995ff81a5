"""The lists of lanes, and the rollups they ask for.

DataProcessor writes a `pending` entry for each range and lane of its symbols, so a committed range is in the lists or
in its rollups. A pass reads the lists of its lanes, then the receipts (no receipt: not committed yet, the entry stays),
then refreshes the rollups of the lanes' symbols and the hours that the receipts name, and only then deletes the entries
of lanes that are done:

- died before the deletes: the entries come again, the rollups name their ranges already, nothing is written;
- an event lost, or never sent: the entry is there, the next event or the schedule finds it;
- an event or a range delivered again: the entry may come again; as above;
- another aggregator wrote an older rollup over ours: readers add the slices that it does not name, and confirmation
  (`data_aggregator_confirmation`) looks at every range once more before anything is forgotten.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import batched, groupby
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_election import Ended
from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.items import key_of, pending_from, primary_key, receipt_from, sort_key_of
from tickstream.revisions import is_taken_back

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from market_analytics.data_aggregator_election import Lanes, Share
    from market_analytics.data_aggregator_rollups import Rollups, Wanted
    from services.table import Table
    from tickstream.ingests import Receipt
    from tickstream.items import Item
    from tickstream.keys import SymbolHour

#: Entries of a lane's list read at a time: of all 16, 80,000 of 1 KB in memory.
MAX_ENTRIES_A_LANE: Final = 5_000
#: Receipts are read in as many as one BatchGetItem takes, and gathered until they name this many slices, so that the
#: ranges of one file are merged into a rollup together: some 6 seconds of work. With more than that lanes are shared.
RECEIPTS_A_READ: Final = 100
SLICES_A_GROUP: Final = 20_000

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Committed:
    """A range that is committed, and its entries in the lists of some lanes.

    entries: by lane, several where the range was listed again before. whole: of these, the lanes whose hours are to be
    read as a whole.
    """

    receipt: Receipt
    entries: dict[int, list[Item]]
    whole: Lanes

    @property
    def range_id(self) -> int:
        """The suffix of the range's slices."""
        return keys.range_id(self.receipt.ingest_id, self.receipt.index)

    def symbol_hours(self, lanes: Collection[int]) -> dict[int, list[SymbolHour]]:
        """Return the hours of the symbols of some lanes by lane, as far as it has entries of them."""
        found: dict[int, list[SymbolHour]] = {lane: [] for lane in self.entries.keys() & lanes}
        for symbol, hours in self.receipt.hours.items():
            if (lane := keys.lane_of(symbol)) in found:
                found[lane] += [(symbol, hour) for hour in hours]
        return found


def roll_up_pending(rollups: Rollups, lanes: Lanes, share: Share) -> Ended:
    """Roll up all committed ranges of some lanes' lists, as far as there is time.

    Page after page: entries without a receipt stay in the list, and must hide none of those behind them. What is
    committed before the page that is read has an event of its own, which names its lanes.

    share: asked for fewer lanes where they have more than one aggregator does in a few seconds.
    Raises ServiceIncomplete or ServiceRefused; what was rolled up until then stays.
    """
    of_pass = _Pass(rollups, lanes, share)
    for page in pages_of(rollups.table, _partitions(lanes), MAX_ENTRIES_A_LANE, of_pass.has):
        if not of_pass.roll_up(page):
            return of_pass.out_of_time()
    return Ended.FINISHED if of_pass.roll_up_rest() else of_pass.out_of_time()


def roll_up_entries(rollups: Rollups, entries: Iterable[Item], lanes: Lanes, share: Share) -> Ended:
    """Roll up those of these entries of some lanes' lists that are committed, as far as there is time.

    Entries that are done by now, and no longer in the list, change nothing. Raises as `roll_up_pending`.
    """
    of_pass = _Pass(rollups, lanes, share)
    finished = of_pass.roll_up(entries) and of_pass.roll_up_rest()
    return Ended.FINISHED if finished else of_pass.out_of_time()


@dataclass(slots=True)
class _Pass:
    """A pass over the lists of some lanes. lanes: those that it has still. slices: what its group has of them."""

    rollups: Rollups
    lanes: Lanes
    share: Share
    group: list[Committed] = field(default_factory=list)
    slices: int = 0
    has_taken_off: bool = False

    def has(self, partition: str) -> bool:
        """Say whether the list is one of its lanes'."""
        return keys.pending_lane(partition) in self.lanes

    def roll_up(self, entries: Iterable[Item]) -> bool:
        """Roll up all but the last group of these entries, the oldest first; say whether there is time left."""
        # One range has the same sort key in all lanes: its receipt is read once.
        ranges = [list(of_one) for _, of_one in groupby(sorted(entries, key=sort_key_of), sort_key_of)]
        for some in batched(ranges, RECEIPTS_A_READ, strict=False):
            mine = (entry for of_one in some for entry in of_one if self.has(entry["symbol"]["S"]))
            committed = _doubted(self.rollups.table, read_committed(self.rollups.table, mine))
            self.group += committed
            self.slices += self._slices_of(committed)
            while self.slices >= SLICES_A_GROUP and len(self.lanes) > 1:
                self.lanes = self.share()
                self.slices = self._slices_of(self.group)
            if self.slices >= SLICES_A_GROUP and not self.roll_up_rest():
                return False
        return not self.rollups.time_is_up()

    def roll_up_rest(self) -> bool:
        """Roll up the group and take what is done off the lists; say whether there was time for all of it.

        Lane after lane, beginning with that of the oldest entry, and in each the hours of its oldest range first. Hours
        that are read as a whole are read again each time until their entries are off: where there is no time for all
        of them, some lanes' are, or one range's, and the next pass begins with the others.
        """
        wanted: dict[SymbolHour, set[int]] = {}
        whole: set[SymbolHour] = set()
        for lane, hours, one in self._in_turn():
            for symbol_hour in hours:
                wanted.setdefault(symbol_hour, set()).add(one.range_id)
            if lane in one.whole:
                whole.update(hours)
        left = _by_lane(self.rollups.refresh(wanted, whole))
        done = [
            primary_key(entry)
            for one in self.group
            for lane, entries in one.entries.items()
            if lane in self.lanes and (lane, one.range_id) not in left
            for entry in entries
        ]
        self.rollups.table.batch_write((), done)
        self.has_taken_off |= bool(done)
        self.group.clear()
        self.slices = 0
        return not (left and self.rollups.time_is_up())

    def out_of_time(self) -> Ended:
        """Say how a pass ended that could not be finished."""
        return Ended.OUT_OF_TIME if self.has_taken_off or self.rollups.has_written else Ended.STUCK

    def _in_turn(self) -> Iterator[tuple[int, list[SymbolHour], Committed]]:
        """Yield the lanes' ranges with their hours there, in the order in which they are to be rolled up."""
        by_lane: dict[int, list[tuple[int, list[SymbolHour], Committed]]] = {}
        for one in self.group:
            for lane, hours in one.symbol_hours(self.lanes).items():
                by_lane.setdefault(lane, []).append((min(map(sort_key_of, one.entries[lane])), hours, one))
        for ranges in by_lane.values():
            ranges.sort(key=lambda of_one: of_one[0])
        for lane in sorted(by_lane, key=lambda lane: (by_lane[lane][0][0], lane)):
            yield from ((lane, hours, one) for _, hours, one in by_lane[lane])

    def _slices_of(self, ranges: Iterable[Committed]) -> int:
        return sum(len(hours) for one in ranges for hours in one.symbol_hours(self.lanes).values())


def _by_lane(unfinished: Wanted) -> set[tuple[int, int]]:
    return {(keys.lane_of(symbol), range_id) for (symbol, _), ids in unfinished.items() for range_id in ids}


def _partitions(lanes: Iterable[int]) -> list[str]:
    return [keys.pending_partition(lane) for lane in sorted(lanes)]


def pages_of(
    table: Table, partitions: Iterable[str], entries_each: int, is_wanted: Callable[[str], bool] = lambda _: True
) -> Iterator[list[Item]]:
    """Yield the items of some partitions, of each so many at a time, upwards, as long as the partition is wanted."""
    first = dict.fromkeys(partitions, 0)
    while first:
        page = table.query_each(first, entries_each, first)
        yield page
        counts = Counter(item["symbol"]["S"] for item in page)
        last = {item["symbol"]["S"]: sort_key_of(item) for item in page}
        first = {name: last[name] + 1 for name in first if counts[name] >= entries_each and is_wanted(name)}


def read_committed(table: Table, entries: Iterable[Item]) -> list[Committed]:
    """Return the ranges of those entries of lanes' lists whose receipt is there."""
    by_range: dict[tuple[str, int], dict[int, list[Item]]] = {}
    whole: dict[tuple[str, int], set[int]] = {}
    for entry in entries:
        try:
            pending = pending_from(entry)
        except MalformedItem:
            logger.exception("an entry of the work list cannot be read", entry=entry.get("symbol"))
            continue
        name = pending.ingest_id, pending.index
        by_range.setdefault(name, {}).setdefault(pending.lane, []).append(entry)
        if pending.whole:
            whole.setdefault(name, set()).add(pending.lane)
    return [
        Committed(one, by_range[one.ingest_id, one.index], frozenset(whole.get((one.ingest_id, one.index), ())))
        for one in read_receipts(table, by_range)
    ]


def _doubted(table: Table, committed: Sequence[Committed]) -> list[Committed]:
    """Return the ranges so that hours of ingests that are taken back are read as a whole.

    A range that is delivered again when all that is over has its slices in the hour once more, and an entry; the fast
    way knows no revisions, and would merge them. Readers do not believe that rollup, but nobody would mend it any more
    before the slices expire that they use in its place. Whoever asks to take it back after this read has its hours
    looked at when this pass is long dead.
    """
    ingests = {one.receipt.ingest_id for one in committed}
    manifests = table.batch_get(key_of(keys.ingest_partition(one), keys.MANIFEST_SORT_KEY) for one in sorted(ingests))
    taken_back = {keys.ingest_of(item["symbol"]["S"]) for item in manifests if is_taken_back(item)}
    return [
        replace(one, whole=frozenset(one.entries)) if one.receipt.ingest_id in taken_back else one for one in committed
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


def oldest_commit_ms(table: Table) -> int | None:
    """Return since when the oldest range that is committed waits to be rolled up; None if there is none.

    The oldest by when it was received, page after page behind those that were never committed.
    """
    for page in pages_of(table, _partitions(range(keys.LANES)), RECEIPTS_A_READ):
        if committed := read_committed(table, page):
            # What was taken back is listed once more, long after it was committed.
            return min(
                max(
                    one.receipt.committed_ms,
                    *(sort_key_of(entry) // keys.SUFFIX_SPAN for of_lane in one.entries.values() for entry in of_lane),
                )
                for one in committed
            )
    return None
