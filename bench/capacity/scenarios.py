"""What comes in, and when: one frozen description each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bench.capacity.figures import figures

_MINUTE_S: Final = 60.0
_THIRD_OF_AN_HOUR_S: Final = 1_200.0
_HOUR_S: Final = 3_600.0
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Shape:
    """One object, or one POST, like all others of its scenario.

    ranges: that it is cut into. ticks, slices: of each range; a slice is what a range has of one symbol's hour.
    symbol_hours: of all ranges that are rolled up together, so that a rollup may be written once for several.
    together: how many ranges these are: those of one object, or, where all objects are of the same hours, 0.
    is_ordered: whether these follow each other in time, so that each begins in the hours in which the one before ends;
    otherwise each has any of these hours. is_large: whether its ranges are large ones.
    symbols: over which reads and writes are spread. hours_a_range: hours of one symbol in a range, on average.
    slice_units, rollup_units: write units of a slice, and of a rollup when it is written, which has up to 60 bars.
    bytes_a_range: read for it; 0: what its ticks take as CSV. rejecting: the share of ranges with refused rows.
    packed_bytes, text_bytes: of an object that is indexed first.
    """

    ranges: int
    ticks: int
    slices: int
    symbol_hours: int
    together: int = 0
    is_ordered: bool = False
    is_large: bool = False
    is_posted: bool = False
    is_parquet: bool = False
    symbols: int = 500
    hours_a_range: float = 1.0
    slice_units: float = 1.0
    rollup_units: float = 2.0
    bytes_a_range: int = 0
    rejecting: float = 0.0
    packed_bytes: int = 0
    text_bytes: int = 0

    @property
    def read_bytes(self) -> float:
        """Return how many bytes are read for a range."""
        return self.bytes_a_range or self.ticks * figures()["text_bytes_a_tick"]

    @property
    def symbols_a_range(self) -> int:
        """Return how many symbols a range has: it is in the lanes of these."""
        return max(1, round(self.slices / self.hours_a_range))

    def distinct(self, ranges: float, of_lanes: float = 1.0) -> float:
        """Return how many rollups so many ranges touch, on average; in so large a share of all lanes."""
        hours, slices = self.symbol_hours * of_lanes, self.slices * of_lanes

        def touched(number: float) -> float:
            if self.is_ordered and number > 1:
                return slices + (hours - slices) * (number - 1) / (self.together - 1)
            if hours <= 0 or slices >= hours:
                return min(hours, slices * number)
            return float(hours * (1.0 - (1.0 - slices / hours) ** number))

        if not self.together:
            return touched(ranges)
        whole, rest = divmod(ranges, self.together)
        return whole * touched(self.together) + touched(rest)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What comes in.

    objects_a_second: for load_s. at_once: come at the beginning. at_s: when each comes, where that is known. horizon_s:
    when the model stops looking, if it is not at rest before. is_steady: whether it goes on like this for ever: it
    settles if nothing grows; otherwise if all is done.
    alike: so many objects that come together are one event of the model; the longer the load, the more.
    day_share: what of a day this is, for the cost of a day; 0: it is a thing of once.
    """

    name: str
    about: str
    shape: Shape
    objects_a_second: float = 0.0
    load_s: float = 0.0
    at_once: int = 0
    at_s: tuple[float, ...] = ()
    horizon_s: float = _DAY_S
    is_steady: bool = False
    alike: int = 1

    @property
    def day_share(self) -> float:
        """Return how much of a day it covers; 0 where it is a thing of once."""
        return self.load_s / _DAY_S if self.is_steady else 0.0


_ONE_TICK: Final = Shape(ranges=1, ticks=1, slices=1, symbol_hours=500, rollup_units=1.2, is_posted=True)

SCENARIOS: Final = (
    Scenario(
        name="idle-day",
        about="a day without ticks",
        shape=Shape(ranges=1, ticks=0, slices=0, symbol_hours=0),
        load_s=_DAY_S,
        is_steady=True,
    ),
    Scenario(
        name="streams",
        about="2,000 streams, an object of one symbol a minute each",
        shape=Shape(ranges=1, ticks=100, slices=1, symbol_hours=2_000, symbols=2_000, rollup_units=1.2),
        objects_a_second=2_000 / _MINUTE_S,
        load_s=_THIRD_OF_AN_HOUR_S,
        horizon_s=_THIRD_OF_AN_HOUR_S,
        is_steady=True,
    ),
    Scenario(
        name="wide-streams",
        about="2,000 streams, an object of the same 500 symbols a minute each",
        shape=Shape(ranges=1, ticks=5_000, slices=500, symbol_hours=500, rollup_units=1.2),
        objects_a_second=2_000 / _MINUTE_S,
        load_s=4 * _HOUR_S,
        horizon_s=4 * _HOUR_S,
        is_steady=True,
        alike=40,
    ),
    Scenario(
        name="market-open",
        about="a market-wide day as one file: 2 GB of csv.gz, 16 GB of text, 954 ranges of 5,000 symbol-hours",
        shape=Shape(
            ranges=954, ticks=420_000, slices=5_000, symbol_hours=11_000, together=60, is_large=True,
            symbols=11_000, packed_bytes=2 * 10**9, text_bytes=16 * 10**9,
        ),
        at_once=1,
    ),
    Scenario(
        name="history",
        about="five years at once: 1,260 days of 10 million ticks of 500 symbols, 24 ranges each",
        shape=Shape(
            ranges=24, ticks=417_000, slices=635, symbol_hours=3_500, together=24, is_ordered=True, is_large=True,
        ),
        at_once=1_260,
        horizon_s=3 * _DAY_S,
    ),
    Scenario(
        name="posts",
        about="10,000 POSTs a second of one tick each, of 500 symbols, for five minutes",
        shape=_ONE_TICK,
        objects_a_second=10_000,
        load_s=300.0,
        horizon_s=2 * _HOUR_S,
        alike=500,
    ),
)  # fmt: skip
BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}
