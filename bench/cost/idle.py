"""A day without ticks, and what is paid by the month: counted in the template, priced with what the bench measured.

An idle stack does two things. Its schedule starts DataAggregator, whose requests the bench measures on the empty stack
before a run. And Lambda asks each queue for work by long polls of 20 seconds, which LocalStack's poller does in another
rhythm: five at a time where the mapping has a ceiling, two where it has none ("Using Lambda with Amazon SQS" and the
troubleshooting pages of AWS).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from bench.cost.usage import quantities
from bench.errors import ResultError
from bench.naive import template as naive
from generator.environment import Environment
from generator.pipelines import PIPELINES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.cost.usage import Quantities
    from bench.report.result import Result

_DAY_S: Final = 86_400
_LONG_POLL_S: Final = 20
_POLLS_WITH_CEILING: Final = 5
_POLLS_WITHOUT: Final = 2
_RATE: Final = re.compile(r"rate\((\d+) minutes?\)")


@dataclass(frozen=True, slots=True)
class Standing:
    """What of a deployed stack goes on without work. Polls and invocations are of a day.

    is_recoverable: whether its tables have point-in-time recovery.
    """

    polls: int
    fifo_polls: int
    scheduled_invocations: int
    alarm_metrics: int
    is_recoverable: bool


@dataclass(frozen=True, slots=True)
class IdleDay:
    """A day without ticks. schedule: None where nobody measured an invocation of it."""

    standing: Standing
    polling: Quantities
    schedule: Quantities | None

    @property
    def quantities(self) -> Quantities:
        """All that the day uses."""
        schedule = self.schedule or {}
        keys = self.polling.keys() | schedule.keys()
        return {key: self.polling.get(key, Decimal(0)) + schedule.get(key, Decimal(0)) for key in keys}


def idle_day(result: Result) -> IdleDay:
    """Return the idle day of a result's pipeline. Raises ResultError for one that nobody builds any more."""
    if result.pipeline not in {naive.NAME, *PIPELINES}:
        raise ResultError(f"there is no pipeline {result.pipeline}, whose idle day would be a part of every day")
    template = naive.build("dev") if result.pipeline == naive.NAME else PIPELINES[result.pipeline](Environment("dev"))
    standing = standing_of(template.to_dict())
    schedule: Quantities | None = {}
    if standing.scheduled_invocations:
        schedule = _schedule(result, standing.scheduled_invocations)
    polled = {"sqs_requests": standing.polls, "sqs_fifo_requests": standing.fifo_polls}
    polling = {key: Decimal(number) for key, number in polled.items() if number}
    return IdleDay(standing, polling, schedule)


def _schedule(result: Result, invocations: int) -> Quantities | None:
    if result.idle is None:
        return None
    measured = quantities(result.idle.requests, result.idle.functions)
    return {key: amount * invocations / result.idle.invocations for key, amount in measured.items()}


def standing_of(template: Mapping[str, Any]) -> Standing:
    """Count in a template what polls, what a schedule starts and what alarms watch."""
    resources = template["Resources"]
    polls = {False: 0, True: 0}
    for mapping in _of_type(resources, "AWS::Lambda::EventSourceMapping"):
        queue = resources[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
        at_a_time = _POLLS_WITH_CEILING if "ScalingConfig" in mapping else _POLLS_WITHOUT
        polls[bool(queue["Properties"].get("FifoQueue"))] += at_a_time * _DAY_S // _LONG_POLL_S
    rates = [_RATE.fullmatch(rule.get("ScheduleExpression", "")) for rule in _of_type(resources, "AWS::Events::Rule")]
    alarms = list(_of_type(resources, "AWS::CloudWatch::Alarm"))
    return Standing(
        polls=polls[False],
        fifo_polls=polls[True],
        scheduled_invocations=sum(_DAY_S // (60 * int(rate[1])) for rate in rates if rate),
        # Of a calculation only the metrics that go into it are billed.
        alarm_metrics=sum(sum("MetricStat" in one for one in alarm.get("Metrics", ())) or 1 for alarm in alarms),
        is_recoverable=any(
            table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
            for table in _of_type(resources, "AWS::DynamoDB::Table")
        ),
    )


def _of_type(resources: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    return (one["Properties"] for one in resources.values() if one["Type"] == name)
