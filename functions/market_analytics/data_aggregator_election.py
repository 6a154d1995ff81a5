"""Who works on what now: each lane by one aggregator at a time, by as few as keep up, and no event forgotten meanwhile.

One item has it all, the **board**. Of each lane of symbols it says how often it was named, by somebody who listed
something new in it, since it was claimed last (`w`), and who works on it until when (`c`, the claim). A lane waits
where it is named, or where its claim has expired: a pass over it did not come to its end.

    event      1. names its lanes; where the answer shows anybody at work, it ends at once
               2. claims all lanes that wait, if nobody has claimed any since; otherwise it looks again
    holder     3. rolls up what its lanes list, and takes it off the lists
               4. leaves, if no lane waits that nobody works on; otherwise it looks, trades its lanes for those that
                  wait, and goes on at 3

Every interleaving comes to this: an event's ranges were listed before 1. If 1 came before the claim of a pass over
their lanes, the pass reads the lists later than that. If it came later, their lanes wait; whoever the event saw at work
cannot leave at 4 without noticing, and of several who see each other the last one cannot. If nobody was at work at 1,
the event goes on to 2. Of several at 2 one finds the lanes as it saw them, and the others look again. A write whose
answer was lost is tried again by the client, meets itself, and looks which lanes it has.
(`tests/unit/market_analytics/election_model.py` walks through all of them.)

So one aggregator has all the work as long as it keeps up. One that finds more than that gives half of its lanes away
and calls another one by an event, which does the same: as many as there are lanes are at work within seconds. One that
is out of time calls the next one, unless it has done nothing at all.

What a pass left undone, out of time or by an error, stays claimed by somebody whose time is over, and waits. Died
between leaving and calling, or the call got lost: it waits for the next who leaves, the next event that finds nobody at
work, Lambda's retry, or the schedule, which names all lanes. A holder that dies leaves its claim until it expires, a
little after its function would have been killed anyway; until then events end at once where it is the only one.

Rolling up has a board, with lanes of symbols, and so has the survey of open ingests, with lanes of their shards.

Claims save work, and let what is rolled up be confirmed (`data_aggregator_confirmation`); numbers do not rest on them:
rollups are caches, and whatever two aggregators at once do to them, readers add the slices that a rollup does not name.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from tickstream import keys
from tickstream.errors import MalformedItem, ServiceIncomplete
from tickstream.items import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from services.table import Table
    from tickstream.items import Item

PARTITION: Final = "aggregator#lease"
#: The boards, by their sort keys.
ROLLING_UP: Final = 0
SURVEYING: Final = 2

#: A pass begins when a look finds nobody new, and after 2.4 s at the latest: rollups are that much staler, bars are
#: not. A range of 32 MiB takes a second: who looks sooner finds nobody between two of them, and rolls up twice.
COALESCE_LOOK_S: Final = 0.8
COALESCE_LOOKS: Final = 3

type Lanes = frozenset[int]
#: Gives half of the lanes of a pass to somebody else; returns those that are kept.
type Share = Callable[[], Lanes]

logger = Logger(child=True)


class Ended(Enum):
    """How a pass ended. OUT_OF_TIME: something was done, and something is left. STUCK: nothing was done."""

    FINISHED = "finished"
    OUT_OF_TIME = "out of time"
    STUCK = "stuck"


#: A pass: given the lanes to look at, and what gives half of them away.
type Work = Callable[[Lanes, Share], Ended]


@dataclass(frozen=True, slots=True)
class _Board:
    """The item as somebody saw it at a moment.

    named: how often each lane was, since it was claimed. claims: who works on a lane, and until when, as one text.
    namings: how often anybody named any, ever.
    """

    named: Mapping[int, int]
    claims: Mapping[int, str]
    namings: int
    now_ms: int

    def is_left(self, lane: int) -> bool:
        """Say whether a pass over a lane did not come to its end."""
        return lane in self.claims and int(self.claims[lane].partition(" ")[0]) <= self.now_ms

    def is_worked_on(self, lane: int) -> bool:
        """Say whether somebody works on a lane."""
        return lane in self.claims and not self.is_left(lane)

    def anybody_works(self) -> bool:
        """Say whether somebody works on any."""
        return any(map(self.is_worked_on, self.claims))

    def anything_is_left(self) -> bool:
        """Say whether there is any whose pass did not come to its end."""
        return any(map(self.is_left, self.claims))

    def waiting(self) -> Lanes:
        """Return the lanes with something to do on which nobody works."""
        return frozenset(lane for lane in (*self.named, *self.claims) if not self.is_worked_on(lane))

    def waiting_for(self, lanes: Lanes) -> Lanes:
        """Return the lanes with something to do for somebody who works on some."""
        return self.waiting() | (lanes & self.named.keys())

    def expected_claims(self, lanes: Iterable[int]) -> dict[str, Item | None]:
        """Return the claims of lanes as they were seen, for a condition."""
        return {_claim_of(lane): _text(self.claims.get(lane)) for lane in lanes}

    def expected(self) -> dict[str, Item | None]:
        """Return what says, as a condition, that nobody has named, claimed or left a lane since."""
        namings = {"N": str(self.namings)} if self.namings else None
        return {_NAMINGS: namings} | self.expected_claims(range(keys.LANES))

    def claimed_by(self, claim: str) -> Lanes:
        """Return the lanes with that claim."""
        return frozenset(lane for lane, known in self.claims.items() if known == claim)


@dataclass(slots=True)
class Election:
    """One who would work, for an event, for the schedule or for somebody who calls.

    board: of which work.
    hold_ms: for how long lanes are claimed from now on. now_ms: the wall clock, shared by all who compete.
    time_is_up: says whether no pass can be begun any more.
    call: has another aggregator begin with some lanes; raises nothing of the services'.
    wait: for so many seconds; what is done before each look for others who come. None: nobody is waited for.
    holder: new for each instance, because Lambda retries an event under the same request id.
    """

    table: Table
    board: int
    hold_ms: int
    now_ms: Callable[[], int]
    time_is_up: Callable[[], bool]
    call: Callable[[Lanes], None]
    wait: Callable[[float], None] | None = None
    holder: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    _claim: str = field(init=False)
    _key: Item = field(init=False)
    _lanes: Lanes = frozenset()
    _seen: _Board = field(init=False)

    def __post_init__(self) -> None:
        self._claim = f"{self.now_ms() + self.hold_ms} {self.holder}"
        self._key = key_of(PARTITION, self.board)
        self._seen = _Board({}, {}, 0, 0)

    def run(
        self,
        named: Collection[int],
        work: Work,
        own: Callable[[], Work | None] | None = None,
    ) -> bool:
        """Do the work, again as long as somebody asked for it meanwhile; say whether any was done here.

        named: lanes with something new, at least one. own: asked once nobody is found at work, returns what does the
        caller's own part alone, None where nothing of it is left.
        """
        try:
            self._name(named)
        except ServiceIncomplete as error:
            # Thousands of events a second would throttle this one item. Then somebody is certainly at work; should
            # that be over just now, the lists keep everything for the next event or the schedule.
            logger.info("wake-up not counted", error=str(error))
            return False
        if self._seen.anybody_works():
            return False
        part = own and own()
        # Where a pass did not come to its end, what it left is for whoever comes first: Lambda's retry of its event,
        # whose own ranges may be done.
        if own and part is None and not self._seen.anything_is_left():
            return False
        namings = self._seen.namings
        before = self._claim_waiting(among=frozenset())
        alone = before is not None and before.namings == namings and self._is_alone(before, frozenset(named))
        return self._work_on(work, part if alone else None)

    def run_called(self, lanes: Lanes, work: Work) -> bool:
        """Do the work of some lanes, of all that wait where nobody is at work; say whether any was done here."""
        self._look()
        self._claim_waiting(among=lanes)
        return self._work_on(work, None)

    def name_and_call(self, lanes: Lanes) -> None:
        """Name lanes, and have somebody begin with them. Raises ServiceIncomplete."""
        self._name(lanes)
        self.call(lanes)

    def _work_on(self, work: Work, part: Work | None) -> bool:
        worked = False
        while self._lanes:
            worked = True
            if self._coalesce():
                part = None
            try:
                ended = (part or work)(self._lanes, self._share)
            except BaseException:
                self._leave_undone()  # for Lambda's retry
                raise
            part = None
            if ended is Ended.FINISHED:
                self._go_on()
            else:
                stuck = self._lanes if ended is Ended.STUCK else frozenset()
                self._leave_undone()
                # The same again would come to nothing again.
                self._call_for(self._seen.waiting() - stuck)
        return worked

    def _is_alone(self, before: _Board, named: Lanes) -> bool:
        """Say whether lanes that it has claimed waited for nobody else, going by how they were named before that."""
        return self._lanes == named and all(before.named.get(lane) == 1 and lane not in before.claims for lane in named)

    def _claim_waiting(self, among: Lanes | None = None) -> _Board | None:
        """Claim lanes that wait, as far as there are any; return what was there just before that, if it is known.

        among: only of these, if somebody else is at work.
        """
        while wanted := self._seen.waiting_for(self._lanes):
            if among is not None and self._seen.anybody_works():
                wanted &= among
            if not wanted:
                break
            before = self._change(self._claimed(wanted), self._seen.expected_claims(wanted))
            if before is not None:
                self._lanes |= wanted
                return before
            if mine := self._seen.claimed_by(self._claim) - self._lanes:
                self._lanes |= mine  # claimed by a write whose answer was lost
                break
        return None

    def _coalesce(self) -> bool:
        """Wait for others, as long as they come and at most for COALESCE_LOOKS looks; say whether any came.

        Their ranges join this pass. A range of a busy market touches 500 rollups; to write them once for two ranges
        saves 1,000 writes, which cost as much as 15 seconds of this function.
        """
        came = False
        for _ in range(COALESCE_LOOKS if self.wait else 0):
            before = self._seen.named
            if self.wait:
                self.wait(COALESCE_LOOK_S)
            self._look()
            if self._seen.named == before:
                break
            came = True
        if came:
            self._claim_waiting()
        return came

    def _share(self) -> Lanes:
        """See Share. Nothing of a pass over them may be under way."""
        given = frozenset(sorted(self._lanes)[: len(self._lanes) // 2])
        self._leave_undone(given)
        self._call_for(given)
        return self._lanes

    def _go_on(self) -> None:
        """Trade lanes that are done for those that wait; without any, leave.

        Whoever leaves has seen a moment in which no lane waited that nobody worked on, and nobody named any since. (Not
        even one that somebody works on: he may be dead, and his event's retry have found this one at work.)
        """
        tries = 0
        while done := self._lanes:
            seen, more = self._seen, self._seen.waiting_for(done)
            if (more or tries) and self.time_is_up():
                self._leave_undone()
                self._call_for(self._seen.waiting())
                return
            released: dict[str, Item | None] = {_claim_of(lane): None for lane in done}
            expected = seen.expected_claims(done | more) if more else seen.expected()
            if self._change(released | self._claimed(more), expected) is not None:
                self._lanes = more
                return
            mine = self._seen.claimed_by(self._claim)
            if mine & more:
                # Traded by a write whose answer was lost, perhaps: at the worst there is nothing new in them.
                self._lanes = mine
                return
            self._lanes &= mine
            tries += 1

    def _claimed(self, lanes: Lanes) -> dict[str, Item | None]:
        """Return what claims lanes."""
        named: dict[str, Item | None] = {_named_of(lane): None for lane in lanes}
        return named | {_claim_of(lane): _text(self._claim) for lane in lanes}

    def _leave_undone(self, lanes: Lanes | None = None) -> None:
        """Leave lanes, all if none are given, as those whose pass did not come to its end."""
        lanes = self._lanes if lanes is None else lanes
        self._lanes -= lanes
        while lanes:
            undone = {_claim_of(lane): _text(f"0 {self.holder}") for lane in lanes}
            if self._change(undone, {_claim_of(lane): _text(self._claim) for lane in lanes}) is not None:
                break
            # Left by a write whose answer was lost, or expired and claimed by others, all or some of them.
            lanes &= self._seen.claimed_by(self._claim)

    def _call_for(self, lanes: Lanes) -> None:
        if lanes:
            self.call(lanes)

    def _name(self, lanes: Collection[int]) -> None:
        self._seen = self._read(self.table.count(self._key, [_NAMINGS, *(_named_of(lane) for lane in sorted(lanes))]))

    def _change(self, changes: Mapping[str, Item | None], expected: Mapping[str, Item | None]) -> _Board | None:
        """Change the item if it is as expected; return what it was, or None. What it is then was seen in any case."""
        before = self.table.change_if_equal(self._key, changes, expected)
        if before is None:
            self._look()
            return None
        self._seen = self._read({name: value for name, value in {**before, **changes}.items() if value is not None})
        return self._read(before)

    def _look(self) -> None:
        self._seen = self._read(self.table.get(self._key) or {})

    def _read(self, item: Item) -> _Board:
        try:
            return _Board(
                {lane: int(item[_named_of(lane)]["N"]) for lane in range(keys.LANES) if _named_of(lane) in item},
                {lane: item[_claim_of(lane)]["S"] for lane in range(keys.LANES) if _claim_of(lane) in item},
                int(item[_NAMINGS]["N"]) if _NAMINGS in item else 0,
                self.now_ms(),
            )
        except (KeyError, ValueError) as error:
            raise MalformedItem(f"not the board of lanes: {sorted(item)}") from error


# Short names: a write costs a unit for each begun KB of the item.
_NAMINGS: Final = "v"


def _named_of(lane: int) -> str:
    return f"w{lane}"


def _claim_of(lane: int) -> str:
    return f"c{lane}"


def _text(text: str | None) -> Item | None:
    return None if text is None else {"S": text}
