"""Two runs side by side: their numbers, and whether they may be compared at all.

The seed may differ: it makes other ticks of the same kind. So may the code, the stack's parameters and the versions of
packages, because their effect is what a comparison is for; they are told beside the numbers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

from bench.report.result import STAGES
from bench.report.units import flat, said_bytes, said_ms, said_number, said_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.report.result import Result

_PERCENTILES: Final = ("p50", "p99", "max")
_HOST: Final = ("machine", "cores_usable")
_DIFFERENCES_TOLD: Final = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both runs; None where a run did not measure it. `said` puts it in words."""

    part: str
    name: str
    first: float | None
    second: float | None
    said: Callable[[float], str]

    @property
    def ratio(self) -> float | None:
        """The second to the first; None where there is none."""
        return self.second / self.first if self.first and self.second is not None else None


def obstacles(first: Result, second: Result) -> list[str]:
    """Say why the two may not be compared, one sentence each; nothing where they may."""
    found = [
        f"{name} failed, and the speed of a wrong answer means nothing"
        for name, result in (("the first run", first), ("the second run", second))
        if not result.verdict.passed
    ]
    if first.pipeline != second.pipeline:
        found.append(f"the pipelines are {first.pipeline} and {second.pipeline}")
    pairs: tuple[tuple[str, Mapping[str, str], Mapping[str, str]], ...] = (
        ("the workloads differ", _workload(first), _workload(second)),
        ("the targets differ", {"kind": first.target["kind"] or ""}, {"kind": second.target["kind"] or ""}),
        ("the target's settings differ", first.target_settings, second.target_settings),
        ("the machines differ", _host(first), _host(second)),
    )
    found += [f"{what}: {told}" for what, one, other in pairs if (told := _differences(one, other))]
    faults = [frozenset(run.faults.names if run.faults else ()) for run in (first, second)]
    if faults[0] != faults[1]:
        found.append(f"the faults differ: only one run has {', '.join(sorted(faults[0] ^ faults[1]))}")
    if sorted(first.deviations) != sorted(second.deviations):
        found.append("the runs depart from the deployed settings in different ways (see their deviations)")
    return found


def compared(first: Result, second: Result) -> list[Row]:
    """Return every figure that either run has."""
    rows = [*_speed(first, second), *_phases(first, second), *_latencies(first, second)]
    rows += _requests(first, second)
    for name in ("bench", "target"):
        sizes = [getattr(run, f"peak_memory_{name}_bytes") or None for run in (first, second)]
        rows.append(Row("Peak memory", name, sizes[0], sizes[1], said_bytes))
    return [row for row in rows if (row.first, row.second) != (None, None)]


def table(first: Result, second: Result, rows: list[Row]) -> Table:
    """Lay the figures out for a terminal; the caption tells what else differs."""
    drawn = Table(title="A and B", title_justify="left", caption=_told(first, second), caption_justify="left")
    drawn.add_column("what", overflow="fold")
    for name in ("A", "B", "B / A"):
        drawn.add_column(name, justify="right", no_wrap=True)
    part = ""
    for row in rows:
        if row.part != part:
            drawn.add_section()
            drawn.add_row(f"[bold]{row.part}[/]")
            part = row.part
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        drawn.add_row(f"  {escape(row.name)}", _said(row, row.first), _said(row, row.second), ratio)
    return drawn


def _said(row: Row, value: float | None) -> str:
    return "not measured" if value is None else row.said(value)


def _speed(first: Result, second: Result) -> Iterator[Row]:
    yield Row("Throughput", "ticks a second to the last rollup", first.ticks_per_s, second.ticks_per_s, said_number)
    for name, field in (
        ("first upload to last acknowledgement", "first_upload_to_last_acknowledgement_s"),
        ("first upload to last rollup", "first_upload_to_last_rollup_s"),
        ("first upload to all files at rest", "first_upload_to_rest_s"),
    ):
        yield Row("Throughput", name, getattr(first, field), getattr(second, field), said_seconds)


def _phases(first: Result, second: Result) -> Iterator[Row]:
    for phase in first.phases_s | second.phases_s:
        yield Row("Phases", phase, first.phases_s.get(phase), second.phases_s.get(phase), said_seconds)


def _latencies(first: Result, second: Result) -> Iterator[Row]:
    stages = [run.latency_ms.stages if run.latency_ms else {} for run in (first, second)]
    for stage in stages[0] | stages[1]:
        for percentile in _PERCENTILES:
            values = [getattr(one.get(stage), percentile, None) for one in stages]
            yield Row("Latency", f"{STAGES.get(stage, stage)}, {percentile}", values[0], values[1], said_ms)


def _requests(first: Result, second: Result) -> Iterator[Row]:
    numbers = [_own_requests(run) for run in (first, second)]
    for service in sorted({service for one in numbers if one is not None for service in one}):
        values = [None if one is None else one[service] for one in numbers]
        yield Row("Requests of the pipeline itself", service, values[0], values[1], said_number)
    totals = [None if one is None else one.total() for one in numbers]
    yield Row("Requests of the pipeline itself", "all", totals[0], totals[1], said_number)


def _own_requests(result: Result) -> Counter[str] | None:
    if result.own_requests is None:
        return None
    counted: Counter[str] = Counter()
    for row in result.own_requests:
        counted[row.service] += row.requests
    return counted


def _workload(result: Result) -> dict[str, str]:
    fields = {name: value for name, value in flat(result.workload) if name != "seed"}
    if "input_file" in fields:
        # A user's own file is told by its name alone, and two files may have one name.
        fields |= {"sent_bytes": f"{result.sent_bytes:,}", "rows": f"{result.verdict.counts.get('attempted', 0):,}"}
    return fields


def _host(result: Result) -> dict[str, str]:
    return {name: str(result.host.get(name)) for name in _HOST}


def _differences(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Name the first few fields that differ, with both values."""
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    told = [f"{name} {one.get(name, 'not set')} and {other.get(name, 'not set')}" for name in names[:_DIFFERENCES_TOLD]]
    if len(names) > _DIFFERENCES_TOLD:
        told.append(f"and {len(names) - _DIFFERENCES_TOLD} more")
    return ", ".join(told)


def _told(first: Result, second: Result) -> str | None:
    """Say what differs between the runs beside their numbers."""
    sides = [
        {
            "commit": (run.commit or "unknown")[:10],
            "seed": str(run.workload.get("seed")),
            "Python": str(run.host.get("python")),
            **{f"parameter {name}": value for name, value in run.stack_parameters.items()},
            **{f"package {name}": value for name, value in run.host.get("packages", {}).items()},
        }
        for run in (first, second)
    ]
    names = [name for name in sides[0] | sides[1] if sides[0].get(name) != sides[1].get(name)]
    lines = [f"{name}: {sides[0].get(name, 'not set')} and {sides[1].get(name, 'not set')}" for name in names]
    return escape("\n".join(["also different:", *lines])) if lines else None
