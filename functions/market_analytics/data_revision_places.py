"""The ingests of one key, in the order in which their objects were put, and what they tell each other.

Several may be looked at by several functions at once, each of which knows only what stood in the list when it looked.
What makes it safe is that each of these is one conditional write to one manifest:

- an older one that is about to be published **tells** every newer one that waits, unless that is decided;
- one that is to be published is **decided** unless somebody told it of an older one since it looked: then it looks
  again.

Of two, either the newer one looked when the older one was listed, and takes its place; or the older one looks later,
and finds it. If it is decided then, the older one is replaced as it is, and otherwise it tells it.

- one is found **fit** unless it was kept out since it was looked at, and kept out unless it was found fit: only what is
  fit marks others;
- an older one is **marked** as replaced unless it was taken back, or put again, since it was looked at. It is hidden
  with the publication of whoever took the place of the one that marked it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Final

from tickstream import keys
from tickstream.fate_items import listed_from
from tickstream.items import manifest_from, manifest_key
from tickstream.revisions import Cause, Retraction, Step, put_order, retraction_attributes, retraction_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.table import Table
    from tickstream.ingests import Manifest
    from tickstream.items import Item

INGESTS_AT_ONCE: Final = 100
#: By how much clocks differ at most.
CLOCKS_DIFFER_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Placed:
    """An ingest by its manifest's item.

    place: among those of its key. told: of which older one it was told last. is_fit: whether the hours were found to do
    without the older ones, so that these may be marked by now.
    """

    manifest: Manifest
    retraction: Retraction | None
    is_fit: bool
    is_decided: bool
    published_ms: int
    place: tuple[int, str]
    put_ms: Item | None
    told: Item | None

    @classmethod
    def of(cls, item: Item) -> Placed:
        """Read it. Raises MalformedItem."""
        return cls(
            manifest_from(item),
            retraction_from(item),
            "fitMs" in item,
            "decidedMs" in item,
            int(item["publishedMs"]["N"]) if "publishedMs" in item else 0,
            put_order(item),
            item.get("putMs"),
            item.get("toldOf"),
        )

    @property
    def is_published(self) -> bool:
        """Whether all of it counts."""
        return self.published_ms > 0

    @property
    def ingest_id(self) -> str:
        """Its id."""
        return self.manifest.ingest_id

    @property
    def is_taken_back(self) -> bool:
        """Whether somebody takes it back, or its place."""
        return _step(self) not in {None, Step.REFUSED}

    @property
    def is_gone(self) -> bool:
        """Whether it was taken back, all of it."""
        return _step(self) is Step.DONE

    @property
    def is_to_be_listed(self) -> bool:
        """Whether nobody has to wait for anything to go on with taking it back: nothing of it is seen by anybody."""
        may_be_seen = self.is_decided or self.is_published
        return self.is_taken_back and (not may_be_seen or _step(self) is Step.ASKED)

    @property
    def stands(self) -> bool:
        """Whether it has its place, or surely gets it: what was put before it does not count any more."""
        return self.is_published or (self.is_decided and not self.is_taken_back)

    @property
    def is_asked_for(self) -> bool:
        """Whether somebody takes it back, and it is not known yet whether that can be."""
        return _step(self) is Step.ASKED

    @property
    def is_going(self) -> bool:
        """Whether it is taken back before all of it counted, and some of it may be seen until it is gone."""
        return self.is_decided and not self.is_published and self.is_taken_back and not self.is_gone

    @property
    def waits(self) -> bool:
        """Whether it may yet take the place of others."""
        return self.manifest.replaces and self.manifest.rejected is None and not self.stands and not self.is_taken_back

    @property
    def is_to_go(self) -> bool:
        """Whether it may be seen still, where a newer one takes its place.

        Also one that somebody else takes back or replaces: he may be in the middle of it, and whoever sees the newer
        one must not see this one.
        """
        return self.manifest.rejected is None and self.manifest.ranges > 0 and not self.is_gone

    def has_replaced_the_rest_before(self, other: Placed) -> bool:
        """Whether nothing that is older than it counted when another came.

        Not one that was only added, nor one that was replaced itself.
        """
        stands = self.manifest.replaces and self.is_published and self.retraction is None
        return stands and self.published_ms + CLOCKS_DIFFER_MS < other.manifest.received_ms


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one key's ingests."""

    table: Table
    now_ms: Callable[[], int]

    def get(self, ingest_id: str) -> Placed | None:
        """Look at one."""
        item = self.table.get(manifest_key(ingest_id))
        return None if item is None else Placed.of(item)

    def others(self, this: Placed) -> list[Placed]:
        """Return the others of its key: the newer ones, and the older ones down to one that replaced the rest."""
        source = this.manifest.source
        if source is None:
            return []
        others: list[Placed] = []
        listed = self.table.query(keys.key_partition(source.bucket, source.key), newest_first=True)
        for some in batched(listed, INGESTS_AT_ONCE, strict=False):
            wanted = [listed_from(item).ingest_id for item in some]
            found = map(Placed.of, self.table.batch_get(map(manifest_key, wanted)))
            others += [one for one in found if one.ingest_id != this.ingest_id]
            if any(one.has_replaced_the_rest_before(this) for one in others):
                break
        return others

    def tell(self, newer: Placed, this: Placed) -> bool:
        """Tell one that waits of an older one; say whether it can still hear of it."""
        told: Item = {"S": this.ingest_id}
        if newer.told == told:
            return True
        expected: dict[str, Item | None] = {"retraction": _retraction_of(newer), "decidedMs": None, "publishedMs": None}
        return self._change(newer, {"toldOf": told}, expected)

    def find_fit(self, this: Placed) -> bool:
        """Have it said that older ones may be marked, if nothing changed since it was looked at; say whether it is.

        From then on it is not kept out any more: a look that began before, or that sees an hour of more ranges, would
        leave the older ones marked by one that never gets its place.
        """
        if this.is_fit:
            return True
        expected = {"retraction": _retraction_of(this), "toldOf": this.told, "decidedMs": None}
        return self._change(this, {"fitMs": {"N": str(self.now_ms())}}, expected)

    def decide(self, this: Placed) -> bool:
        """Have it decided that one is published, if nothing changed since it was looked at; say whether it is.

        A look that began before somebody else's ended knows less than that one: it is not its decision either.
        """
        if this.is_decided:
            return True
        expected = {
            "retraction": _retraction_of(this),
            "toldOf": this.told,
            "putMs": this.put_ms,
            "decidedMs": None,
        }
        return self._change(this, {"decidedMs": {"N": str(self.now_ms())}}, expected)

    def publish(self, this: Placed) -> bool:
        """Say that all of it is published, unless somebody takes it back, or its place, by now."""
        expected: dict[str, Item | None] = {"retraction": _retraction_of(this), "publishedMs": None}
        return self._change(this, {"publishedMs": {"N": str(self.now_ms())}}, expected)

    def retract(
        self, one: Placed, cause: Cause, step: Step, why: str = "", by: str = "", *, unless: Sequence[str] = ()
    ) -> bool:
        """Mark an ingest, unless somebody has, or it was put again; say whether this did.

        One whose retraction was refused once is marked anew. unless: attributes of what it must not have become, too.
        """
        if one.is_taken_back:
            return False
        retraction = Retraction(step, cause, self.now_ms(), why=why, by=by)
        ranges: Item = {"N": str(one.manifest.ranges)}
        expected = {"retraction": _retraction_of(one), "ranges": ranges, "putMs": one.put_ms}
        expected |= dict.fromkeys(unless)
        return self._change(one, retraction_attributes(retraction), expected)

    def mark(self, older: Placed, this: Placed) -> bool:
        """Mark an older one as replaced; say whether somebody has, this or another, or it is taken back already."""
        if older.is_taken_back or self.retract(older, Cause.REPLACED, Step.GOING, by=this.ingest_id):
            return True
        now = self.get(older.ingest_id)
        return (
            now is not None and now.is_taken_back and now.retraction is not None and now.retraction.by == this.ingest_id
        )

    def replaced_by(self, this: Placed) -> list[str]:
        """Return the ingests whose retraction waits for this one."""
        return [
            one.ingest_id
            for one in self.others(this)
            if one.retraction and one.retraction.by == this.ingest_id and one.retraction.step is Step.GOING
        ]

    def may_let_go(self, this: Placed) -> bool:
        """Say whether what one has marked as replaced may be hidden: not while what takes its own place waits still."""
        seen = {this.ingest_id}
        while this.is_taken_back and not this.is_published and this.retraction and this.retraction.by:
            following = self.get(this.retraction.by)
            if following is None or following.ingest_id in seen:
                return True
            seen.add(following.ingest_id)
            this = following
        return this.is_published or this.is_taken_back

    def _change(self, one: Placed, changes: dict[str, Item], expected: dict[str, Item | None]) -> bool:
        return self.table.change_if_equal(manifest_key(one.ingest_id), changes, expected) is not None


def _retraction_of(one: Placed) -> Item | None:
    return {"S": one.retraction.step.value} if one.retraction else None


def _step(one: Placed) -> Step | None:
    return one.retraction.step if one.retraction else None
