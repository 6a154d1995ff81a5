"""What log lines come to in CloudWatch: metric filters count their own group's, and functions embed metrics in theirs.

LocalStack counts every line of every group for every filter, whatever its pattern, by one request to CloudWatch each:
the numbers mean nothing, and a function's log costs more than its work. Embedded metrics it does not read.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from moto.logs.models import logs_backends

from bench.emulator.observed import embedded_metrics, filter_patterns
from bench.engine import LogsProvider, RequestContext, call_moto, connect_to, patch

LOG = logging.getLogger(__name__)

_compiled: Final = lru_cache(maxsize=256)(filter_patterns.compiled)


def install() -> None:
    """Have filters count what they should, and embedded metrics be seen; called once, while LocalStack starts."""

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
        messages = [str(event["message"]) for event in log_events]
        data: dict[str, list[dict[str, Any]]] = {}
        if log_group_name.startswith(embedded_metrics.FUNCTION_GROUPS):
            data = embedded_metrics.embedded(messages)
        for (namespace, name), value in counts(filters, messages).items():
            data.setdefault(namespace, []).append({"MetricName": name, "Value": value})
        _publish(context, data)
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


def _publish(context: RequestContext, data: Mapping[str, list[dict[str, Any]]]) -> None:
    """Publish entries of PutMetricData by namespace; of one line or a few, so far below a request's 1,000."""
    if not data:
        return
    client = connect_to(aws_access_key_id=context.account_id, region_name=context.region).cloudwatch
    for namespace, entries in data.items():
        client.put_metric_data(Namespace=namespace, MetricData=entries)
