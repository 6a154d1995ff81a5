"""A reader that polls throughout: reads bars of some hours again and again while ingests are taken back, or replaced.

What is proven of every read, of hours in which an object that is taken back has ticks. Minutes count in which no other
source of the run has a tick of the symbol, so that what their bars have is that object's:

- they have the ticks and the volume of some set of the object's ranges, each whole: none is there in part, or twice;
- a range that was there and is gone does not come back in a later read;
- no read that began after the ingest was said to be `retracted` has any of it.

And of an object that takes the place of its own first half, which was put under its key before: that they have nothing
yet, or that half, or the whole, and what comes later in this order never goes.

What is not proven: anything of minutes that several sources share, while the run goes on (the verdict compares all of
them at its end); that two hours, or two symbols, change at once (nobody promises that); and of an hour what happened
between two reads.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, Final, Self

from bench.errors import ApiError
from bench.ledger.verdict import Check
from bench.market_analytics.api_reader import Window, collect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from bench.ledger.api_client import ApiClient
    from bench.market_analytics.compare import AnsweredBar
    from bench.market_analytics.oracle import LoneTick
    from bench.market_analytics.retractions import Retraction
    from tickstream.ingests import Manifest

CHECK: Final = "bars while ingests are taken back"
CHECK_REPLACED: Final = "bars while objects are replaced"
#: Objects whose hours are read, and symbols of such an hour: one request each.
OBJECTS: Final = 12
SYMBOLS: Final = 20
#: Between two requests: a reader is load too.
_PAUSE_S: Final = 0.2
_MINUTES: Final = 60
_BARS_A_PAGE: Final = 5_000
#: Ranges of one object in one symbol's hour, of which every set is tried.
_MOST_RANGES: Final = 10
_EXAMPLES: Final = 3

#: What lone minutes have: minute -> ticks, and volume in 10^-9.
type Content = Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Watched:
    """An hour (since 1970) in which an object has ticks in minutes of its own."""

    ordinal: int
    hour: int
    ticks: tuple[LoneTick, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Whose ticks they are."""
        return tuple(sorted({tick.symbol for tick in self.ticks}))


@dataclass(slots=True)
class Seen:
    """Consecutive reads of an hour that found the same. Seconds are those at which the first and the last began."""

    contents: Mapping[str, Content]
    first_s: float
    last_s: float


