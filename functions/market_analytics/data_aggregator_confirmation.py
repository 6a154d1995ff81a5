"""The list of open ingests: which are overdue, and which are done for good.

An ingest stays in the list until it is **confirmed**: every range committed, the last one a while ago, and a consistent
read has found every range in the rollup or a segment of every hour that it touched. Only from then on may its slices
expire. What that rules out is a rollup that had a range and lost it again, because an aggregator that had read the
older rollup wrote it back: within 60 days nobody would notice (readers add the slice), after them the ticks were gone.

Why one look is enough. Only the holder of the rolling-up lease and the one who confirms write rollups. An aggregator
lives no longer than its timeout, and takes over a lease only after the holder's life is over; confirmation is done at
most once in two timeouts. So whatever included a range was written either by somebody dead before those who write now
began to read, who therefore have it, or by one of them. The one exception, a repair by this very confirmation, is not
believed: its ingest is looked at again the next time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_hours import read_hour
from market_analytics.data_aggregator_rollups import (
    read_receipt_heads,
    read_receipts,
    refresh_whole,
    rollup_key,
    wanted_by,
)
from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.hours import Rollup
from tickstream.items import activity_from, commit_from, hour_item_from, key_of, primary_key, sort_key_of

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
#: Entries read of each of the 64 shards: 64,000 of 1 KB in memory.
MAX_ENTRIES_A_SHARD: Final = 1_000
#: Ranges whose receipts' heads are in memory at a time (one ingest may have 10,000 by itself), ...
RANGES_A_GROUP: Final = 1_000
#: ... and those whose hours are: a range of a busy market touches a thousand.
RANGES_A_CHECK: Final = 50
#: Overdue ingests and missing ranges that the log names one by one; all of them are counted.
MAX_NAMED: Final = 50

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look at the open ingests found.

    open_ingests: still in the list after it. overdue: of these, the ones with ranges missing past the deadline.
    ticks, rejected: of the ingests that were confirmed now; each ingest is confirmed once, so sums over time are right
    (an aggregator that dies between confirming and publishing loses its sum: metrics are no ledger).
    """

    open_ingests: int = 0
    overdue: int = 0
    confirmed: int = 0
    ticks: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class _Open:
    activity: Activity
    entry: Item
    commits: tuple[Commit, ...]

    @property
    def missing(self) -> list[int]:
        """The ranges that are not committed."""
        return sorted(set(range(self.activity.ranges)) - {commit.index for commit in self.commits})


def survey_ingests(
    table: Table, *, now_ms: int, overdue_ms: int, confirming: bool, compaction_threshold: int,
    time_is_up: Callable[[], bool],
) -> Survey:  # fmt: skip
    """Look through the open ingests, confirm those that are done, name those that are overdue.

    confirming: whether this aggregator is the one that may confirm; otherwise it only looks.
    Stops when time is up: the rest is looked at the next time, beginning at another shard.
    Raises ServiceIncomplete or ServiceRefused.
    """
    entries = table.query_each(_shards_from(now_ms), limit_each=MAX_ENTRIES_A_SHARD)
    overdue = confirmed = ticks = rejected = 0
    for group in _groups(table, entries, now_ms):
        if time_is_up():
            logger.info("time is up before all open ingests were looked at", entries=len(entries))
            break
        done: list[_Open] = []
        for one in group:
            if one.missing:
                if now_ms - one.activity.received_ms > overdue_ms:
                    overdue += 1
                    _name_overdue(one, overdue)
            elif all(now_ms - commit.committed_ms > CONFIRM_AFTER_MS for commit in one.commits):
                done.append(one)
        if confirming:
            verified = _verified(table, done, compaction_threshold, time_is_up)
            table.batch_write((), [primary_key(one.entry) for one in verified])
            confirmed += len(verified)
            ticks += sum(commit.ticks for one in verified for commit in one.commits)
            rejected += sum(commit.rejected for one in verified for commit in one.commits)
    return Survey(len(entries) - confirmed, overdue, confirmed, ticks, rejected)


