"""What a run sent, as the model's own scenarios: from its workload's plan, one scenario for objects that are alike.

How many slices a range has follows from how the bench draws its ticks: symbols trade by 1 / rank, and a part of the
day's volume has so many hours. What the pipeline makes of it is foretold, not taken from the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.capacity.figures import figures
from bench.capacity.scenarios import Scenario, Shape
from bench.synthetic.market import MarketDay
from bench.synthetic.plan import Kind, Part, plan
from bench.workloads.schema import WORKLOAD
from tickstream.ranges import LARGE_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from bench.workloads import Workload

_HORIZON_S: Final = 7_200.0
#: A session from 14:30 to 21:00: seven clock hours, of which the first is half as long.
_OPENS_AT_H: Final = 14.5
_SESSION_HOURS: Final = 6.5
_HOURS: Final = 7
_MINUTES: Final = 60.0
#: An average is taken over so many ranges, about.
_LOOKED_AT: Final = 20
#: Bytes of a tick in each format, against those of CSV; a packed one is so many times as much text.
_SIZE: Final = {Kind.CSV: 1.0, Kind.JSON_LINES: 2.0, Kind.GZIP: 0.35, Kind.PARQUET: 0.5, Kind.POSTS: 2.0}
_TEXT_A_PACKED_BYTE: Final = 8

#: What results do not have that were made before workloads came in rounds, or took objects back.
_OF_BEFORE: Final = {"rounds": 1, "round_s": 0.0, "retracted_share": 0.0, "replaced_share": 0.0}


@dataclass(frozen=True, slots=True)
class Drawn:
    """How the bench draws ticks of a workload. hours: of the day's volume, the share of each clock hour."""

    weights: tuple[float, ...]
    bounds: tuple[float, ...]

    @classmethod
    def of(cls, workload: Workload) -> Drawn:
        """Return it: what is elapsed of the session, turned round."""
        day = MarketDay(workload)
        at = [position / 2_000 for position in range(2_001)]
        hours = [int(_OPENS_AT_H % 1 + _SESSION_HOURS * day.elapsed(volume)) for volume in at]
        bounds = [next((volume for volume, hour in zip(at, hours, strict=True) if hour >= number), 1.0)
                  for number in range(_HOURS)]  # fmt: skip
        whole = sum(1 / rank for rank in range(1, workload.symbols + 1))
        weights = tuple(1 / rank / whole for rank in range(1, workload.symbols + 1))
        return cls(weights, (*bounds, 1.0))

    def of_hours(self, ticks: float, window: tuple[float, float]) -> list[float]:
        """Return how many ticks of a part of the day's volume are in each clock hour."""
        start, end = window
        width = max(1e-9, end - start)
        return [
            ticks * max(0.0, min(end, last) - max(start, first)) / width
            for first, last in zip(self.bounds, self.bounds[1:], strict=False)
        ]

    def slices(self, of_hours: Sequence[float], weights: Sequence[float] | None = None) -> float:
        """Return how many symbols' hours have a tick, on average."""
        return sum(_present(ticks * weight) for ticks in of_hours for weight in weights or self.weights)

    def units(self, of_hours: Sequence[float], minutes: float, weights: Sequence[float] | None = None) -> float:
        """Return the write units of such a slice, on average: of so many minutes at most."""
        fitting = figures()["bars_of_one_unit"]
        whole = units = 0.0
        for ticks in of_hours:
            for weight in weights or self.weights:
                there = _present(ticks * weight)
                whole += there
                units += there * (1.0 + (minutes * _present(ticks * weight / minutes) > fitting))
        return units / whole if whole else 1.0


def scenarios_of(facts: Mapping[str, Any]) -> tuple[Scenario, ...]:
    """Return what a run sent: the objects or POSTs with most ticks first. facts: the result's workload."""
    known = {name: value for name, value in facts.items() if name != "ticks_a_second"}
    workload = WORKLOAD.validate_python(_OF_BEFORE | known)
    drawn, day, parts = Drawn.of(workload), MarketDay(workload), plan(workload)
    alike: dict[tuple[Kind, str], list[Part]] = {}
    for part in parts:
        alike.setdefault((part.kind, part.feed), []).append(part)
    found = [
        Scenario(
            f"{kind}{feed and ' of ' + feed}", "", _shape(workload, drawn, kind, some), horizon_s=_HORIZON_S,
            at_s=_times(workload, day, kind, some),
        )
        for (kind, feed), some in alike.items()
    ]  # fmt: skip
    if workload.single_posts:
        one = Shape(ranges=1, ticks=1, slices=1, symbol_hours=1, symbols=1, is_posted=True)
        found.append(Scenario("single POSTs", "", one, horizon_s=_HORIZON_S, at_s=(0.0,) * workload.single_posts))
    return tuple(sorted(found, key=lambda one: -one.shape.ticks * one.shape.ranges * len(one.at_s)))


