"""One-minute bars and their merging, which is associative, commutative and exact.

Merging is what lets slices arrive in any order: open and close belong to the first and the last tick that may set them
in the total order of ticks, (timestamp, sequence, object key or ingest id, ETag, offset); everything else is a sum, a
minimum or a maximum. Prices that no tick may set (`tickstream.ticks.Updates`) are None, and change nothing in a merge.
It is not idempotent (a volume added twice is twice the volume): that no range is merged twice is the keys' work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tickstream.keys import MINUTES_PER_HOUR, NS_PER_MINUTE
from tickstream.ticks import Updates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tickstream.ticks import Tick


class Position(NamedTuple):
    """Where a tick stands in the total order.

    sequence: 0 where ticks have none. source: object key or ingest id. etag: empty for a POST.
    """

    timestamp_ns: int
    sequence: int
    source: str
    etag: str
    offset: int


class Bar(NamedTuple):
    """What happened to one symbol in one minute (or a longer interval that starts there).

    A tuple and not a frozen dataclass, because bars are made by the hundred thousand: it is three times as fast.

    `minute`: whole minutes since 1970; prices and volume in 10^-9; notional (price x size, summed) in 10^-18.
    first, last: where the ticks stand that set open and close; None, as they are, where no tick may. high and low are
    None together too. volume and notional: of the ticks that count as volume. ticks: all, of which `begin_ns` and
    `end_ns` are the times of the earliest and the latest.
    """

    minute: int
    open_e9: int | None
    high_e9: int | None
    low_e9: int | None
    close_e9: int | None
    volume_e9: int
    ticks: int
    notional_e18: int
    first: Position | None
    last: Position | None
    begin_ns: int
    end_ns: int

    @property
    def hour(self) -> int:
        """Whole hours since 1970."""
        return self.minute // MINUTES_PER_HOUR

    @property
    def vwap_e9(self) -> int | None:
        """Volume-weighted average price in 10^-9, rounded half to even (the only rounded figure there is).

        None where the volume is 0.
        """
        if not self.volume_e9:
            return None
        # The quotient is rounded down, also below zero, and the remainder never negative.
        quotient, remainder = divmod(self.notional_e18, self.volume_e9)
        twice = 2 * remainder
        round_up = twice > self.volume_e9 or (twice == self.volume_e9 and quotient % 2 == 1)
        return quotient + round_up


def bar_of(tick: Tick, source: str, etag: str, offset: int) -> Bar:
    """Build the bar of a single tick."""
    sets_ends, sets_extremes = Updates.OPEN_CLOSE in tick.updates, Updates.HIGH_LOW in tick.updates
    position = Position(tick.timestamp_ns, tick.sequence, source, etag, offset) if sets_ends else None
    end_e9, extreme_e9 = tick.price_e9 if sets_ends else None, tick.price_e9 if sets_extremes else None
    volume_e9 = tick.size_e9 if Updates.VOLUME in tick.updates else 0
    return Bar(
        minute=tick.timestamp_ns // NS_PER_MINUTE,
        open_e9=end_e9,
        high_e9=extreme_e9,
        low_e9=extreme_e9,
        close_e9=end_e9,
        volume_e9=volume_e9,
        ticks=1,
        notional_e18=tick.price_e9 * volume_e9,
        first=position,
        last=position,
        begin_ns=tick.timestamp_ns,
        end_ns=tick.timestamp_ns,
    )


def merge_two(one: Bar, other: Bar) -> Bar:
    """Merge two bars over different ticks; the minute is the earlier one's."""
    first = one if other.first is None or (one.first is not None and one.first <= other.first) else other
    last = one if other.last is None or (one.last is not None and one.last >= other.last) else other
    highs = [high for high in (one.high_e9, other.high_e9) if high is not None]
    lows = [low for low in (one.low_e9, other.low_e9) if low is not None]
    return Bar(
        minute=min(one.minute, other.minute),
        open_e9=first.open_e9,
        high_e9=max(highs, default=None),
        low_e9=min(lows, default=None),
        close_e9=last.close_e9,
        volume_e9=one.volume_e9 + other.volume_e9,
        ticks=one.ticks + other.ticks,
        notional_e18=one.notional_e18 + other.notional_e18,
        first=first.first,
        last=last.last,
        begin_ns=min(one.begin_ns, other.begin_ns),
        end_ns=max(one.end_ns, other.end_ns),
    )


def merge_bars(*groups: Iterable[Bar]) -> tuple[Bar, ...]:
    """Merge groups of minute bars of one symbol, minute by minute, into one group in order of time."""
    merged: dict[int, Bar] = {}
    for group in groups:
        for bar in group:
            known = merged.get(bar.minute)
            merged[bar.minute] = bar if known is None else merge_two(known, bar)
    return tuple(merged[minute] for minute in sorted(merged))


def resample(bars: Iterable[Bar], start_of: Callable[[int], int | None]) -> tuple[Bar, ...]:
    """Merge minute bars of one symbol into longer ones, in order of time.

    start_of: gives the minute with which the bar starts that a minute belongs to (and which it then carries), None for
    a minute that belongs to none; see `tickstream.sessions.grids`.
    """
    merged: dict[int, Bar] = {}
    for bar in bars:
        start = start_of(bar.minute)
        if start is None:
            continue
        known = merged.get(start)
        merged[start] = bar if known is None else merge_two(known, bar)
    # Of minute bars each is its own.
    return tuple(bar if bar.minute == start else bar._replace(minute=start) for start, bar in sorted(merged.items()))
