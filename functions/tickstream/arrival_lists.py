"""Walking lists of what came in, over periods and shards: the newest first, page by page.

A list is parted by time into periods, and each period into shards. Of the shards of a period the newest entries are
read side by side and merged: what lies at or above the oldest entry read of every shard that has more is complete, and
in order; the rest is read again. A page says below which place the next one goes on. An entry's place is its arrival
(`keys.activity_sort_key`), so that what comes in between two pages comes in above them: it neither repeats nor hides
any.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from tickstream import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_LEAST_OF_A_SHARD: Final = 4


class Placed(NamedTuple):
    """An entry: the shard that it is in, its place there, and the name of what it is about."""

    shard: str
    place: int
    name: str


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists that are read as one. period_ms: how long a period is. shards: those of a period, by its number."""

    period_ms: int
    shards: Callable[[int], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What of lists is wanted: entries whose places are `first` or more, and less than `below`."""

    first: int
    below: int


#: Reads some shards: of each so many entries at most, the highest places first, between two places (both included).
type ReadEach = Callable[[tuple[str, ...], int, int, int], Sequence[Placed]]


def walk(read_each: ReadEach, lists: Lists, stretch: Stretch, limit: int) -> Iterator[tuple[list[Placed], int]]:
    """Yield entries from the top downwards, and with them below what place those that follow are.

    limit: how many are wanted, about; each time at least a period is done, or some entries. An entry of one place that
    stands in two lists is one.
    """
    below = stretch.below
    while below > stretch.first:
        period = keys.arrival_ms(below - 1) // lists.period_ms
        start = max(stretch.first, keys.arrival_bound(period * lists.period_ms))
        shards = lists.shards(period)
        of_each = max(_LEAST_OF_A_SHARD, 2 * limit // len(shards) + 1)
        entries = read_each(shards, of_each, start, below - 1)
        reached = max(_ends_of_those_with_more(entries, of_each), default=start)
        by_place = {entry.place: entry for entry in entries if entry.place >= reached}
        yield [by_place[place] for place in sorted(by_place, reverse=True)], reached
        below = reached


def _ends_of_those_with_more(entries: Sequence[Placed], of_each: int) -> Iterator[int]:
    """Yield the place of the oldest entry that was read of each shard which may have more."""
    counts = Counter(entry.shard for entry in entries)
    ends = {entry.shard: entry.place for entry in entries}  # the last of each stays
    return (ends[shard] for shard, count in counts.items() if count >= of_each)
