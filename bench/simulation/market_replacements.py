"""Keys that were put again with other bytes: what readers may see of their versions, and what must be at rest.

It knows nothing of how that comes about, only what was put, and when: in each hour of a symbol a reader sees one
version, all of it, and none that is older than what somebody saw before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.simulation.verdicts import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.simulation.market_history import Kept, MarketHistory, Put, Read
    from bench.simulation.ticks import Tick

#: Nobody has seen any version yet.
_NONE = -1


@dataclass(frozen=True, slots=True)
class _Key:
    """A key that was put again. puts: those that may count, in order. ingests: that it began, by their ids.

    damaged: since when each that may not.
    """

    name: str
    puts: Sequence[Put]
    ingests: dict[str, Kept]
    damaged: dict[str, int]

    @property
    def is_taken_back(self) -> bool:
        """Whether somebody asked to take back any of it."""
        return any(one.asked_ms is not None for one in self.ingests.values())

    @property
    def is_added_late(self) -> bool:
        """Whether what is to be added was begun when what replaces it was there: then it is added to that."""
        added = [one.listed for one in self.ingests.values() if self._is_added(one)]
        others = [one.begun for one in self.ingests.values() if not self._is_added(one)]
        return bool(added and others) and max(added) > min(others)

    def _is_added(self, kept: Kept) -> bool:
        return any(put.is_added and put.version == kept.version for put in self.puts)

    def is_followed(self, kept: Kept) -> bool:
        """Say whether other bytes were put after those of an ingest that may count."""
        place = self.place_of(kept)
        if place == _NONE:
            return any(put.at_ms > self.damaged[kept.version] for put in self.puts)
        return any(put.parcel != self.puts[place].parcel for put in self.puts[place:])

    def place_of(self, kept: Kept) -> int:
        """Return the put that began an ingest; that of none where it is damaged."""
        return next((at for at, put in enumerate(self.puts) if put.version == kept.version), _NONE)


def _keys(history: MarketHistory) -> Iterator[_Key]:
    for name, puts in history.versions.items():
        whole = [put for put in puts if put.parcel.damaged_at is None]
        damaged = {put.version: put.at_ms for put in puts if put.parcel.damaged_at is not None}
        yield _Key(name, whole, {one: history.ingests[one] for one in history.ingests_of(name)}, damaged)


# --- while it runs -------------------------------------------------------------------------------------------------


def mixtures(history: MarketHistory) -> Iterator[Violation]:
    """Judge what was read: of each key one version in each hour of a symbol, and never an older one than before."""
    reads = sorted(history.reads, key=lambda read: read.begun)
    for key in _keys(history):
        ticks = {tick for put in history.versions[key.name] for tick in put.parcel.ticks}
        for symbol, hour in sorted({_hour_of(tick) for tick in ticks}):
            of_hour = frozenset(tick for tick in ticks if _hour_of(tick) == (symbol, hour))
            contents = [of_hour.intersection(put.parcel.ticks) for put in key.puts]
            of_symbol = [read for read in reads if read.symbol == symbol]
            yield from _judged(key, contents, of_hour, of_symbol)


def _judged(
    key: _Key, contents: Sequence[frozenset[Tick]], of_hour: frozenset[Tick], reads: Sequence[Read]
) -> Iterator[Violation]:
    floors: list[tuple[int, int]] = [*_told(key)]
    for read in reads:
        seen = of_hour & read.ticks.keys()
        if _may_have_late_ranges(key, contents) and not seen <= contents[0]:
            seen -= contents[0]
        versions = {put.parcel for put in key.puts if seen.intersection(put.parcel.ticks)}
        floor = max((place for step, place in floors if step < read.begun), default=_NONE)
        places = [at for at, content in enumerate(contents) if at >= floor and content == seen]
        named = f"{key.name}: {read.symbol} at step {read.begun}"
        if seen and not versions:
            yield Violation("a damaged version", named)
        elif len(versions) > 1 and not key.is_added_late:
            yield Violation("several versions", named)
        elif key.is_taken_back or key.is_added_late or (not seen and floor == _NONE):
            continue  # what is taken back goes range by range
        elif places:
            floors.append((read.ended, places[0]))
        elif not _is_part_of_added(key, contents, seen, floor):
            yield Violation("neither version" if not seen else "half a version, or an older one", named)


def _told(key: _Key) -> Iterator[tuple[int, int]]:
    """Yield from which step on somebody has known that a version counts, or that a later one does.

    One that never counted is replaced before the later one is published.
    """
    for kept in key.ingests.values():
        place, counted = key.place_of(kept), False
        for one in kept.told:
            counted |= one.state == "complete"
            if counted and one.state in {"complete", "replaced"} and place != _NONE:
                yield one.ended, place + (one.state == "replaced")


def _is_part_of_added(key: _Key, contents: Sequence[frozenset[Tick]], seen: frozenset[Tick], floor: int) -> bool:
    """Say whether it is some ranges of what was to be added: they count one by one."""
    if not key.puts[0].is_added or not seen <= contents[0]:
        return False
    return floor <= 0 or _may_have_late_ranges(key, contents)


def _may_have_late_ranges(key: _Key, contents: Sequence[frozenset[Tick]]) -> bool:
    """Say whether ranges of what was to be added may count until they are hidden, though it was replaced.

    Known: in hours that a version after it has nothing of those do so that are committed after that is published.
    """
    return key.puts[0].is_added and any(not content for content in contents[1:])


def _hour_of(tick: Tick) -> tuple[str, int]:
    return tick.symbol, tick.bar[1] // 60


# --- at rest -------------------------------------------------------------------------------------------------------


class Replaced:
    """The ticks of such keys that must be in the bars, and those that must not."""

    def __init__(self, history: MarketHistory) -> None:
        self.must: set[Tick] = set()
        self.never: set[Tick] = set()
        self.violations: list[Violation] = []
        for key in _keys(history):
            ticks = {tick for put in history.versions[key.name] for tick in put.parcel.ticks}
            counting: set[Tick] = set()
            for ingest_id, kept in key.ingests.items():
                self.violations += _wrong_state(key, ingest_id, kept, is_limited=history.is_limited)
                if _state(kept) == "complete":
                    counting.update(key.puts[key.place_of(kept)].parcel.ticks)
            self.violations += _wrong_versions(key)
            if key.is_added_late:
                ticks.difference_update(key.puts[0].parcel.ticks)
                counting.difference_update(key.puts[0].parcel.ticks)
            self.must |= counting
            self.never |= ticks - counting


def _state(kept: Kept) -> str:
    return kept.told[-1].state if kept.told else "nothing"


def _wrong_state(key: _Key, ingest_id: str, kept: Kept, *, is_limited: bool) -> Iterator[Violation]:
    """Judge what an ingest says at rest, by itself."""
    state, place = _state(kept), key.place_of(kept)
    is_asked = kept.ordered_ms is not None
    may_be = {
        "complete": place != _NONE and (not is_asked or kept.told[-1].refused),
        "replaced": key.is_followed(kept),
        "retracted": kept.asked_ms is not None,
        "rejected": place == _NONE or (is_limited and kept.told[-1].is_kept_out),
    }
    if not may_be.get(state, False):
        yield Violation("not what it is at rest", f"{key.name}, ingest {ingest_id}: {state}")
    elif state == "complete" and kept.told[-1].ticks != len(key.puts[place].parcel.ticks):
        yield Violation("complete with another count", f"{ingest_id}: {kept.told[-1].ticks}")


def _wrong_versions(key: _Key) -> Iterator[Violation]:
    """Judge which version counts: the last that was put, unless it was taken back, or kept out."""
    counting = [kept for kept in key.ingests.values() if _state(kept) == "complete"]
    if len(counting) > 1 + key.is_added_late:
        yield Violation("several versions count", f"{key.name}: {len(counting)}")
    for put in reversed(key.puts):
        begun = [
            kept
            for kept in key.ingests.values()
            if key.place_of(kept) != _NONE and key.puts[key.place_of(kept)].parcel == put.parcel
        ]
        if not begun:
            yield Violation("never begun", key.name)
        if any(kept in counting for kept in begun):
            return
        if all(kept.asked_ms is None and _state(kept) != "rejected" for kept in begun):
            yield Violation("the last version does not count", f"{key.name}, put at {put.at_ms}")
            return
        if any(_state(kept) == "retracted" for kept in begun):
            return  # it may have taken the place of those before it
