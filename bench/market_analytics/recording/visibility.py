"""When a user sees an ingest as done: a sample of them, asked for through the API while the run goes on.

One request at a time and few of them, because a user who asks is load too.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self

from bench.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import TracebackType

    from bench.ledger.api_client import ApiClient
    from bench.ledger.sent import Ledger

ASK_EVERY_S: Final = 0.5
#: So many ingests are asked for in turn, so each of them this often.
WATCHED: Final = 4
#: How late it may be found that an ingest is visible.
RESOLUTION_S: Final = ASK_EVERY_S * WATCHED
_DONE: Final = frozenset({"complete", "partly_rejected", "rejected"})
#: Nobody will see these.
_TAKEN_BACK: Final = frozenset({"retracting", "retracted", "replaced"})


class Visibility:
    """Asks `GET /ingest/{id}` for the youngest acknowledged ingests, each until it is done. Enter it for the run.

    Leaving it asks once more for what is still watched and for the youngest, except after an error. elapsed_s: seconds
    since the run's first send, the clock of the ledger. Leaving raises what the asking raised; an API that does not
    answer is asked again, and judged elsewhere.
    """

    def __init__(self, api: ApiClient, ledger: Ledger, elapsed_s: Callable[[], float]) -> None:
        self._api = api
        self._ledger = ledger
        self._elapsed_s = elapsed_s
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="visibility")
        self._asking: Future[None] | None = None
        self._watched: list[str] = []
        self._taken: set[str] = set()
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
            self.take_youngest()
            for ingest_id in tuple(self._watched):
                self.look(ingest_id)

    def _ask(self) -> None:
        while not self._stop.wait(ASK_EVERY_S):
            self.take_youngest()
            if self._watched:
                # Each in its turn: it goes to the end of the line.
                ingest_id = self._watched.pop(0)
                self._watched.append(ingest_id)
                self.look(ingest_id)

    def take_youngest(self) -> None:
        """Watch the ingest that was acknowledged last, where there is room and it has not been watched before."""
        if len(self._watched) == WATCHED:
            return
        entries = [entry for entry in self._ledger.entries() if entry.acknowledged and entry.ingest_id]
        youngest = max(entries, key=lambda entry: entry.acknowledged_s, default=None)
        if youngest is not None and youngest.ingest_id not in self._taken:
            self._taken.add(youngest.ingest_id)
            self._watched.append(youngest.ingest_id)

    def look(self, ingest_id: str) -> None:
        """Ask for one ingest that is watched; when it is done, note the time and watch it no more.

        One that is taken back is watched no more either.
        """
        try:
            answer = self._api.get(f"/ingest/{ingest_id}")
        except ApiError:
            return
        state = answer.body.get("state") if answer.status == 200 else None
        if state in _DONE:
            self.visible_s[ingest_id] = self._elapsed_s()
        if state in _DONE | _TAKEN_BACK:
            self._watched.remove(ingest_id)
