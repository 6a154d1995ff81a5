"""The one who asks: says what each worker's share is, compares clocks, says when to start, and collects what is told.

A worker that does not answer for `hand.SILENCE_S`, that has forgotten the run or gives up, is lost: what it has not
told of may have been sent or not. Nobody sends it again. It may still send for as long as it goes on unasked, and so
long the sending counts as under way.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

from bench.errors import BenchError, WorkersError
from bench.ledger.driver import blank
from bench.workers import hand
from bench.workers.clocks import Difference, RoundTrip, difference
from bench.workers.cluster import Refused, Unanswered
from bench.workers.identity import differences, identity
from bench.workers.split import fingerprint, shares
from bench.workloads.schema import WORKLOAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from bench.ledger.sent import Ledger
    from bench.ledger.truth import ObjectFile, PostBody
    from bench.workers.cluster import Cluster, Member
    from bench.workers.split import Share
    from bench.workloads import Workload

_ASK_S: Final = 5.0
#: Of what is asked before anything is sent: a worker imports the bench first, on a machine that may be busy.
_PREPARE_S: Final = 120.0
_POLL_S: Final = 0.5
_ROUND_TRIPS: Final = 10
#: From the word to the start: enough for the word to be everywhere before it.
_LEAD_S: Final = 1.0


@dataclass(slots=True)
class Part:
    """A worker and its share of the run. Seconds are of this machine's monotonic clock.

    known: entries that it has told of. told: the latest that it said. lost: why it is taken for lost, empty where it is
    not.
    """

    member: Member
    share: Share
    clock: Difference | None = None
    pieces: tuple[ObjectFile | PostBody, ...] = ()
    known: int = 0
    told: hand.Told | None = None
    heard_s: float = 0.0
    is_over: bool = False
    lost: str = ""
    lost_s: float = 0.0

    @property
    def name(self) -> str:
        """What it is called in ledger and verdict."""
        return str(self.member)

    @property
    def is_open(self) -> bool:
        """Whether something of it is still to come."""
        return not (self.is_over or self.lost)


@dataclass(slots=True)
class Fleet:
    """All workers of a scheduler as the one sender of a run (`bench.ledger.driver.Sender`).

    place: where the run's pieces go. Its methods are called in this order: `check`, `make`, `made`, `compare_clocks`,
    `aim`, `send`. Leaving it ends what workers do for this run, and the connection; the workers stay.
    """

    cluster: Cluster
    place: hand.Place
    parts: tuple[Part, ...] = ()
    _run: str = field(default_factory=lambda: secrets.token_hex(8))
    _stop: threading.Event = field(default_factory=threading.Event)
    _ledger: Ledger | None = None
    _bucket: str = ""
    _api_url: str = ""
    _start_s: float = 0.0
    _has_ordered: bool = False

    def __post_init__(self) -> None:
        """Give each worker its share."""
        members = self.cluster.members
        self.parts = tuple(Part(one, share) for one, share in zip(members, shares(len(members)), strict=True))

    def __enter__(self) -> Self:
        """See Fleet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """See Fleet."""
        self._stop.set()
        try:
            if self._has_ordered:
                self._ask(self.parts, hand.leave, lambda _: (self._run,), within_s=_ASK_S)
        finally:
            self.cluster.close()

    def check(self) -> None:
        """Raise WorkersError where a worker is not what this process is."""
        here = identity()
        for part, answer in self._ask(self.parts, hand.who, lambda _: ()):
            there = _answered(part, answer)
            if unlike := differences(here, there):
                raise WorkersError(f"worker {part.name} is not as this machine: {'; '.join(unlike)}")

    def make(self, workload: Workload, ticks_a_second: float | None) -> None:
        """Have each worker make its share, which takes as long as it takes. Raises WorkersError."""
        described = WORKLOAD.dump_json(workload).decode()
        rate = ticks_a_second / len(self.parts) if ticks_a_second else None
        self._has_ordered = True
        for part, answer in self._ask(
            self.parts, hand.take, lambda part: (hand.Order(self._run, described, part.share, self.place, rate),)
        ):
            _answered(part, answer)

    def made(self, pieces: Sequence[ObjectFile | PostBody]) -> None:
        """Wait until all have made theirs; pieces: all of the run, as they were made here.

        Raises WorkersError where these are not the same here and there, or where credentials are of another account.
        """
        account = self.place.account()
        for part in self.parts:
            part.pieces = part.share.of(pieces)
        open_ = list(self.parts)
        while open_:
            found = [(part, _answered(part, answer)) for part, answer in self._ask(open_, hand.made, self._of_run)]
            for part, made in found:
                if made is None:
                    continue
                open_.remove(part)
                if made.account != account:
                    raise WorkersError(
                        f"worker {part.name} has credentials of account {made.account}, this machine of {account}"
                    )
                if made.fingerprint != fingerprint(part.pieces):
                    raise WorkersError(
                        f"worker {part.name} made other pieces of the same seed than this machine "
                        f"({made.pieces:,} there, {len(part.pieces):,} here)"
                    )
            self._pause(_POLL_S if open_ else 0.0)

    def compare_clocks(self, say: Callable[[str], None]) -> None:
        """Find out how far each clock is from this one. Raises WorkersError."""
        for part in self.parts:
            trips = []
            for _ in range(_ROUND_TRIPS):
                asked_s = time.time()
                ((_, answer),) = self._ask([part], hand.clock_s, lambda _: ())
                trips.append(RoundTrip(asked_s, _answered(part, answer), time.time()))
            part.clock = difference(trips)
            say(f"worker {part.name} on {part.member.host}: {len(part.pieces):,} pieces, its clock {part.clock}")

    def aim(self, ledger: Ledger, bucket: str, api_url: str) -> Self:
        """Say where pieces go, and where entries are collected; return the sender."""
        self._ledger, self._bucket, self._api_url = ledger, bucket, api_url
        return self

    # The sender -------------------------------------------------------------------------------------------------

    def send(self, pieces: Iterable[ObjectFile | PostBody]) -> None:  # noqa: ARG002 - each worker has made its own
        """Say go, and return when each worker has told of everything, or cannot tell any more."""
        clocks = {part.name: part.clock or Difference(0.0, 0.0) for part in self.parts}
        lead_s = _LEAD_S + 4 * max(one.uncertainty_s for one in clocks.values())
        start_s, self._start_s = time.time() + lead_s, time.monotonic() + lead_s

        def go(part: Part) -> tuple[str, hand.Go]:
            return self._run, hand.Go(self._bucket, self._api_url, clocks[part.name].there(start_s))

        for part, answer in self._ask(self.parts, hand.begin, go):
            part.heard_s = time.monotonic()
            if isinstance(answer, (Refused, Unanswered)):
                self._lose(part, answer.why)
        while open_ := [part for part in self.parts if part.is_open]:
            self._pause(_POLL_S)
            for part, answer in self._ask(open_, hand.told, lambda part: (self._run, part.known)):
                self._hear(part, answer)
        # What a lost one may still send has come by then.
        quiet_s = max((part.lost_s for part in self.parts), default=0.0) + hand.SILENCE_S
        if any(part.lost for part in self.parts):
            self._pause(max(0.0, quiet_s - time.monotonic()))

    def stop(self) -> None:
        """See Sender."""
        self._stop.set()

    def elapsed_s(self) -> float:
        """See Sender."""
        return max(0.0, time.monotonic() - self._start_s) if self._start_s else 0.0

    def _hear(self, part: Part, answer: Any) -> None:
        now_s = time.monotonic()
        match answer:
            case hand.Told():
                part.heard_s, part.told = now_s, answer
                part.known += len(answer.entries)
                for entry in answer.entries:
                    self._book.record(entry)
                part.is_over = answer.is_over and not answer.fault
                if answer.is_over and answer.fault:
                    self._lose(part, answer.fault)
            case Refused(why):
                self._lose(part, why)
            case Unanswered(why):
                if now_s - part.heard_s > hand.SILENCE_S:
                    self._lose(part, why)

    def _lose(self, part: Part, why: str) -> None:
        """Take a worker for lost: of what it has not told of nobody knows anything."""
        part.lost, part.lost_s = why, time.monotonic()
        told = {(entry.ordinal, entry.repeat) for entry in self._book.entries()}
        for piece in part.pieces:
            unknown = blank(piece, self._bucket)
            if (unknown.ordinal, unknown.repeat) in told:
                continue
            at_s = piece.intended_s
            unknown = replace(unknown, intended_s=at_s, sent_s=at_s, acknowledged_s=at_s)
            fault = f"worker {part.name} was lost: {why}"
            self._book.record(replace(unknown, fault=fault, lost_with=part.name))

    @property
    def _book(self) -> Ledger:
        if self._ledger is None:
            raise WorkersError("nothing can be sent before it is known where to")
        return self._ledger

    def _of_run(self, _part: Part) -> tuple[str]:
        return (self._run,)

    def _ask(
        self,
        parts: Iterable[Part],
        function: Callable[..., Any],
        question: Callable[[Part], tuple[Any, ...]],
        *,
        within_s: float | None = None,
    ) -> list[tuple[Part, Any]]:
        """Ask; without a bound of its own it is the one of sending, or of preparing where nothing was sent yet."""
        asked = {part.member: part for part in parts}
        within_s = within_s or (_ASK_S if self._start_s else _PREPARE_S)
        answers = self.cluster.ask(
            function, {member: question(part) for member, part in asked.items()}, within_s=within_s
        )
        return [(asked[member], answer) for member, answer in answers.items()]

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise BenchError("sending was stopped")


def _answered(part: Part, answer: Any) -> Any:
    """Return an answer. Raises WorkersError where there is none, or a refusal."""
    match answer:
        case Unanswered(why):
            raise WorkersError(f"worker {part.name} does not answer: {why}")
        case Refused(why):
            raise WorkersError(f"worker {part.name} cannot do it: {why}")
    return answer


def open_fleet(cluster: Cluster, place: hand.Place) -> Fleet:
    """Return the workers of a cluster as a sender. Raises WorkersError where one of them is not fit for it."""
    fleet = Fleet(cluster, place)
    try:
        fleet.check()
    except BaseException:
        cluster.close()
        raise
    return fleet
