"""The list of open ingests: which are overdue, and which are done for good.

A range is **confirmed** when it was committed a while ago and a consistent read has found it in the rollup or a segment
of every hour that it touched. What is confirmed of an ingest stands in its entry of the list, and the entry goes when
all of it is. Only from then on may its slices expire. What that rules out is a rollup that had a range and lost it
again, because an aggregator that had read the older rollup wrote it back: within 60 days nobody would notice (readers
add the slice), after them the ticks were gone. An ingest of which a range is missing stays in the list; what is there
of it is confirmed all the same, for its slices expire all the same.

Why one look is enough. Rollups and segments are written by the holder of the rolling-up lease and by the one who
confirms, each one thing after the other. A look has found a range in what somebody wrote last. It can be taken away
only by one who read before that write and writes after the look:

- the writer itself: it reads again before it writes again;
- the holder, where an earlier holder wrote: that one was dead or had released the lease before this one began to read;
- the holder, where an earlier confirming wrote: an aggregator lives no longer than its timeout and confirming begins at
  most once in two, so whoever lives now began when that one was dead;
- the holder, where this very confirming wrote, to repair an hour: it may have read before and be about to write. So an
  hour that was repaired is no evidence for any range until the next confirming, which that holder does not live to see.

Compactions are such writes too: a segment is made of what was read, as a rollup is. (A model of this, walked through in
all orders: `tests/unit/market_analytics/settling_model.py`.)

What is confirmed stays so, whenever the rest of its ingest is, so a pass may end anywhere and the next one go on. Died
before the entry was written: the same ranges are looked at again. Only the one who confirms changes or deletes entries;
whoever lists an ingest puts an entry where there is none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import batched
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_hours import read_hour
from market_analytics.data_aggregator_rollups import (
    pages_of,
    read_receipt_heads,
    read_receipts,
    refresh_whole,
    rollup_key,
    segment_key,
    wanted_by,
)
from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.hours import Rollup
from tickstream.items import (
    activity_from,
    activity_item,
    commit_from,
    hour_item_from,
    primary_key,
    sort_key_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from market_analytics.data_aggregator_rollups import Wanted
    from services.table import Table
    from tickstream.ingests import Activity, Commit
    from tickstream.items import Item
    from tickstream.keys import SymbolHour

#: The timeout of DataAggregator, which its stack sets.
FUNCTION_TIMEOUT_MS: Final = 50_000
#: How long the last receipt must be old: whoever read the table before it was written is dead.
CONFIRM_AFTER_MS: Final = 2 * FUNCTION_TIMEOUT_MS
#: Entries read at a time of each of the 64 shards: 64,000 of 1 KB in memory.
MAX_ENTRIES_A_SHARD: Final = 1_000
#: Ranges whose receipts' heads are in memory at a time, ...
RANGES_A_GROUP: Final = 1_000
#: ... of one ingest at most so many before the others have their turn: it may have 10,000 that cannot be confirmed, ...
RANGES_A_TURN: Final = 200
#: ... and those whose hours are: a range of a busy market touches a thousand, ...
RANGES_A_CHECK: Final = 50
#: ... of which so many are looked at between two looks at the clock: a range may touch 250,000.
HOURS_A_LOOK: Final = 4_000
#: Overdue ingests and missing ranges that the log names one by one; all of them are counted.
MAX_NAMED: Final = 50

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look at the open ingests found.

    open_ingests: still in the list after it. overdue: of these, the ones with ranges missing past the deadline.
    confirmed: taken off the list. ticks, rejected: of the ranges that were confirmed now; each is confirmed once, so
    sums over time are right (an aggregator that dies between confirming and publishing loses its sum: metrics are no
    ledger).
    """

    open_ingests: int = 0
    overdue: int = 0
    confirmed: int = 0
    ticks: int = 0
    rejected: int = 0


@dataclass(slots=True)
class _Open:
    """An ingest of the list, as it is known by now.

    left: ranges that are not confirmed and still to be looked at now. overdue: whether it was counted as such.
    """

    activity: Activity
    left: int
    overdue: bool = False

    def next_ranges(self) -> list[int]:
        """Return the ranges to look at next: where an earlier look ended, and at the end from the beginning."""
        confirmed = self.activity.confirmed
        unconfirmed = [index for index in range(self.activity.ranges) if not confirmed >> index & 1]
        start = bisect_left(unconfirmed, self.activity.next_range)
        return [*unconfirmed[start:], *unconfirmed[:start]][: min(self.left, RANGES_A_TURN)]

    def is_confirmed(self) -> bool:
        """Say whether all ranges are."""
        return self.activity.confirmed.bit_count() >= self.activity.ranges


