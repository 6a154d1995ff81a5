"""The work list by lanes: which committed ranges have slices there that are in no rollup, and what rolling up costs."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from random import Random

    from bench.capacity.books import Books, Ranges
    from bench.capacity.scenarios import Shape
    from bench.capacity.world import World

#: Slices of one entry of the model's lists at most.
_SLICES_AN_ENTRY: Final = 2_000
_HOUR_S: Final = 3_600.0
#: Items of 4 KB are a read unit; ids and bars are counted in KB, which are write units.
KB_A_READ_UNIT: Final = 4.0


def lanes_with(symbols: int, lanes: int) -> int:
    """Return in how many lanes so many symbols are, which are dealt out by chance."""
    return max(1, min(symbols, round(lanes * (1.0 - (1.0 - 1.0 / lanes) ** symbols)))) if lanes > 1 else 1


@dataclass(slots=True)
class Entry:
    """Ranges of which a lane has so many slices each."""

    ranges: Ranges
    slices: float

    @property
    def all_slices(self) -> float:
        """Of all of them."""
        return self.ranges.number * self.slices


#: Entries, each with its lane.
type Group = Sequence[tuple[int, Entry]]


@dataclass(slots=True, eq=False)
class Lists:
    """What each lane lists, and how many slices that is.

    shape: of the objects, whose symbols' hours all ranges have.
    """

    world: World
    books: Books
    shape: Shape
    random: Random
    lanes: list[deque[Entry]] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    _hour: int = -1
    _ranges_of_hour: float = 0.0

    def __post_init__(self) -> None:
        self.lanes = [deque() for _ in range(self.world.design.lanes)]
        self.waiting = [0.0] * self.world.design.lanes

    def add(self, done: Iterable[Ranges]) -> set[int]:
        """List ranges that were committed; return the lanes in which they are."""
        named: set[int] = set()
        for ranges in done:
            self._count_hour(ranges)
            named |= self._add(ranges)
        return named

    def _add(self, ranges: Ranges) -> set[int]:
        slices = ranges.shape.slices
        if not slices:
            self.books.rolled_up += ranges.number
            return set()
        lanes = lanes_with(ranges.shape.symbols, self.world.design.lanes)
        of_one = min(lanes, lanes_with(ranges.shape.symbols_a_range, self.world.design.lanes))
        named: set[int] = set()
        for part in self._parts(ranges, lanes // of_one, max(1, int(_SLICES_AN_ENTRY * of_one / slices))):
            part.lanes_left = of_one
            those = range(lanes) if of_one == lanes else self.random.sample(range(lanes), of_one)
            for lane in those:
                self.lanes[lane].append(Entry(part, slices / of_one))
                self.waiting[lane] += part.number * slices / of_one
            named.update(those)
        return named

    @staticmethod
    def _parts(ranges: Ranges, spread: int, most: int) -> Iterator[Ranges]:
        # Of ranges that are in some lanes only, some are in each.
        size = max(1, min(most, -(-ranges.number // spread)))
        while ranges.number:
            part = ranges.parted(min(size, ranges.number))
            part.committed_s = ranges.committed_s
            yield part

    def _count_hour(self, ranges: Ranges) -> None:
        hour = int(self.world.env.now // _HOUR_S)
        if hour != self._hour:
            self._hour, self._ranges_of_hour = hour, 0.0
        if ranges.shape.slices:
            self._ranges_of_hour += ranges.number * ranges.shape.slices / ranges.shape.symbol_hours

    @property
    def ranges_of_an_hour(self) -> float:
        """Return how many ranges one symbol's hour has by now, on average."""
        if self.shape.together:
            return self.shape.together * self.shape.slices / self.shape.symbol_hours
        return self._ranges_of_hour

    @property
    def segments(self) -> float:
        """Return how many segments an hour has by now."""
        return self.ranges_of_an_hour // self.world.design.compaction_threshold

    def has_any(self, lanes: Collection[int]) -> bool:
        """Say whether any of these lists something."""
        return any(self.lanes[lane] for lane in lanes)

    def slices_in(self, lanes: Collection[int]) -> float:
        """Return how many slices these list."""
        return sum(self.waiting[lane] for lane in lanes)

    def ranges_in(self, lanes: Collection[int], most: int = 10**9) -> int:
        """Return how many ranges these list, or that it is that many at least; one that is in several counts once."""
        seen: dict[int, int] = {}
        found = 0
        for lane in lanes:
            for entry in self.lanes[lane]:
                if id(entry.ranges) not in seen:
                    seen[id(entry.ranges)] = 1
                    found += entry.ranges.number
                    if found >= most:
                        return found
        return found

    def take(self, lanes: Collection[int], most: float) -> list[tuple[int, Entry]]:
        """Take entries off these lanes, from each in turn, as many slices as that, or a little more."""
        group: list[tuple[int, Entry]] = []
        taken, left = 0.0, sorted(lanes)
        while taken < most and left:
            left = [lane for lane in left if self.lanes[lane]]
            for lane in left:
                if taken < most:
                    entry = self.lanes[lane].popleft()
                    group.append((lane, entry))
                    taken += entry.all_slices
        return group

    def put_back(self, group: Group) -> None:
        """Have entries that were taken, and are not done, where they were."""
        for lane, entry in reversed(group):
            self.lanes[lane].appendleft(entry)

    def done(self, group: Group) -> None:
        """Note that these slices are in their rollups."""
        now_s = self.world.env.now
        for lane, entry in group:
            self.waiting[lane] = max(0.0, self.waiting[lane] - entry.all_slices)
            if not self.lanes[lane]:
                self.waiting[lane] = 0.0
            ranges = entry.ranges
            ranges.lanes_left -= 1
            if not ranges.lanes_left:
                self.books.rolled_up += ranges.number
                self.books.last_rolled_s = now_s
                self.books.rolled.add(now_s - ranges.sent_s, ranges.number)

    def rollups_of(self, group: Group) -> float:
        """Return how many rollups a group is written to: each once, for all ranges of the group that touch it."""
        by_lane: dict[int, list[Entry]] = {}
        for lane, entry in group:
            by_lane.setdefault(lane, []).append(entry)
        return sum(map(self._distinct, by_lane.values()))

    def _distinct(self, entries: Iterable[Entry]) -> float:
        """Return how many hours entries of one lane have: of each shape by itself, and these at random."""
        # By identity: to hash a shape takes as long as all the rest.
        alike: dict[int, tuple[Shape, float, float]] = {}
        for entry in entries:
            shape = entry.ranges.shape
            _, before, _ = alike.get(id(shape), (shape, 0.0, 0.0))
            alike[id(shape)] = (shape, before + entry.ranges.number, entry.slices / shape.slices)
        found = [self._of_one(*one) for one in alike.values()]
        if len(found) == 1:
            return found[0]
        lanes = self.world.design.lanes
        hours = max(shape.symbol_hours / lanes_with(shape.symbols, lanes) for shape, _, _ in alike.values())
        missed = math.prod(max(0.0, 1.0 - min(one, hours) / hours) for one in found)
        return min(sum(found), max(*found, hours * (1.0 - missed)))

    def _of_one(self, shape: Shape, number: float, share: float) -> float:
        lanes = lanes_with(shape.symbols, self.world.design.lanes)
        if share <= 1.0 / lanes:
            return shape.distinct(number, share)
        # Ranges of few symbols are each in some lanes only; together they are in 1/lanes of all hours of each.
        return min(number * shape.slices * share, shape.distinct(number * lanes * share, 1 / lanes))
