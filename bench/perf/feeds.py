"""Decoding of vendors' files by feeds, against the same ticks in a native file."""

from __future__ import annotations

import io
import random
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from bench.perf.decoding import Sample, best_s, native_sample
from bench.perf.figures import Better, Figure, Unit
from tickstream.feeds.catalogue import BUILT_IN, CONDITIONS, Catalogue, tables_in
from tickstream.feeds.documents import feed_from
from tickstream.ingests import Source, Span
from tickstream.layouts import sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ZONE: Final = "America/New_York"
#: Other names and another order than a native file has, and a column that nobody needs between them.
_RENAMED: Final = ("px", "venue", "ts", "ticker", "qty")
_LOCAL: Final = ("ticker", "date", "time", "px", "qty", "venue")
#: A native file's own columns, and sale conditions: of ten trades of US equities some four are odd lots.
_CONDITIONED: Final = ("ticker", "ts", "px", "qty", "conditions")
_SHARES: Final = {
    "": 0.35,
    "37": 0.3,
    "14,41": 0.15,
    "14,37,41": 0.12,
    "12": 0.03,
    "12,37": 0.03,
    "2": 0.01,
    "22": 0.01,
}
_COMMON: Final[dict[str, Any]] = {
    "symbol": {"from": "{ticker}"},
    "price": {"from": "{px}"},
    "size": {"from": "{qty}"},
}
_FEEDS: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "renamed",
        "format": "csv",
        "tick": {**_COMMON, "match": {"columns": list(_RENAMED)}, "timestamp": {"from": "{ts}", "unit": "ns"}},
    },
    {
        "name": "local",
        "format": "csv",
        "tick": {
            **_COMMON,
            "match": {"columns": list(_LOCAL)},
            "timestamp": {"from": "{date} {time}", "format": "%m/%d/%Y %H:%M:%S.%f", "zone": _ZONE},
        },
    },
    {
        "name": "conditioned",
        "format": "csv",
        "tick": {
            **_COMMON,
            "match": {"columns": list(_CONDITIONED)},
            "timestamp": {"from": "{ts}", "unit": "ns"},
            "conditions": {
                "value": "{conditions}",
                "separator": ",",
                "table": "massive",
                "regularHours": f"09:30-16:00 {_ZONE}",
            },
        },
    },
)


def measure(repeats: int) -> tuple[Figure, ...]:
    """Decode one native range and the same ticks in two vendors' ways by turns, after one round that does not count."""
    native, *others = samples()
    for sample in (native, *others):
        best_s(sample.decode)
    renamed, local, conditioned = (tuple(_ratios(native, sample, repeats)) for sample in others)
    bare = tuple(_ratios(native, others[1], repeats, Sample.bare))
    about = f"{native.content.count(b'\n', native.span.start, native.span.end):,} ticks of 500 symbols"
    return (
        Figure(
            name="decode and fold of other columns by a feed, against native",
            unit=Unit.RATIO, better=Better.MORE, samples=renamed, goal=0.8, about=about,
        ),
        Figure(
            name="decode and fold of local times by a feed, against native",
            unit=Unit.RATIO, better=Better.MORE, samples=local, goal=0.6, about=about,
        ),
        Figure(
            name="decode and fold of local times by a feed, against bare polars on native",
            unit=Unit.RATIO, better=Better.MORE, samples=bare, goal=0.6, about=about,
        ),
        Figure(
            name="decode and fold with sale conditions, against native",
            unit=Unit.RATIO, better=Better.MORE, samples=conditioned, goal=0.85, about=about,
        ),
    )  # fmt: skip


def _ratios(
    native: Sample, other: Sample, repeats: int, work: Callable[[Sample], None] = Sample.decode
) -> Iterator[float]:
    for _ in range(repeats):
        native_s, other_s = best_s(partial(work, native)), best_s(other.decode)
        yield native_s / other_s


def samples() -> tuple[Sample, ...]:
    """Make the native range, and the same ticks renamed and reordered, with local dates and times, with conditions.

    Local times are in milliseconds, as most vendors of such write them: of longer fractions there is more to read.
    """
    native = native_sample()
    rows = pl.read_csv(io.BytesIO(native.content[: native.span.end]), infer_schema=False)
    moment = pl.from_epoch(pl.col("timestamp").cast(pl.Int64), "ns").dt.replace_time_zone("UTC")
    local = moment.dt.convert_time_zone(_ZONE)
    columns = rows.select(
        ticker="symbol",
        ts="timestamp",
        date=local.dt.strftime("%m/%d/%Y"),
        time=local.dt.strftime("%H:%M:%S%.3f"),
        px="price",
        qty="size",
        venue=pl.lit("Q"),
        conditions=pl.Series(random.Random(1).choices([*_SHARES], [*_SHARES.values()], k=rows.height)),  # noqa: S311
    )
    tables = tables_in(BUILT_IN / CONDITIONS)
    catalogue = Catalogue({one["name"]: feed_from(one, tables=tables) for one in _FEEDS}, {})
    vendors = (_sample_of(columns.select(names), catalogue) for names in (_RENAMED, _LOCAL, _CONDITIONED))
    return native, *vendors


def _sample_of(columns: pl.DataFrame, catalogue: Catalogue) -> Sample:
    content = columns.write_csv().encode()
    source = Source("bench", "vendor.csv", "1", "0" * 32, len(content))
    layout = sniff(source, lambda start, end: content[start:end], catalogue)
    return Sample(content, source, layout, Span(0, layout.data_start, len(content)))
