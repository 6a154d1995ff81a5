"""A run over time: one sample a look, thinned out so that a chart keeps its shape."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.market_analytics.completion import Progress

MAX_SAMPLES: Final = 600
#: What rises and falls; the totals only rise, so any of their samples will do.
_GAUGES: Final = ("queued", "in_flight", "dead_letters", "pending")
#: The last sample of all, and of each group its first and the peak of each gauge.
_GROUPS: Final = (MAX_SAMPLES - 1) // (1 + len(_GAUGES))


@dataclass(frozen=True, slots=True)
class Sample:
    """One look, `at_s` seconds after the first send. Rows, ticks and rejected are totals, the rest is as of then."""

    at_s: float
    acknowledged_rows: int
    ticks: int
    rejected: int
    queued: int
    in_flight: int
    dead_letters: int
    pending: int


class Timeline:
    """Collects a sample at each look. elapsed_s: seconds since the first send, such as `Driver.elapsed_s`."""

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        self._elapsed_s = elapsed_s
        self._samples: list[Sample] = []

    def note(self, progress: Progress, acknowledged_rows: int) -> None:
        """Add a look."""
        self._samples.append(
            Sample(
                at_s=round(self._elapsed_s(), 3),
                acknowledged_rows=acknowledged_rows,
                ticks=progress.ticks,
                rejected=progress.rejected,
                queued=progress.queued,
                in_flight=progress.in_flight,
                dead_letters=progress.dead_letters,
                pending=progress.pending,
            )
        )

    def facts(self) -> list[dict[str, Any]]:
        """At most `MAX_SAMPLES` samples in plain JSON: the first, the last, and all peaks of what rises and falls."""
        return [asdict(sample) for sample in thinned(self._samples)]


def thinned(samples: Sequence[Sample]) -> list[Sample]:
    """Return at most `MAX_SAMPLES` of them, in their order."""
    if len(samples) <= MAX_SAMPLES:
        return list(samples)
    kept = {index for group in _groups(len(samples)) for index in _outstanding(samples, group)}
    return [samples[index] for index in sorted({*kept, len(samples) - 1})]


def _groups(count: int) -> Iterator[tuple[int, ...]]:
    # Of equal size but for the last one.
    return batched(range(count), -(-count // _GROUPS), strict=False)


def _outstanding(samples: Sequence[Sample], group: Sequence[int]) -> set[int]:
    def peak(gauge: str) -> int:
        return max(group, key=lambda index: getattr(samples[index], gauge))

    return {group[0], *map(peak, _GAUGES)}
