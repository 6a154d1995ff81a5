"""The report's charts, as plotly figures without colours of their own.

A colour is the name of a CSS variable of the page, which the page's script resolves when it draws: the same figure
serves light, dark and print. The charts over time have one time axis and equal margins, so they line up.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import plotly.graph_objects as go

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.report.result import FaultMark, Latency, Percentiles, Sample

_BINS: Final = 120
_LANE_PX: Final = 36
_MARGIN: Final = {"l": 52, "r": 12, "t": 10, "b": 34}
# A logarithmic axis has no zero: what is faster than this is drawn here.
_FASTEST_MS: Final = 0.1

#: Percentile, its field, the colour and the symbol it is drawn with.
PERCENTILES: Final = (
    ("p50", "p50", "var(--series-1)", "circle"),
    ("p90", "p90", "var(--series-2)", "diamond"),
    ("p99", "p99", "var(--series-3)", "square"),
    ("p99.9", "p99_9", "var(--series-4)", "triangle-up"),
    ("max", "max", "var(--ink)", "line-ns-open"),
)


@dataclass(frozen=True, slots=True)
class Rates:
    """Rows a second in equal stretches of the run. `at_s`: the middle of each, after the first upload."""

    at_s: tuple[float, ...]
    acknowledged: tuple[float, ...]
    done: tuple[float, ...]


def rates(timeline: Sequence[Sample]) -> Rates:
    """Rows acknowledged and rows done (in bars or rejected) a second, from totals at uneven times."""
    # The first look comes some time after the first upload, at which nothing was done.
    at_s = np.array([0.0, *(sample.at_s for sample in timeline)])
    if at_s[-1] <= 0:
        return Rates((), (), ())
    edges = np.linspace(0.0, at_s[-1], min(_BINS, len(at_s)) + 1)
    width_s = edges[1] - edges[0]

    def a_second(totals: Sequence[int]) -> tuple[float, ...]:
        # Totals that a look has seen later than another look (reads are not of one instant) are no negative rate.
        grown = np.maximum.accumulate(np.array([0, *totals], dtype=float))
        return tuple((np.diff(np.interp(edges, at_s, grown)) / width_s).round(1).tolist())

    return Rates(
        tuple(((edges[1:] + edges[:-1]) / 2).round(3).tolist()),
        a_second([sample.acknowledged_rows for sample in timeline]),
        a_second([sample.ticks + sample.rejected for sample in timeline]),
    )


def throughput(found: Rates, span_s: tuple[float, float]) -> dict[str, Any]:
    """Rows acknowledged and rows done a second, over time."""
    figure = go.Figure()
    hover = "%{y:,.0f}/s"
    figure.add_scatter(
        x=found.at_s, y=found.acknowledged, name="acknowledged", mode="lines", hovertemplate=hover,
        line={"color": "var(--series-2)", "width": 1.5, "dash": "dot"},
    )  # fmt: skip
    figure.add_scatter(
        x=found.at_s, y=found.done, name="done", mode="lines", hovertemplate=hover, fill="tozeroy",
        line={"color": "var(--series-1)", "width": 2}, fillcolor="var(--series-1-soft)",
    )  # fmt: skip
    return _over_time(figure, span_s, height_px=250)


def queue_depth(timeline: Sequence[Sample], span_s: tuple[float, float]) -> dict[str, Any]:
    """Messages queued, in flight and dead-lettered, and ranges not rolled up, over time."""
    figure = go.Figure()
    lines: tuple[tuple[str, str, str, str], ...] = (
        # First, so that it lies below the others where all are 0.
        ("dead letters", "dead_letters", "var(--series-3)", "solid"),
        ("not rolled up", "pending", "var(--series-4)", "dot"),
        ("in flight", "in_flight", "var(--series-2)", "dash"),
        ("queued", "queued", "var(--series-1)", "solid"),
    )
    at_s = [round(sample.at_s, 3) for sample in timeline]
    for name, field, color, dash in lines:
        figure.add_scatter(
            x=at_s, y=[getattr(sample, field) for sample in timeline], name=name, mode="lines",
            hovertemplate="%{y:,}", line={"color": color, "width": 2, "dash": dash, "shape": "hv"},
        )  # fmt: skip
    return _over_time(figure, span_s, height_px=230)


def fault_lanes(marks: Sequence[FaultMark], injected: Mapping[str, int], span_s: tuple[float, float]) -> dict[str, Any]:
    """One lane a fault that struck, with how often; a mark where it struck, those of a short stretch drawn as one.

    injected: strikes by name. It may be more than there are marks, whose number is bounded.
    """
    figure = go.Figure()
    names = sorted({mark.name for mark in marks}, key=list(injected).index)
    width_s = max(span_s[1] - span_s[0], 0.001) / (2 * _BINS)
    struck = Counter((mark.name, round((mark.at_s - span_s[0]) / width_s)) for mark in marks)
    for lane, name in enumerate(names):
        places = sorted((place, hits) for (of, place), hits in struck.items() if of == name)
        figure.add_scatter(
            x=[round(span_s[0] + place * width_s, 3) for place, _ in places], y=[lane] * len(places),
            customdata=[hits for _, hits in places], name=name, mode="markers",
            hovertemplate="%{customdata:,} hits",
            marker={"symbol": "line-ns-open", "size": 10, "color": "var(--series-3)", "line": {"width": 1.5}},
        )  # fmt: skip
        figure.add_hline(y=lane, line={"color": "var(--rule)", "width": 1}, layer="below")
        figure.add_annotation(_lane_name(f"{name}  <b>{injected.get(name, 0):,}</b>", lane))
    drawn = _over_time(figure, span_s, height_px=_LANE_PX * len(names) + 50)
    drawn["layout"]["yaxis"] = _lanes(len(names))
    return drawn


def latency(found: Latency, labels: Mapping[str, str]) -> dict[str, Any]:
    """Percentiles of each measured stage on a logarithmic axis, the first stage on top."""
    measured = [(labels[stage], numbers) for stage, numbers in found.stages.items() if numbers is not None]
    figure = go.Figure()
    for lane, (name, numbers) in enumerate(measured):
        figure.add_scatter(
            x=[_drawn_ms(numbers.p50), _drawn_ms(numbers.max)], y=[lane, lane], mode="lines", hoverinfo="skip",
            line={"color": "var(--rule-strong)", "width": 2}, showlegend=False,
        )  # fmt: skip
        figure.add_annotation(_lane_name(name, lane))
    for name, field, color, symbol in PERCENTILES:
        values = [_of(numbers, field) for _, numbers in measured]
        figure.add_scatter(
            x=[_drawn_ms(value) for value in values], y=list(range(len(measured))), name=name, mode="markers",
            customdata=values, hovertemplate=f"{name} " + "%{customdata:,.1f} ms<extra></extra>",
            marker={"symbol": symbol, "size": 11, "color": color, "line": {"width": 2 if field == "max" else 0}},
        )  # fmt: skip
    slowest = max((_drawn_ms(numbers.max) for _, numbers in measured), default=1.0)
    fastest = min((_drawn_ms(numbers.p50) for _, numbers in measured), default=_FASTEST_MS)
    decades = range(math.floor(math.log10(fastest)), math.ceil(math.log10(slowest)) + 1)
    figure.update_layout(
        height=44 * len(measured) + 50,
        margin={**_MARGIN, "l": 12, "r": 20},
        hovermode="closest",
        xaxis={
            "type": "log",
            "range": [decades[0] - 0.08, decades[-1] + 0.08],
            "tickvals": [10.0**decade for decade in decades],
            "ticktext": [f"{10 ** (decade - 3):g} s" if decade >= 3 else f"{10.0**decade:g} ms" for decade in decades],
            "fixedrange": True,
        },
        yaxis=_lanes(len(measured)),
    )
    return _plain(figure)


def _of(numbers: Percentiles, field: str) -> float:
    return float(getattr(numbers, field))


def _drawn_ms(value_ms: float) -> float:
    return max(value_ms, _FASTEST_MS)


def _lanes(lanes: int) -> dict[str, Any]:
    # The first lane on top, with room above each for its name.
    return {"range": [lanes - 0.6, -0.85], "visible": False, "fixedrange": True}


def _lane_name(name: str, lane: int) -> dict[str, Any]:
    # Above its lane, not left of it: on a phone a left margin for names would leave no room for the marks.
    return {
        "x": 0, "xref": "paper", "xanchor": "left", "y": lane, "yanchor": "bottom", "yshift": 6,
        "text": name, "showarrow": False, "font": {"color": "var(--ink-soft)", "size": 12},
    }  # fmt: skip


def _over_time(figure: go.Figure, span_s: tuple[float, float], height_px: int) -> dict[str, Any]:
    return over_time(figure, span_s, height_px, "s")


def over_time(figure: go.Figure, span: tuple[float, float], height_px: int, unit: str) -> dict[str, Any]:
    """Return what plotly's script takes, with one time axis of this span, in a unit."""
    figure.update_layout(
        height=height_px,
        margin=_MARGIN,
        hovermode="x unified",
        xaxis={"range": list(span), "ticksuffix": f" {unit}", "hoverformat": ".1f", "nticks": 8},
        yaxis={"rangemode": "tozero", "fixedrange": True, "nticks": 5, "tickformat": "~s"},
    )
    return _plain(figure)


def _plain(figure: go.Figure) -> dict[str, Any]:
    """Return what plotly's script takes, in the page's typography, without plotly's own theme."""
    line = {"gridcolor": "var(--rule)", "linecolor": "var(--rule-strong)", "zeroline": False, "ticks": ""}
    figure.update_layout(
        template="none",
        autosize=True,
        showlegend=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "var(--ink-soft)", "size": 12},
        hoverlabel={"bgcolor": "var(--paper)", "bordercolor": "var(--rule-strong)", "font": {"color": "var(--ink)"}},
    )
    figure.update_xaxes(showgrid=False, showline=True, **line)
    figure.update_yaxes(**line)
    drawn: dict[str, Any] = figure.to_plotly_json()
    drawn["layout"].pop("template", None)
    return drawn
