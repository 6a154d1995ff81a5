"""What was sent, written and read in a schedule of market analytics, and what of it must not be.

It knows of the table what every reader must: which items are slices, which commit a range and which withdraw one from
an hour (`tickstream.items`). How rollups come about it does not know.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bench.simulation.remembered import remembered
from bench.simulation.ticks import Tick, by_bar
from bench.simulation.verdicts import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bench.simulation.market_stock import Parcel
    from bench.simulation.scheduler import Scheduler
    from bench.simulation.table import Key, Table
    from bench.simulation.ticks import BarKey
    from tickstream.items import Item

_INGEST: Final = "ingest#"
_KEY: Final = "key#"
#: The lists that are empty when everything is settled.
LISTS: Final = ("pending#", "activity#", "revising#")
_E9: Final = 10**9
#: What an ingest is said to be that counted, and does not any more.
GONE: Final = ("retracted", "replaced")


@dataclass(frozen=True, slots=True)
class _Slice:
    """What one range has of an hour of a symbol, and at which step it was first written."""

    step: int
    range: str
    symbol: str
    hour: int
    range_id: int
    ticks: frozenset[Tick]
    waits: bool

    @property
    def ingest_id(self) -> str:
        """Whose range it is."""
        return self.range.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Read:
    """The bars of a symbol as somebody read them, between two steps: how often each tick was counted."""

    begun: int
    ended: int
    symbol: str
    ticks: Mapping[Tick, int]


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody was told of an ingest, between two steps.

    refused: whether it cannot be taken back. is_kept_out: whether it could not take the place of another.
    """

    begun: int
    ended: int
    state: str
    ticks: int = -1
    refused: bool = False
    is_kept_out: bool = False


@dataclass(slots=True)
class Kept:
    """What is known of one ingest. sent: its ticks, where somebody was told that they were taken.

    object: that it came of; version: of that, as which it was put first. told: in order. asked_ms, ordered_ms: when
    somebody first asked to take it back, and when somebody was first answered. refused: whether a range of it was, as a
    whole. begun, listed: at which step its manifest was put, and its entry in the list of its key.
    """

    sent: frozenset[Tick] | None = None
    object: str = ""
    version: str = ""
    told: list[Told] = field(default_factory=list)
    asked_ms: int | None = None
    ordered_ms: int | None = None
    refused: bool = False
    begun: int = 0
    listed: int = 0


@dataclass(frozen=True, slots=True)
class Put:
    """Some bytes that were put under a key that is put again. version: as S3 calls it. is_added: to those before."""

    at_ms: int
    parcel: Parcel
    version: str
    is_added: bool


