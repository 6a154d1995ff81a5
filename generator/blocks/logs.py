"""Log groups that the stack owns, so that they expire and go away with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from troposphere import Ref
from troposphere.logs import LogGroup, MetricFilter, MetricTransformation

if TYPE_CHECKING:
    from generator.blocks.stack import Stack

RETENTION_DAYS = 7

ERROR_PATTERN = "?ERROR ?Exception"
"""Any line with one of the two words. `[ERROR]` would mean "a line of one field" and count nearly nothing."""


def log_group(stack: Stack, title: str, name: object) -> LogGroup:
    """Add and return a log group kept for a week and deleted with the stack."""
    return stack.add(
        LogGroup(
            title,
            LogGroupName=name,
            RetentionInDays=RETENTION_DAYS,
            KmsKeyId=stack.own_key(),
            Tags=stack.tags(),
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
        )
    )


def count_errors(stack: Stack, title: str, group: LogGroup, metric: str) -> None:
    """Add a metric that counts the lines of `group` that hold ERROR or Exception.

    No default value: a metric is billed for the hours in which it has data points, and so an idle or healthy
    stack pays nothing for it. An alarm on it must treat missing data as not breaching.
    """
    stack.add(
        MetricFilter(
            title,
            FilterName=stack.name(metric),
            FilterPattern=ERROR_PATTERN,
            LogGroupName=Ref(group),
            MetricTransformations=[
                MetricTransformation(
                    MetricName=metric, MetricNamespace=stack.metrics_namespace, MetricValue="1", Unit="Count"
                )
            ],
        )
    )
