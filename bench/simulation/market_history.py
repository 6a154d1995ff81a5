"""What was sent, written and read in a schedule of market analytics, and what of it must not be.

It knows of the table what every reader must: which items are slices and which commit a range (`tickstream.items`).
How rollups come about it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.simulation.remembered import remembered
from bench.simulation.ticks import Tick, by_bar
from bench.simulation.verdicts import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bench.simulation.scheduler import Scheduler
    from bench.simulation.table import Key, Table
    from bench.simulation.ticks import BarKey
    from tickstream.items import Item

_INGEST: Final = "ingest#"
#: The lists that are empty when everything is settled.
LISTS: Final = ("pending#", "activity#")
_E9: Final = 10**9


@dataclass(frozen=True, slots=True)
class _Slice:
    """What one range has of an hour of a symbol, and at which step it was first written."""

    step: int
    range: str
    symbol: str
    hour: int
    range_id: int
    ticks: frozenset[Tick]


@dataclass(frozen=True, slots=True)
class _Read:
    """The bars of a symbol as somebody read them, between two steps."""

    begun: int
    ended: int
    symbol: str
    ticks: frozenset[Tick]


class MarketHistory:
    """The history of one schedule."""

    def __init__(self, scheduler: Scheduler) -> None:
        #: Ticks that were sent, by bar.
        self.known: dict[BarKey, list[Tick]] = {}
        #: Ticks that must be in the bars at rest.
        self.sure: set[Tick] = set()
        #: Ingests, in the order in which they were begun.
        self.ingests: list[str] = []
        self._taken: dict[str, int] = {}
        self._scheduler = scheduler
        self._slices: dict[tuple[Key, str], _Slice] = {}
        self._receipts: dict[str, int] = {}
        self._reads: list[_Read] = []
        self._complete: dict[str, tuple[int, int]] = {}
        self._listed: set[Key] = set()

    def sent(self, ticks: Iterable[Tick], *, surely: bool) -> None:
        """Note ticks that were sent; surely: whether they were taken."""
        for bar, of_bar in by_bar(ticks).items():
            known = self.known.setdefault(bar, [])
            known += [tick for tick in of_bar if tick not in known]
            if surely:
                self.sure.update(of_bar)

    def taken(self, ingest_id: str, ticks: int) -> None:
        """Note that a post was answered."""
        self._taken[ingest_id] = ticks

    def wrote(self, key: Key, before: Item | None, item: Item | None) -> None:
        """Note a write to the table."""
        partition, sort_key = key
        if "#" not in partition:
            if item is not None and "range" in item and before is None:
                self._note_slice(key, item)
        elif partition.startswith(_INGEST):
            if item is not None and before is None:
                self._note_ingest(partition.removeprefix(_INGEST), sort_key, item)
        elif partition.startswith(LISTS):
            if item is None:
                self._listed.discard(key)
            else:
                self._listed.add(key)

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
            self._slices[key, name] = _Slice(self._scheduler.step, name, key[0], hour, range_id, ticks)

    def _note_ingest(self, ingest_id: str, sort_key: int, item: Item) -> None:
        from tickstream import keys  # noqa: PLC0415 - see market.seams

        if sort_key == keys.MANIFEST_SORT_KEY:
            self.ingests.append(ingest_id)
        elif "parts" in item:
            index, _ = keys.receipt_index_and_part(sort_key)
            self._receipts.setdefault(f"{ingest_id}/{index}", self._scheduler.step)

    def read(self, symbol: str, begun: int, ticks: set[Tick]) -> None:
        """Note what somebody read, from step `begun` to now."""
        self._reads.append(_Read(begun, self._scheduler.step, symbol, frozenset(ticks)))

    def complete(self, ingest_id: str, ticks: int) -> None:
        """Note that somebody was told that an ingest is complete, with so many ticks."""
        self._complete.setdefault(ingest_id, (self._scheduler.step, ticks))

    def begun(self) -> tuple[str, ...]:
        """Return the ingests that somebody knows of: they were answered, or are on record."""
        return tuple(dict.fromkeys((*self.ingests, *self._taken)))

    def not_complete(self) -> Iterator[Violation]:
        """Judge the ingests when all of them were asked for at rest: each must be complete, with all its ticks."""
        for ingest_id in self.begun():
            _, ticks = self._complete.get(ingest_id, (0, -1))
            if ticks < 0:
                yield Violation("not complete at rest", ingest_id)
            elif ticks != self._taken.get(ingest_id, ticks):
                yield Violation("complete with another count", f"{ingest_id}: {ticks}, sent {self._taken[ingest_id]}")

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
            if one.range in self._receipts and not found[one.symbol, one.hour].includes(one.range_id)
        )

    def last_read(self, symbol: str) -> frozenset[Tick] | None:
        """Return what the last reader of a symbol found."""
        return next((read.ticks for read in reversed(self._reads) if read.symbol == symbol), None)

    def violations(self) -> Iterator[Violation]:
        """Judge what was read during the schedule: each read by what was certain when it began."""
        in_order = sorted(self._reads, key=lambda read: read.begun)
        for number, read in enumerate(in_order):
            yield from self._judged(read)
            for earlier in in_order[:number]:
                gone = earlier.ticks - read.ticks
                if gone and earlier.symbol == read.symbol and earlier.ended < read.begun:
                    yield Violation("bars shrink", f"{read.symbol}: {_named(gone)} was read before and is not any more")
        for ingest_id, (_, ticks) in self._complete.items():
            found = {tick for one in self._slices.values() if one.range.startswith(ingest_id) for tick in one.ticks}
            if len(found) != ticks:
                yield Violation("complete with another count", f"{ingest_id}: {ticks} ticks, written are {len(found)}")

    def _judged(self, read: _Read) -> Iterator[Violation]:
        for one in self._slices.values():
            if one.symbol != read.symbol:
                continue
            there = one.ticks & read.ticks
            receipt = self._receipts.get(one.range)
            complete = self._complete.get(one.range.partition("/")[0])
            if there and one.step > read.ended:
                yield Violation("read before it was written", f"{read.symbol}: {_named(there)} of {one.range}")
            if there != one.ticks:
                missing = _named(one.ticks - there)
                if there:
                    yield Violation("half a slice", f"{read.symbol}: {one.range} without {missing}")
                elif complete is not None and complete[0] < read.begun:
                    yield Violation("complete and not visible", f"{read.symbol}: {missing} of {one.range}")
                elif receipt is not None and receipt < read.begun:
                    yield Violation("committed and not visible", f"{read.symbol}: {missing} of {one.range}")


def _named(ticks: Iterable[Tick]) -> str:
    return ", ".join(f"tick {tick.bit} of minute {tick.bar[1]}" for tick in sorted(ticks))


@remembered
def _volumes(packed_bars: bytes) -> tuple[tuple[int, int], ...]:
    """Return the minutes of packed bars and the volumes in them."""
    from tickstream.bar_codec import decode_bars  # noqa: PLC0415 - see market.seams

    return tuple((bar.minute, bar.volume_e9 // _E9) for bar in decode_bars(packed_bars))
