"""Checks of what calls a person: alarms, the topic they report to, the dashboard."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.templates.reading import (
    ENV,
    Json,
    Template,
    at,
    of_type,
    properties,
    ref,
    statements,
)

if TYPE_CHECKING:
    from tests.templates.systems import System

RUNBOOK = Path(__file__).parents[2] / "docs/runbook.md"
_REPORTS = [{"Fn::If": ["WithAlarmEmail", ref("AlarmTopic"), ref("AWS::NoValue")]}]


def alarms(template: Template, system: System) -> None:
    """Check that exactly what is listed is watched, that an idle stack is quiet, and that each alarm reports."""
    found = of_type(template, "AWS::CloudWatch::Alarm")
    assert found.keys() == system.alarms.keys()
    for title, alarm in found.items():
        wanted = system.alarms[title]
        assert sorted(_watched(alarm)) == sorted(wanted.metrics), f"{title} watches something else"
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", wanted.above)
        assert alarm["TreatMissingData"] == "notBreaching", f"{title}: an idle stack has no data"
        assert alarm["AlarmActions"] == alarm["OKActions"] == _REPORTS
    topic = statements(template, "AlarmTopicPolicy")
    publish = at(topic, "AllowAlarms")
    assert publish["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert publish["Condition"] == {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}}
    # Of all actions only these: SNS takes no policy with an action that is none of a topic's.
    insecure = at(topic, "DenyInsecureTransport")
    assert (insecure["Effect"], insecure["Action"]) == ("Deny", ["sns:Publish"])
    assert insecure["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert "KmsMasterKeyId" not in properties(template, "AlarmTopic"), "CloudWatch may not use SNS's own key"


def dashboard(template: Template, system: System) -> None:
    """Check that everything that has an alarm is drawn too."""
    (found,) = of_type(template, "AWS::CloudWatch::Dashboard").values()
    assert found["DashboardName"] == system.namespace.replace("/", "-")
    body = json.loads(found["DashboardBody"]["Fn::Sub"])
    drawn = set()
    for widget in body["widgets"]:
        for namespace, name, *dimensions, _how in widget["properties"]["metrics"]:
            assert namespace in {"AWS/SQS", "AWS/Lambda", "AWS/ApiGateway", system.namespace}
            drawn.add((name, dimensions[1] if dimensions else ""))
    assert drawn >= {metric for alarm in system.alarms.values() for metric in alarm.metrics}
    assert not re.search(r"\$\{(?!AWS::Region\})", json.dumps(body)), "Sub would take it for a reference"


def runbook(*templates: Template) -> None:
    """Check that whoever is called finds a section of the alarm's name, and no section is of an alarm of before."""
    sections = set(re.findall(r"^### `(\w+)`", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE))
    found = {title: one for each in templates for title, one in of_type(each, "AWS::CloudWatch::Alarm").items()}
    assert not found.keys() - sections, f"{RUNBOOK.name} has no section for {sorted(found.keys() - sections)}"
    assert not sections - found.keys(), f"{RUNBOOK.name} has a section for no alarm: {sorted(sections - found.keys())}"
    for alarm in found.values():
        assert "docs/runbook.md" in alarm["AlarmDescription"]
        assert alarm["AlarmName"].endswith(f"-{ENV}")


def _watched(alarm: Json) -> list[tuple[str, str]]:
    """Return the metrics, each with the first value among its dimensions, that an alarm sums up."""
    if "Metrics" not in alarm:
        return [(alarm["MetricName"], _of(alarm["Dimensions"]))]
    stats = [one["MetricStat"] for one in alarm["Metrics"] if "MetricStat" in one]
    (total,) = [one for one in alarm["Metrics"] if "Expression" in one]
    assert total["ReturnData"] is True
    assert re.findall(r"m\d+", total["Expression"]) == [one["Id"] for one in alarm["Metrics"] if "MetricStat" in one]
    return [(stat["Metric"]["MetricName"], _of(stat["Metric"]["Dimensions"])) for stat in stats]


def _of(dimensions: Json) -> str:
    return str(dimensions[0]["Value"]) if dimensions else ""
