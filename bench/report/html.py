"""`report.html`: one file that opens offline, made from a result file and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from bench.report import charts
from bench.report.result import FILE_NAME, MUST_BE_ZERO, STAGES, read_result
from bench.report.units import flat, said_bytes, said_ms, said_number, said_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.report.result import Requests, Result, Sample

REPORT_NAME: Final = "report.html"
NOT_MEASURED: Final = "not measured by this target"

_TICK_COUNTS: Final = (
    "attempted", "acknowledged", "ok", "rejected", "lost", "duplicated", "unexpected", "recovered", "dead-lettered",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Count:
    """One count. `value`: None where nobody counted it."""

    name: str
    value: int | None
    must_be_zero: bool

    @property
    def alarming(self) -> bool:
        """Whether it is not 0 and must be."""
        return self.must_be_zero and bool(self.value)


@dataclass(frozen=True, slots=True)
class Reason:
    """Rows rejected for one reason: how many were planted, how many were recorded."""

    name: str
    planted: int
    recorded: int


@dataclass(frozen=True, slots=True)
class ServiceRequests:
    """The requests of one service, the most frequent first."""

    name: str
    requests: int
    rows: tuple[Requests, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure for plotly's script. `told`: what it shows, in words, for who cannot see it."""

    name: str
    figure: Mapping[str, Any]
    told: str


def write_report(result: Path) -> Path:
    """Write `report.html` beside a result file, which may be given by its folder. Raises ResultError."""
    page = render(read_result(result))
    folder = result if result.is_dir() else result.parent
    report = folder / REPORT_NAME
    report.write_text(page, encoding="utf-8")
    return report


def render(result: Result) -> str:
    """Return the whole page."""
    return (
        environment_of("bench.report")
        .get_template("report.html.j2")
        .render(
            result=result,
            source=FILE_NAME,
            not_measured=NOT_MEASURED,
            stages=STAGES,
            percentiles=charts.PERCENTILES,
            counts=counts(result),
            checks=sorted(result.verdict.checks, key=lambda check: check.passed),
            sentence=sentence(result),
            reasons=reasons(result),
            services=services(result.requests or ()),
            own_requests=sum(row.requests for row in result.own_requests or ()),
            charts={chart.name: chart for chart in _charts(result)},
            rates=charts.rates(result.timeline),
            faults=_faults(result),
            tables=_tables(result),
            **assets(),
        )
    )


