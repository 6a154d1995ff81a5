"""What bars cost once they are folded: packing, unpacking and merging them, and one question of the API."""

from __future__ import annotations

import gc
import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from bench.perf.decoding import native_sample
from bench.perf.figures import Better, Figure, Unit
from market_analytics.data_query import Settings, respond
from services.memory_table import MemoryTable
from tickstream import keys
from tickstream.bar_codec import decode_bars, encode_bars, merge_packed
from tickstream.decoding import decode_span, packed_hours
from tickstream.hours import Rollup
from tickstream.ingests import Span
from tickstream.items import rollup_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tickstream.bars import Bar
    from tickstream.keys import SymbolHour

#: Ranges that the sample is cut into: each symbol has a few bars in each, and the hour has several slices.
_RANGES: Final = 3
_ROUNDS_A_REPEAT: Final = 3
_HOURS: Final = range(14, 21)
_ASKED: Final = 200
_CENT_E9: Final = 10**7
_SETTINGS: Final = Settings("table", overdue_seconds=900, data_bucket="bench")


def measure(repeats: int) -> tuple[Figure, ...]:
    """Pack, unpack and merge the bars of one range's symbols, and answer `GET /bars` for a symbol's whole day."""
    hours = _slices()
    packed = [part for parts in hours for part in parts]
    bars = [decode_bars(part) for part in packed]
    count = sum(map(len, bars))
    about = f"{count:,} bars in {len(packed):,} slices of {len(hours):,} symbols and hours"
    works: dict[str, Callable[[], object]] = {
        "pack": lambda: [encode_bars(some) for some in bars],
        "unpack": lambda: [decode_bars(part) for part in packed],
        "merge": lambda: [merge_packed(parts) for parts in hours],
    }
    figures = [
        Figure(
            name=f"{name} a thousand bars, CPU", unit=Unit.MILLISECONDS, better=Better.LESS,
            samples=tuple(_cpu_ms(work) / count * 1000 for _ in range(repeats)), about=about,
        )
        for name, work in works.items()
    ]  # fmt: skip
    return (*figures, _question(repeats))


def _slices() -> list[list[bytes]]:
    """Return, of each symbol and hour, the packed bars of each of some ranges that follow each other."""
    sample = native_sample()
    whole = sample.span
    step = (whole.end - whole.start) // _RANGES
    bounds = [*range(whole.start, whole.end, step)][:_RANGES]
    hours: dict[SymbolHour, list[bytes]] = {}
    for index, start in enumerate(bounds):
        end = whole.end if start == bounds[-1] else start + step
        span = Span(index, start, end)
        decoded = decode_span(sample.source, sample.layout, span, lambda first, last: sample.content[first:last])
        for hour, part in packed_hours(decoded.bars):
            hours.setdefault(hour, []).append(part)
    return [*hours.values()]


def _question(repeats: int) -> Figure:
    """CPU of DataQuery's answer to a symbol-day of rolled-up minute bars, the ninety-ninth of a hundred."""
    table = MemoryTable()
    day_ns = 1_767_571_200 * 10**9
    bars = decode_bars(max((part for parts in _slices() for part in parts), key=len))
    first, *_ = bars
    for hour in (day_ns // keys.NS_PER_HOUR + at for at in _HOURS):
        # As many as an hour has, of numbers like a real one's, and prices that differ by some cents.
        minutes = range(hour * keys.MINUTES_PER_HOUR, (hour + 1) * keys.MINUTES_PER_HOUR)
        packed = encode_bars([_moved(first, minute, minute * 37 % 101 * _CENT_E9) for minute in minutes])
        table.put(rollup_item(Rollup("BENCH", hour, frozenset({1}), 0, packed)))
    event: dict[str, Any] = {
        "httpMethod": "GET",
        "resource": "/bars/{symbol+}",
        "pathParameters": {"symbol": "BENCH"},
        "multiValueQueryStringParameters": {"from": ["2026-01-05T00:00:00Z"], "to": ["2026-01-06T00:00:00Z"]},
    }
    now_ns = day_ns + 2 * 24 * keys.NS_PER_HOUR

    def ask() -> None:
        if len(respond(event, table, _SETTINGS, now_ns)["bars"]) != len(_HOURS) * keys.MINUTES_PER_HOUR:
            raise AssertionError("the answer has not all bars")

    ask()
    with _a_heap_of_its_own():
        samples = [_percentile([_cpu_ms(ask, rounds=1) for _ in range(_ASKED)], 0.99) for _ in range(repeats)]
    return Figure(
        name="GET /bars of a symbol-day, DataQuery alone, CPU, p99", unit=Unit.MILLISECONDS, better=Better.LESS,
        samples=tuple(samples),
        goal=15.0, about=f"{len(_HOURS) * keys.MINUTES_PER_HOUR} bars, of a table in memory",
    )  # fmt: skip


def _moved(bar: Bar, minute: int, by_e9: int) -> Bar:
    prices = (bar.open_e9, bar.high_e9, bar.low_e9, bar.close_e9)
    open_e9, high_e9, low_e9, close_e9 = (None if price is None else price + by_e9 for price in prices)
    return bar._replace(minute=minute, open_e9=open_e9, high_e9=high_e9, low_e9=low_e9, close_e9=close_e9)


@contextmanager
def _a_heap_of_its_own() -> Iterator[None]:
    """Have garbage be looked for as in DataQuery, which has nothing of what a bench has imported."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _cpu_ms(work: Callable[[], object], rounds: int = _ROUNDS_A_REPEAT) -> float:
    """Return the CPU of the quickest of some rounds."""
    found = []
    for _ in range(rounds):
        began_ns = time.process_time_ns()
        work()
        found.append(time.process_time_ns() - began_ns)
    return min(found) / 10**6


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]
