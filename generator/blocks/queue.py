"""Queues: encrypted, TLS only, closed to other accounts, each with the statements its users need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from awacs import sqs
from awacs.aws import ArnEquals, Principal, Statement
from troposphere import GetAtt, Ref
from troposphere.sqs import Queue as SqsQueue
from troposphere.sqs import QueuePolicy, RedrivePolicy

from generator.blocks import policies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from generator.blocks.stack import Stack

WORK_RETENTION_S = 4 * 24 * 3600
LONGEST_RETENTION_S = 14 * 24 * 3600
LIVES_A_VISIBILITY = 6
"""As AWS asks for: a batch that is throttled can be tried again before its messages show up again."""

VISIBILITY_TIMEOUT_S = 300
CONSUMER_TIMEOUT_S = VISIBILITY_TIMEOUT_S // LIVES_A_VISIBILITY

MAX_MESSAGE_BYTES = 1_048_576


class Queue:
    """A queue, encrypted with SQS's own key, that refuses everything outside TLS or from other accounts.

    SQS's own key, or one of the customer's own: EventBridge cannot write under the AWS-managed KMS key of SQS.

    Args:
        stack: what it is added to.
        title: logical id; the physical name is `TITLE-ENV`, of a FIFO queue `TITLE-ENV.fifo`.
        base: for another physical name, `BASE-ENV`.
        fifo: whether messages of a group stay in order. A message with the text of an earlier one of its group is
            dropped for five minutes; throughput is high, because neither limit is shared between groups.
        retention_s: how long a message stays.
        visibility_timeout_s: how long a received message is hidden from others: `LIVES_A_VISIBILITY` times as long as
            its consumer may take.
        dead_letters: where a message goes after `max_receives` receives without a delete.
        max_receives: a number or a parameter; needed with `dead_letters`.
        dead_letters_of: base of the only queue that may use this one as its dead-letter queue (a FIFO queue's is a
            FIFO queue). Without it no queue may; functions and rules send through their own permissions instead.
        senders: statements of the queue's policy that let AWS services send.

    """

    def __init__(
        self,
        stack: Stack,
        title: str,
        *,
        base: str | None = None,
        fifo: bool = False,
        retention_s: int,
        visibility_timeout_s: int = VISIBILITY_TIMEOUT_S,
        dead_letters: Queue | None = None,
        max_receives: Any = None,
        dead_letters_of: str | None = None,
        senders: Sequence[Statement] = (),
    ) -> None:
        self.title = title
        self.physical_name = _name(stack, base or title, fifo=fifo)
        self.arn_by_name = stack.arn("sqs", self.physical_name)
        self.url = Ref(title)
        self.arn = GetAtt(title, "Arn")
        self.visibility_timeout_s = visibility_timeout_s
        redrive: dict[str, Any] = {}
        if dead_letters is not None:
            redrive["RedrivePolicy"] = RedrivePolicy(deadLetterTargetArn=dead_letters.arn, maxReceiveCount=max_receives)
        elif dead_letters_of is not None:
            redrive["RedriveAllowPolicy"] = {
                "redrivePermission": "byQueue",
                "sourceQueueArns": [stack.arn("sqs", _name(stack, dead_letters_of, fifo=fifo))],
            }
        else:
            redrive["RedriveAllowPolicy"] = {"redrivePermission": "denyAll"}
        ordered: dict[str, Any] = {}
        if fifo:
            ordered = {
                "FifoQueue": True,
                "ContentBasedDeduplication": True,
                "DeduplicationScope": "messageGroup",
                "FifoThroughputLimit": "perMessageGroupId",
            }
        stack.add(
            SqsQueue(
                title,
                QueueName=self.physical_name,
                MessageRetentionPeriod=retention_s,
                VisibilityTimeout=visibility_timeout_s,
                MaximumMessageSize=MAX_MESSAGE_BYTES,
                SqsManagedSseEnabled=stack.with_own_key(value=False, otherwise=True),
                KmsMasterKeyId=stack.own_key(),
                Tags=stack.tags(),
                DeletionPolicy="Delete",
                UpdateReplacePolicy="Delete",
                **redrive,
                **ordered,
            )
        )
        stack.add(
            QueuePolicy(
                f"{title}Policy",
                Queues=[Ref(title)],
                PolicyDocument=policies.document(
                    [
                        policies.deny_insecure_transport(
                            [sqs.Action("*")], [self.arn_by_name], principal=Principal("*")
                        ),
                        policies.deny_strangers([sqs.Action("*")], [self.arn_by_name]),
                        *senders,
                    ]
                ),
            )
        )

    def send(self) -> Statement:
        """Return the right to send to this queue (SendMessageBatch is the same action)."""
        return policies.allow(f"SendTo{self.title}", [sqs.SendMessage], [self.arn_by_name])

    def consume(self) -> Statement:
        """Return what Lambda's poller needs, under the function's role, to receive from this queue."""
        return policies.allow(
            f"Consume{self.title}",
            [sqs.ReceiveMessage, sqs.DeleteMessage, sqs.GetQueueAttributes],
            [self.arn_by_name],
        )


def _name(stack: Stack, base: str, *, fifo: bool) -> str:
    """Return a queue's physical name; SQS wants the suffix on FIFO queues."""
    return stack.name(base) + (".fifo" if fifo else "")


def dead_letter_queue(
    stack: Stack,
    title: str,
    *,
    base: str | None = None,
    of: str | None = None,
    fifo: bool = False,
    senders: Sequence[Statement] = (),
) -> Queue:
    """Add and return a dead-letter queue, which keeps messages for 14 days.

    From when they were first sent, where SQS moves them out of a standard queue: of that one's retention they may have
    used everything, so that 10 of the 14 days are sure. A FIFO queue counts anew, and so does whoever sends (Lambda,
    EventBridge, the recorder).

    It has no dead-letter queue of its own: what consumes it may fail for ever, and loses nothing before they are over.
    Lambda and EventBridge take no FIFO one; a FIFO queue (`of`) takes no other.
    """
    return Queue(
        stack,
        title,
        base=base,
        fifo=fifo,
        retention_s=LONGEST_RETENTION_S,
        dead_letters_of=of,
        senders=senders,
    )


def max_receives(stack: Stack) -> Ref:
    """Add the parameter for the receives that a queue's messages have, and return its value."""
    return Ref(
        stack.number(
            "MaxReceiveCount",
            3,
            minimum=1,
            maximum=1000,
            text="Receives before a message goes to the dead-letter queue; 5 where throttling is likely",
        )
    )


def rule_dead_letter_queue(stack: Stack, title: str, rules: Sequence[str]) -> Queue:
    """Add and return the queue for events that EventBridge could not deliver; only the named rules may send."""
    sources = [stack.arn("events", f"rule/{stack.name(rule)}") for rule in rules]
    undelivered = policies.allow(
        "AllowUndeliveredEvents",
        [sqs.SendMessage],
        [stack.arn("sqs", stack.name(title))],
        principal=Principal("Service", "events.amazonaws.com"),
        conditions=[ArnEquals({"aws:SourceArn": sources})],
    )
    return dead_letter_queue(stack, title, senders=[undelivered])
