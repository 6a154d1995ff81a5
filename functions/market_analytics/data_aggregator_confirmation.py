"""The list of open ingests: which are overdue, and which are done for good.

A range is **confirmed** when it was committed a while ago and a consistent read has found it in the rollup or a segment
of every hour that it touched. What is confirmed of an ingest stands in its entry of the list, and the entry goes when
all of it is. Only from then on may its slices expire. What that rules out is a rollup that had a range and lost it
again, because an aggregator that had read the older rollup wrote it back: within 60 days nobody would notice (readers
add the slice), after them the ticks were gone. An ingest of which a range is missing stays in the list; what is there
of it is confirmed all the same, for its slices expire all the same.

Why one look is enough. Rollups and segments are written by whoever has claimed the lane of their symbol, each one thing
after the other, and by nobody else: what is missing is listed in its lane again. A look has found a range in what
somebody wrote last. It can be taken away only by one who read before that write and writes after the look: not by the
writer itself, who reads again before it writes again, and not by a later holder of the lane, who began to read when the
writer was dead or had left it. Compactions are such writes too: a segment is made of what was read, as a rollup is. (A
model of this, walked through in all orders: `tests/unit/market_analytics/settling_model.py`.)

What is confirmed stays so, whenever the rest of its ingest is, so a pass may end anywhere and the next one go on. Died
before the entry was written: the same ranges are looked at again. Only the one who confirms changes or deletes entries;
whoever lists an ingest puts an entry where there is none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_check import Check, RangeOf
from market_analytics.data_aggregator_election import Ended
from market_analytics.data_aggregator_lists import pages_of, read_receipt_heads
from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.ingests import Pending, is_forgotten
from tickstream.items import activity_from, activity_item, commit_from, key_of, key_of_pending, primary_key
from tickstream.revisions import Step, retraction_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from market_analytics.data_aggregator_election import Lanes, Share
    from services.table import Table
    from tickstream.ingests import Activity, Commit
    from tickstream.items import Item

#: The timeout of DataAggregator, which its stack sets.
FUNCTION_TIMEOUT_MS: Final = 50_000
#: How long the last receipt must be old: whoever read the table before it was written is dead.
CONFIRM_AFTER_MS: Final = 2 * FUNCTION_TIMEOUT_MS
#: Entries read at a time of each of the 64 shards: 64,000 of 1 KB in memory.
MAX_ENTRIES_A_SHARD: Final = 1_000
#: Ranges whose receipts' heads are in memory at a time, ...
RANGES_A_GROUP: Final = 1_000
#: ... of one ingest at most so many before the others have their turn: it may have 10,000 that cannot be confirmed.
RANGES_A_TURN: Final = 200
#: Overdue ingests and missing ranges that the log names one by one; all of them are counted.
MAX_NAMED: Final = 50

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look at the open ingests found.

    open_ingests: still in the list after it. overdue: of these, the ones with ranges missing past the deadline.
    confirmed: taken off the list. ticks, rejected: of the ranges that were confirmed now; each is confirmed once, so
    sums over time are right (an aggregator that dies between confirming and publishing loses its sum: metrics are no
    ledger). relisted: the lanes in which ranges were listed again. ended: how the look did.
    """

    open_ingests: int = 0
    overdue: int = 0
    confirmed: int = 0
    ticks: int = 0
    rejected: int = 0
    relisted: Lanes = frozenset()
    ended: Ended = Ended.FINISHED


@dataclass(slots=True)
class _Open:
    """An ingest of the list, as it is known by now.

    left: ranges that are not confirmed and still to be looked at now. overdue: whether it was counted as such.
    """

    activity: Activity
    left: int
    overdue: bool = False

    @property
    def lane(self) -> int:
        """The lane of its shard."""
        return keys.activity_lane(keys.activity_partition(self.activity.ingest_id))

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
    table: Table,
    lanes: Lanes,
    share: Share,
    *,
    now_ms: int,
    overdue_ms: int,
    time_is_up: Callable[[], bool],
    take_back: Callable[[Iterable[str]], None],
) -> Survey:
    """Look through the open ingests of some lanes, confirm what is done of them, name those that are overdue.

    share: asked for fewer lanes where they have more than is looked at together.
    take_back: has ingests taken back of which a range was refused as a whole, though they have others.
    Stops when time is up: the rest is for whoever is called, beginning at another shard.
    Raises ServiceIncomplete or ServiceRefused.
    """
    turns = _Turns(table, lanes, now_ms)
    check = Check(table, now_ms, time_is_up)
    overdue = done = confirmed = ticks = rejected = 0
    ended = Ended.FINISHED
    while group := turns.take(share):
        if time_is_up():
            logger.info("time is up before all open ingests were looked at", entries=turns.entries)
            # What cannot be confirmed must not have the next one begin at once, and the one after that.
            ended = Ended.OUT_OF_TIME if confirmed else Ended.STUCK
            break
        looks = _look(table, group)
        for look in looks:
            missing = look.missing()
            if missing and not look.ingest.overdue and now_ms - look.before.received_ms > overdue_ms:
                look.ingest.overdue = True
                overdue += 1
                _name_overdue(look.before, missing, overdue)
        turns.again += [look.ingest for look in looks if look.ingest.left]
        found = check.confirmed_of(
            RangeOf(look.before.ingest_id, commit.index, look.before.received_ms)
            for look in looks
            for commit in look.commits
            if now_ms - commit.committed_ms > CONFIRM_AFTER_MS and not look.before.waits
        )
        confirmed += len(found)
        for look in looks:
            sure = [commit for commit in look.commits if (look.before.ingest_id, commit.index) in found]
            ticks += sum(commit.ticks for commit in sure)
            rejected += sum(commit.rejected for commit in sure)
        # Before it is on record that they were looked at: died in between, they are looked at again.
        take_back(
            look.before.ingest_id
            for look in looks
            if look.before.ranges > 1 and any(one.refusal for one in look.commits)
        )
        done += _note(table, looks, found, now_ms)
    return Survey(turns.entries - done, overdue, done, ticks, rejected, frozenset(check.relisted), ended)


