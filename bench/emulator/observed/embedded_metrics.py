"""Metrics that functions write into their logs, in CloudWatch's embedded metric format, which LocalStack does not read.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html:
a line is a JSON object with a member `_aws` that says which of its other members are metrics and dimensions. Lambda's
lines need no header to be read so; those of other log groups do, and are let pass.
"""

import json
import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

LOG = logging.getLogger(__name__)

#: Log groups whose lines Lambda has written.
FUNCTION_GROUPS: Final = "/aws/lambda/"
_MARK: Final = '"_aws"'
_MAX_DIMENSIONS: Final = 30
_MAX_VALUES: Final = 100


def embedded(messages: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return what the messages publish: namespace -> entries as PutMetricData takes them.

    A line that is broken publishes nothing, as on AWS, and is told in LocalStack's log.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for message in messages:
        # What nearly every line is spared: to be read as JSON.
        if _MARK not in message:
            continue
        try:
            for namespace, entry in list(_entries(message)):
                found.setdefault(namespace, []).append(entry)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            LOG.warning("embedded metrics cannot be read (%r): %s", error, message)
    return found


def _entries(message: str) -> Iterator[tuple[str, dict[str, Any]]]:
    # Lambda may put a time and a request's id before what a function prints.
    line = json.loads(message[message.index("{") :])
    if "_aws" not in line:
        return  # it only speaks of it
    about = line["_aws"]
    at = datetime.fromtimestamp(about["Timestamp"] / 1000, UTC)
    for directive in about["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = [{"Name": name, "Value": _dimension(line[name])} for name in names]
            if len(dimensions) > _MAX_DIMENSIONS:
                raise ValueError(f"{len(dimensions)} dimensions; a metric has at most {_MAX_DIMENSIONS}")
            for metric in directive["Metrics"]:
                yield (
                    directive["Namespace"],
                    {
                        "MetricName": metric["Name"],
                        "Dimensions": dimensions,
                        "Timestamp": at,
                        "Values": _values(line[metric["Name"]]),
                        "Unit": metric.get("Unit", "None"),
                        "StorageResolution": metric.get("StorageResolution", 60),
                    },
                )


def _dimension(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a dimension is a text, not {value!r}")
    return value


def _values(value: object) -> list[float]:
    values: list[Any] = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= _MAX_VALUES:
        raise ValueError(f"{len(values)} values; a metric has 1 to {_MAX_VALUES}")
    if not all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in values):
        raise TypeError(f"a metric is a number or a list of numbers, not {value!r}")
    return [float(one) for one in values]
