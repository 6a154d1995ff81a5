"""Ingests that are taken back while a run goes on: which and when follows from the seed, whether it was done is judged.

A third each is asked for by rows sent, by rows processed, and when everything is rolled up: so an ingest may have no
manifest yet (404, asked again), ranges on their way, a range in a dead-letter queue, or all of its ticks in rollups and
segments. What nobody answers is asked again, which is safe: asked for twice is asked for once.
"""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from bench.errors import ApiError
from bench.ledger.truth import ObjectFile
from bench.ledger.waiting import Clock
from bench.market_analytics.completion import TRIGGER_AFTER_S, trigger_revision
from bench.market_analytics.retraction_moments import Moment
from tickstream.keys import object_ingest_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bench.ledger.sent import Ledger
    from bench.ledger.truth import PostBody
    from bench.market_analytics.completion import Progress
    from bench.market_analytics.load import Deployed

#: What one look asks the API, so that thousands of retractions do not hold up the others who look.
_CALLS_A_LOOK: Final = 8
#: Of "not there yet": an object's event has not come, or it is being indexed.
_TRY_AGAIN: Final = frozenset({"unknown_ingest", "still_indexing"})
_THROTTLED: Final = 429


@dataclass(frozen=True, slots=True)
class Due:
    """An object that is to be taken back. after_rows: of the run, sent or processed, as its moment says."""

    ordinal: int
    key: str
    ingest_id: str
    moment: Moment
    after_rows: int = 0


def choose(
    pieces: Iterable[ObjectFile | PostBody],
    share: float,
    seed: int,
    bucket: str,
    *,
    first: Collection[str] = (),
    spared: Collection[str] = (),
) -> tuple[Due, ...]:
    """Choose a share of the objects that are put once and must not be refused, one at least where the share is not 0.

    bucket: where they go. first: ingests that are to be among them. spared: ingests that are not.
    """
    sent = tuple(pieces)
    repeated = {piece.ordinal for piece in sent if isinstance(piece, ObjectFile) and piece.repeat}
    objects = {
        object_ingest_id(bucket, piece.key, piece.etag, piece.size_bytes): piece
        for piece in sent
        if isinstance(piece, ObjectFile) and piece.ordinal not in repeated and not piece.refusal
    }
    number = min(len(objects), max(1, round(share * len(objects)))) if share else 0
    # No secret depends on it.
    rng = random.Random(seed)  # noqa: S311
    drawn = [one for one in rng.sample(sorted(objects), len(objects)) if one not in spared]
    drawn.sort(key=lambda one: one not in first)
    rows = sum(piece.rows for piece in sent)
    return tuple(
        Due(objects[one].ordinal, objects[one].key, one, moment, round(rng.random() * rows))
        for one, moment in zip(drawn[:number], cycle(Moment), strict=False)
    )


class Step(Enum):
    """How far a retraction is. IN_DOUBT: asked for, and nobody knows whether it was heard."""

    WAITING = auto()
    IN_DOUBT = auto()
    ASKED = auto()
    RETRACTED = auto()
    REFUSED = auto()
    LEFT_OUT = auto()


