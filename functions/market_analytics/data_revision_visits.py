"""The steps by which an ingest is taken back, each of which any number of functions may take at once.

1. **checked**: of all of its ranges that are committed, whether their hours can do without them. If one cannot, the
   retraction is refused as a whole, with the reason, by one conditional write to the manifest; nothing was done yet.
2. **hidden**: a revision withdraws each range from each of its hours. From then on no reader counts it, whatever
   rollups have. Then the hours are listed in the lanes of their symbols, to be read as a whole: their rollups are
   written by whoever has the lane, as ever. The entry has a place of its own there: who is in the middle of a pass over
   another entry of the range, and read the hour before, does not take it off.
3. when all ranges are committed and hidden, the manifest says **done**. A range whose message is in a dead-letter queue
   keeps the retraction open: it is hidden when it has been driven again, and what it may have left half written counts
   until then.
4. **gone**: when whoever read an hour before it was hidden is dead, each hour is looked at once more. A rollup with a
   withdrawn range is not believed by readers, but the slices that they use in its place expire: it is listed again
   until it is right. Then the entry goes.

Died anywhere: the entry says which ranges are done, the others are done again, with the same items under the same keys.
Two at once: the same. A stale entry written over a newer one has the same done again; one that comes back after it was
taken off finds nothing to do. The list is gone through every five minutes, so no event is needed for any of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import batched
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_confirmation import CONFIRM_AFTER_MS
from market_analytics.data_aggregator_lists import read_receipts
from market_analytics.data_revision_hours import range_id_of, still_there, wanted_by, why_not, withdraw
from market_analytics.data_revision_publishing import Publishing
from tickstream import keys
from tickstream.ingests import Pending, is_forgotten
from tickstream.items import manifest_from, manifest_key, pending_item, primary_key
from tickstream.revisions import (
    Retraction,
    Step,
    retraction_attributes,
    retraction_from,
    revising_from,
    revising_item,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from services.table import Table
    from tickstream.ingests import Receipt
    from tickstream.items import Item
    from tickstream.revisions import Revising

#: Ranges whose receipts are in memory at a time: one may name 250,000 hours.
RANGES_AT_A_TIME: Final = 20

logger = Logger(child=True)


class Visited(Enum):
    """How a visit ended. WAITING: for ranges to be committed, or for time to pass. OUT_OF_TIME: after progress."""

    OVER = auto()
    WAITING = auto()
    OUT_OF_TIME = auto()


@dataclass(slots=True)
class Visits:
    """One invocation's visits.

    put_orders: has other entries gone on with. lanes: in which hours were listed, and whose aggregators are to be
    woken.
    """

    table: Table
    now_ms: Callable[[], int]
    time_is_up: Callable[[], bool]
    put_orders: Callable[[Iterable[Item]], None]
    lanes: set[int] = field(default_factory=set)
    _received_ms: int = 0
    _waits: bool = False

    def visit(self, entry: Item) -> Visited:
        """Go on with one ingest's retraction, or its publication.

        Raises ServiceIncomplete, ServiceRefused or MalformedItem.
        """
        revising = revising_from(entry)
        with logger.append_context_keys(ingest_id=revising.ingest_id):
            if revising.publishes:
                return self._publish(revising)
            retraction = self._retraction(revising)
            if retraction is None or retraction.step is Step.REFUSED:
                self.table.batch_write((), [primary_key(entry)])
                return Visited.OVER
            steps = {Step.ASKED: self._check, Step.GOING: self._hide, Step.DONE: self._look}
            ended = steps[retraction.step](revising, retraction)
            return ended if isinstance(ended, Visited) else self.visit(revising_item(ended))

    def _publish(self, revising: Revising) -> Visited:
        """Go on with an ingest that is to take the place of others."""
        publishing = Publishing(self.table, self.now_ms, self.time_is_up, self.lanes.add, self.put_orders)
        if not publishing.go_on(revising.ingest_id):
            return Visited.WAITING
        self.table.batch_write((), [primary_key(revising_item(revising))])
        return Visited.OVER

    def _check(self, revising: Revising, retraction: Retraction) -> Revising | Visited:
        """Look whether it can be done, and say so."""
        for receipts in self._receipts(revising, revising.checked):
            if why := self._why_not(receipts):
                return self._answered(revising, retraction, replace(retraction, step=Step.REFUSED, why=why))
            revising = replace(revising, checked=revising.checked | _bits(receipts))
            if self.time_is_up():
                self.table.put(revising_item(revising))
                return Visited.OUT_OF_TIME
        return self._answered(revising, retraction, replace(retraction, step=Step.GOING))

    def _hide(self, revising: Revising, retraction: Retraction) -> Revising | Visited:
        """Withdraw what is committed."""
        before = revising
        for receipts in self._receipts(revising, revising.hidden):
            unchecked = [one for one in receipts if not revising.checked >> one.index & 1]
            if why := self._why_not(unchecked):
                # Committed since it was checked, into an hour that cannot do without it any more.
                logger.error("a range cannot be taken back", why=why, ranges=[one.index for one in unchecked])
                return Visited.WAITING
            withdraw(self.table, wanted_by((range_id_of(one), one.hours) for one in receipts))
            self._list(receipts, revising)
            revising = replace(revising, hidden=revising.hidden | _bits(receipts))
            if self.time_is_up():
                break
        if revising != before:
            self.table.put(revising_item(revising))
        # Of an ingest that is forgotten no message is anywhere any more: what is not committed by then never is.
        if revising.hidden.bit_count() >= revising.ranges or is_forgotten(self._received_ms, self.now_ms()):
            done = replace(retraction, step=Step.DONE, done_ms=self.now_ms())
            return self._answered(revising, retraction, done)
        return Visited.OUT_OF_TIME if self.time_is_up() and revising != before else Visited.WAITING

    def _look(self, revising: Revising, retraction: Retraction) -> Revising | Visited:
        """See that nothing has it any more; list what has."""
        if self.now_ms() - retraction.done_ms <= CONFIRM_AFTER_MS:
            return Visited.WAITING
        before = revising
        left = 0
        for receipts in self._receipts(revising, revising.gone):
            found = still_there(self.table, wanted_by((range_id_of(one), one.hours) for one in receipts))
            lost = frozenset[int]().union(*found.values())
            again = [one for one in receipts if range_id_of(one) in lost]
            if again:
                logger.warning("what was taken back is still in rollups: listed again", ranges=len(again))
                self._list(again, revising)
                left += len(again)
            revising = replace(revising, gone=revising.gone | _bits(one for one in receipts if one not in again))
            if self.time_is_up():
                self.table.put(revising_item(revising))
                return Visited.OUT_OF_TIME if revising != before else Visited.WAITING
        if left:
            self.table.put(revising_item(revising))
            return Visited.WAITING
        # Of ranges without a receipt everything has expired.
        self.table.batch_write((), [primary_key(revising_item(revising))])
        return Visited.OVER

    def _answered(self, revising: Revising, before: Retraction, after: Retraction) -> Revising:
        """Put on record how far it is. Whoever was faster has said the same, or what counts."""
        changed = self.table.change_if_equal(
            manifest_key(revising.ingest_id),
            retraction_attributes(after),
            {"retraction": {"S": before.step.value}, "retractionMs": {"N": str(before.asked_ms)}},
        )
        if changed is not None:
            logger.info("retraction", step=after.step.value, cause=after.cause.value, why=after.why)
        return revising

    def _retraction(self, revising: Revising) -> Retraction | None:
        item = self.table.get(manifest_key(revising.ingest_id))
        if item is None:
            return None
        self._received_ms = int(item["receivedMs"]["N"])
        self._waits = manifest_from(item).replaces and "publishedMs" not in item
        return retraction_from(item)

    def _receipts(self, revising: Revising, done: int) -> Iterator[list[Receipt]]:
        """Yield the receipts of ranges that are not done, as far as they are committed, some at a time."""
        for some in batched(revising.left_of(done), RANGES_AT_A_TIME, strict=False):
            if receipts := read_receipts(self.table, ((revising.ingest_id, index) for index in some)):
                yield receipts

    def _why_not(self, receipts: Sequence[Receipt]) -> str:
        wanted = wanted_by((range_id_of(one), one.hours) for one in receipts)
        return why_not(self.table, wanted, self.now_ms() // 1000, waiting=self._waits)

    def _list(self, receipts: Sequence[Receipt], revising: Revising) -> None:
        entries = [
            pending_item(Pending(one.ingest_id, one.index, revising.asked_ms, lane, whole=True))
            for one in receipts
            for lane in sorted({keys.lane_of(symbol) for symbol in one.hours})
        ]
        self.table.batch_write(entries)
        self.lanes.update(keys.pending_lane(entry["symbol"]["S"]) for entry in entries)


def _bits(receipts: Iterable[Receipt]) -> int:
    return sum(1 << one.index for one in receipts)
