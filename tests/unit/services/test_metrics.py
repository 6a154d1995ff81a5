"""Metrics as lines of the log, and that the emulator takes them out as CloudWatch does."""

from __future__ import annotations

import json

import pytest

from bench.emulator.observed.embedded_metrics import embedded
from services.metrics import Metric, publish
from tickstream.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "N/dev")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "F")


def test_what_is_published_comes_out_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, whose metrics keep name, value and unit; a zero beside something else is said."""
    publish([Metric("A", 3, "Count"), Metric("Late", 0, "Seconds")], ingest_id="i")
    (line,) = capsys.readouterr().out.splitlines()
    (metrics,) = embedded([line]).values()
    assert [(one["MetricName"], one["Values"], one["Unit"]) for one in metrics] == [
        ("A", [3.0], "Count"),
        ("Late", [0.0], "Seconds"),
    ]
    assert json.loads(line)["ingest_id"] == "i"


def test_one_pass_says_nothing_of_another(capsys: pytest.CaptureFixture[str]) -> None:
    """What was published before is not published again."""
    publish([Metric("A", 1, "Count")])
    publish([Metric("B", 2, "Count")])
    second = capsys.readouterr().out.splitlines()[1]
    assert [one["MetricName"] for one in embedded([second])["N/dev"]] == ["B"]


def test_nothing_to_say_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Zeros alone would cost as much as numbers."""
    publish([Metric("A", 0, "Count"), Metric("B", 0, "Count")])
    publish([])
    assert capsys.readouterr().out == ""


def test_a_missing_namespace_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack sets it; without it the metrics would be nobody's."""
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE")
    with pytest.raises(ConfigurationError, match="POWERTOOLS_METRICS_NAMESPACE"):
        publish([Metric("A", 1, "Count")])