def _shards_from(now_ms: int) -> list[str]:
    """Return the shards, turned by one each minute: entries that stay must not keep later shards from their turn."""
    shards = keys.activity_partitions()
    start = now_ms // 60_000 % len(shards)
    return [*shards[start:], *shards[:start]]


def _groups(table: Table, entries: Sequence[Item], now_ms: int) -> Iterator[list[_Open]]:
    """Yield the open ingests with what is committed of them, some at a time; the very young ones not at all."""
    group: list[tuple[Activity, Item]] = []
    ranges = 0
    for entry in entries:
        try:
            activity = activity_from(entry)
        except MalformedItem:
            logger.exception("an entry of the open ingests cannot be read", entry=entry.get("symbol"))
            continue
        # Too young to be confirmed or overdue: not worth a read.
        if activity.ranges and now_ms - activity.received_ms <= CONFIRM_AFTER_MS:
            continue
        group.append((activity, entry))
        ranges += activity.ranges
        if ranges >= RANGES_A_GROUP or len(group) >= RANGES_A_GROUP:
            yield _with_commits(table, group)
            group, ranges = [], 0
    if group:
        yield _with_commits(table, group)


def _with_commits(table: Table, group: Sequence[tuple[Activity, Item]]) -> list[_Open]:
    ranges = [(activity.ingest_id, index) for activity, _ in group for index in range(activity.ranges)]
    commits: dict[str, list[Commit]] = {}
    for head in read_receipt_heads(table, ranges):
        try:
            commits.setdefault(head["symbol"]["S"], []).append(commit_from(head))
        except MalformedItem:
            logger.exception("a receipt cannot be read", ingest_id=keys.ingest_of(head["symbol"]["S"]))
    return [
        _Open(activity, entry, tuple(commits.get(keys.ingest_partition(activity.ingest_id), ())))
        for activity, entry in group
    ]


def _name_overdue(one: _Open, count: int) -> None:
    if count <= MAX_NAMED:
        logger.warning(
            "ingest is overdue",
            ingest_id=one.activity.ingest_id,
            ranges=one.activity.ranges,
            missing=len(one.missing),
            missing_ranges=one.missing[:MAX_NAMED],
        )


def _verified(
    table: Table, done: Sequence[_Open], compaction_threshold: int, time_is_up: Callable[[], bool]
) -> list[_Open]:
    """Return those whose ranges are all rolled up; what is missing is repaired, and believed the next time."""
    ranges = [(one.activity.ingest_id, index) for one in done for index in range(one.activity.ranges)]
    unconfirmed: set[str] = set()
    for some in batched(ranges, RANGES_A_CHECK, strict=False):
        ingest_ids = {ingest_id for ingest_id, _ in some}
        if not ingest_ids - unconfirmed:
            continue
        receipts = read_receipts(table, some)
        if time_is_up() or len(receipts) < len(some):
            unconfirmed |= ingest_ids  # of one that cannot be read, the log tells
            continue
        missing = _not_rolled_up(table, wanted_by(receipts))
        if missing:
            logger.warning("rollups lost ranges that they had, or never had them: repairing", hours=len(missing))
            lost = set().union(*missing.values())
            unconfirmed |= {one.ingest_id for one in receipts if keys.range_id(one.ingest_id, one.index) in lost}
            # Whole hours, not the fast way: the rollup may be one over an older segment, which the fast way would
            # take for good.
            for symbol_hour, range_ids in missing.items():
                refresh_whole(table, symbol_hour, range_ids, compaction_threshold, time_is_up)
    return [one for one in done if one.activity.ingest_id not in unconfirmed]


def _not_rolled_up(table: Table, wanted: Wanted) -> dict[SymbolHour, set[int]]:
    """Return, by hour, the ranges that neither a rollup that counts nor a segment includes."""
    # Segments are numbered from 1 without gaps and stay for ever: where the first is not there, none is.
    found = table.batch_get(
        key for symbol_hour in wanted for key in (rollup_key(symbol_hour), _first_segment_key(symbol_hour))
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


def _first_segment_key(symbol_hour: SymbolHour) -> Item:
    symbol, hour = symbol_hour
    return key_of(symbol, keys.sort_key(hour, keys.segment_suffix(1)))