def _times(workload: Workload, day: MarketDay, kind: Kind, parts: Sequence[Part]) -> tuple[float, ...]:
    """Return when each is meant to go: an object at its turn, POSTs of a run spread over theirs."""
    turns: list[float] = []
    for part in parts:
        number = _posts(workload, part) if kind is Kind.POSTS else 1
        first, last = part.turn
        turns += [first + (last - first) * position / number for position in range(number)]
    return tuple(workload.duration_s * day.elapsed(turn) for turn in sorted(turns))


def _windows(workload: Workload, part: Part, ranges: int, *, is_stream: bool) -> list[tuple[float, float]]:
    """Return what of the day each range of a part has."""
    first, last = (0.0, 1.0) if is_stream else part.window
    pieces = _posts(workload, part) if part.kind is Kind.POSTS else ranges
    width = (last - first) / pieces
    return [(first + width * position, first + width * (position + 1)) for position in range(pieces)]


def _posts(workload: Workload, part: Part) -> int:
    return -(-part.rows // workload.posts.ticks_a_request)


def _shape(workload: Workload, drawn: Drawn, kind: Kind, parts: Sequence[Part]) -> Shape:
    """Return the shape of what is alike: an average one."""
    rows, number = sum(part.rows for part in parts), len(parts)
    is_posted, is_stream = kind is Kind.POSTS, bool(workload.streams) and kind is not Kind.POSTS
    if is_posted:
        number = sum(_posts(workload, part) for part in parts)
    size = rows / number * figures()["text_bytes_a_tick"] * _SIZE[kind]
    is_cut = kind in {Kind.CSV, Kind.JSON_LINES}
    ranges = max(1, math.ceil(size / workload.range_bytes)) if is_cut else 1
    ticks = rows / number / ranges
    weights = (1.0,) if is_stream else drawn.weights
    windows = [window for part in parts for window in _windows(workload, part, ranges, is_stream=is_stream)]
    windows = windows[:: max(1, len(windows) // _LOOKED_AT)]
    slices = hours = units = 0.0
    for first, last in windows:
        of_hours = _with_late(workload, drawn, ticks, (first, last))
        found = drawn.slices(of_hours, weights)
        slices += found
        hours += sum(there >= 1.0 for there in of_hours)
        minutes = min(_MINUTES, _SESSION_HOURS * _MINUTES * (last - first))
        units += found * drawn.units(of_hours, minutes, weights)
    looked, pieces = len(windows), number * ranges
    whole = drawn.of_hours(workload.ticks, (0.0, 1.0))
    rejecting = 0.0 if is_posted else min(1.0, ticks * workload.corrupt_fraction)
    text = size / ranges * (1 if is_cut else _TEXT_A_PACKED_BYTE)
    return Shape(
        ranges=ranges, ticks=max(1, round(ticks)), slices=max(1, round(slices / looked)),
        symbol_hours=max(1, round(drawn.slices(whole))), symbols=workload.symbols,
        hours_a_range=max(1.0, hours / looked), slice_units=units / slices if slices else 1.0,
        rollup_units=drawn.units(whole, _MINUTES), is_posted=is_posted, is_parquet=kind is Kind.PARQUET,
        is_large=not is_posted and (ranges > 1 or text >= LARGE_TEXT_BYTES),
        bytes_a_range=round(size / ranges), together=0 if is_stream or is_posted else pieces,
        is_ordered=not is_stream and not is_posted and pieces > 1, rejecting=rejecting,
    )  # fmt: skip


def _with_late(workload: Workload, drawn: Drawn, ticks: float, window: tuple[float, float]) -> list[float]:
    """Return the ticks of each hour, with those that come after their time, from anywhere before."""
    late = ticks * workload.market.late_share
    of_window = drawn.of_hours(ticks - late, window)
    before = drawn.of_hours(late, (0.0, max(window[0], 1e-6)))
    return [one + other for one, other in zip(of_window, before, strict=True)]


def _present(ticks: float) -> float:
    """Return how likely there is one tick at least, where there are so many on average."""
    return -math.expm1(-ticks)