@dataclass(slots=True)
class Reads:
    """What was read of each watched hour, in order. unanswered: requests without an answer of one whole page."""

    seen: dict[int, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    number: int = 0
    unanswered: int = 0

    def note(self, watched: int, contents: Mapping[str, Content], began_s: float) -> None:
        """Add a read of the watched hour of an index."""
        self.number += 1
        known = self.seen[watched]
        if known and known[-1].contents == contents:
            known[-1].last_s = began_s
        else:
            known.append(Seen(contents, began_s, began_s))


def watched_hours(ticks: Iterable[LoneTick]) -> tuple[Watched, ...]:
    """Group ticks (all of one hour a source, see `Oracle.lone_ticks`) by source; the first 12 sources."""
    by_source: dict[int, list[LoneTick]] = defaultdict(list)
    for tick in ticks:
        by_source[tick.ordinal].append(tick)
    return tuple(
        Watched(ordinal, some[0].minute // _MINUTES, tuple(some)) for ordinal, some in sorted(by_source.items())
    )[:OBJECTS]


class PollingReader:
    """Reads hours through `POST /bars`, one request after the other, from entering it until it is left."""

    def __init__(self, api: ApiClient, watched: Sequence[Watched]) -> None:
        self._api = api
        self.watched = tuple(watched)
        self.reads = Reads()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="polling")
        self._reading: Future[None] | None = None

    def __enter__(self) -> Self:
        """Begin to read."""
        if self.watched:
            self._reading = self._pool.submit(self._read_all)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it, with one more read of each hour, except after an error. Raises what the reading raised."""
        self._stop.set()
        self._pool.shutdown()
        if error is None and self._reading is not None:
            self._reading.result()
            for index in range(len(self.watched)):
                self.read(index)

    def _read_all(self) -> None:
        while True:
            for index in range(len(self.watched)):
                if self._stop.wait(_PAUSE_S):
                    return
                self.read(index)

    def read(self, index: int) -> None:
        """Read one watched hour and note what its lone minutes have."""
        watched = self.watched[index]
        first = watched.hour * _MINUTES
        # At most 60 bars a symbol: the answer is one page, whose hours are one read each.
        asked = {"symbols": list(watched.symbols), "interval": "1m", "limit": _BARS_A_PAGE}
        asked |= Window(first, first + _MINUTES).parameters()
        began_s = time.monotonic()
        try:
            answer = self._api.post_json("/bars", asked)
            # 404: none of the symbols is known, as before the first tick of any.
            bars = {} if answer.status == 404 else answer.body.get("bars")
            if answer.status not in {200, 404} or answer.body.get("nextToken") is not None or bars is None:
                self.reads.unanswered += 1
                return
            contents = contents_of(watched, bars)
        except ApiError:
            # Judged elsewhere: what counts here is what answers have.
            self.reads.unanswered += 1
            return
        self.reads.note(index, contents, began_s)


def contents_of(watched: Watched, answered: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, Content]:
    """Return what the lone minutes of each symbol have in an answer. Raises ApiError for what is no bar."""
    lone: dict[str, set[int]] = defaultdict(set)
    for tick in watched.ticks:
        lone[tick.symbol].add(tick.minute)
    found: dict[str, Content] = {}
    for symbol, minutes in lone.items():
        bars: dict[int, AnsweredBar] = {}
        collect(bars, symbol, answered.get(symbol, ()))
        found[symbol] = {
            minute: (bar.ticks, bar.volume_e9) for minute, bar in sorted(bars.items()) if minute in minutes
        }
    return found


def judge_reads(
    reader: PollingReader,
    manifests: Mapping[int, Manifest],
    retractions: Iterable[Retraction],
    first: Mapping[int, int] | None = None,
) -> tuple[Check, ...]:
    """Judge what a reader saw; nothing to say where it had nothing to read.

    manifests: by source. first: of sources that were put cut off before, where that ends.
    """
    first = first or {}
    retracted_s = {one.due.ordinal: one.retracted_s for one in retractions}
    starts = {
        ordinal: [span.start for span in manifest.spans]
        for ordinal, manifest in manifests.items()
        # Of an indexed object the index has them.
        if len(manifest.spans) == manifest.ranges
    }
    back, replaced = _Judged(CHECK, "seen to go"), _Judged(CHECK_REPLACED, "seen to change")
    for index, one in enumerate(reader.watched):
        history = reader.reads.seen.get(index, [])
        if one.ordinal in first:
            replaced.add(one, history, partial(_of_versions, one, first[one.ordinal]))
        else:
            back.add(one, history, partial(_of_ranges, one, starts, retracted_s))
    return tuple(one.check(reader.reads) for one in (back, replaced) if one.objects)


#: Says what is wrong with consecutive reads: what each found, and when the last such began.
type Faults = Callable[[Sequence[tuple[Content, float]]], list[str]]


@dataclass(slots=True)
class _Judged:
    """What a check comes to."""

    name: str
    changed: str
    objects: int = 0
    hours: int = 0
    whole: int = 0
    changes: int = 0
    not_judged: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, watched: Watched, history: Sequence[Seen], judge: Callable[[str], Faults | None]) -> None:
        """Judge what was read of an object's hour. judge: of a symbol; None where it cannot be."""
        self.objects += 1
        for symbol in watched.symbols:
            self.hours += 1
            faults_of = judge(symbol)
            if faults_of is None:
                self.not_judged += 1
                continue
            found = faults_of([(seen.contents[symbol], seen.last_s) for seen in history])
            self.faults += [f"{symbol}, hour {watched.hour}, of source {watched.ordinal}: {said}" for said in found]
            contents = [seen.contents[symbol] for seen in history]
            self.whole += any(contents)
            # Of what is taken back that it goes, of what is replaced that it is another.
            goes = self.name == CHECK
            pairs = pairwise(contents)
            self.changes += any(before and before != after and not (after and goes) for before, after in pairs)

    def check(self, reads: Reads) -> Check:
        """Say it."""
        detail = (
            f"{reads.number:,} reads of {self.objects} objects in {self.hours} hours of symbols, "
            f"{reads.unanswered:,} not answered whole; ticks seen in {self.whole}, {self.changed} in {self.changes}"
        )
        if self.not_judged:
            detail += f"; {self.not_judged} not judged, whose ranges are not known or more than {_MOST_RANGES}"
        if self.faults:
            detail += f"; {len(self.faults):,} wrong: {'; '.join(self.faults[:_EXAMPLES])}"
        return Check(self.name, bool(reads.number) and not self.faults, detail)


def _of_ranges(
    watched: Watched, starts: Mapping[int, Sequence[int]], retracted_s: Mapping[int, float | None], symbol: str
) -> Faults | None:
    sums = sums_of(watched, symbol, starts[watched.ordinal]) if watched.ordinal in starts else None
    if sums is None:
        return None
    return lambda reads: _faults_of(reads, sums, retracted_s.get(watched.ordinal))


def _of_versions(watched: Watched, end: int, symbol: str) -> Faults:
    mine = [tick for tick in watched.ticks if tick.symbol == symbol]
    versions = [_content_of(()), _content_of(tick for tick in mine if tick.offset < end), _content_of(mine)]

    def faults_of(reads: Sequence[tuple[Content, float]]) -> list[str]:
        faults: list[str] = []
        floor = 0
        for content, _ in reads:
            place = next((at for at in range(floor, len(versions)) if versions[at] == content), None)
            if place is None:
                ticks = sum(number for number, _ in content.values())
                faults.append(f"{ticks} ticks, where there were those of version {floor} or a later one")
            else:
                # Where the first version has nothing there, nobody can say that it was seen.
                floor = place
        return faults

    return faults_of


def _content_of(ticks: Iterable[LoneTick]) -> dict[int, tuple[int, int]]:
    minutes: dict[int, tuple[int, int]] = {}
    for tick in ticks:
        number, volume_e9 = minutes.get(tick.minute, (0, 0))
        minutes[tick.minute] = (number + 1, volume_e9 + tick.volume_e9)
    return minutes


#: What sets of ranges have together; several where they cannot be told apart.
type Sums = Mapping[frozenset[tuple[int, tuple[int, int]]], Sequence[frozenset[int]]]


def sums_of(watched: Watched, symbol: str, starts: Sequence[int]) -> Sums | None:
    """Return what each set of ranges has in the lone minutes of a symbol; None where they are too many to try.

    starts: of each range the first of its offsets; a row belongs to the range in which it begins.
    """
    by_range: dict[int, list[LoneTick]] = defaultdict(list)
    for tick in watched.ticks:
        if tick.symbol == symbol:
            by_range[max((place for place, start in enumerate(starts) if start <= tick.offset), default=0)].append(tick)
    if len(by_range) > _MOST_RANGES:
        return None
    sums: dict[frozenset[tuple[int, tuple[int, int]]], list[frozenset[int]]] = defaultdict(list)
    for number in range(len(by_range) + 1):
        for some in combinations(sorted(by_range), number):
            minutes = _content_of(tick for place in some for tick in by_range[place])
            sums[frozenset(minutes.items())].append(frozenset(some))
    return sums


def _faults_of(reads: Sequence[tuple[Content, float]], sums: Sums, retracted_s: float | None) -> list[str]:
    """Say what is wrong with consecutive reads of a symbol's hour: what each found, and when the last such began."""
    faults: list[str] = []
    there: set[int] = set()
    gone: set[int] = set()
    for content, began_s in reads:
        ticks = sum(number for number, _ in content.values())
        if ticks and retracted_s is not None and began_s > retracted_s:
            faults.append(f"{ticks} ticks {began_s - retracted_s:.1f} s after it was retracted")
        candidates = sums.get(frozenset(content.items()))
        if candidates is None:
            faults.append(f"{ticks} ticks, which no set of whole ranges has")
            continue
        certain, possible = frozenset.intersection(*candidates), frozenset[int]().union(*candidates)
        gone |= there - possible
        if back := gone & certain:
            faults.append(f"range {min(back)} was gone and is back")
        there |= certain
    return faults