def environment_of(package: str) -> Environment:
    """Return what renders the pages of a package, which has them in a folder `page`."""
    environment = Environment(
        loader=PackageLoader(package, "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": said_number,
        "size": said_bytes,
        "ms": said_ms,
        "seconds": said_seconds,
    }
    return environment


def assets() -> dict[str, Markup]:
    """Return style sheet and scripts that a page has in it, so that it opens offline."""

    def verbatim(name: str) -> Markup:
        # Our own files, not anybody's data.
        return Markup((Path(__file__).parent / "page" / name).read_text(encoding="utf-8"))  # noqa: S704

    plotly = Markup(get_plotlyjs())  # noqa: S704 - plotly's own script
    return {"css": verbatim("report.css"), "script": verbatim("report.js"), "plotly": plotly}


def sentence(result: Result) -> str:
    """Return the verdict in one sentence."""
    failed = [check.name for check in result.verdict.checks if not check.passed]
    if failed:
        return f"{len(failed)} of {len(result.verdict.checks)} checks failed: {', '.join(failed)}."
    attempted = result.verdict.counts.get("attempted", 0)
    return f"Every one of {attempted:,} {result.unit} is accounted for; all {len(result.verdict.checks)} checks passed."


def counts(result: Result) -> list[Count]:
    """Return the counts: the fixed vocabulary first, then whatever else was counted."""
    found = result.verdict.counts
    names = dict.fromkeys((*_TICK_COUNTS, *found) if result.unit == "ticks" else found)
    return [Count(name, found.get(name), name in MUST_BE_ZERO) for name in names]


def reasons(result: Result) -> list[Reason]:
    """Return the rejects by reason, by name."""
    by_reason = result.verdict.rejected_by_reason
    planted, recorded = by_reason.get("planted", {}), by_reason.get("recorded", {})
    return [Reason(name, planted.get(name, 0), recorded.get(name, 0)) for name in sorted(planted | recorded)]


def services(requests: Sequence[Requests]) -> list[ServiceRequests]:
    """Return the requests by service, the busiest service and the most frequent operation first."""
    grouped = [
        (name, sorted(rows, key=lambda row: (-row.requests, row.operation, row.caller)))
        for name, rows in groupby(sorted(requests, key=lambda row: row.service), key=lambda row: row.service)
    ]
    found = [ServiceRequests(name, sum(row.requests for row in rows), tuple(rows)) for name, rows in grouped]
    return sorted(found, key=lambda service: (-service.requests, service.name))


def _charts(result: Result) -> Iterator[Chart]:
    timeline = result.timeline
    if len(timeline) > 1:
        marks = result.faults.marks if result.faults else ()
        ends = [timeline[-1].at_s, *(mark.at_s for mark in marks)]
        span_s = (min(0.0, timeline[0].at_s, *(mark.at_s for mark in marks)), round(max(ends) * 1.01, 3))
        found = charts.rates(timeline)
        peak, at_s = max(zip(found.done, found.at_s, strict=True), default=(0.0, 0.0))
        yield Chart(
            "throughput",
            charts.throughput(found, span_s),
            f"Rows a second over {timeline[-1].at_s:,.0f} seconds. Done: at most {peak:,.0f}, at {at_s:,.0f} seconds; "
            f"acknowledged: at most {max(found.acknowledged, default=0):,.0f}.",
        )
        yield Chart("queues", charts.queue_depth(timeline, span_s), _told_queues(timeline))
        if result.faults and marks:
            yield Chart(
                "faults",
                charts.fault_lanes(marks, dict(_faults(result)), span_s),
                f"When each of {len({mark.name for mark in marks})} faults struck, on the time axis of the charts "
                "above.",
            )
    if result.latency_ms and any(result.latency_ms.stages.values()):
        slowest = {name: numbers.p99 for name, numbers in result.latency_ms.stages.items() if numbers}
        told = "; ".join(f"{STAGES.get(name, name)} {said_ms(p99)}" for name, p99 in slowest.items())
        labels = {name: STAGES.get(name, name) for name in result.latency_ms.stages}
        yield Chart("latency", charts.latency(result.latency_ms, labels), f"99th percentile of each stage: {told}.")


def _told_queues(timeline: Sequence[Sample]) -> str:
    last = timeline[-1]
    return (
        f"At most {max(sample.queued for sample in timeline):,} messages queued, "
        f"{max(sample.in_flight for sample in timeline):,} in flight and "
        f"{max(sample.dead_letters for sample in timeline):,} in dead-letter queues; at the end {last.queued:,}, "
        f"{last.in_flight:,} and {last.dead_letters:,}."
    )


def _faults(result: Result) -> list[tuple[str, int]]:
    faults = result.faults
    if faults is None:
        return []
    # Those that were asked for first; a rule may go by another name than the fault that brought it.
    names = dict.fromkeys((*faults.names, *faults.injected, *(mark.name for mark in faults.marks)))
    return [(name, faults.injected.get(name, 0)) for name in names]


def _tables(result: Result) -> dict[str, list[tuple[str, str]]]:
    """Return what the numbers depend on: title to rows of name and value."""
    target = {name: value for name, value in result.target.items() if name != "endpoint_url"}
    return {
        "Workload": list(flat(result.workload)),
        "Host": list(flat(result.host)),
        "Target": list(flat(target)),
        "LocalStack settings": list(result.target_settings.items()),
        "Stack parameters": list(result.stack_parameters.items()),
    }
