"""The real `Election`, one request at a time, as `election_model` has it: to see that the model is one of it."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from greenlet import getcurrent, greenlet

from market_analytics.data_aggregator_election import PARTITION, ROLLING_UP, Election
from services.memory_table import MemoryTable
from tests.unit.market_analytics.election_model import ALL_SHARDS, NOBODY, SCHEDULE, SHARD_OF, UNKNOWN, At
from tickstream.errors import ServiceIncomplete
from tickstream.items import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tests.unit.market_analytics.election_model import State
    from tickstream.items import Item

HOLD_MS: Final = 1_000
#: What each place in the model does next, as the real one does it.
_NEXT: Final = {
    At.COUNTS: "add",
    At.ASKS: "own",
    At.TAKES: "put",
    At.LOOKS: "get",
    At.READS: "read",
    At.WORKS: "work",
    At.RELEASES: "put",
    At.LOOKS_AGAIN: "get",
}


class Real:
    """Events and the schedule over one table. next: what each is about to do; nothing of those who are not at work."""

    def __init__(self) -> None:
        self.next: dict[int, str] = {}
        self._table = MemoryTable()
        self._listed: set[int] = set()
        self._now_ms = 1
        self._lives: dict[int, greenlet] = {}
        self._fault = ""
        self._begin_again = NOBODY
        # Each life is another holder, as in the functions.
        self._numbers = count()

    def do(self, step: str) -> None:
        """Do what the model did."""
        who, what = re.fullmatch(r"(event \d|schedule) (.*)", step).groups()  # type: ignore[union-attr]
        number = SCHEDULE if who == "schedule" else int(who[-1])
        if what == "begins":
            self._listed |= {number} - {SCHEDULE}
            self._begin(number)
        elif what == "comes again":
            lease = self._item()
            if _holder(lease) == number:
                self._now_ms = max(self._now_ms, int(lease["untilMs"]["N"]))
            self._begin(number)
        elif what.startswith("dies"):
            self.next.pop(number)
            self._lives.pop(number)
        else:
            self._fault = what
            self._go_on(number)

    def compare(self, state: State, step: str) -> None:
        """Compare the item, the list, and what everybody is about to do."""
        item, lease = self._item(), state.lease
        is_held = int(item.get("untilMs", {"N": "0"})["N"]) > self._now_ms
        assert (_holder(item) if is_held else NOBODY) == lease.holder, step
        assert {int(shard) for shard in item.get("shards", {"SS": []})["SS"]} == lease.shards, step
        assert ("served" in item) == (lease.served != UNKNOWN), step
        assert (item.get("served") == item.get("count", {})) == (lease.served == lease.counter), step
        assert self._listed == state.listed, step
        expected = {number: _NEXT[one.at] for number, one in enumerate(state.ones) if one.at in _NEXT}
        assert self.next == expected, step

    def _item(self) -> Item:
        return self._table.get(key_of(PARTITION, ROLLING_UP)) or {}

    def _begin(self, number: int) -> None:
        shards = ALL_SHARDS if number == SCHEDULE else {SHARD_OF[number]}
        table: Any = _Stepping(self._table, self.pause)
        election = Election(table, HOLD_MS, lambda: self._now_ms, holder=f"{number} of {next(self._numbers)}")

        def own() -> Callable[[], bool] | None:
            self.pause("own")
            return (lambda: self._work(lambda: self._listed & {number})) if number in self._listed else None

        def work(named: Collection[str]) -> bool:
            return self._work(lambda: {one for one in self._listed if str(SHARD_OF[one]) in named})

        def run() -> None:
            try:
                election.run({str(shard) for shard in shards}, work, None if number == SCHEDULE else own)
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

    def _work(self, listed: Callable[[], set[int]]) -> bool:
        self.pause("read")
        todo = listed()
        self.pause("work")
        if "fails" in self._fault:
            self._listed -= set(sorted(todo)[:1])
            raise ServiceIncomplete("a read was throttled")
        self._listed -= todo
        return True

    def pause(self, before: str) -> bool:
        """Let others go on before a request; say whether its answer is to be lost."""
        getcurrent().parent.switch(before)
        return "lost" in self._fault


def _holder(item: Item) -> int:
    return int(item["holder"]["S"].partition(" ")[0]) if "holder" in item else NOBODY


class _Stepping:
    """A table that waits for its turn before each request."""

    def __init__(self, table: MemoryTable, pause: Callable[[str], bool]) -> None:
        self._table = table
        self._pause = pause

    def add(self, key: Item, attribute: str, amount: int, names: str, more: Collection[str]) -> Item:
        """See Table."""
        self._pause("add")
        return self._table.add(key, attribute, amount, names, more)

    def get(self, key: Item) -> Item | None:
        """See Table."""
        self._pause("get")
        return self._table.get(key)

    def put_if_equal(self, item: Item, attribute: str, expected: Item) -> bool:
        """See Table. The answer is lost where the client tries again and meets itself."""
        is_lost = self._pause("put")
        return self._table.put_if_equal(item, attribute, expected) and not is_lost