@dataclass(slots=True)
class Retraction:
    """One that is due, and what became of it. Seconds are of the clock, `why` is what the API said last against it."""

    due: Due
    step: Step = Step.WAITING
    asked_s: float | None = None
    retracted_s: float | None = None
    why: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be done about it."""
        return self.step in {Step.RETRACTED, Step.REFUSED, Step.LEFT_OUT}


@dataclass(slots=True)
class Retractions:
    """Takes ingests of a run back. An `Operator`: `bench.market_analytics.completion`."""

    deployed: Deployed
    ledger: Ledger
    due: tuple[Due, ...]
    clock: Clock = field(default_factory=Clock)
    triggers: int = 0
    _all: tuple[Retraction, ...] = ()
    _line: deque[Retraction] = field(default_factory=deque)
    _is_rolled_up: bool = False
    _seen: object = None
    _moved_s: float = 0.0

    def __post_init__(self) -> None:
        """Have all of them wait."""
        self._all = tuple(map(Retraction, self.due))
        self._line.extend(self._all)
        self._moved_s = self.clock.now_s()

    @property
    def all(self) -> tuple[Retraction, ...]:
        """All of them, as they are."""
        return self._all

    @property
    def are_under_way(self) -> bool:
        """Whether there is any of which it is open whether its ticks count."""
        return any(one.step in {Step.IN_DOUBT, Step.ASKED} for one in self._all)

    def ordinals(self) -> frozenset[int]:
        """Return the sources whose ticks are not to count: those that were asked for and not refused."""
        asked = {Step.IN_DOUBT, Step.ASKED, Step.RETRACTED}
        return frozenset(one.due.ordinal for one in self._all if one.step in asked)

    def look(self, progress: Progress, *, sending: bool) -> str:
        """Ask for what is due and see how far the others are; return what is waited for, empty when nothing is."""
        self._is_rolled_up |= progress.complete and not sending
        acknowledged = self._acknowledged(sending=sending)
        rows = {Moment.SENDING: self.ledger.rows_acknowledged, Moment.PROCESSING: progress.ticks + progress.rejected}
        calls = 0
        for one in tuple(self._line):
            if calls == _CALLS_A_LOOK:
                break
            if one.step is Step.WAITING:
                due = self._is_rolled_up or rows.get(one.due.moment, -1) >= one.due.after_rows
                if not due or one.due.ordinal not in acknowledged:
                    continue
            self._line.remove(one)
            calls += self._go_on(one, acknowledged)
            if not one.is_over:
                self._line.append(one)
        self._trigger_if_still(progress)
        return self._awaited()

    def facts(self, began_ms: float) -> list[dict[str, Any]]:
        """Say in plain JSON what became of each; began_ms: the run's first send, Unix milliseconds."""
        offset_s = time.time() - self.clock.now_s() - began_ms / 1000

        def at(clock_s: float | None) -> float | None:
            return None if clock_s is None else round(clock_s + offset_s, 3)

        return [
            {
                "key": one.due.key,
                "moment": one.due.moment.value,
                "became": one.step.name.lower(),
                "asked_at_s": at(one.asked_s),
                "retracted_at_s": at(one.retracted_s),
            }
            for one in self._all
        ]

    def _acknowledged(self, *, sending: bool) -> dict[int, bool]:
        """Return whether each source that was answered for is promised to be kept; while sending, those that are."""
        if all(one.step is not Step.WAITING for one in self._line):
            return {}
        outcomes = self.ledger.outcomes()
        return {one.ordinal: one.acknowledged for one in outcomes if one.acknowledged or not sending}

    def _go_on(self, one: Retraction, acknowledged: dict[int, bool]) -> int:
        """Do what is next about one; return how many calls it took."""
        if one.step is Step.WAITING and not acknowledged[one.due.ordinal]:
            # Never put, or nobody knows: there is nothing that anybody could take back.
            one.step, one.why = Step.LEFT_OUT, "it was not acknowledged"
            return 0
        try:
            if one.step is Step.ASKED:
                self._watch(one)
            else:
                self._ask(one)
        except ApiError as error:
            one.why = str(error)
        return 1

    def _ask(self, one: Retraction) -> None:
        # Before the answer: it may be lost, and what was asked for done.
        one.step = Step.IN_DOUBT
        one.asked_s = self.clock.now_s() if one.asked_s is None else one.asked_s
        answer = self.deployed.api.delete(f"/ingest/{one.due.ingest_id}")
        body = answer.body if isinstance(answer.body, dict) else {}
        error = body.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        if answer.status == 200:
            one.step = Step.ASKED
        elif code in _TRY_AGAIN:
            one.step, one.asked_s = Step.WAITING, None
        elif answer.status < 500 and answer.status != _THROTTLED:
            one.step = Step.REFUSED
        one.why = "" if one.step is Step.ASKED else f"{answer.status}: {str(answer.body)[:200]}"

    def _watch(self, one: Retraction) -> None:
        answer = self.deployed.api.get(f"/ingest/{one.due.ingest_id}")
        body = answer.body if isinstance(answer.body, dict) else {}
        state = body.get("state")
        one.why = "" if state == "retracting" else f"{answer.status}: {str(answer.body)[:200]}"
        if answer.status == 200 and state == "retracted":
            one.step, one.retracted_s, one.why = Step.RETRACTED, self.clock.now_s(), ""
        elif answer.status == 200 and "refused" in body.get("retraction", {}):
            one.step = Step.REFUSED

    def _trigger_if_still(self, progress: Progress) -> None:
        """Call DataRevision where nothing has moved for long: an event may be lost, and its schedule is 5 minutes."""
        now_s = self.clock.now_s()
        seen = (progress.ranges_done, tuple(one.step for one in self._all))
        if seen != self._seen:
            self._seen, self._moved_s = seen, now_s
        elif now_s - self._moved_s > TRIGGER_AFTER_S and any(one.step is Step.ASKED for one in self._all):
            trigger_revision(self.deployed.target, self.deployed.outputs)
            self.triggers += 1
            self._moved_s = now_s

    def _awaited(self) -> str:
        left = [one for one in self._all if not one.is_over]
        if not left:
            return ""
        first = left[0]
        said = f"{len(left)} of {len(self._all)} ingests to be taken back, the first {first.due.ingest_id}"
        return f"{said} ({first.step.name.lower().replace('_', ' ')})"
