"""When a user sees an ingest as done: a sample of them, asked for through the API while the run goes on.

One request at a time and few of them, because a user who asks is load too. Closely where it matters: the looks at an
ingest come a fiftieth of a second after one another while it is young, and further apart the older it is, so that its
moment is found nearly to the same part of it, however quick or slow the pipeline is. `complete` says that readers see
its bars (docs/design.md).
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from bench.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import TracebackType

    from bench.ledger.api_client import ApiClient
    from bench.ledger.sent import Ledger

#: Ingests that are asked for, each in its turn, and how often another one may come to them.
WATCHED: Final = 2
TAKE_EVERY_S: Final = 0.5
#: From one look at an ingest to the next: so long, or that share of what has passed since it was acknowledged.
STEP_S: Final = 0.02
LATE_SHARE: Final = 0.125
#: Before this share of what it took the one before, nobody looks.
_UNSEEN_SHARE: Final = 0.5
_DONE: Final = frozenset({"complete", "partly_rejected", "rejected"})
#: Nobody will see these.
_TAKEN_BACK: Final = frozenset({"retracting", "retracted", "replaced"})


@dataclass(slots=True)
class _Watched:
    """An ingest: when it was acknowledged, and when the next look is due, both in seconds since the first send.

    is_new: nobody has looked yet.
    """

    since_s: float
    next_s: float
    is_new: bool = True


class Visibility:
    """Asks `GET /ingest/{id}` for the youngest acknowledged ingests, each until it is done. Enter it for the run.

    Leaving it asks once more for what is still watched, except after an error. elapsed_s: seconds since the run's first
    send, the clock of the ledger. Leaving raises what the asking raised; an API that does not answer is asked again,
    and judged elsewhere.
    """

    def __init__(self, api: ApiClient, ledger: Ledger, elapsed_s: Callable[[], float]) -> None:
        self._api = api
        self._ledger = ledger
        self._elapsed_s = elapsed_s
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="visibility")
        self._asking: Future[None] | None = None
        self._watched: dict[str, _Watched] = {}
        self._taken: set[str] = set()
        self._unseen_s = 0.0
        #: By ingest, the second since the run's first send at which it was first seen to be done.
        self.visible_s: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Begin to ask."""
        self._asking = self._pool.submit(self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it; waits for the answer that is under way."""
        self._stop.set()
        self._pool.shutdown()
        if error is None and self._asking is not None:
            self._asking.result()
            for ingest_id in tuple(self._watched):
                self.look(ingest_id)

    def _ask(self) -> None:
        take_s = 0.0
        while not self._stop.is_set():
            now_s = self._elapsed_s()
            if now_s >= take_s:
                self.take_youngest()
                take_s = now_s + TAKE_EVERY_S
            due = [ingest_id for ingest_id, one in self._watched.items() if one.next_s <= now_s]
            for ingest_id in due:
                self.look(ingest_id)
            if not due:
                self._stop.wait(min(take_s, self.next_look_s) - now_s)

    @property
    def next_look_s(self) -> float:
        """When the next look is due; never where nothing is watched."""
        return min((one.next_s for one in self._watched.values()), default=math.inf)

    def take_youngest(self) -> None:
        """Watch the ingest that was acknowledged last, where there is room and it has not been watched before."""
        if len(self._watched) == WATCHED:
            return
        entries = [entry for entry in self._ledger.entries() if entry.acknowledged and entry.ingest_id]
        youngest = max(entries, key=lambda entry: entry.acknowledged_s, default=None)
        if youngest is not None and youngest.ingest_id not in self._taken:
            since_s = youngest.acknowledged_s
            self._taken.add(youngest.ingest_id)
            self._watched[youngest.ingest_id] = _Watched(since_s, since_s + self._unseen_s)

    def look(self, ingest_id: str) -> None:
        """Ask for one ingest that is watched; when it is done, note the time and watch it no more.

        One that is taken back is watched no more either. Of what is done when somebody first looks nobody knows since
        when, unless that is at once: no time is noted, and the next one is looked at sooner.
        """
        one = self._watched[ingest_id]
        age_s = self._elapsed_s() - one.since_s
        step_s = max(STEP_S, LATE_SHARE * age_s)
        is_known = not one.is_new or age_s <= STEP_S
        one.is_new, one.next_s = False, one.since_s + age_s + step_s
        try:
            answer = self._api.get(f"/ingest/{ingest_id}")
        except ApiError:
            return
        state = answer.body.get("state") if answer.status == 200 else None
        if state in _DONE | _TAKEN_BACK:
            del self._watched[ingest_id]
        if state in _DONE:
            self._unseen_s = _UNSEEN_SHARE * age_s if is_known else 0.0
            if is_known:
                self.visible_s[ingest_id] = self._elapsed_s()
