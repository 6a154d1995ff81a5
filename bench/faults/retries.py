"""How soon the embedded target hands out again what a function failed on.

A queue's own visibility timeout cannot be shortened for that: it runs from the receipt, so that on a slow machine a
message would come again while its first delivery is still at work, and would look like one that failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A tag of a queue, read by `bench.emulator.queue_polling`; its value: seconds. AWS knows nothing of it.
RETRY_TAG: Final = "tickstream-bench-retry-after-s"
#: Three receives before a message is a dead letter take seconds then.
RETRY_AFTER_S: Final = 4


def retry_soon(sqs: Any, urls: Iterable[str]) -> None:
    """Have failed messages of these queues come again `RETRY_AFTER_S` after their failure.

    sqs: a boto3 client of an embedded target; of another one this changes nothing but the queues' tags.
    """
    for url in urls:
        sqs.tag_queue(QueueUrl=url, Tags={RETRY_TAG: str(RETRY_AFTER_S)})


def retry_as_deployed(sqs: Any, urls: Iterable[str]) -> None:
    """Have them come again when the queues' visibility timeouts are over, as on AWS."""
    for url in urls:
        sqs.untag_queue(QueueUrl=url, TagKeys=[RETRY_TAG])
