"""The real `Election`, one request at a time, as `election_model` has it: to see that the model is one of it."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from greenlet import GreenletExit, getcurrent, greenlet

from market_analytics.data_aggregator_election import PARTITION, ROLLING_UP, Election, Ended
from services.memory_table import MemoryTable
from tests.unit.market_analytics.election_model import own_lanes
from tests.unit.market_analytics.election_states import CALLED, EVENTS, LANES, NOBODY, NONE, SCHEDULE, At
from tickstream.errors import ServiceIncomplete
from tickstream.items import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from market_analytics.data_aggregator_election import Lanes, Share, Work
    from tests.unit.market_analytics.election_states import State
    from tickstream.items import Item

HOLD_MS: Final = 1_000
#: What each place in the model does next, as the real one does it.
_NEXT: Final = {
    At.NAMES: "count",
    At.BEGINS: "get",
    At.ASKS: "own",
    At.CLAIMS: "change",
    At.LOOKS_WHO: "get",
    At.READS: "read",
    At.SHARES: "change",
    At.LOOKS_SHARED: "get",
    At.CALLS: "call",
    At.WORKS: "work",
    At.GOES_ON: "change",
    At.LOOKS_WHAT: "get",
    At.UNDOES: "change",
    At.LOOKS_UNDONE: "get",
    At.CALLS_NEXT: "call",
}


class Real:
    """Events and the schedule over one table. next: what each is about to do; nothing of those who are not at work."""

    def __init__(self) -> None:
        self.next: dict[int, str] = {}
        self._table = MemoryTable()
        self._listed: set[tuple[int, int]] = set()
        self._calls: set[Lanes] = set()
        self._now_ms = 1
        self._lives: dict[int, greenlet] = {}
        self._called_for: Lanes = NONE
        self._until_ms: dict[int, int] = {}
        self._what = ""
        self._begin_again = NOBODY
        # Each life is another holder, as in the functions.
        self._numbers = count()

    def do(self, step: str) -> None:
        """Do what the model did."""
        who, what = re.fullmatch(r"(event \d|schedule|called(?: for \[[\d, ]+\])?) (.*)", step).groups()  # type: ignore[union-attr]
        names = {"schedule": SCHEDULE, "called": CALLED} | {f"event {event}": event for event in range(EVENTS)}
        number = names[who.partition(" for")[0]]
        if what == "begins":
            if number == CALLED:
                self._called_for = frozenset(map(int, re.findall(r"\d+", who)))
                self._calls.remove(self._called_for)
            elif number < EVENTS:
                self._listed |= {(number, lane) for lane in own_lanes(number)}
            self._begin(number)
        elif what == "comes again":
            self._now_ms = max(self._now_ms, self._until_ms[number])
            self._begin(number)
        elif what.startswith("dies"):
            self.next.pop(number)
            self._lives.pop(number)
        else:
            self._what = what
            self._go_on(number)

    def compare(self, state: State, step: str) -> None:
        """Compare the item, the lists, the calls, and what everybody is about to do."""
        item, board = self._table.get(key_of(PARTITION, ROLLING_UP)) or {}, state.board
        for lane in LANES:
            assert int(item.get(f"w{lane}", {"N": "0"})["N"]) == board.named[lane], step
            claim = item[f"c{lane}"]["S"] if f"c{lane}" in item else ""
            works = bool(claim) and int(claim.partition(" ")[0]) > self._now_ms
            assert (claim == "") == (board.claims[lane] == NOBODY), step
            assert works == board.is_worked_on(lane), step
        assert self._listed == state.listed, step
        assert self._calls == state.calls, step
        expected = {number: _NEXT[one.at] for number, one in enumerate(state.ones) if one.at in _NEXT}
        assert self.next == expected, step

    def _begin(self, number: int) -> None:
        table: Any = _Stepping(self._table, self.pause)
        life = next(self._numbers)
        # Claims expire in the order in which their lives began.
        self._until_ms[number] = (life + 1) * HOLD_MS
        hold_ms = self._until_ms[number] - self._now_ms
        election = Election(
            table, ROLLING_UP, hold_ms, lambda: self._now_ms, lambda: False, self._call, holder=f"{number} of {life}"
        )

        def own() -> Work | None:
            self.pause("own")
            is_listed = any(entry[0] == number for entry in self._listed)
            return self._work({number}) if is_listed else None

        def run() -> None:
            everything = self._work(range(EVENTS))
            try:
                if number == CALLED:
                    election.run_called(self._called_for, everything)
                else:
                    election.run(own_lanes(number), everything, None if number == SCHEDULE else own)
            except ServiceIncomplete:
                # Lambda's retry begins at once: its first request is the next step.
                self._begin_again = number
            else:
                self._begin_again = NOBODY

        self._lives[number] = greenlet(run)
        self._go_on(number)

    def _go_on(self, number: int) -> None:
        self._begin_again = NOBODY
        life = self._lives[number]
        said = life.switch()
        if not life.dead:
            self.next[number] = said
            return
        self.next.pop(number, None)
        if self._begin_again == number:
            self._begin(number)

    def _call(self, lanes: Lanes) -> None:
        self.pause("call")
        self._calls.add(lanes)

    def _work(self, ranges: Collection[int]) -> Work:
        def work(lanes: Lanes, share: Share) -> Ended:
            while True:
                self.pause("read")
                if self._what != "shares":
                    break
                lanes = share()
            todo = {entry for entry in self._listed if entry[0] in ranges and entry[1] in lanes}
            self.pause("work")
            if "after" in self._what:
                self._listed -= set(sorted(todo)[:1])
                if "fails" in self._what:
                    raise ServiceIncomplete("a read was throttled")
                return Ended.OUT_OF_TIME
            self._listed -= todo
            return Ended.FINISHED

        return work

    def pause(self, before: str) -> bool:
        """Let others go on before a request; say whether its answer is to be lost."""
        if getcurrent() not in self._lives.values():
            raise GreenletExit  # dead, and collected now
        getcurrent().parent.switch(before)
        return "lost" in self._what


class _Stepping:
    """A table that waits for its turn before each request."""

    def __init__(self, table: MemoryTable, pause: Callable[[str], bool]) -> None:
        self._table = table
        self._pause = pause

    def count(self, key: Item, counters: Collection[str]) -> Item:
        """See Table."""
        self._pause("count")
        return self._table.count(key, counters)

    def get(self, key: Item) -> Item | None:
        """See Table."""
        self._pause("get")
        return self._table.get(key)

    def change_if_equal(
        self, key: Item, changes: Mapping[str, Item | None], expected: Mapping[str, Item | None]
    ) -> Item | None:
        """See Table. The answer is lost where the client tries again and meets itself."""
        is_lost = self._pause("change")
        before = self._table.change_if_equal(key, changes, expected)
        return None if is_lost else before
