"""All benchmarks by name, one after the other, and their figures beside goals and an earlier run's."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.perf.figures import Benchmarks, Figure
    from bench.report.console import Reporter

    type Measure = Callable[[int], tuple[Figure, ...]]

#: Where the figures are kept that a change is compared with.
BASELINE: Final = "bench/results/baseline.json"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: `module:function`, loaded when it is asked for. default: whether it runs unless others are named.

    The function takes how many samples to take and returns the figures; a whole run is one sample, however many.
    """

    name: str
    measure: str
    about: str
    default: bool = True

    def load(self) -> Measure:
        """Return the function."""
        module, _, function = self.measure.partition(":")
        measure: Measure = getattr(import_module(module), function)
        return measure


ALL: Final = (
    Benchmark("decoding", "bench.perf.decoding:measure", "DataProcessor's decoding and folding, against bare polars"),
    Benchmark("feeds", "bench.perf.feeds:measure", "the same of vendors' files, by feeds, against native ones"),
    Benchmark("bars", "bench.perf.bars:measure", "packing, unpacking and merging bars, and GET /bars, CPU alone"),
    Benchmark("packed", "bench.perf.packed:measure", "ranges of packed objects, and what their index costs"),
    Benchmark("generator", "bench.perf.commands:generator", "the generator, against importing what it uses"),
    Benchmark("environments", "bench.perf.environments:cold_starts", "functions started cold, one and twenty at once"),
    Benchmark("deployment", "bench.perf.deployments:up_and_deployed", "LocalStack up and the stack deployed"),
    Benchmark("client", "bench.perf.reading:client", "bars through the client, against its requests sent bare"),
    Benchmark("sender", "bench.perf.sending:sender", "POSTs a second of one sender, for `run --workers`"),
    Benchmark("reference", "bench.perf.runs:reference", "10 million ticks: speed, requests, dollars, memory"),
    Benchmark("streams", "bench.perf.runs:streams", "2,000 concurrent streams"),
    Benchmark("live", "bench.perf.runs:live", "latencies of a live feed, an object of 200 ticks five times a second"),
    Benchmark("naive", "bench.perf.runs:naive", "the naive design beside this one"),
    Benchmark("parquet", "bench.perf.runs:parquet", "the reference ticks as one Parquet file", default=False),
    Benchmark(
        "scaling", "bench.perf.runs:scaling", "the reference workload at 1, 10 and 50 million ticks", default=False
    ),
)


def chosen(names: Sequence[str] | None) -> tuple[Benchmark, ...]:
    """Return the benchmarks of these names (`all`: every one), or the usual ones. Raises BenchError for another."""
    by_name = {benchmark.name: benchmark for benchmark in ALL}
    if names is None:
        return tuple(benchmark for benchmark in ALL if benchmark.default)
    if list(names) == ["all"]:
        return ALL
    if unknown := [name for name in names if name not in by_name]:
        raise BenchError(f"there is no benchmark {unknown[0]}: there are {', '.join(by_name)}, and all")
    return tuple(benchmark for benchmark in ALL if benchmark.name in names)


def measure(benchmarks: Sequence[Benchmark], repeats: int, reporter: Reporter) -> Iterator[Figure]:
    """Make the benchmarks one after the other. Raises RunFailedError, BenchError."""
    for benchmark in benchmarks:
        with reporter.phase(benchmark.name):
            figures = benchmark.load()(repeats)
        yield from figures


def table(now: Benchmarks, earlier: Benchmarks | None) -> Table:
    """Lay the figures out beside their goals and, where there is one, an earlier run's."""
    drawn = Table(title="Benchmarks", title_justify="left", caption=_caption(now, earlier), caption_justify="left")
    drawn.add_column("what", overflow="fold", min_width=32)
    columns = ("measured", "goal", *(("earlier", "to earlier") if earlier else ()))
    for name in columns:
        drawn.add_column(name, justify="right")
    before = earlier.by_name() if earlier else {}
    for figure in now.figures:
        known = before.get(figure.name)
        beside = [known.said(known.value), f"{figure.value / known.value:.2f}" if known.value else ""] if known else []
        drawn.add_row(
            escape(figure.name) + (f"\n[dim]{escape(figure.about)}[/]" if figure.about else ""),
            figure.said(figure.value) + ("\n[yellow]unstable[/]" if figure.unstable else ""),
            _goal(figure),
            *beside,
        )
    return drawn


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    said = figure.said(figure.goal)
    return f"[green]{said}[/]" if figure.reached else f"{said}\n[red]missed[/]"


def _caption(now: Benchmarks, earlier: Benchmarks | None) -> str | None:
    said = []
    if any(figure.unstable for figure in now.figures):
        said.append("unstable: the middle half of the samples is spread over more than a tenth; something else ran")
    if earlier:
        names = ("machine", "cores_usable", "memory_bytes", "python")
        unlike = [name for name in names if now.host.get(name) != earlier.host.get(name)]
        said.append(f"earlier: {earlier.began:%Y-%m-%d}, commit {(earlier.commit or 'unknown')[:10]}")
        said += [f"another machine then: {name} {earlier.host.get(name)}" for name in unlike]
    return escape("\n".join(said)) if said else None
