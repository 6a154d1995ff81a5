"""What calls a person, in both systems, and that a fault in it is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.templates import alarm_checks, file_processing_system, market_analytics_system
from tests.templates.planting import GONE, Fault, notice

if TYPE_CHECKING:
    from tests.templates.reading import Template

_MARKET = market_analytics_system.SYSTEM
_FILES = file_processing_system.SYSTEM


def _alarms(template: Template) -> None:
    alarm_checks.alarms(template, _MARKET)


def _dashboard(template: Template) -> None:
    alarm_checks.dashboard(template, _MARKET)


FAULTS = [
    Fault("another queue is watched", _alarms, ("ProcessingQueueLateAlarm", "Dimensions", 0, "Value"), "Other-dev"),
    Fault("a misspelt metric", _alarms, ("OverdueIngestsAlarm", "MetricName"), "IngestsOverdue"),
    Fault("one dead letter is let pass", _alarms, ("RuleDeadLetterQueueNotEmptyAlarm", "Threshold"), 1),
    Fault("a function is not watched", _alarms, ("FunctionErrorsAlarm", "Metrics", "m2"), GONE),
    Fault("a function is not summed up", _alarms, ("FunctionErrorsAlarm", "Metrics", "all", "Expression"), "SUM([m0])"),
    Fault("an idle stack alarms", _alarms, ("FunctionThrottlesAlarm", "TreatMissingData"), "breaching"),
    Fault("nobody is told", _alarms, ("MarketDataAPIFailingAlarm", "AlarmActions"), []),
    Fault("any account may publish", _alarms, ("AlarmTopicPolicy", "PolicyDocument", "Statement", 0, "Condition"), {}),
    Fault("a key that CloudWatch may not use", _alarms, ("AlarmTopic", "KmsMasterKeyId"), "alias/aws/sns"),
    Fault("nothing is drawn", _dashboard, ("Overview", "DashboardBody"), {"Fn::Sub": '{"widgets": []}'}),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.says)
def test_a_planted_fault_in_alarms_is_noticed(template: Template, fault: Fault) -> None:
    """The check passes on the good template and fails on the one with the fault."""
    notice(template, fault)


def test_market_analytics_calls_a_person(template: Template) -> None:
    """Dead letters, late work, errors, throttles, overdue ingests and a failing or slow API are watched, and drawn."""
    alarm_checks.alarms(template, _MARKET)
    alarm_checks.dashboard(template, _MARKET)


def test_file_processing_calls_a_person(files: Template) -> None:
    """Parked files, late work, errors, throttles and a failing or slow API are watched, and drawn."""
    alarm_checks.alarms(files, _FILES)
    alarm_checks.dashboard(files, _FILES)


def test_every_alarm_has_a_section_in_the_runbook(template: Template, files: Template) -> None:
    """Whoever is called at night finds what to do under the alarm's own name."""
    alarm_checks.runbook(template, files)


def test_an_alarm_without_a_section_and_a_section_without_an_alarm_are_noticed(
    template: Template, files: Template
) -> None:
    """A runbook that lags behind its alarms sends people to the wrong place."""
    without = {**files, "Resources": {**files["Resources"]}}
    renamed = without["Resources"].pop("ParkedQueueNotEmptyAlarm")
    with pytest.raises(AssertionError, match="no alarm"):
        alarm_checks.runbook(template, without)
    without["Resources"] |= {"ParkedQueueNotEmptyAlarm": renamed, "ParkedQueueFullAlarm": renamed}
    with pytest.raises(AssertionError, match="no section"):
        alarm_checks.runbook(template, without)
