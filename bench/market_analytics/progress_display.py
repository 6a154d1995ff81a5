"""How far a run is, in one line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.report.console import Display

if TYPE_CHECKING:
    from bench.market_analytics.completion import Progress


class ProgressDisplay(Display):
    """Ticks sent, ranges processed, hours rolled up, rate and lag."""

    def __init__(self, attempted: int) -> None:
        super().__init__()
        self._attempted = attempted
        self._sent = 0
        self._last: Progress | None = None
        self._lag_ms = 0

    def update(self, sent: int, progress: Progress, lag_ms: int) -> None:
        """Take a look's figures."""
        self._sent, self._last, self._lag_ms = sent, progress, lag_ms
        self.changed(last=progress.complete)

    def text(self) -> str:
        """See Display."""
        last = self._last
        if last is None:
            return f"sent 0 of {self._attempted:,} ticks"
        rate = (last.ticks + last.rejected) / max(time.monotonic() - self.started_s, 0.001)
        return (
            f"sent {self._sent:,} of {self._attempted:,} ticks | ranges {last.ranges_done:,} of {last.ranges:,} | "
            f"hours rolled up {last.hours_rolled_up:,} of {last.hours:,} | {rate:,.0f} ticks/s | "
            f"lag {self._lag_ms / 1000:.1f} s | queue {last.queued} + {last.in_flight} | "
            f"dead letters {last.dead_letters}"
        )
