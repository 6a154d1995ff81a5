"""New bytes under an old key take the place of what came under it before: each symbol's hour in one step.

The ranges of such an ingest are processed as all others are, but their slices wait: no reader counts them, and no
rollup has them, until a revision of the hour publishes them. It says in one item which ranges count from then on and
which do not any more, so that no reader sees neither or both. Write by write:

1. nothing, until all ranges are committed. One that was refused ends it: an object counts as a whole or not at all.
2. what it takes the place of is looked for in the list of its key, and whether their hours can do without them
   (`data_revision_hours`). If one cannot, this ingest is refused, and they stay; if all can, its **manifest** says so,
   and it is refused no more. If a newer one stands already, this one is replaced as it is. Newer ones that wait are
   told of it (`data_revision_places`).
3. the older ones' **manifests** say that they are replaced, each on the condition that nobody takes it back already,
   and that it was not put again. From then on nothing of theirs is published, or hidden but by what follows, or by
   whoever takes them back already, or takes the place of this one before 6.
4. its own **manifest** says that it is decided, on the condition that it was told of nobody since 2, and that nobody
   else has decided it.
5. the **revisions** of its hours and of theirs, put if absent. Ranges of theirs that are not committed yet, of objects
   that were to be added and do not wait, are withdrawn from all of its hours.
6. its own **manifest** says that it is published; from then on it is complete.
7. its hours are listed in their lanes, to be read as a whole, and it is listed among the open ingests as one that is
   rolled up like all others.
8. the retraction of the old ones is **listed**: what is left of them, ranges that were committed meanwhile, is hidden
   by it, and their hours are mended (`data_revision_visits`).

Died anywhere: the entry stays, and all is done again, from the items that are there; written twice, each is the same.
Taken back, or replaced by a newer one, before 6: nothing is published that is not yet, and what was is hidden by that,
for all ranges are committed by then, and who marked this manifest read its receipts after that. So of two that replace
each other the newer one stays, by the time when they were put, in whatever order they are processed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import batched, islice
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger

from market_analytics.data_aggregator_lists import read_receipt_heads, read_receipts
from market_analytics.data_revision_hours import range_id_of, wanted_by, why_not
from market_analytics.data_revision_places import CLOCKS_DIFFER_MS, Placed, Places
from services.side_by_side import side_by_side
from tickstream import keys
from tickstream.fate_items import retracted_item
from tickstream.hours import Revision
from tickstream.ingests import Activity, Pending, is_forgotten
from tickstream.items import (
    activity_item,
    commit_from,
    manifest_key,
    pending_item,
    primary_key,
    revision_item,
    revision_key,
    sort_key_of,
)
from tickstream.revisions import (
    Cause,
    Revising,
    Step,
    key_of_publishing,
    key_of_revising,
    retraction_from,
    revising_item,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from services.table import Table
    from tickstream.ingests import Manifest, Receipt
    from tickstream.items import Item
    from tickstream.keys import SymbolHour

#: Ranges whose receipts are in memory at a time; with more than that in all, lane after lane is gone through.
RANGES_AT_A_TIME: Final = 20
RANGES_AT_ONCE: Final = 100
WRITES_AT_A_TIME: Final = 16
#: Ranges that are withdrawn before they are committed: 18 KB in each hour. Those behind them are hidden when they are.
MAX_LATE: Final = 2_000
#: The timeout of DataRevision, which its stack sets.
REVISION_TIMEOUT_MS: Final = 900_000
#: Heads of receipts that are looked for together.
HEADS_A_LOOK: Final = 500

#: Which ranges are in which hour.
type Hours = dict[SymbolHour, set[int]]

logger = Logger(child=True)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WRITES_AT_A_TIME, thread_name_prefix="published-hours")


@dataclass(frozen=True, slots=True)
class Publishing:
    """One look at an ingest that is to take the place of others.

    wake: has hours mended that were listed in a lane. time_is_up: asked between two pieces of work.
    """

    table: Table
    now_ms: Callable[[], int]
    time_is_up: Callable[[], bool]
    wake: Callable[[int], None]
    put_orders: Callable[[Iterable[Item]], None]

    def go_on(self, ingest_id: str) -> bool:
        """Publish it if everything is there; say whether nothing is left to do. Raises as the table does."""
        this = self._places.get(ingest_id)
        if this is None:
            return True
        if not this.is_published and not this.is_taken_back:
            if (ended := self._ended(this)) is not None:
                return ended
            this = self._places.get(ingest_id) or this
        # What it marked must not stay as it is, also where it was taken back in between; nor it itself, where whoever
        # marked it died right after that. But one that is seen goes when what takes its place is seen.
        own = [ingest_id] if this.is_to_be_listed else []
        if this.is_published and self._is_listed_as_waiting(this.manifest):
            self._list(this.manifest)
        may_let_go = self._places.may_let_go(this)
        self._list_retractions([*own, *(self._places.replaced_by(this) if may_let_go else ())])
        is_over = may_let_go and (this.is_published or this.is_gone)
        if is_over:
            self._open(this.manifest)
        return is_over and (this.is_published or not self._may_be_at_work(this))

    def _ended(self, this: Placed) -> bool | None:
        """Go on with one that waits; return what `go_on` does, and None where it waits no more."""
        is_refused = self._is_refused(this.manifest)
        if is_refused is False:
            return None if self._publish(this) else False
        # Of one that is refused in part DataAggregator has the rest taken back.
        if (is_refused and this.manifest.ranges == 1) or is_forgotten(this.manifest.received_ms, self.now_ms()):
            self._open(this.manifest)
            return True
        return False

    def _may_be_at_work(self, this: Placed) -> bool:
        """Say whether somebody who looked before it was taken back may be marking others still."""
        asked_ms = this.retraction.asked_ms if this.retraction else 0
        return self.now_ms() - asked_ms <= REVISION_TIMEOUT_MS + CLOCKS_DIFFER_MS

    @property
    def _places(self) -> Places:
        return Places(self.table, self.now_ms)

    def _publish(self, this: Placed) -> bool:
        """Do what leads to 6, or have it taken back; say whether either is done."""
        others = self._places.others(this)
        older = sorted((one for one in others if one.place < this.place and one.is_to_go), key=lambda one: one.place)
        if not this.is_decided:
            newer = [one for one in others if one.place > this.place]
            if (refused := self._is_kept_out(this, older, newer)) is not None:
                return refused
        # Each, also those behind one that cannot be marked.
        marked = [self._places.mark(one, this) for one in older]
        if not all(marked) or not self._places.decide(this):
            return self._again(this)
        self._revise(this.manifest, [one.manifest for one in older])
        if self._places.publish(this):
            logger.info("published", extra={"replaced": [one.ingest_id for one in older][:10]})
        return True

    def _is_kept_out(self, this: Placed, older: Sequence[Placed], newer: Sequence[Placed]) -> bool | None:
        """Do 2; return what `_publish` does where it goes no further, and None where it does."""
        if standing := [one for one in newer if one.stands]:
            return self._ends(this, Cause.REPLACED, by=standing[0].ingest_id)
        # Whether an older one goes is decided in a moment; beside a newer one that goes readers would see both.
        if any(one.is_asked_for for one in older) or any(one.is_going for one in newer):
            return False
        if not all(self._places.tell(one, this) for one in newer if one.waits):
            return self._again(this)
        match "" if this.is_fit else self._why_not(older):
            case None:
                return False
            case "":
                return None if self._places.find_fit(this) else self._again(this)
            case why:
                said = f"it cannot take the place of another: {why}"
                return self._ends(this, Cause.REFUSED, said, unless=("fitMs",))

    def _why_not(self, older: Iterable[Placed]) -> str | None:
        """Say why the hours of some ingests cannot do without them; None if time is up."""
        for one in older:
            for receipts in self._receipts(one.manifest):
                wanted = wanted_by((range_id_of(receipt), receipt.hours) for receipt in receipts)
                waiting = one.manifest.replaces and not one.is_published
                if why := why_not(self.table, wanted, self.now_ms() // 1000, waiting=waiting):
                    return why
                if self.time_is_up():
                    return None
        return ""

    def _ends(self, this: Placed, cause: Cause, why: str = "", by: str = "", unless: Sequence[str] = ()) -> bool:
        """Have one taken back that does not get its place."""
        unless = ("decidedMs", *unless)
        return self._places.retract(this, cause, Step.ASKED, why, by, unless=unless) or self._again(this)

    def _again(self, this: Placed) -> bool:
        """Have it looked at once more, at once: somebody has changed what this look was about.

        Its entry may have been taken off, and this may have marked somebody.
        """
        manifest = this.manifest
        self.table.put_if_absent(
            revising_item(Revising(this.ingest_id, manifest.received_ms, manifest.ranges, publishes=True))
        )
        self.put_orders([key_of_publishing(this.ingest_id, this.manifest.received_ms)])
        return False

    def _list(self, manifest: Manifest) -> None:
        """List its hours in their lanes."""
        for receipts in self._receipts(manifest):
            entries = [
                pending_item(Pending(one.ingest_id, one.index, manifest.received_ms, lane, whole=True))
                for one in receipts
                for lane in sorted({keys.lane_of(symbol) for symbol in one.hours})
            ]
            self.table.batch_write(entries)
            for entry in entries:
                self.wake(keys.pending_lane(entry["symbol"]["S"]))

    def _revise(self, manifest: Manifest, older: Sequence[Manifest]) -> None:
        """Put the revisions of the hours of an ingest, and of those whose place it takes."""
        # Before their hours are read: what is committed in between is in both.
        late = frozenset(islice(self._late(older), MAX_LATE))
        name = keys.replacement_name(manifest.ingest_id)
        lanes = (None,) if manifest.ranges <= RANGES_AT_ONCE else range(keys.LANES)
        for lane in lanes:
            own, old = self._wanted([manifest], lane), self._wanted(older, lane)
            revisions = [
                Revision(
                    *one,
                    name,
                    frozenset(old.get(one, set()) | (late if one in own else set())),
                    frozenset(own.get(one, ())),
                )
                for one in sorted(own.keys() | old.keys())
            ]
            # Also where there is none to be withdrawn: whoever looks later may have found one, and was here before.
            self._put_if_absent(revisions)

    def _put_if_absent(self, revisions: Sequence[Revision]) -> None:
        """Put those that are not there; looked for first, because several may be at it."""
        wanted = {(one.symbol, one.hour): one for one in revisions}
        found = self.table.batch_get(revision_key(symbol_hour, one.name) for symbol_hour, one in wanted.items())
        for item in found:
            del wanted[item["symbol"]["S"], keys.hour_and_suffix(sort_key_of(item))[0]]
        items = [revision_item(one) for one in wanted.values()]
        for _ in side_by_side(_threads(), self.table.put_if_absent, items):
            pass

    def _late(self, older: Iterable[Manifest]) -> Iterator[int]:
        """Yield the ids of ranges that are not committed yet, and count from then on."""
        for one in older:
            if one.replaces:
                continue
            committed = {commit_from(head).index for head in self._heads(one)}
            yield from (keys.range_id(one.ingest_id, index) for index in range(one.ranges) if index not in committed)

    def _wanted(self, manifests: Iterable[Manifest], lane: int | None) -> dict[SymbolHour, set[int]]:
        return wanted_by(
            (range_id_of(one), {symbol: hours for symbol, hours in one.hours.items() if _is_in(symbol, lane)})
            for manifest in manifests
            for receipts in self._receipts(manifest)
            for one in receipts
        )

    def _list_retractions(self, ingest_ids: Iterable[str]) -> None:
        """List them as they are marked, and have them gone on with."""
        entries: list[Item] = []
        for ingest_id in ingest_ids:
            item = self.table.get(manifest_key(ingest_id))
            retraction = None if item is None else retraction_from(item)
            if item is not None and retraction is not None and retraction.step is not Step.DONE:
                self.table.put(retracted_item(ingest_id, int(item["receivedMs"]["N"])))
                self.table.put_if_absent(
                    revising_item(Revising(ingest_id, retraction.asked_ms, int(item["ranges"]["N"])))
                )
                entries.append(key_of_revising(ingest_id, retraction.asked_ms))
        if entries:
            self.put_orders(entries)

    def _is_listed_as_waiting(self, manifest: Manifest) -> bool:
        """Say whether nobody has done yet what `_open` is the last of."""
        entry = self.table.get(primary_key(activity_item(Activity(manifest.ingest_id, manifest.received_ms, 1))))
        return entry is not None and "waits" in entry

    def _open(self, manifest: Manifest) -> None:
        """List it as one that waits no more, if it is listed as one that does.

        It has no progress yet: who looks through the list left it alone.
        """
        entry = activity_item(Activity(manifest.ingest_id, manifest.received_ms, manifest.ranges))
        self.table.put_if_equal(entry, "waits", {"BOOL": True})

    def _is_refused(self, manifest: Manifest) -> bool | None:
        """Say whether a range was refused; None where one is not committed."""
        commits = [commit_from(head) for head in self._heads(manifest)]
        return None if len(commits) < manifest.ranges else any(one.refusal is not None for one in commits)

    def _heads(self, manifest: Manifest) -> Iterator[Item]:
        for some in batched(range(manifest.ranges), HEADS_A_LOOK, strict=False):
            yield from read_receipt_heads(self.table, ((manifest.ingest_id, index) for index in some))

    def _receipts(self, manifest: Manifest) -> Iterator[list[Receipt]]:
        for some in batched(range(manifest.ranges), RANGES_AT_A_TIME, strict=False):
            yield read_receipts(self.table, ((manifest.ingest_id, index) for index in some))


def _is_in(symbol: str, lane: int | None) -> bool:
    return lane is None or keys.lane_of(symbol) == lane
