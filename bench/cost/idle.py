"""A day without ticks, and what is paid by the month: counted in the template, priced with what the bench measured.

An idle stack does two things. Its schedules start functions, whose requests the bench measures on the empty stack
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
    from collections.abc import Iterable, Iterator, Mapping

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

    scheduled: invocations by schedules, of each function by its logical id. is_recoverable: whether its tables have
    point-in-time recovery.
    """

    polls: int
    fifo_polls: int
    scheduled: Mapping[str, int]
    alarm_metrics: int
    is_recoverable: bool


@dataclass(frozen=True, slots=True)
class IdleDay:
    """A day without ticks. unmeasured: the functions of which nobody measured what they do when a schedule calls."""

    standing: Standing
    polling: Quantities
    schedule: Quantities
    unmeasured: tuple[str, ...]

    @property
    def quantities(self) -> Quantities:
        """All that the day uses, as far as it was measured."""
        return _sum((self.polling, self.schedule))


def idle_day(result: Result) -> IdleDay:
    """Return the idle day of a result's pipeline. Raises ResultError for one that nobody builds any more."""
    if result.pipeline not in {naive.NAME, *PIPELINES}:
        raise ResultError(f"there is no pipeline {result.pipeline}, whose idle day would be a part of every day")
    template = naive.build("dev") if result.pipeline == naive.NAME else PIPELINES[result.pipeline](Environment("dev"))
    standing = standing_of(template.to_dict())
    measured = {name: _measured(result, name) for name in standing.scheduled}
    polled = {"sqs_requests": standing.polls, "sqs_fifo_requests": standing.fifo_polls}
    return IdleDay(
        standing,
        polling={key: Decimal(number) for key, number in polled.items() if number},
        schedule=_sum(
            {key: amount * standing.scheduled[name] for key, amount in one.items()} for name, one in measured.items()
        ),
        unmeasured=tuple(name for name, one in measured.items() if not one),
    )


def _measured(result: Result, function: str) -> Quantities:
    """Return what one invocation of a function used when there was nothing to do; nothing where none was measured."""
    if result.idle is None:
        return {}
    # The rest of a physical name is the environment's.
    uses = [one for one in result.idle.functions if one.function.startswith(f"{function}-")]
    if not uses:
        return {}
    requests = [one for one in result.idle.requests if one.caller.startswith(f"{function}-")]
    invocations = sum(one.invocations for one in uses)
    return {key: amount / invocations for key, amount in quantities(requests, uses).items()}


def _sum(parts: Iterable[Quantities]) -> Quantities:
    total: dict[str, Decimal] = {}
    for part in parts:
        for key, amount in part.items():
            total[key] = total.get(key, Decimal(0)) + amount
    return total


def standing_of(template: Mapping[str, Any]) -> Standing:
    """Count in a template what polls, what a schedule starts and what alarms watch."""
    resources = template["Resources"]
    polls = {False: 0, True: 0}
    for mapping in _of_type(resources, "AWS::Lambda::EventSourceMapping"):
        queue = resources[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
        at_a_time = _POLLS_WITH_CEILING if "ScalingConfig" in mapping else _POLLS_WITHOUT
        polls[bool(queue["Properties"].get("FifoQueue"))] += at_a_time * _DAY_S // _LONG_POLL_S
    scheduled: dict[str, int] = {}
    for rule in _of_type(resources, "AWS::Events::Rule"):
        if rate := _RATE.fullmatch(rule.get("ScheduleExpression", "")):
            for target in rule["Targets"]:
                name = target["Arn"]["Fn::GetAtt"][0]
                scheduled[name] = scheduled.get(name, 0) + _DAY_S // (60 * int(rate[1]))
    alarms = list(_of_type(resources, "AWS::CloudWatch::Alarm"))
    return Standing(
        polls=polls[False],
        fifo_polls=polls[True],
        scheduled=scheduled,
        # Of a calculation only the metrics that go into it are billed.
        alarm_metrics=sum(sum("MetricStat" in one for one in alarm.get("Metrics", ())) or 1 for alarm in alarms),
        is_recoverable=any(
            table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
            for table in _of_type(resources, "AWS::DynamoDB::Table")
        ),
    )


def _of_type(resources: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    return (one["Properties"] for one in resources.values() if one["Type"] == name)
