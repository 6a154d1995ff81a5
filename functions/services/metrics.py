"""Publishing metrics: one line of log with everything that one pass has to say.

Metrics travel in CloudWatch's embedded metric format
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
CloudWatch takes them out of the function's own log group. So they cost no request, cannot fail the function, and need
no permission beside the one to write logs. Each has one dimension, `service`, the name of the function without its
environment (the namespace has it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from aws_lambda_powertools.metrics import EphemeralMetrics

from services import settings

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What powertools reads too; the stack sets both.
NAMESPACE_VARIABLE: Final = "POWERTOOLS_METRICS_NAMESPACE"
SERVICE_VARIABLE: Final = "POWERTOOLS_SERVICE_NAME"


@dataclass(frozen=True, slots=True)
class Metric:
    """One value of one metric, as of now."""

    name: str
    value: int
    unit: Literal["Count", "Seconds"]


def publish(metrics: Iterable[Metric], **names: str) -> None:
    """Publish the metrics, unless all of them are zero.

    A metric is billed for the hours in which it has values, so a stack at rest says nothing. Zeros beside something
    else are said: they end an alarm.

    names: what else the line says, for who finds it in the log: the request's id, the ingest's.

    Raises ConfigurationError where the stack has not set the namespace or the service.
    """
    values = tuple(metrics)
    if not any(metric.value for metric in values):
        return
    line = EphemeralMetrics(namespace=settings.text(NAMESPACE_VARIABLE), service=settings.text(SERVICE_VARIABLE))
    for metric in values:
        line.add_metric(metric.name, metric.unit, metric.value)
    for name, value in names.items():
        line.add_metadata(name, value)
    line.flush_metrics()
