"""Who rolls up now: one aggregator at a time, and no event that is forgotten meanwhile.

Two items in the partition `aggregator#lease`: the lease (who, until when) and a counter of wake-ups. The order of
four steps makes sure that work which was committed before an event is seen by somebody:

    event      1. adds to the counter      2. reads the lease; where somebody holds it, it ends at once
    holder     3. gives the lease back     4. reads the counter again; where it moved, it runs again

If the event found the lease held (2), the holder gave it back later (3), so its look at the counter (4) sees the
addition (1). Whoever takes the lease reads the counter and the work list after that, so it covers all events before.

To read the work list takes a request for each of its shards, so who gives the lease back says in it up to which number
all wake-ups are served. Where that is the number before an event's own, nobody else's work can be waiting, and the
event does its own ranges alone. Who comes meanwhile moves the counter, and is found by step 4, as ever. A holder that
died, ran out of time or failed says nothing, and the next one reads the list. A number that is read and then
overtaken (given back, taken and given back by others) is too small, which leads to the list too. A wake-up that could
not be counted, or an event that was lost, is the next list's, at the latest the schedule's: it always reads it.

The lease saves work and is not what numbers rest on: rollups are caches, and whatever two aggregators at once do to
them, readers add the slices that a rollup does not name. A holder that dies leaves the lease until it expires, a
little after its function would have been killed anyway; until then events end at once, and the work waits for Lambda's
retry of the event or for the schedule.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from tickstream.errors import MalformedItem, ServiceIncomplete
from tickstream.items import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.table import Table
    from tickstream.items import Item

PARTITION: Final = "aggregator#lease"
ROLLING_UP: Final = 0
WAKE_UPS: Final = 1
SETTLING: Final = 2

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do one thing alone for `hold_ms`; given back, or expiring by itself.

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
        return self.take() is not None

    def take(self) -> int | None:
        """Take the lease if it is free or has expired; None where it is not ours.

        Returns up to which number all wake-ups are served, as the one before said when giving it back; -1 where
        nobody said.
        """
        known = self.table.get(self._key())
        if known is not None and _until_ms(known) > self.now_ms():
            return None
        mine = {
            **self._key(),
            "holder": {"S": self.holder},
            "untilMs": {"N": str(self.now_ms() + self.hold_ms)},
        }
        if known is None:
            taken = self.table.put_if_absent(mine)
        else:
            taken = self.table.put_if_equal(mine, "holder", known["holder"])
        # A write whose answer was lost is retried by the client and then meets itself: look who holds it.
        if not taken and (self.table.get(self._key()) or {}).get("holder") != mine["holder"]:
            return None
        return int(known["served"]["N"]) if known and "served" in known else -1

    def release(self, served: int | None = None) -> None:
        """Give the lease back, unless somebody else has it by now; `served`: what `take` returns next."""
        if served is None:
            self.table.delete_if_equal(self._key(), "holder", {"S": self.holder})
            return
        free = {**self._key(), "holder": {"S": self.holder}, "untilMs": {"N": "0"}, "served": {"N": str(served)}}
        self.table.put_if_equal(free, "holder", {"S": self.holder})

    def _key(self) -> Item:
        return key_of(PARTITION, self.slot)


def run_elected(lease: Lease, work: Callable[[], bool], own: Callable[[], bool] | None = None) -> bool:
    """Do the work as the only one, again as long as somebody asked for it meanwhile; say whether it was done here.

    work: all that there is; returns whether it finished, and after a time that it did not it is not begun again.
    own: the part that this wake-up is about, done in its place where nothing else can be waiting; returns the same.
    """
    try:
        number = lease.table.add(_WAKE_UPS_KEY, "count", 1)
    except ServiceIncomplete as error:
        # Thousands of events a second would throttle this one item. Then somebody is certainly at work; should that
        # be over just now, the work list keeps everything for the next event or the schedule.
        logger.info("wake-up not counted", error=str(error))
        return False
    worked = False
    while (served := lease.take()) is not None:
        due, seen = work, number
        if own is not None and served == number - 1:
            due = own
        else:
            seen = _wake_ups(lease.table)
        worked, finished = True, False
        try:
            finished = due()
        finally:
            lease.release(seen if finished else None)
        if not finished or _wake_ups(lease.table) == seen:
            break
    return worked


_WAKE_UPS_KEY: Final = key_of(PARTITION, WAKE_UPS)


def _wake_ups(table: Table) -> int:
    item = table.get(_WAKE_UPS_KEY)
    return int(item["count"]["N"]) if item else 0


def _until_ms(item: Item) -> int:
    try:
        return int(item["untilMs"]["N"])
    except (KeyError, ValueError) as error:
        raise MalformedItem(f"not a lease: {sorted(item)}") from error
