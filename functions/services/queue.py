"""Sending to a queue in batches, within its limits, until each message is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from services import clients
from services.batching import batches
from services.deadlines import Deadline, attempts
from services.failures import explanation, is_transient
from tickstream.errors import ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mypy_boto3_sqs import SQSClient

#: A batch: 10 entries. SQS takes 1 MiB a batch today; 256 KB keep a batch cheap to send again and was the limit of
#: all regions before. A message that is larger than that travels alone.
MAX_ENTRIES_A_BATCH: Final = 10
MAX_BATCH_BYTES: Final = 256 * 1024
MAX_MESSAGE_BYTES: Final = 1024 * 1024


class Queue:
    """One queue, for one invocation.

    url: the queue's URL.
    deadline: until when failed entries are sent again.
    client: the process's own unless given.
    """

    def __init__(self, url: str, deadline: Deadline, client: SQSClient | None = None) -> None:
        self.url = url
        self._deadline = deadline
        self._client = client or clients.sqs()

    def send(self, bodies: Iterable[str], *, group: str = "", attributes: Mapping[str, str] | None = None) -> int:
        """Send each body as one message, at least once, and return how many there were.

        group: the message group, where the queue is FIFO. What failed is sent again after what did not fail: bodies
        of one call whose order counts must not be more than one.
        attributes: message attributes of each of them, as text.

        Raises ServiceIncomplete when some could not be sent in time, ServiceRefused where no retry would help; any of
        them may have been sent then.
        """
        about: dict[str, Any] = {}
        if group:
            about["MessageGroupId"] = group
        if attributes:
            about["MessageAttributes"] = {
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            }
        count = 0
        for batch in message_batches(bodies):
            self._send_batch(batch, about)
            count += len(batch)
        return count

    def _send_batch(self, bodies: tuple[str, ...], about: Mapping[str, Any]) -> None:
        doing = f"SQS SendMessageBatch to {self.url}"
        waiting: dict[str, str] = {str(position): body for position, body in enumerate(bodies)}
        for _ in attempts(self._deadline, doing):
            entries: Any = [{"Id": entry, "MessageBody": body, **about} for entry, body in waiting.items()]
            try:
                answer = self._client.send_message_batch(QueueUrl=self.url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                # A lost answer means that the messages may be in already: sent twice, they change nothing.
                if not is_transient(error):
                    raise explanation(error, doing) from error
                continue
            failed = answer.get("Failed", [])
            for entry in failed:
                if entry.get("SenderFault"):
                    raise ServiceRefused(f"{doing}: {entry.get('Code')}: {entry.get('Message')}")
            waiting = {entry["Id"]: waiting[entry["Id"]] for entry in failed}
            if not waiting:
                break


def message_batches(bodies: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Group bodies into batches within the limits, in order. Raises ServiceRefused for one that no message holds."""
    return batches(map(_measured, bodies), max_entries=MAX_ENTRIES_A_BATCH, max_bytes=MAX_BATCH_BYTES)


def _measured(body: str) -> tuple[str, int]:
    size_bytes = len(body.encode())
    if size_bytes > MAX_MESSAGE_BYTES:
        raise ServiceRefused(f"a message of {size_bytes} bytes is beyond SQS's {MAX_MESSAGE_BYTES}")
    return body, size_bytes