@dataclass(frozen=True, slots=True)
class _Look:
    """Some ranges of an open ingest, and what is committed of them. before: its entry as it stands in the table."""

    ingest: _Open
    before: Activity
    ranges: Sequence[int]
    commits: list[Commit]

    def missing(self) -> list[int]:
        """Return the ranges that are not committed."""
        return sorted(set(self.ranges) - {commit.index for commit in self.commits})


def survey_ingests(
    table: Table, *, now_ms: int, overdue_ms: int, confirming: bool, compaction_threshold: int,
    time_is_up: Callable[[], bool],
) -> Survey:  # fmt: skip
    """Look through the open ingests, confirm what is done of them, name those that are overdue.

    confirming: whether this aggregator is the one that may confirm; otherwise it only looks.
    Stops when time is up: the rest is looked at the next time, beginning at another shard.
    Raises ServiceIncomplete or ServiceRefused.
    """
    turns = _Turns(pages_of(table, _shards_from(now_ms), MAX_ENTRIES_A_SHARD), now_ms)
    check = _Check(table, compaction_threshold, time_is_up)
    overdue = confirmed = ticks = rejected = 0
    while group := turns.take():
        if time_is_up():
            logger.info("time is up before all open ingests were looked at", entries=turns.entries)
            break
        looks = _look(table, group)
        for look in looks:
            missing = look.missing()
            if missing and not look.ingest.overdue and now_ms - look.before.received_ms > overdue_ms:
                look.ingest.overdue = True
                overdue += 1
                _name_overdue(look.before, missing, overdue)
        turns.again += [look.ingest for look in looks if look.ingest.left]
        if not confirming:
            continue
        old = [
            (look.before.ingest_id, commit.index)
            for look in looks
            for commit in look.commits
            if now_ms - commit.committed_ms > CONFIRM_AFTER_MS
        ]
        found = check.confirmed_of(old)
        for look in looks:
            sure = [commit for commit in look.commits if (look.before.ingest_id, commit.index) in found]
            ticks += sum(commit.ticks for commit in sure)
            rejected += sum(commit.rejected for commit in sure)
        confirmed += _note(table, looks, found)
    return Survey(turns.entries - confirmed, overdue, confirmed, ticks, rejected)


def _shards_from(now_ms: int) -> list[str]:
    """Return the shards, turned by one each minute: entries that stay must not keep later shards from their turn."""
    shards = keys.activity_partitions()
    start = now_ms // 60_000 % len(shards)
    return [*shards[start:], *shards[:start]]


@dataclass(slots=True)
class _Turns:
    """Whose turn it is: everybody's first turn, page after page, then the next ones of those with more ranges.

    entries: read so far.
    """

    pages: Iterator[list[Item]]
    now_ms: int
    entries: int = 0
    first: deque[_Open] = field(default_factory=deque)
    again: deque[_Open] = field(default_factory=deque)

    def take(self) -> list[_Open]:
        """Take as many ingests as are looked at together; none when all had their turns."""
        taken: list[_Open] = []
        ranges = 0
        while ranges < RANGES_A_GROUP and len(taken) < RANGES_A_GROUP and (one := self._next()):
            taken.append(one)
            ranges += min(one.left, RANGES_A_TURN)
        return taken

    def _next(self) -> _Open | None:
        while not self.first:
            page = next(self.pages, None)
            if page is None:
                return self.again.popleft() if self.again else None
            self.entries += len(page)
            self.first += _old_enough(page, self.now_ms)
        return self.first.popleft()


def _old_enough(entries: Sequence[Item], now_ms: int) -> list[_Open]:
    """Return the open ingests, without the very young ones."""
    ingests: list[_Open] = []
    for entry in entries:
        try:
            activity = activity_from(entry)
        except MalformedItem:
            logger.exception("an entry of the open ingests cannot be read", entry=entry.get("symbol"))
            continue
        # Too young to be confirmed or overdue: not worth a read.
        if not activity.ranges or now_ms - activity.received_ms > CONFIRM_AFTER_MS:
            ingests.append(_Open(activity, activity.ranges - activity.confirmed.bit_count()))
    return ingests


