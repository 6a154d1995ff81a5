"""A histogram of latencies: exact to three digits, and to be put together from several machines'."""

from __future__ import annotations

from typing import Final, Self

from hdrh.histogram import HdrHistogram

#: A day: no piece takes longer, and what did would count as that.
_LONGEST_US: Final = 86_400_000_000
_SIGNIFICANT_DIGITS: Final = 3


class Latencies:
    """Counts latencies from 1 microsecond to a day (HdrHistogram)."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _LONGEST_US, _SIGNIFICANT_DIGITS)

    def record(self, seconds: float) -> None:
        """Count one; less than nothing is nothing."""
        # Clocks of whole milliseconds may put what follows at once before what it follows.
        self._histogram.record_value(min(max(0, round(seconds * 1_000_000)), _LONGEST_US))

    def encoded(self) -> bytes:
        """Return it as bytes, for `add`."""
        return bytes(self._histogram.encode())

    def add(self, encoded: bytes) -> Self:
        """Count what another one has counted."""
        self._histogram.decode_and_add(encoded)
        return self

    def facts(self) -> dict[str, float] | None:
        """Return count and percentiles in milliseconds; None of nothing."""
        histogram = self._histogram
        if not histogram.total_count:
            return None

        def at(percentile: float) -> float:
            return float(histogram.get_value_at_percentile(percentile)) / 1000

        return {
            "count": histogram.total_count,
            "p50": at(50),
            "p90": at(90),
            "p99": at(99),
            "p99_9": at(99.9),
            "max": at(100),
        }
