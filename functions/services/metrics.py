"""Publishing metrics: one PutMetricData request with everything that one pass has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from services import clients
from services.failures import explained

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.clients import CloudWatch

#: PutMetricData's limit.
MAX_METRICS_A_REQUEST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Metric:
    """One value of one metric, as of now."""

    name: str
    value: int
    unit: Literal["Count", "Seconds"]


def put_metrics(namespace: str, metrics: Iterable[Metric], client: CloudWatch | None = None) -> None:
    """Publish the metrics in one request. Raises ServiceIncomplete, ServiceRefused or ValueError (too many)."""
    data: list[dict[str, Any]] = [
        {"MetricName": metric.name, "Value": metric.value, "Unit": metric.unit} for metric in metrics
    ]
    if len(data) > MAX_METRICS_A_REQUEST:
        raise ValueError(f"{len(data)} metrics; a request takes {MAX_METRICS_A_REQUEST}")
    with explained(f"CloudWatch PutMetricData in {namespace}"):
        (client or clients.cloudwatch()).put_metric_data(Namespace=namespace, MetricData=data)