class MarketHistory:
    """The history of one schedule."""

    def __init__(self, scheduler: Scheduler, *, is_limited: bool = False) -> None:
        #: Whether hours of few compacted ranges cannot be put together again.
        self.is_limited = is_limited
        #: Ticks that were sent, by bar.
        self.known: dict[BarKey, list[Tick]] = {}
        #: Ingests, in the order in which they were begun, or in which somebody was told of them.
        self.ingests: dict[str, Kept] = {}
        #: When each object was put, in milliseconds since 1970.
        self.puts: dict[str, list[int]] = {}
        #: What was put under each key that is put again, in that order.
        self.versions: dict[str, list[Put]] = {}
        self.reads: list[Read] = []
        self._begun: list[str] = []
        self._scheduler = scheduler
        self._slices: dict[tuple[Key, str], _Slice] = {}
        self._alike: dict[tuple[str, int, frozenset[Tick]], list[_Slice]] = {}
        self._withdrawn: dict[tuple[str, int, int], int] = {}
        self._published: dict[tuple[str, int, int], int] = {}
        self._receipts: dict[str, int] = {}
        self._listed: set[Key] = set()

    # --- what happens ----------------------------------------------------------------------------------------------

    def sent(self, ticks: Iterable[Tick]) -> None:
        """Note ticks that were sent."""
        for bar, of_bar in by_bar(ticks).items():
            known = self.known.setdefault(bar, [])
            known += [tick for tick in of_bar if tick not in known]

    def taken(self, ingest_id: str, ticks: Iterable[Tick]) -> None:
        """Note that somebody knows that ticks were taken, as an ingest."""
        self._kept(ingest_id).sent = frozenset(ticks)

    def put(self, name: str) -> None:
        """Note that an object was put."""
        self.puts.setdefault(name, []).append(self._scheduler.now_ms)

    def put_version(self, parcel: Parcel, version: str, *, is_added: bool) -> None:
        """Note that a key was put, maybe again."""
        put = Put(self._scheduler.now_ms, parcel, version, is_added)
        self.versions.setdefault(parcel.name, []).append(put)

    def retracting(self, ingest_id: str) -> None:
        """Note that somebody is about to take an ingest back."""
        kept = self._kept(ingest_id)
        if kept.asked_ms is None:
            kept.asked_ms = self._scheduler.now_ms

    def ordered(self, ingest_id: str, begun: int, state: str) -> None:
        """Note what somebody was told who asked at step `begun` to take an ingest back."""
        kept = self._kept(ingest_id)
        if kept.ordered_ms is None:
            kept.ordered_ms = self._scheduler.now_ms
        self.told(ingest_id, begun, state)

    def told(
        self,
        ingest_id: str,
        begun: int,
        state: str,
        *,
        ticks: int = -1,
        refused: bool = False,
        is_kept_out: bool = False,
    ) -> None:
        """Note what somebody was told who asked at step `begun`."""
        self._kept(ingest_id).told.append(Told(begun, self._scheduler.step, state, ticks, refused, is_kept_out))

    def wrote(self, key: Key, before: Item | None, item: Item | None) -> None:
        """Note a write to the table."""
        partition, sort_key = key
        if "#" not in partition:
            if item is not None and before is None:
                if "range" in item:
                    self._note_slice(key, item)
                elif "withdrawn" in item:
                    self._note_revision(item)
        elif partition.startswith(_INGEST):
            if item is not None and before is None:
                self._note_ingest(partition.removeprefix(_INGEST), sort_key, item)
        elif partition.startswith(_KEY):
            if item is not None and before is None:
                self._kept(item["ingest"]["S"]).listed = self._scheduler.step
        elif partition.startswith(LISTS):
            if item is None:
                self._listed.discard(key)
            else:
                self._listed.add(key)

    def read(self, symbol: str, begun: int, ticks: Iterable[Tick]) -> None:
        """Note what somebody read, from step `begun` to now; ticks that were counted twice are named twice."""
        self.reads.append(Read(begun, self._scheduler.step, symbol, Counter(ticks)))

    def _kept(self, ingest_id: str) -> Kept:
        return self.ingests.setdefault(ingest_id, Kept())

    def _note_slice(self, key: Key, item: Item) -> None:
        from tickstream import keys  # noqa: PLC0415 - see market.seams

        name = item["range"]["S"]
        if (key, name) not in self._slices:
            # Of a tick that is not known (the slice came before its post was answered) nothing is lost: all are sent
            # before they are written.
            known = self.known
            ticks = frozenset(
                tick
                for minute, volume in _volumes(item["bars"]["B"])
                for tick in known.get((key[0], minute), ())
                if volume >> tick.bit & 1
            )
            hour, range_id = keys.hour_and_suffix(key[1])
            piece = _Slice(self._scheduler.step, name, key[0], hour, range_id, ticks, "waits" in item)
            self._slices[key, name] = piece
            self._alike.setdefault((key[0], hour, ticks), []).append(piece)

    def _note_revision(self, item: Item) -> None:
        from tickstream.hours import Revision  # noqa: PLC0415 - see market.seams
        from tickstream.items import hour_item_from  # noqa: PLC0415

        revision = hour_item_from(item)
        if isinstance(revision, Revision):
            for range_id in revision.withdrawn:
                self._withdrawn.setdefault((revision.symbol, revision.hour, range_id), self._scheduler.step)
            for range_id in revision.published:
                self._published.setdefault((revision.symbol, revision.hour, range_id), self._scheduler.step)

    def _note_ingest(self, ingest_id: str, sort_key: int, item: Item) -> None:
        from tickstream import keys  # noqa: PLC0415 - see market.seams
        from tickstream.items import manifest_from  # noqa: PLC0415

        kept = self._kept(ingest_id)
        if sort_key == keys.MANIFEST_SORT_KEY:
            source = manifest_from(item).source
            kept.object, kept.version = (source.key, source.version_id) if source else ("", "")
            kept.begun = self._scheduler.step
            self._begun.append(ingest_id)
        elif "parts" in item:
            index, _ = keys.receipt_index_and_part(sort_key)
            self._receipts.setdefault(f"{ingest_id}/{index}", self._scheduler.step)
            kept.refused |= "refused" in item

    # --- what is known ---------------------------------------------------------------------------------------------

    def begun(self) -> Sequence[str]:
        """Return the ingests that are on record, in that order."""
        return self._begun

    def ingests_of(self, name: str) -> list[str]:
        """Return the ingests that an object began, in that order."""
        return [ingest_id for ingest_id in self._begun if self.ingests[ingest_id].object == name]

    def several(self, symbol: str) -> list[frozenset[Tick]]:
        """Return the ticks that several ranges have of an hour of a symbol, as often as there are more than one.

        The same bytes that were taken back and put again: until the first are hidden both are counted.
        """
        return [
            ticks for (name, _, ticks), pieces in self._alike.items() if name == symbol for _ in range(len(pieces) - 1)
        ]

    @property
    def is_settled(self) -> bool:
        """Whether the lists are empty."""
        return not self._listed

    def listed(self) -> list[str]:
        """Return what stands in the lists."""
        return sorted({partition for partition, _ in self._listed})

    def lists_pending(self) -> bool:
        """Say whether a range is listed that is not known to be rolled up."""
        return any(partition.startswith(LISTS[0]) for partition, _ in self._listed)

    def not_rolled_up(self, table: Table) -> list[str]:
        """Return the committed ranges that rollup and segments of an hour of theirs do not include."""
        from tickstream.hours import hour_items  # noqa: PLC0415 - see market.seams
        from tickstream.items import hour_item_from  # noqa: PLC0415

        found = hour_items(hour_item_from(item) for (partition, _), item in table.items.items() if "#" not in partition)
        return sorted(
            one.range
            for one in self._slices.values()
            if one.range in self._receipts and not found[one.symbol, one.hour].has_settled(one.range_id)
        )

    def last_read(self, symbol: str) -> Mapping[Tick, int]:
        """Return what the last reader of a symbol found."""
        return next((read.ticks for read in reversed(self.reads) if read.symbol == symbol), {})

    # --- what must not be ------------------------------------------------------------------------------------------

    def violations(self) -> Iterator[Violation]:
        """Judge what was read and told during the schedule: each by what was certain when it began."""
        in_order = sorted(self.reads, key=lambda read: read.begun)
        for number, read in enumerate(in_order):
            for (symbol, _, ticks), pieces in self._alike.items():
                if symbol == read.symbol and ticks:
                    yield from self._judged(read, ticks, pieces, in_order[:number])
        for ingest_id, kept in self.ingests.items():
            yield from self._judged_told(ingest_id, kept)

    def _judged(
        self, read: Read, ticks: frozenset[Tick], pieces: Sequence[_Slice], before: Sequence[Read]
    ) -> Iterator[Violation]:
        """Judge what a read had of the slices of some ticks; of more than one where they were put again."""
        times = {read.ticks.get(tick, 0) for tick in ticks}
        named = f"{read.symbol}: {_named(ticks)} of {pieces[0].range}"
        if len(times) > 1:
            yield Violation("half a slice", f"{named}: {sorted(times)} times")
            return
        (count,) = times
        written = [one for one in pieces if one.step <= read.ended]
        if count > len(written):
            yield Violation("read before it was written", named)
        elif count > sum(not self._is_hidden(one, read.begun) for one in written):
            yield Violation("taken back and still counted", named)
        elif count > sum(self._may_count(one, read.ended) for one in written):
            yield Violation("counted before it was published", named)
        surely = [one for one in pieces if self._surely(one, read)]
        if count < len(surely):
            is_said = any(self._told_before(one, read.begun, "complete") for one in surely)
            yield Violation("complete and not visible" if is_said else "committed and not visible", named)
        for earlier in before:
            if earlier.symbol == read.symbol and earlier.ended < read.begun:
                gone = sum(earlier.begun < self._withdrawn_at(one, read) <= read.ended for one in pieces)
                if min(earlier.ticks.get(tick, 0) for tick in ticks) > count + gone:
                    yield Violation("bars shrink", f"{named} was read before and is not any more")

    def _withdrawn_at(self, piece: _Slice, read: Read) -> int:
        """Return the step since which an hour is told to do without a range, if before a read ended; otherwise 0."""
        step = self._withdrawn.get((piece.symbol, piece.hour, piece.range_id), 0)
        return step if step <= read.ended else 0

    def _may_count(self, piece: _Slice, step: int) -> bool:
        """Say whether nobody has to wait for a range, or it was published by then."""
        published = self._published.get((piece.symbol, piece.hour, piece.range_id))
        return not piece.waits or (published is not None and published <= step)

    def _is_hidden(self, piece: _Slice, step: int) -> bool:
        """Say whether a reader who begins then must not see it."""
        withdrawn = self._withdrawn.get((piece.symbol, piece.hour, piece.range_id), step)
        return withdrawn < step or any(self._told_before(piece, step, state) for state in GONE)

    def _surely(self, piece: _Slice, read: Read) -> bool:
        """Say whether a read must have it."""
        if self._withdrawn_at(piece, read):
            return False
        receipt = self._receipts.get(piece.range)
        is_there = receipt is not None and receipt < read.begun and self._may_count(piece, read.begun - 1)
        return is_there or self._told_before(piece, read.begun, "complete")

    def _told_before(self, piece: _Slice, step: int, state: str) -> bool:
        kept = self.ingests.get(piece.ingest_id)
        return kept is not None and any(one.state == state and one.ended < step for one in kept.told)

    def _judged_told(self, ingest_id: str, kept: Kept) -> Iterator[Violation]:
        written = {tick for one in self._slices.values() if one.ingest_id == ingest_id for tick in one.ticks}
        for one in kept.told:
            if one.state == "complete":
                if one.ticks != len(written):
                    text = f"{ingest_id}: {one.ticks} ticks, written are {len(written)}"
                    yield Violation("complete with another count", text)
                if kept.refused:
                    yield Violation("complete though a range was refused", ingest_id)
            for earlier in kept.told:
                if earlier.ended < one.begun and _moved_back(earlier, one):
                    yield Violation("a state moved back", f"{ingest_id}: {earlier.state}, then {one.state}")


def _moved_back(before: Told, after: Told) -> bool:
    if before.state in GONE:
        return after.state != before.state
    return before.state == "retracting" and not after.refused and after.state in {"processing", "complete"}


def _named(ticks: Iterable[Tick]) -> str:
    return ", ".join(f"tick {tick.bit} of minute {tick.bar[1]}" for tick in sorted(ticks))


@remembered
def _volumes(packed_bars: bytes) -> tuple[tuple[int, int], ...]:
    """Return the minutes of packed bars and the volumes in them."""
    from tickstream.bar_codec import decode_bars  # noqa: PLC0415 - see market.seams

    return tuple((bar.minute, bar.volume_e9 // _E9) for bar in decode_bars(packed_bars))
