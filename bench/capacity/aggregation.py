"""DataAggregator: who works, on which lanes of the list, and for how long.

An event counts itself and names its lanes on the board, one item; where anybody is at work it ends at once. Whoever
begins takes all lanes that wait, and gives half of them away as long as they have more than one group of slices. With
one lane this is the design before lanes: one works, the others end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bench.capacity.rolling import Rolling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simpy.events import Event

    from bench.capacity.books import Books, Ranges
    from bench.capacity.lists import Lists
    from bench.capacity.settling import Settling
    from bench.capacity.world import Steps, World

_FUNCTION: Final = "DataAggregator"
#: An event of so many ticks waits for others as long as they come.
_COALESCE_TICKS: Final = 10_000
#: The client tries a throttled request again for so long.
_CLIENT_TRIES_S: Final = 7.0
#: What the schedule reads and writes with nothing to do: bench run's idle invocation, 194 half units and 3.
_IDLE_READ_UNITS: Final = 97.0
_IDLE_WRITE_UNITS: Final = 3.0
_IDLE_S: Final = 0.26
#: A change of the board.
_CHANGE: Final = {"UpdateItem": (1.0, 1.0)}
_LOOK: Final = {"GetItem": (1.0, 1.0)}
#: The lease before lanes, and a look at who holds it.
_LEASE: Final = {"PutItem": (1.0, 1.0), "GetItem": (0.5, 0.5)}


@dataclass(frozen=True, slots=True)
class _Event:
    """Lanes that somebody names. ranges: that the event tells of; none where it is a call, or the schedule."""

    lanes: frozenset[int]
    ranges: int = 0
    waits: bool = False


@dataclass(slots=True, eq=False)
class DataAggregator:
    """All aggregators, and the board that they meet on.

    named: lanes with something new, or something left. held: those that somebody works on. namings: how many there
    were.
    """

    world: World
    books: Books
    lists: Lists
    settling: Settling
    named: set[int] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    namings: int = 0
    _rolling: Rolling = field(init=False)

    def __post_init__(self) -> None:
        self._rolling = Rolling(self.world, self.lists)

    def committed(self, done: Sequence[Ranges], alike: int) -> None:
        """List ranges that were committed, and have as many events as there were batches tell of them."""
        number = sum(ranges.number for ranges in done if ranges.shape.slices)
        ticks = sum(ranges.number * ranges.shape.ticks for ranges in done)
        lanes = self.lists.add(done)
        if lanes:
            event = _Event(frozenset(lanes), -(-number // alike), waits=ticks / alike >= _COALESCE_TICKS)
            self.world.env.process(self._invoked(event, alike))

    # --- the board -------------------------------------------------------------------------------------------------

    def _invoked(self, event: _Event, number: int = 1) -> Steps[None]:
        """Serve so many events that name these lanes: one of them works, if nobody does."""
        world, env = self.world, self.world.env
        yield env.timeout(world.figures["events_s"])
        yield from world.enter(_FUNCTION, number)
        began_s = env.now
        deadline_s = began_s + world.design.aggregator_timeout_s
        counted = 1.0
        if event.ranges:
            # Whoever is throttled to the end goes: somebody is certainly at work then.
            counted = yield world.table.board.use(1.0, alike=number, until=began_s + _CLIENT_TRIES_S)
            world.used["dynamodb_write_units"] += counted * number
        yield world.work(0.0, world.figures["dynamodb_s"], _CHANGE if event.ranges else _LOOK, alike=number)
        if number > 1:
            world.functions.leave(_FUNCTION, number - 1)
            world.bill(env.now - began_s, number - 1)
        if counted >= 1.0:
            yield from self._begin(event, deadline_s - world.design.work_reserve_s)
        world.functions.leave(_FUNCTION)
        world.bill(env.now - began_s)

    def _begin(self, event: _Event, until_s: float) -> Steps[None]:
        """Name the event's lanes, and work, unless somebody else does, who sees them before he leaves."""
        world = self.world
        self.named |= event.lanes
        self.namings += bool(event.ranges)
        if self.held and event.ranges:
            self._note_that_all_are_held()
            return
        if event.ranges:
            before = self.namings
            keys = float(event.ranges * len(event.lanes))
            world.used["dynamodb_read_units"] += keys
            yield world.work(0.0, world.figures["dynamodb_s"], {"BatchGetItem": (-(-keys // 100), keys)})
            if not self.lists.has_any(event.lanes):
                # Rolled up by whoever was at work when it was committed.
                self.named -= event.lanes - self.held
                return
            if self.namings != before:
                yield self._changed_in_vain()
        mine = (self.named if not self.held else self.named & event.lanes) - self.held
        if mine:
            yield from self._work_on(mine, event, until_s)

    def _work_on(self, mine: set[int], event: _Event, until_s: float) -> Steps[None]:
        """Work on these lanes, and on whatever waits when they are done."""
        is_alone = 0 < event.ranges == self.lists.ranges_in(mine, most=event.ranges + 1)
        self.held |= mine
        self.named -= mine
        yield self._changed_board()
        while mine:
            if event.waits and (yield from self._coalesce()):
                is_alone = False
                more = self.named - self.held
                self.named -= more | mine
                self.held |= more
                mine |= more
                yield self._changed_board()
            seen = self.namings
            is_finished = yield from self._pass(mine, until_s, is_alone=is_alone)
            is_alone = False
            if self.namings != seen:
                yield self._changed_in_vain()
            yield self._changed_board()
            self.held -= mine
            if not is_finished:
                self._leave_undone(mine)
                return
            more = self.named - self.held
            if more and self.world.env.now >= until_s:
                self._call(more)
                return
            mine.clear()
            mine |= more
            self.held |= mine
            self.named -= mine

    def _changed_in_vain(self) -> Event:
        """Find that the board was changed since it was seen, and look at it again."""
        self.world.used["dynamodb_write_units"] += 1
        return self.world.work(0.0, 2 * self.world.figures["dynamodb_s"], {**_CHANGE, **_LOOK})

    def _changed_board(self) -> Event:
        self.world.used["dynamodb_write_units"] += 1
        asked = _CHANGE if self.world.design.lanes > 1 else _LEASE
        return self.world.work(0.0, self.world.figures["dynamodb_s"], asked)

    def _coalesce(self) -> Steps[bool]:
        """Wait for others as long as they come: a rollup is written once for all of them. Say whether any came."""
        came = False
        for _ in range(self.world.design.coalesce_looks):
            before = self.namings
            yield self.world.env.timeout(self.world.design.coalesce_look_s)
            yield self.world.work(0.0, 0.0, _LOOK)
            if self.namings == before:
                break
            came = True
        return came

    def _note_that_all_are_held(self) -> None:
        lanes = self.world.design.lanes
        is_much = self.lists.slices_in(range(lanes)) > self.world.design.slices_a_group * lanes
        if not is_much or len(self.held) < lanes:
            return
        if lanes == 1:
            self.world.limits.note("one_aggregator", self.world.env.now)
        elif not self.world.table.full & {"reads", "writes"}:
            # Where the table is used up, all lanes wait for that.
            self.world.limits.note("all_lanes", self.world.env.now)

    def _leave_undone(self, mine: set[int]) -> None:
        self.named |= {lane for lane in mine if self.lists.lanes[lane]}
        if waiting := self.named - self.held:
            self._call(waiting)

    def _call(self, lanes: set[int]) -> None:
        if not self.world.design.wakes_next:
            return
        self.world.used["eventbridge_events"] += 1
        self.world.asked("PutEvents", 1)
        self.world.env.process(self._invoked(_Event(frozenset(lanes))))

    # --- a pass ----------------------------------------------------------------------------------------------------

    def _pass(self, mine: set[int], until_s: float, *, is_alone: bool) -> Steps[bool]:
        """Roll up what is listed in these lanes; say whether all was done in time. It may give lanes of mine away."""
        world, env, lists = self.world, self.world.env, self.lists
        yield self._rolling.read_lists(mine, is_alone=is_alone)
        while lists.has_any(mine):
            if env.now >= until_s:
                return False
            while len(mine) > 1 and lists.slices_in(mine) >= world.design.slices_a_group:
                yield from self._give_half(mine)
            if world.design.begins_again and lists.segments:
                if not (yield from self._rolling.again(mine, until_s)):
                    return False
                continue
            yield from self._rolling.group(mine, until_s)
        return env.now < until_s

    def _give_half(self, mine: set[int]) -> Steps[None]:
        given = set(sorted(mine)[: len(mine) // 2])
        mine -= given
        yield self._changed_board()
        self.held -= given
        self.named |= given
        self._call(given)

    # --- the schedule ----------------------------------------------------------------------------------------------

    def schedule(self) -> Steps[None]:
        """Every five minutes: what events missed, then the survey."""
        while True:
            yield self.world.env.timeout(self.world.design.schedule_s)
            self.world.env.process(self._scheduled())

    def _scheduled(self) -> Steps[None]:
        world, env, design = self.world, self.world.env, self.world.design
        yield from world.enter(_FUNCTION)
        began_s = env.now
        world.used["dynamodb_read_units"] += _IDLE_READ_UNITS
        world.used["dynamodb_write_units"] += _IDLE_WRITE_UNITS
        waiting = frozenset(lane for lane in range(design.lanes) if self.lists.lanes[lane])
        if waiting and not self.held:
            until_s = began_s + design.aggregator_timeout_s - design.survey_reserve_s
            yield from self._begin(_Event(waiting), until_s - design.schedule_overhead_s)
        yield env.timeout(_IDLE_S)
        yield from self.settling.survey(began_s + design.aggregator_timeout_s - design.work_reserve_s)
        world.functions.leave(_FUNCTION)
        world.bill(env.now - began_s)
