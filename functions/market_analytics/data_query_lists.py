"""Reading the lists of ingests (`tickstream.fate_items`), the newest first, and what became of each, page by page.

Every page makes some progress, a period of a list or an entry, and none reads more than fits its time: of many entries
few may be wanted, so that a page may be empty and still not be the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from market_analytics.data_query_ingest import fate_from
from tickstream import keys
from tickstream.arrival_lists import Lists, Placed, walk
from tickstream.errors import MalformedItem
from tickstream.fate_items import listed_from
from tickstream.ingests import IngestState
from tickstream.items import PROGRESS_ATTRIBUTES, sort_key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from market_analytics.data_query_ingest import Fate
    from services.table import Table
    from tickstream.arrival_lists import Stretch
    from tickstream.items import Item

#: Ingests that are looked into side by side.
_FATES_AT_A_TIME: Final = 25
#: Items that are read of each of them at first: its manifest, and the receipts of one that has few ranges. One that has
#: more is read by itself, so that never two of 10,000 receipts are in memory.
_FIRST_ITEMS: Final = 9
_ENTRY_ATTRIBUTES: Final = ("symbol", "timestamp", "ingest")

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: ingests of a state (None: of any), as of that time, and how many a page."""

    limit: int
    state: IngestState | None
    now_ms: int
    overdue_seconds: int


@dataclass(frozen=True, slots=True)
class Page:
    """What a page has, the newest first, each with its state; and below what sort key the next one goes on, if any."""

    found: tuple[tuple[Fate, IngestState], ...]
    next_below: int | None


def of_key(bucket: str, key: str) -> Lists:
    """Return the list of a key's ingests, which has one period."""
    return Lists(10**15, lambda _: (keys.key_partition(bucket, key),))


def of_state(state: IngestState | None) -> Lists:
    """Return the lists in which every ingest of a state is found, with as few others as can be; None: of any state.

    Those that are not done are in the list of open ingests, beside those that are not confirmed yet, and those that are
    indexed in a list of their own. What is done and good is looked for among all that came.
    """
    if state in {IngestState.REJECTED, IngestState.PARTLY_REJECTED}:
        return _of_days(keys.DayList.REFUSED)
    if state in {IngestState.RETRACTING, IngestState.RETRACTED, IngestState.REPLACED}:
        return _of_days(keys.DayList.RETRACTED)
    if state is IngestState.INDEXING:
        return _of_days(keys.DayList.INDEXING)
    if state in {IngestState.PROCESSING, IngestState.OVERDUE}:
        of_open = keys.activity_partitions()
        # An ingest has the same place in both: one that is in both is one.
        return Lists(keys.MS_PER_DAY, lambda day: (*of_open, *keys.day_partitions(keys.DayList.INDEXING, day)))
    return Lists(keys.MS_PER_HOUR, keys.arrived_partitions)


def _of_days(of: keys.DayList) -> Lists:
    return Lists(keys.MS_PER_DAY, lambda day: keys.day_partitions(of, day))


def read_page(table: Table, lists: Lists, stretch: Stretch, wanted: Wanted, time_is_up: Callable[[], bool]) -> Page:
    """Read one page. Raises ServiceIncomplete and ServiceRefused."""

    def read_each(shards: tuple[str, ...], of_each: int, first: int, last: int) -> list[Placed]:
        begin = dict.fromkeys(shards, first)
        items = table.query_each(
            shards, of_each, begin, last=last, attributes=_ENTRY_ATTRIBUTES, newest_first=True
        )  # fmt: skip
        return [Placed(item["symbol"]["S"], sort_key_of(item), listed_from(item).ingest_id) for item in items]

    found: list[tuple[Fate, IngestState]] = []
    for entries, reached in walk(read_each, lists, stretch, wanted.limit):
        for entry, fate in _with_fates(table, entries, wanted):
            # Of an earlier try the manifest says another time.
            if fate is not None and fate.manifest.received_ms == keys.arrival_ms(entry.place):
                state = fate.state(wanted.now_ms, wanted.overdue_seconds)
                if wanted.state in {None, state}:
                    found.append((fate, state))
            if len(found) == wanted.limit or time_is_up():
                return Page(tuple(found), entry.place)
        if time_is_up() and reached > stretch.first:
            return Page(tuple(found), reached)
    return Page(tuple(found), None)


def _with_fates(table: Table, entries: Sequence[Placed], wanted: Wanted) -> Iterator[tuple[Placed, Fate | None]]:
    """Yield each entry with what became of its ingest, some read at a time."""
    for some in batched(entries, min(wanted.limit, _FATES_AT_A_TIME), strict=False):
        items: dict[str, list[Item]] = {keys.ingest_partition(entry.name): [] for entry in some}
        for item in table.query_each(items, _FIRST_ITEMS, attributes=PROGRESS_ATTRIBUTES):
            items[item["symbol"]["S"]].append(item)
        for entry in some:
            partition = keys.ingest_partition(entry.name)
            first = items[partition]
            known = first if len(first) < _FIRST_ITEMS else _and_the_rest(table, partition, first)
            try:
                yield entry, fate_from(known, wanted.now_ms)
            except MalformedItem:
                # The others of the list are as good as without it; whoever asks for it by its id gets a 500.
                logger.exception("an ingest cannot be read", ingest_id=entry.name)
                yield entry, None


def _and_the_rest(table: Table, partition: str, items: Sequence[Item]) -> Iterator[Item]:
    yield from items
    yield from table.query(partition, sort_key_of(items[-1]) + 1, attributes=PROGRESS_ATTRIBUTES)
