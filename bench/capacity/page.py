"""All outcomes as one page with charts, which opens offline: today's design beside the new one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import plotly.graph_objects as go

from bench.capacity.designs import DesignName
from bench.capacity.scenarios import BY_NAME
from bench.capacity.tables import COLUMNS, cells, said_holds, said_time
from bench.report.charts import over_time
from bench.report.html import assets, environment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.capacity.figures import Figures
    from bench.capacity.model import Look
    from bench.capacity.outcome import Outcome
    from bench.capacity.quotas import Quotas

_POINTS: Final = 300
_HEIGHT_PX: Final = 200
_HOURS_FROM_S: Final = 3 * 3600
_LINES: Final = {
    DesignName.OLD: {"color": "var(--series-2)", "width": 2, "dash": "dot"},
    DesignName.NEW: {"color": "var(--series-1)", "width": 2},
}
#: What is drawn: name, unit, and what of a look.
_DRAWN: Final[tuple[tuple[str, str, str], ...]] = (
    ("Queue", "ranges that wait, or are worked on", "queue"),
    ("Work list", "visible ranges that are in no rollup", "listed"),
    ("Open ingests", "not settled", "open_ingests"),
    ("Dead letters", "ranges", "dead"),
    ("Refused", "POSTs that were answered with an error", "refused"),
    ("Functions", "invocations at a time", "invocations"),
    ("Table", "write units a second, and what it takes", "write_units"),
)


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure for plotly's script. told: what it shows, in words, for who cannot see it."""

    name: str
    title: str
    unit: str
    figure: Mapping[str, Any]
    told: str


@dataclass(frozen=True, slots=True)
class Section:
    """One scenario: its outcomes, one a design, and its charts."""

    name: str
    about: str
    outcomes: tuple[Outcome, ...]
    charts: tuple[Chart, ...]


def render(outcomes: Sequence[Outcome], quotas: Quotas, figures: Figures, changed: Sequence[str] = ()) -> str:
    """Return the whole page. changed: quotas that have another value than AWS's, as they were given."""
    sections = [_section(name, tuple(group)) for name, group in groupby(outcomes, key=lambda one: one.scenario)]
    return environment_of("bench.capacity").get_template("capacity.html.j2").render(
        sections=sections,
        columns=COLUMNS[2:],
        cells=cells,
        said_holds=said_holds,
        said_time=said_time,
        quotas=quotas,
        figures=figures,
        changed=changed,
        **assets(),
    )  # fmt: skip


def _section(name: str, outcomes: tuple[Outcome, ...]) -> Section:
    scenario = BY_NAME[name]
    drawn = [one for one in _DRAWN if any(_of(look, one[2]) for outcome in outcomes for look in outcome.looks)]
    charts = tuple(_chart(name, outcomes, *one) for one in drawn) if any(outcome.sent for outcome in outcomes) else ()
    return Section(name, scenario.about, outcomes, charts)


def _chart(scenario: str, outcomes: Sequence[Outcome], title: str, unit: str, field: str) -> Chart:
    span_s = _span_s(outcomes)
    divisor, time_unit = (3600, "h") if span_s >= _HOURS_FROM_S else (60, "min")
    figure = go.Figure()
    told = []
    for outcome in outcomes:
        looks = _thinned([look for look in outcome.looks if look.at_s <= span_s], lambda look: _of(look, field))
        at = [0.0, *(round(look.at_s / divisor, 3) for look in looks)]
        values = [_of(look, field) for look in looks]
        if field == "write_units":
            capacity = [look.write_capacity for look in looks]
            figure.add_scatter(
                x=at, y=[*capacity[:1], *capacity], name=f"{outcome.design}: takes", mode="lines", hoverinfo="skip",
                line={**_LINES[DesignName(outcome.design)], "width": 1, "dash": "dash"}, opacity=0.6,
            )  # fmt: skip
        figure.add_scatter(
            x=at, y=[0, *values], name=outcome.design, mode="lines", hovertemplate="%{y:,.0f}",
            line=_LINES[DesignName(outcome.design)],
        )  # fmt: skip
        told.append(f"{outcome.design}: at most {max(values, default=0):,.0f}, at the end {(values or [0])[-1]:,.0f}")
    drawn = over_time(figure, (0.0, span_s / divisor), _HEIGHT_PX, time_unit)
    return Chart(f"{scenario}-{field}", title, unit, drawn, f"{title}, {unit}. {'; '.join(told)}.")


def _span_s(outcomes: Sequence[Outcome]) -> float:
    """Return how long there is something to see: until the last design is done, or the model stopped."""
    ends = [outcome.rest_s * 1.05 if outcome.rest_s else outcome.looks[-1].at_s for outcome in outcomes]
    return max(ends)


def _of(look: Look, field: str) -> float:
    return float(look.queued + look.in_flight if field == "queue" else getattr(look, field))


def _thinned(looks: Sequence[Look], value: Callable[[Look], float]) -> list[Look]:
    """Keep so many looks as are drawn: of each stretch the one with most, so that no peak is lost, and the last."""
    stretch = max(1, -(-len(looks) // _POINTS))
    kept = [max(looks[first : first + stretch], key=value) for first in range(0, len(looks), stretch)]
    return kept if not looks or kept[-1] is looks[-1] else [*kept, looks[-1]]
