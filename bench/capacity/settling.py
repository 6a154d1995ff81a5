"""The list of open ingests, of which the survey takes those whose ranges are all in rollups."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bench.capacity.limits import SETTLING, SURVEY_LANES
from bench.capacity.lists import KB_A_READ_UNIT

if TYPE_CHECKING:
    from bench.capacity.books import Books
    from bench.capacity.lists import Lists
    from bench.capacity.scenarios import Shape
    from bench.capacity.world import Steps, World

_FUNCTION: Final = "DataAggregator"
#: Ranges whose hours are looked at together.
_RANGES_A_CHECK: Final = 50
#: With so many ranges to look at, half of the lanes are given away.
_RANGES_A_GROUP: Final = 1_000
#: Steps of the model are of so many seconds, if there is enough to look at.
_STEP_S: Final = 4.0


@dataclass(slots=True, eq=False)
class Settling:
    """How many ingests are open, and which ranges are due in each of the survey's lanes.

    A range may be confirmed when it has been committed for a while (`confirm_after_s`); here it counts from its rollup.
    held: lanes of the survey that somebody works on.
    """

    world: World
    books: Books
    lists: Lists
    open_ingests: int = 0
    due: list[int] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    _settled_ranges: int = 0
    _seen_ranges: int = 0
    _rolled: deque[tuple[float, int]] = field(default_factory=deque)
    _old_ranges: int = 0

    def __post_init__(self) -> None:
        self.due = [0] * self.world.design.survey_lanes

    @property
    def shape(self) -> Shape:
        """Of all objects."""
        return self.lists.shape

    def opened(self, number: int) -> None:
        """Add ingests to the list."""
        self.open_ingests += number

    def look(self) -> None:
        """Note how many ranges are rolled up by now."""
        self._rolled.append((self.world.env.now, self.books.rolled_up))

    def survey(self, until_s: float) -> Steps[None]:
        """Look through all lanes, as the schedule does: those that nobody works on, and others are called."""
        if not self.shape.slices:
            return
        self._find_due()
        mine = {lane for lane, ranges in enumerate(self.due) if ranges} - self.held
        if len(self.held) == len(self.due) > 1 and all(self.due):
            self.world.limits.note(SURVEY_LANES, self.world.env.now)
        if mine:
            yield from self._work_on(mine, until_s)

    def _find_due(self) -> None:
        while self._rolled and self._rolled[0][0] <= self.world.env.now - self.world.design.confirm_after_s:
            self._old_ranges = self._rolled.popleft()[1]
        new, lanes = self._old_ranges - self._seen_ranges, len(self.due)
        self._seen_ranges += new
        for lane in range(lanes):
            self.due[lane] += (new + lane) // lanes

    def _called(self, lanes: set[int]) -> Steps[None]:
        world, env, design = self.world, self.world.env, self.world.design
        yield env.timeout(world.figures["events_s"])
        yield from world.enter(_FUNCTION)
        began_s = env.now
        yield from self._work_on(lanes, began_s + design.aggregator_timeout_s - design.work_reserve_s)
        world.functions.leave(_FUNCTION)
        world.bill(env.now - began_s)

    def _work_on(self, mine: set[int], until_s: float) -> Steps[None]:
        """Settle what is due in these lanes, as long as there is time; with much of it, halves go to others."""
        world, env = self.world, self.world.env
        self.held |= mine
        world.used["dynamodb_write_units"] += 2
        world.asked("UpdateItem", 2)
        while any(self.due[lane] for lane in mine) and env.now < until_s:
            while len(mine) > 1 and sum(self.due[lane] for lane in mine) >= _RANGES_A_GROUP:
                given = set(sorted(mine)[: len(mine) // 2])
                mine -= given
                self._call(given)
            yield from self._step(mine, until_s)
        self.held -= mine
        left = {lane for lane in mine if self.due[lane]}
        if not left:
            return
        if world.design.survey_lanes > 1:
            self._call(left)
        else:
            world.limits.note(SETTLING, env.now)

    def _call(self, lanes: set[int]) -> None:
        self.held |= lanes
        self.world.used["eventbridge_events"] += 1
        self.world.asked("PutEvents", 1)
        self.world.env.process(self._called(lanes))

    def _step(self, mine: set[int], until_s: float) -> Steps[None]:
        """Look at some ranges of these lanes, and take the ingests off the list that are done."""
        world = self.world
        time_s = min(_STEP_S, max(0.5, until_s - world.env.now))
        most = max(1, int(time_s / self._seconds_of(1)))
        ranges = 0
        for lane in sorted(mine):
            taken = min(self.due[lane], most - ranges)
            self.due[lane] -= taken
            ranges += taken
        read = ranges * self._read_units()
        world.used["dynamodb_read_units"] += read
        world.used["dynamodb_write_units"] += ranges / self.shape.ranges
        yield world.env.timeout(self._seconds_of(ranges)) & world.read(read)
        self._settled_ranges += ranges
        each = self.shape.ranges
        self.open_ingests -= self._settled_ranges // each - (self._settled_ranges - ranges) // each

    def _hours_a_range(self) -> float:
        """Return how many hours are looked at for a range: those of a check together, each once."""
        return self.shape.distinct(_RANGES_A_CHECK) / _RANGES_A_CHECK

    def _seconds_of(self, ranges: int) -> float:
        figures, hours = self.world.figures, self._hours_a_range()
        if not self.lists.segments:
            return ranges * (1.0 + 2.0 * hours) / figures["aggregator_looks_a_second"]
        if self.world.design.begins_again:
            time_s = self.world.design.survey_reserve_s - self.world.design.work_reserve_s
            return ranges * time_s / figures["settled_where_segmented"]
        # One after the other, each by two Queries.
        an_hour_s = 2 * figures["dynamodb_s"] + self.lists.segments * figures["segment_cpu_s"]
        return ranges * hours * an_hour_s

    def _read_units(self) -> float:
        """Return the read units of a range: its receipt, twice, and each hour's rollup and segments."""
        figures, threshold = self.world.figures, self.world.design.compaction_threshold
        receipt = 1.0 + max(1.0, self.shape.slices * figures["receipt_units"] / KB_A_READ_UNIT)
        segment_kb = self.shape.rollup_units + threshold * figures["range_id_kb"]
        return receipt + self._hours_a_range() * (2.0 + self.lists.segments * segment_kb / KB_A_READ_UNIT)