def _shards_from(now_ms: int) -> list[str]:
    """Return the shards, turned by one each minute: entries that stay must not keep later shards from their turn."""
    shards = keys.activity_partitions()
    start = now_ms // 60_000 % len(shards)
    return [*shards[start:], *shards[:start]]


class _Turns:
    """Whose turn it is: everybody's first turn, page after page, then the next ones of those with more ranges.

    entries: read so far. again: who has more ranges.
    """

    def __init__(self, table: Table, lanes: Lanes, now_ms: int) -> None:
        self.entries = 0
        self.again: deque[_Open] = deque()
        self._table = table
        self._lanes = lanes
        self._now_ms = now_ms
        self._first: deque[_Open] = deque()
        self._pages = pages_of(table, filter(self._has, _shards_from(now_ms)), MAX_ENTRIES_A_SHARD, self._has)

    def take(self, share: Share) -> list[_Open]:
        """Take as many ingests as are looked at together; none when all had their turns."""
        taken: list[_Open] = []
        ranges = 0
        while ranges < RANGES_A_GROUP and len(taken) < RANGES_A_GROUP and (one := self._next()):
            taken.append(one)
            ranges += min(one.left, RANGES_A_TURN)
            if ranges >= RANGES_A_GROUP and len(self._lanes) > 1:
                self._lanes = share()
                taken = [one for one in taken if one.lane in self._lanes]
                ranges = sum(min(one.left, RANGES_A_TURN) for one in taken)
        return taken

    def _has(self, partition: str) -> bool:
        return keys.activity_lane(partition) in self._lanes

    def _next(self) -> _Open | None:
        while True:
            while not self._first:
                page = next(self._pages, None)
                if page is None:
                    break
                self.entries += len(page)
                self._first += _waiting_no_more(self._table, _old_enough(page, self._now_ms), self._now_ms)
            waiting = self._first or self.again
            if not waiting:
                return None
            if (one := waiting.popleft()).lane in self._lanes:
                return one


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


def _waiting_no_more(table: Table, ingests: list[_Open], now_ms: int) -> list[_Open]:
    """Return the ingests, of which some are listed as if they waited still: whoever published them was overtaken.

    One that was never published, because a range of it was never committed, is forgotten like all others.
    """
    waiting = {one.activity.ingest_id: one for one in ingests if one.activity.waits}
    over = {one for one, found in waiting.items() if is_forgotten(found.activity.received_ms, now_ms)}
    for item in table.batch_get(key_of(keys.ingest_partition(one), keys.MANIFEST_SORT_KEY) for one in waiting):
        retraction = retraction_from(item)
        if "publishedMs" in item or (retraction is not None and retraction.step is Step.DONE):
            over.add(keys.ingest_of(item["symbol"]["S"]))
    for ingest_id in over:
        waiting[ingest_id].activity = replace(waiting[ingest_id].activity, waits=False)
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


def _note(table: Table, looks: Sequence[_Look], found: set[tuple[str, int]], now_ms: int) -> int:
    """Put on record what is confirmed, and where the next look begins; return how many ingests are done.

    Died in between, or written twice: what is confirmed is so anyway.
    """
    # What waits is somebody else's entry, who writes it anew when it waits no more.
    looks = [look for look in looks if not look.before.waits]
    _give_up(table, [look for look in looks if is_forgotten(look.before.received_ms, now_ms)])
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


def _give_up(table: Table, looks: Sequence[_Look]) -> None:
    """Give up the ranges that were never committed, of ingests so old that no message of theirs is anywhere.

    What was committed and is not confirmed has been renewed, and is there. Died in between: the same again.
    """
    entries: list[Item] = []
    for look in looks:
        one, missing = look.ingest, look.missing()
        if not missing:
            continue
        logger.error(
            "ranges were never committed: given up",
            ingest_id=look.before.ingest_id,
            ranges=len(missing),
            missing_ranges=missing[:MAX_NAMED],
        )
        for index in missing:
            one.activity = replace(one.activity, confirmed=one.activity.confirmed | 1 << index)
            entries += [
                key_of_pending(Pending(look.before.ingest_id, index, look.before.received_ms, lane))
                for lane in range(keys.LANES)
            ]
    table.batch_write((), entries)


def _name_overdue(activity: Activity, missing: Sequence[int], count: int) -> None:
    if count <= MAX_NAMED:
        logger.warning(
            "ingest is overdue",
            ingest_id=activity.ingest_id,
            ranges=activity.ranges,
            missing=len(missing),
            missing_ranges=missing[:MAX_NAMED],
        )
