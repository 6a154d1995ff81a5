"""What there is in the account, so that one stack deletion can be shown to leave nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.targets import Target

#: service -> operation, list in the answer, name in an entry (None: the entry is the name)
_LISTS: tuple[tuple[str, str, str, str, str | None], ...] = (
    ("bucket", "s3", "list_buckets", "Buckets", "Name"),
    ("queue", "sqs", "list_queues", "QueueUrls", None),
    ("table", "dynamodb", "list_tables", "TableNames", None),
    ("function", "lambda", "list_functions", "Functions", "FunctionName"),
    ("event source mapping", "lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    ("log group", "logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("metric filter", "logs", "describe_metric_filters", "metricFilters", "filterName"),
    ("role", "iam", "list_roles", "Roles", "RoleName"),
    ("rule", "events", "list_rules", "Rules", "Name"),
    ("API", "apigateway", "get_rest_apis", "items", "id"),
    ("alarm", "cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("dashboard", "cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    ("topic", "sns", "list_topics", "Topics", "TopicArn"),
    ("usage plan", "apigateway", "get_usage_plans", "items", "id"),
)

_SHORT = 12


def inventory(target: Target) -> frozenset[str]:
    """List everything that the account holds of the kinds a stack makes, each as `kind name`."""
    return frozenset(
        f"{kind} {entry if name is None else entry[name]}"
        for kind, service, operation, found, name in _LISTS
        for entry in _entries(target.client(service), operation, found)
    )


def of_stack(entries: Iterable[str], names: Iterable[str]) -> list[str]:
    """Those of the inventory's entries that bear a physical name of a stack's, in order.

    For an account in which others work at the same time. A log group bears its function's name within its own; short
    ids, such as an API's, are in other names by chance, and must be the whole name.
    """
    made = tuple(names)
    return [
        entry
        for entry in sorted(entries)
        if any(entry.endswith(f" {name}") or (len(name) > _SHORT and name in entry) for name in made)
    ]


def _entries(client: Any, operation: str, found: str) -> Iterable[Any]:
    if client.can_paginate(operation):
        for page in client.get_paginator(operation).paginate():
            yield from page.get(found, [])
    else:
        yield from getattr(client, operation)().get(found, [])
