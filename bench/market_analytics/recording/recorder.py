"""Everything that is measured of one run, from before its first send until everything is processed."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from bench.market_analytics.recording.stages import read_moments, stage_facts
from bench.market_analytics.recording.timeline import Timeline
from bench.market_analytics.recording.visibility import Visibility
from bench.measure.journal import read_journal, reset_journal
from bench.measure.requests import journal_facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from bench.ledger.api_client import ApiClient
    from bench.ledger.sent import Ledger
    from bench.measure.journal import Journal
    from bench.targets import Target


class Recorder:
    """Enter it before the first send and leave it when everything is processed, while the stack still stands.

    elapsed_s: seconds since the first send, `Driver.elapsed_s`. timeline: to be told of each look. journal: the run's,
    once it was left; None where the target keeps none. Leaving raises ReadBackError or TargetError where what was
    measured cannot be read.
    """

    def __init__(
        self, target: Target, table_name: str, api: ApiClient, ledger: Ledger, elapsed_s: Callable[[], float]
    ) -> None:
        self.timeline = Timeline(elapsed_s)
        self.journal: Journal | None = None
        self._target = target
        self._table_name = table_name
        self._ledger = ledger
        self._elapsed_s = elapsed_s
        self._visibility = Visibility(api, ledger, elapsed_s)
        self._stack = ExitStack()
        self._latency_ms: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        """Have the journal begin anew, so that it has the run's requests and not the deployment's."""
        reset_journal(self._target)
        self._stack.enter_context(self._visibility)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the measuring. The journal is read now: what the verdict asks for is not the run's."""
        self._stack.__exit__(kind, error, traceback)
        if error is None:
            began_ms = (time.time() - self._elapsed_s()) * 1000
            self.journal = read_journal(self._target)
            self._latency_ms = self._latencies(began_ms)

    def _latencies(self, began_ms: float) -> dict[str, Any]:
        ingests = {entry.ingest_id for entry in self._ledger.acknowledged() if entry.ingest_id}
        moments = read_moments(self._target, self._table_name, ingests, self.journal)
        visible_s = self._visibility.visible_s
        return stage_facts(self._ledger, moments, visible_s, began_ms=began_ms)

    def facts(self) -> dict[str, Any]:
        """Return `latency_ms`, `timeline`, `requests` and `functions` of a result file."""
        return {"latency_ms": self._latency_ms, "timeline": self.timeline.facts(), **journal_facts(self.journal)}
