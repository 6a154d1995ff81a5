"""Log groups that the stack owns, so that they expire and go away with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from troposphere import Ref
from troposphere.logs import LogGroup, MetricFilter, MetricTransformation

if TYPE_CHECKING:
    from generator.blocks.stack import Stack

RETENTION_DAYS = 7

ERROR_PATTERNS = {
    "Count": '{ $.level = "ERROR" || $.level = "CRITICAL" || $.log_level = "ERROR" || $.log_level = "CRITICAL" || '
    '(($.type = "platform.report" || $.type = "platform.initRuntimeDone") && '
    '($.record.status = "timeout" || $.record.status = "error")) }',
    "WordCount": 'ERROR -"{"',
    "ExceptionCount": 'Exception -"{"',
}
"""What an error is in the log of a function that logs JSON, by the ends of the filters' logical ids.

Functions and Lambda's runtime write JSON, and by its level an error is told from a line that only quotes an exception's
name. So does Lambda itself: of a function that was killed nobody else says anything. It calls a timeout `timeout`, a
death of the process `error`, of memory too; an exception that the handler let go has a line of the runtime.

What is no JSON (the interpreter's `Exception in thread`, native code) counts by its words. Needed and excluded terms go
together, optional ones (`?ERROR ?Exception`) with neither; `[ERROR]` would mean "a line of one field".
"""


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
    """Add a metric that counts the errors in `group`, by filters whose logical ids begin with `title`.

    No default value: a metric is billed for the hours in which it has data points, and so an idle or healthy
    stack pays nothing for it. An alarm on it must treat missing data as not breaching.
    """
    for end, pattern in ERROR_PATTERNS.items():
        _count(stack, f"{title}{end}", group, metric, pattern)


def count_lines(stack: Stack, title: str, group: LogGroup, metric: str, message: str) -> None:
    """Add a metric, which several groups may share, that counts the JSON lines of `group` with this very message."""
    _count(stack, title, group, metric, f'{{ $.message = "{message}" }}')


def _count(stack: Stack, title: str, group: LogGroup, metric: str, pattern: str) -> None:
    stack.add(
        MetricFilter(
            title,
            FilterName=stack.name(title),
            FilterPattern=pattern,
            LogGroupName=Ref(group),
            MetricTransformations=[
                MetricTransformation(
                    MetricName=metric, MetricNamespace=stack.metrics_namespace, MetricValue="1", Unit="Count"
                )
            ],
        )
    )
