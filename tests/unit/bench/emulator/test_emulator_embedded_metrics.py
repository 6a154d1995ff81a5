"""Which metrics the emulator takes out of log lines, by CloudWatch's specification of the embedded metric format."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from bench.emulator.observed.embedded_metrics import embedded


def line(**members: Any) -> str:
    """Return a line with two metrics in two sets of dimensions, some of its members changed or, by None, left out."""
    directive = {
        "Namespace": "N",
        "Dimensions": [["service"], ["service", "stage"]],
        "Metrics": [{"Name": "A", "Unit": "Count"}, {"Name": "B", "StorageResolution": 1}],
    }
    whole = {
        "_aws": {"Timestamp": 1_700_000_000_000, "CloudWatchMetrics": [directive]},
        "service": "F",
        "stage": "dev",
        "A": 1,
        "B": [2, 3.5],
        "request": "r",
    }
    return json.dumps({name: value for name, value in (whole | members).items() if value is not None})


@pytest.mark.parametrize("before", ["", "2026-01-01T00:00:00Z 1234 INFO "])
def test_metrics_come_out_once_for_each_set_of_dimensions(before: str) -> None:
    """Each with its values, unit and time; Lambda may put something before the line, and the rest is a property."""
    found = embedded([f"{before}{line()}\n", "all is well"])["N"]
    of_service = [{"Name": "service", "Value": "F"}]
    of_stage = [*of_service, {"Name": "stage", "Value": "dev"}]
    assert [(one["MetricName"], one["Values"], one["Dimensions"]) for one in found] == [
        ("A", [1.0], of_service),
        ("B", [2.0, 3.5], of_service),
        ("A", [1.0], of_stage),
        ("B", [2.0, 3.5], of_stage),
    ]
    assert [(one["Unit"], one["StorageResolution"]) for one in found[:2]] == [("Count", 60), ("None", 1)]
    assert {one["Timestamp"] for one in found} == {datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)}


@pytest.mark.parametrize(
    "broken",
    [
        line(A="1"),
        line(A=True),
        line(A=[]),
        line(A=None),
        line(service=None),
        line(stage=7),
        line(_aws={"Timestamp": 1}),
        line(_aws=7),
        line()[:-1],
        'no object, only "_aws"',
    ],
)
def test_a_broken_line_publishes_nothing_and_is_told(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    """As on AWS; and whoever wrote it is told in LocalStack's log, with the line."""
    with caplog.at_level(logging.WARNING):
        assert embedded([broken]) == {}
    assert broken in caplog.text


def test_a_line_that_only_speaks_of_metrics_is_let_pass(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is wrong with it."""
    assert embedded([json.dumps({"message": "_aws"}), "_aws"]) == {}
    assert not caplog.records
