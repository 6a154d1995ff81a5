"""What metric filters count: the matching lines of their own log group.

LocalStack counts every line of every group for every filter, whatever its pattern, by one request to CloudWatch each:
the numbers mean nothing, and a function's log costs more than its work.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from localstack.aws.api import RequestContext
from localstack.aws.connect import connect_to
from localstack.services.logs.provider import LogsProvider
from localstack.services.moto import call_moto
from localstack.utils.patch import patch
from moto.logs.models import logs_backends

from bench.emulator import filter_patterns

LOG = logging.getLogger(__name__)

_compiled: Final = lru_cache(maxsize=256)(filter_patterns.compiled)


def install() -> None:
    """Have filters count what they should; called once, while LocalStack starts."""

    @patch(LogsProvider.put_log_events)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def put_log_events(
        _put_log_events: Any,
        _self: LogsProvider,
        context: RequestContext,
        log_group_name: str,
        log_stream_name: str,  # noqa: ARG001 - LocalStack's signature
        log_events: Sequence[Mapping[str, Any]],
        **_: Any,
    ) -> Any:
        answer = call_moto(context)
        backend = logs_backends[context.account_id][context.region]
        filters = [one for one in backend.filters.metric_filters if one["logGroupName"] == log_group_name]
        if filters:
            _publish(context, counts(filters, [str(event["message"]) for event in log_events]))
        return answer


def counts(filters: Iterable[Mapping[str, Any]], messages: Sequence[str]) -> dict[tuple[str, str], float]:
    """Return what filters add up to over messages: (namespace, metric) -> value, without those that counted nothing."""
    found: dict[tuple[str, str], float] = {}
    for one in filters:
        matches = _compiled(one["filterPattern"])
        matching = sum(1 for message in messages if matches(message))
        if not matching:
            continue
        for transformation in one["metricTransformations"]:
            metric = (transformation["metricNamespace"], transformation["metricName"])
            found[metric] = found.get(metric, 0.0) + matching * float(transformation["metricValue"])
    return found


def _publish(context: RequestContext, values: Mapping[tuple[str, str], float]) -> None:
    if not values:
        return
    client = connect_to(aws_access_key_id=context.account_id, region_name=context.region).cloudwatch
    for (namespace, name), value in values.items():
        client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": name, "Value": value}])
