"""Who rolls up now: one aggregator at a time, and no event that is forgotten meanwhile.

One item has it all: a counter, which every writer raises and which so is the item's version; the shards of the work
list that have something new; and the lease (who, until when). An event that finds somebody at work costs one request.

    event      1. counts itself and names its shards; where the answer shows a lease, it ends at once
               2. takes the lease, if the counter is still what 1 answered; otherwise it looks again
    holder     3. releases the lease, if the counter is still what it was when its pass began; otherwise some event
                  has ended at 1 since, and the holder runs again

Every interleaving comes to this: an event's range was committed before 1. If 1 came before the holder's pass began,
the pass saw the counter and the shards that 1 left, and reads the list later than the commit. If it came after that,
the counter moved, 3 fails, and another pass begins. If 1 came after 3, the event finds no lease and goes on to 2. Of
several at 2 the first raises the counter, and the others look again. A write whose answer was lost is tried again by
the client, meets itself, and looks who holds the lease. (`tests/unit/market_analytics/election_model.py` walks through
all of them.)

Whoever releases the lease with nothing left says so by a number, `served`: that of the counter. Where it is the one
before an event's own, nobody else's work can be waiting, and the event does its own ranges alone, without reading the
list. Otherwise the shards are read that are named since the lease was released last. What a pass left undone, out of
time or by an error, stays named at 3. A holder that dies leaves the lease until it expires, a little after its function
would have been killed anyway, and the shards for whoever takes it then; until then events end at once, and its work
waits for Lambda's retry of the event or for the schedule, which reads all shards.

The lease saves work and is not what numbers rest on: rollups are caches, and whatever two aggregators at once do to
them, readers add the slices that a rollup does not name.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from tickstream.errors import MalformedItem, ServiceIncomplete
from tickstream.items import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from services.table import Table
    from tickstream.items import Item

PARTITION: Final = "aggregator#lease"
ROLLING_UP: Final = 0
CONFIRMING: Final = 2

#: A pass begins when a look finds nobody new, and after 2 s at the latest: rollups are that much staler, bars are not.
COALESCE_LOOK_S: Final = 0.4
COALESCE_LOOKS: Final = 5

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do one thing alone for `hold_ms`, which expires by itself and is not released.

    slot: which thing (the sort key of its item). now_ms: the wall clock, shared by all who compete.
    holder: new for each instance, because Lambda retries an event under the same request id.
    """

    table: Table
    slot: int
    hold_ms: int
    now_ms: Callable[[], int]
    holder: str = field(default_factory=lambda: uuid.uuid4().hex)

    def acquire(self) -> bool:
        """Take the lease if it is free or has expired; say whether it is ours."""
        key = key_of(PARTITION, self.slot)
        known = self.table.get(key)
        if known is not None and _until_ms(known) > self.now_ms():
            return False
        mine = {**key, "holder": {"S": self.holder}, "untilMs": {"N": str(self.now_ms() + self.hold_ms)}}
        if known is None:
            taken = self.table.put_if_absent(mine)
        else:
            taken = self.table.put_if_equal(mine, "holder", known["holder"])
        # A write whose answer was lost is retried by the client and then meets itself: look who holds it.
        return taken or (self.table.get(key) or {}).get("holder") == mine["holder"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """The item as somebody saw it.

    shards: of the work list, with something new. served: the counter when nothing was left, -1 if that is not known.
    """

    count: int = 0
    shards: frozenset[str] = frozenset()
    holder: str = ""
    until_ms: int = 0
    served: int = -1


@dataclass(frozen=True, slots=True)
class Election:
    """One who would roll up, for an event or for the schedule.

    hold_ms: for how long the lease is taken. now_ms: the wall clock, shared by all who compete.
    wait: for so many seconds; what is done before each look for others who come. None: nobody is waited for.
    holder: new for each instance, because Lambda retries an event under the same request id.
    """

    table: Table
    hold_ms: int
    now_ms: Callable[[], int]
    wait: Callable[[float], None] | None = None
    holder: str = field(default_factory=lambda: uuid.uuid4().hex)

    def run(
        self,
        shards: Iterable[str],
        work: Callable[[frozenset[str]], bool],
        own: Callable[[], Callable[[], bool] | None] | None = None,
    ) -> bool:
        """Do the work as the only one, again as long as somebody asked for it meanwhile; say whether it was done here.

        shards: of the work list, with something new. work: given all shards to look at, returns whether it finished;
        after one that ran out of time it is not begun again. own: asked once nobody is found at work, returns what does
        the caller's own part alone, None where nothing of it is left.
        """
        try:
            seen = _seen(self.table.add(_KEY, "count", 1, "shards", frozenset(shards)))
        except ServiceIncomplete as error:
            # Thousands of events a second would throttle this one item. Then somebody is certainly at work; should
            # that be over just now, the work list keeps everything for the next event or the schedule.
            logger.info("wake-up not counted", error=str(error))
            return False
        if seen.until_ms > self.now_ms():
            return False
        part = own and own()
        # Where the last pass was not finished, or its holder died, what it left is for whoever comes first: Lambda's
        # retry of its event, whose own ranges may be done.
        if own and part is None and seen.served >= 0:
            return False
        mine = self._take(seen)
        if mine is None:
            return False
        mine = self._coalesce(mine)
        alone = part if seen.served == seen.count - 1 and mine.count == seen.count + 1 else None
        while True:
            finished = False
            try:
                finished = alone() if alone else work(mine.shards)
            finally:
                again = self._release(mine, finished=finished)
            if again is None:
                return True
            mine, alone = self._coalesce(again), None

    def _take(self, seen: _Seen) -> _Seen | None:
        """Take the lease, unless somebody else has it by now. What was seen is what is to be done."""
        while seen.until_ms <= self.now_ms():
            until_ms = self.now_ms() + self.hold_ms
            lease = {"holder": {"S": self.holder}, "untilMs": {"N": str(until_ms)}}
            if self._put(seen.count, {"shards": {"SS": sorted(seen.shards)}, **lease} if seen.shards else lease):
                return _Seen(seen.count + 1, seen.shards, self.holder, until_ms)
            now = self._look()
            if now.holder == self.holder:
                return now
            seen = now
        return None

    def _coalesce(self, mine: _Seen) -> _Seen:
        """Wait for others, as long as they come and at most for COALESCE_LOOKS looks: their ranges join this pass.

        A range of a busy market touches 500 rollups; to write them once for two ranges saves 1,000 writes, which cost
        as much as 15 seconds of this function.
        """
        for _ in range(COALESCE_LOOKS if self.wait else 0):
            if self.wait:
                self.wait(COALESCE_LOOK_S)
            now = self._look()
            if now.holder != self.holder or now.count == mine.count:
                break
            mine = now
        return mine

    def _release(self, mine: _Seen, *, finished: bool) -> _Seen | None:
        """Release the lease; return what was seen if somebody came meanwhile, and then keep it.

        finished: whether the shards are done. Otherwise the lease is released in any case, and they stay named.
        """
        while True:
            if finished:
                rest: Item = {"served": {"N": str(mine.count + 1)}}
            else:
                rest = {"shards": {"SS": sorted(mine.shards)}} if mine.shards else {}
            if self._put(mine.count, rest):
                return None
            now = self._look()
            if now.holder != self.holder:
                return None  # released by a write whose answer was lost, or expired
            if finished:
                return now
            mine = now

    def _put(self, count: int, rest: Item) -> bool:
        """Put the item if the counter is what it was, and raise it."""
        return self.table.put_if_equal({**_KEY, "count": {"N": str(count + 1)}, **rest}, "count", {"N": str(count)})

    def _look(self) -> _Seen:
        return _seen(self.table.get(_KEY) or {})


_KEY: Final = key_of(PARTITION, ROLLING_UP)


def _seen(item: Item) -> _Seen:
    try:
        return _Seen(
            int(item["count"]["N"]) if "count" in item else 0,
            frozenset(item["shards"]["SS"]) if "shards" in item else frozenset(),
            item["holder"]["S"] if "holder" in item else "",
            _until_ms(item) if "holder" in item else 0,
            int(item["served"]["N"]) if "served" in item else -1,
        )
    except (KeyError, ValueError) as error:
        raise MalformedItem(f"not a lease: {sorted(item)}") from error


def _until_ms(item: Item) -> int:
    try:
        return int(item["untilMs"]["N"])
    except (KeyError, ValueError) as error:
        raise MalformedItem(f"not a lease: {sorted(item)}") from error
