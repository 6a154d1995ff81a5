"""The clock of New York, where regular hours are from 09:30 until 16:00.

Time zones are those that the engine of frames brings along, not those that the pipeline reads.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OPENING: Final = time(9, 30)
CLOSING: Final = time(16, 0)
_ZONE: Final = "America/New_York"


def moment_ns(day: date, clock: time) -> int:
    """Unix nanoseconds of a time of day."""
    moment = pl.Series([datetime.combine(day, clock)]).dt.replace_time_zone(_ZONE)
    return int(moment.dt.epoch("us").item()) * 1000


def local(timestamp_ns: str) -> pl.Expr:
    """Say what the clock shows, of a column of Unix nanoseconds."""
    return pl.from_epoch(timestamp_ns, time_unit="ns").dt.replace_time_zone("UTC").dt.convert_time_zone(_ZONE)


def is_regular(timestamp_ns: NDArray[np.int64]) -> NDArray[Any]:
    """Say which moments are within regular hours."""
    clock = pl.DataFrame({"at": timestamp_ns}).select(local("at").dt.time())["at"]
    return clock.is_between(OPENING, CLOSING, closed="left").to_numpy()
