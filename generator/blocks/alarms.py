"""Alarms on what a person must look at, a dashboard, and where both report to.

All of it is optional, because it is what an idle stack costs: ten cents a month for each metric that an alarm watches,
three dollars for a dashboard beyond an account's first three.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awacs import sns as sns_actions
from awacs.aws import Principal, StringEquals
from troposphere import AccountId, Equals, If, Not, NoValue, Ref, Sub, sns
from troposphere import cloudwatch as watch

from generator.blocks import policies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from generator.blocks.api import Api
    from generator.blocks.function import Function
    from generator.blocks.queue import Queue
    from generator.blocks.stack import Stack

PERIOD_S = 300
RUNBOOK = "docs/runbook.md"

_ALARMS = "WithAlarms"
_MAIL = "WithAlarmEmail"
_DASHBOARD = "WithDashboard"
_COLUMNS = 24
_WIDGET_WIDTH = 12
_WIDGET_HEIGHT = 6


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, as CloudWatch knows it; `statistic` such as `Sum`, `Maximum`, `p99`."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str

    def alone(self) -> dict[str, Any]:
        """Return the properties of an alarm that watches this metric and no other."""
        percentile = self.statistic.startswith("p")
        return {
            "Namespace": self.namespace,
            "MetricName": self.name,
            "Dimensions": self._dimensions(),
            "Period": PERIOD_S,
            "ExtendedStatistic" if percentile else "Statistic": self.statistic,
        }

    def stat(self) -> watch.MetricStat:
        """Return it as one of several metrics of an alarm."""
        return watch.MetricStat(
            Metric=watch.Metric(Namespace=self.namespace, MetricName=self.name, Dimensions=self._dimensions()),
            Period=PERIOD_S,
            Stat=self.statistic,
        )

    def drawn(self) -> list[Any]:
        """Return it as a dashboard draws it."""
        names = [part for pair in sorted(self.dimensions.items()) for part in pair]
        return [self.namespace, self.name, *names, {"stat": self.statistic}]

    def _dimensions(self) -> list[watch.MetricDimension]:
        return [watch.MetricDimension(Name=name, Value=value) for name, value in sorted(self.dimensions.items())]


class Alarms:
    """What watches a stack. Add what is watched, then call `draw` once.

    Parameters of the template: `Alarms`, `AlarmEmail` and `Dashboard`.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._widgets: list[tuple[str, list[Metric]]] = []
        wanted = stack.choice(
            "Alarms", "ENABLED", "DISABLED", text="Alarms on what a person must look at; about 10 cents a month each"
        )
        mail = stack.optional_text(
            "AlarmEmail", pattern="^([^@ ]+@[^@ ]+)?$", text="Whom alarms write to; empty: nobody, they only show"
        )
        dashboard = stack.choice(
            "Dashboard", "DISABLED", "ENABLED", text="A dashboard; 3 dollars a month beyond an account's first three"
        )
        conditions = stack.template
        conditions.add_condition(_ALARMS, Equals(Ref(wanted), "ENABLED"))
        conditions.add_condition(_MAIL, Not(Equals(Ref(mail), "")))
        conditions.add_condition(_DASHBOARD, Equals(Ref(dashboard), "ENABLED"))
        self._topic(mail)

    def not_empty(self, *queues: Queue) -> None:
        """Watch queues in which any message is one too many: dead letters."""
        for queue in queues:
            self._alarm(
                f"{queue.title}NotEmpty",
                f"{queue.physical_name} holds messages that failed for good.",
                [_of_queue(queue, "ApproximateNumberOfMessagesVisible")],
                above=0,
            )
        self._widgets.append(
            ("Dead letters", [_of_queue(queue, "ApproximateNumberOfMessagesVisible") for queue in queues])
        )

    def not_late(self, oldest_s: Mapping[Queue, int]) -> None:
        """Watch queues in which no message may wait for longer than so many seconds."""
        for queue, limit_s in oldest_s.items():
            self._alarm(
                f"{queue.title}Late",
                f"The oldest message of {queue.physical_name} has waited for more than {limit_s} s.",
                [_of_queue(queue, "ApproximateAgeOfOldestMessage")],
                above=limit_s,
            )
        self._widgets.append(
            ("Age of the oldest message, s", [_of_queue(queue, "ApproximateAgeOfOldestMessage") for queue in oldest_s])
        )

    def no_failures(self, functions: Sequence[Function]) -> None:
        """Watch functions for errors and throttles, all of them by one alarm each."""
        errors = [_of_function(function, "Errors") for function in functions]
        throttles = [_of_function(function, "Throttles") for function in functions]
        self._alarm("FunctionErrors", "Invocations ended in errors.", errors, above=0)
        self._alarm("FunctionThrottles", "Invocations were refused for want of concurrency.", throttles, above=0)
        self._widgets += [("Function errors", errors), ("Function throttles", throttles)]
        self._widgets.append(
            (
                "Function duration, p99, ms",
                [_of_function(function, "Duration", "p99") for function in functions],
            )
        )

    def healthy(self, api: Api, *, slowest_ms: int) -> None:
        """Watch an API for answers of the 5xx kind and for slow ones."""
        dimensions = {"ApiName": api.physical_name, "Stage": api.stage}
        failed = Metric("AWS/ApiGateway", "5XXError", dimensions, "Sum")
        latency = Metric("AWS/ApiGateway", "Latency", dimensions, "p99")
        self._alarm(f"{api.title}Failing", "The API answered calls with 5xx.", [failed], above=0)
        self._alarm(
            f"{api.title}Slow",
            f"One call in a hundred took longer than {slowest_ms} ms.",
            [latency],
            above=slowest_ms,
            periods=3,
        )
        self._widgets += [("API 5xx", [failed]), ("API latency, p99, ms", [latency])]

    def none_overdue(self, counter: Function, metric: str) -> None:
        """Watch the count, which a function publishes, of ingests that are incomplete past their time."""
        overdue = Metric(self._stack.metrics_namespace, metric, {"service": counter.service}, "Maximum")
        self._alarm(metric, "Ingests are incomplete past their time.", [overdue], above=0, periods=2, datapoints=1)
        self._widgets.append(("Overdue ingests", [overdue]))

    def none_refused(self, functions: Sequence[Function], metric: str, message: str, *, what: str) -> None:
        """Watch what comes in for what is refused: one metric counts the lines of several functions that say so."""
        for function in functions:
            function.count_lines(metric, message)
        refused = Metric(self._stack.metrics_namespace, metric, {}, "Sum")
        self._alarm(metric, f"{what} were refused as a whole.", [refused], above=0)
        self._widgets.append((f"{what} refused", [refused]))

    def keeps_up(self, aggregator: Function, metric: str, *, late_s: int) -> None:
        """Watch how long, in seconds, committed ranges have waited for their rollups, which a function publishes."""
        lag = Metric(self._stack.metrics_namespace, metric, {"service": aggregator.service}, "Maximum")
        says = f"Committed ranges have waited for their rollups for {late_s} s."
        self._alarm("RollupsLate", says, [lag], above=late_s, periods=2, datapoints=1)
        self._widgets.append(("Rollup lag", [lag]))

    def draw(self) -> None:
        """Add the dashboard of everything that is watched."""
        widgets = []
        for number, (title, metrics) in enumerate(self._widgets):
            widgets.append(
                {
                    "type": "metric",
                    "x": number * _WIDGET_WIDTH % _COLUMNS,
                    "y": number * _WIDGET_WIDTH // _COLUMNS * _WIDGET_HEIGHT,
                    "width": _WIDGET_WIDTH,
                    "height": _WIDGET_HEIGHT,
                    "properties": {
                        "title": title,
                        "region": "${AWS::Region}",
                        "period": PERIOD_S,
                        "view": "timeSeries",
                        "metrics": [metric.drawn() for metric in metrics],
                    },
                }
            )
        self._stack.add(
            watch.Dashboard(
                "Overview",
                DashboardName=self._stack.metrics_namespace.replace("/", "-"),
                DashboardBody=Sub(json.dumps({"widgets": widgets}, sort_keys=True)),
                Tags=self._stack.tags(),
                Condition=_DASHBOARD,
            )
        )

    def _alarm(
        self, title: str, says: str, metrics: Sequence[Metric], *, above: int, periods: int = 1, datapoints: int = 0
    ) -> None:
        """Add an alarm on the sum of metrics.

        Missing data is not breaching: an idle stack has none, and pays for none. datapoints: so many of the periods
        have to breach; 0: all. Of what a schedule publishes one must do: a late pass leaves its period without any.
        """
        if len(metrics) == 1:
            watched = metrics[0].alone()
        else:
            names = ", ".join(f"FILL(m{number}, 0)" for number in range(len(metrics)))
            watched = {
                "Metrics": [
                    *(
                        watch.MetricDataQuery(Id=f"m{number}", MetricStat=metric.stat(), ReturnData=False)
                        for number, metric in enumerate(metrics)
                    ),
                    watch.MetricDataQuery(Id="all", Expression=f"SUM([{names}])", ReturnData=True, Label=title),
                ]
            }
        reports = [If(_MAIL, Ref("AlarmTopic"), NoValue)]
        self._stack.add(
            watch.Alarm(
                f"{title}Alarm",
                AlarmName=self._stack.name(f"{title}Alarm"),
                AlarmDescription=f"{says} What to do: {RUNBOOK}",
                ComparisonOperator="GreaterThanThreshold",
                Threshold=above,
                EvaluationPeriods=periods,
                DatapointsToAlarm=datapoints or periods,
                TreatMissingData="notBreaching",
                AlarmActions=reports,
                OKActions=reports,
                Tags=self._stack.tags(),
                Condition=_ALARMS,
                **watched,
            )
        )

    def _topic(self, mail: Any) -> None:
        """Add the topic that alarms write to, where somebody wants mail.

        Not encrypted with SNS's own KMS key: CloudWatch may not use it, and every alarm would be lost in silence. What
        an alarm says is no secret.
        """
        stack, name = self._stack, self._stack.name("AlarmTopic")
        arn = stack.arn("sns", name)
        stack.add(sns.Topic("AlarmTopic", TopicName=name, Tags=stack.tags(), Condition=_MAIL))
        stack.add(
            sns.SubscriptionResource(
                "AlarmSubscription", TopicArn=Ref("AlarmTopic"), Protocol="email", Endpoint=Ref(mail), Condition=_MAIL
            )
        )
        stack.add(
            sns.TopicPolicy(
                "AlarmTopicPolicy",
                Topics=[Ref("AlarmTopic")],
                PolicyDocument=policies.document(
                    [
                        policies.allow(
                            "AllowAlarms",
                            [sns_actions.Publish],
                            [arn],
                            principal=Principal("Service", "cloudwatch.amazonaws.com"),
                            conditions=[StringEquals({"aws:SourceAccount": AccountId})],
                        ),
                        policies.deny_insecure_transport([sns_actions.Publish], [arn], principal=Principal("*")),
                    ]
                ),
                Condition=_MAIL,
            )
        )


def _of_queue(queue: Queue, name: str) -> Metric:
    return Metric("AWS/SQS", name, {"QueueName": queue.physical_name}, "Maximum")


def _of_function(function: Function, name: str, statistic: str = "Sum") -> Metric:
    return Metric("AWS/Lambda", name, {"FunctionName": function.physical_name}, statistic)
