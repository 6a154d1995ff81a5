"""What rests in a stack's queues, as SQS counts it (approximately)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tickstream_client.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs.literals import QueueAttributeNameType

    from tickstream_client.connection.stack import Stack

_OUTPUT: Final = re.compile(r"(?P<name>\w*?)(?P<dead>DeadLetter)?[Qq]ueueUrl")
_COUNTS: Final[Mapping[str, QueueAttributeNameType]] = {
    "waiting": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}
#: The queue of a stack whose output has no name before `queueUrl`.
_NAMELESS: Final = "processing"
_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 2},
    connect_timeout=3,
    read_timeout=10,
    # One connection each for all queues at once.
    max_pool_connections=16,
)


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of the stack's outputs. is_dead_letter: nothing should be in it."""

    title: str
    url: str
    is_dead_letter: bool


@dataclass(frozen=True, slots=True)
class Resting:
    """What rests in a queue: messages that wait, that are worked on, and that are to wait later."""

    queue: str
    is_dead_letter: bool
    waiting: int
    in_flight: int
    delayed: int


def queues_of(outputs: Mapping[str, str]) -> tuple[Queue, ...]:
    """Find the queues in a stack's outputs: those of work before those of what failed, that of most work first."""
    found = []
    for output, url in outputs.items():
        match = _OUTPUT.fullmatch(output)
        if match is not None:
            words = re.sub(r"(?<!^)(?=[A-Z])", " ", match["name"] or _NAMELESS).lower()
            # What file processing has parked has failed, too.
            found.append(Queue(words, url, is_dead_letter=match["dead"] is not None or words == "parked"))
    return tuple(sorted(found, key=lambda queue: (queue.is_dead_letter, queue.title != _NAMELESS, queue.title)))


class Queues:
    """The queues of one stack; none where only its API is known."""

    def __init__(self, stack: Stack) -> None:
        self.queues = queues_of(stack.outputs or {})
        self._client = stack.session.client(
            "sqs", region_name=stack.region, endpoint_url=stack.endpoint_url, config=_CONFIG
        )

    async def read(self) -> list[Resting]:
        """Count what rests in each. Raises StackError where SQS does not say."""
        return await asyncio.gather(*(asyncio.to_thread(self._read, queue) for queue in self.queues))

    def _read(self, queue: Queue) -> Resting:
        try:
            answer = self._client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=list(_COUNTS.values()))
        except ClientError as error:
            said = error.response.get("Error", {})
            raise StackError(f"queue {queue.title}: {said.get('Message') or said.get('Code')}") from error
        except BotoCoreError as error:
            raise StackError(f"queue {queue.title}: {error}") from error
        found = answer["Attributes"]
        counts = {name: int(found.get(attribute, "0")) for name, attribute in _COUNTS.items()}
        return Resting(queue.title, queue.is_dead_letter, **counts)