def _look(table: Table, group: Sequence[_Open]) -> list[_Look]:
    """Read what is committed of the next ranges of some ingests."""
    looks: list[_Look] = []
    for one in group:
        ranges = one.next_ranges()
        looks.append(_Look(one, one.activity, ranges, []))
        one.left -= len(ranges)
        one.activity = replace(one.activity, next_range=ranges[-1] + 1 if one.left else 0)
    commits = {look.before.ingest_id: look.commits for look in looks}
    for head in read_receipt_heads(table, ((look.before.ingest_id, index) for look in looks for index in look.ranges)):
        ingest_id = keys.ingest_of(head["symbol"]["S"])
        try:
            commits[ingest_id].append(commit_from(head))
        except MalformedItem:
            logger.exception("a receipt cannot be read", ingest_id=ingest_id)
    return looks


def _note(table: Table, looks: Sequence[_Look], found: set[tuple[str, int]]) -> int:
    """Put on record what is confirmed, and where the next look begins; return how many ingests are done.

    Died in between, or written twice: what is confirmed is so anyway.
    """
    done: list[Item] = []
    changed: list[Item] = []
    for look in looks:
        one = look.ingest
        for index in look.ranges:
            if (look.before.ingest_id, index) in found:
                one.activity = replace(one.activity, confirmed=one.activity.confirmed | 1 << index)
        if one.is_confirmed():
            done.append(primary_key(activity_item(one.activity)))
        elif one.activity != look.before:
            changed.append(activity_item(one.activity))
    table.batch_write(changed, done)
    return len(done)


def _name_overdue(activity: Activity, missing: Sequence[int], count: int) -> None:
    if count <= MAX_NAMED:
        logger.warning(
            "ingest is overdue",
            ingest_id=activity.ingest_id,
            ranges=activity.ranges,
            missing=len(missing),
            missing_ranges=missing[:MAX_NAMED],
        )


@dataclass(frozen=True, slots=True)
class _Check:
    """One confirming: it looks for ranges in what is rolled up, and repairs the hours that miss some.

    repaired: the hours that this one has written, or tried to. They are no evidence now.
    """

    table: Table
    compaction_threshold: int
    time_is_up: Callable[[], bool]
    repaired: set[SymbolHour] = field(default_factory=set)

    def confirmed_of(self, ranges: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
        """Return those of some committed ranges (ingest id, index) that are rolled up for good."""
        confirmed: set[tuple[str, int]] = set()
        for some in batched(ranges, RANGES_A_CHECK, strict=False):
            if self.time_is_up():
                break
            receipts = read_receipts(self.table, some)  # of one that cannot be read, the log tells
            doubtful = self._doubtful(wanted_by(receipts))
            confirmed |= {
                (one.ingest_id, one.index)
                for one in receipts
                if keys.range_id(one.ingest_id, one.index) not in doubtful
            }
        return confirmed

    def _doubtful(self, wanted: Wanted) -> set[int]:
        """Return the ranges that are not known to be in all of their hours."""
        doubtful: set[int] = set()
        for symbol_hours in batched(sorted(wanted), HOURS_A_LOOK, strict=False):
            some = {symbol_hour: wanted[symbol_hour] for symbol_hour in symbol_hours}
            if self.time_is_up():
                doubtful.update(*some.values())
                continue
            doubtful.update(*(some[symbol_hour] for symbol_hour in self.repaired & some.keys()))
            missing = _not_rolled_up(self.table, some)
            if missing:
                logger.warning("rollups lost ranges that they had, or never had them: repairing", hours=len(missing))
                doubtful.update(*missing.values())
                self.repaired.update(missing)
                # Whole hours, not the fast way: the rollup may be one over an older segment, which the fast way would
                # take for good.
                for symbol_hour, range_ids in missing.items():
                    refresh_whole(self.table, symbol_hour, range_ids, self.compaction_threshold, self.time_is_up)
        return doubtful


def _not_rolled_up(table: Table, wanted: Wanted) -> dict[SymbolHour, set[int]]:
    """Return, by hour, the ranges that neither a rollup that counts nor a segment includes."""
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
        if symbol_hour in segmented:
            lost = _not_in_whole_hour(table, symbol_hour, range_ids)
        else:
            lost = range_ids - rolled_up.get(symbol_hour, frozenset())
        if lost:
            missing[symbol_hour] = lost
    return missing


def _not_in_whole_hour(table: Table, symbol_hour: SymbolHour, range_ids: set[int]) -> set[int]:
    try:
        hour = read_hour(table, symbol_hour, max_slices=0)
        return {range_id for range_id in range_ids if not hour.includes(range_id)}
    except MalformedItem:
        logger.exception("an hour's items cannot be read", symbol=symbol_hour[0], hour=symbol_hour[1])
        return range_ids
