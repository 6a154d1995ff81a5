"""EventBridge rules on the default bus, each to one function, each delivery retried and then kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from awacs import events
from awacs.aws import Statement, StringEquals
from troposphere import GetAtt
from troposphere.events import DeadLetterConfig, RetryPolicy, Target
from troposphere.events import Rule as EventsRule

from generator.blocks import policies

if TYPE_CHECKING:
    from generator.blocks.function import Function
    from generator.blocks.queue import Queue
    from generator.blocks.stack import Stack

DEFAULT_BUS = "default"
DELIVERY_RETRIES = 185
DELIVERY_MAX_AGE_S = 24 * 3600


class Rule:
    """A rule that delivers to one function at least once.

    Exactly one of `pattern` and `schedule` is given.

    Args:
        stack: what it is added to.
        title: logical id; the physical name is `TITLE-ENV`.
        does: one sentence, shown in the console.
        target: the function; it may be invoked by this rule only because of this rule.
        dead_letters: where an event goes that could not be delivered within a day (the function's own failures go to
            the function's dead-letter queue).
        pattern: source and detail-type of the events wanted.
        schedule: a rate or cron expression.

    """

    def __init__(
        self,
        stack: Stack,
        title: str,
        *,
        does: str,
        target: Function,
        dead_letters: Queue,
        pattern: dict[str, list[str]] | None = None,
        schedule: str | None = None,
    ) -> None:
        self.arn = GetAtt(title, "Arn")
        trigger: dict[str, Any] = {"EventPattern": pattern} if pattern is not None else {"ScheduleExpression": schedule}
        stack.add(
            EventsRule(
                title,
                Name=stack.name(title),
                Description=does,
                EventBusName=DEFAULT_BUS,
                State="ENABLED",
                Targets=[
                    Target(
                        Id=target.title,
                        Arn=target.arn,
                        RetryPolicy=RetryPolicy(
                            MaximumRetryAttempts=DELIVERY_RETRIES, MaximumEventAgeInSeconds=DELIVERY_MAX_AGE_S
                        ),
                        DeadLetterConfig=DeadLetterConfig(Arn=dead_letters.arn),
                    )
                ],
                Tags=stack.tags(),
                **trigger,
            )
        )
        target.permit(f"{target.title}InvokedBy{title}", "events.amazonaws.com", self.arn)


def put_events(stack: Stack, *sources: str) -> Statement:
    """Return the right to put events of these sources on the default bus."""
    return policies.allow(
        "PutEvents",
        [events.PutEvents],
        [stack.arn("events", f"event-bus/{DEFAULT_BUS}")],
        conditions=[StringEquals({"events:source": sources[0] if len(sources) == 1 else list(sources)})],
    )
