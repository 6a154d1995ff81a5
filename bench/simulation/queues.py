"""SQS in memory: standard and FIFO queues, behind the calls of boto3's client that the functions make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bench.simulation.decisions import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.simulation.services import Calls

DEDUPLICATION_MS: Final = 300_000
_THROTTLED: Final = "ThrottlingException"


@dataclass(slots=True, eq=False)
class Message:
    """A message. visible_ms: from when it may be received. handle: of its latest receive; an older one deletes it too.

    late: that copies of it were made which a standard queue may deliver beside it.
    """

    id: str
    body: str
    sent_ms: int
    visible_ms: int
    group: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    receives: int = 0


class Queue:
    """One queue.

    visibility_ms: how long a received message is hidden. max_receives: after so many it goes to `dead_letters`.
    on_message: told when there may be something to receive, and when.
    """

    def __init__(
        self,
        name: str,
        calls: Calls,
        *,
        fifo: bool = False,
        visibility_ms: int = 300_000,
        max_receives: int = 3,
        dead_letters: Queue | None = None,
    ) -> None:
        self.name = name
        self.fifo = fifo
        self.dead_letters = dead_letters
        self.messages: list[Message] = []
        #: What was ever sent, once each: any of it may come again.
        self.bodies: dict[str, None] = {}
        self.on_message: Callable[[int], None] = lambda _: None
        self._calls = calls
        self._visibility_ms = visibility_ms
        self._max_receives = max_receives
        self._sent = 0
        self._seen_ms: dict[tuple[str, str], int] = {}

    @property
    def url(self) -> str:
        """What the functions know it by."""
        return f"https://simulated/{self.name}"

    @property
    def arn(self) -> str:
        """What events know it by."""
        return f"arn:aws:sqs:eu-central-1:000000000000:{self.name}"

    def send(self, body: str, group: str = "", attributes: Mapping[str, Any] | None = None, delay_ms: int = 0) -> None:
        """Take a message in. A FIFO queue drops the repetition of a text within five minutes."""
        now_ms = self._calls.scheduler.now_ms
        if self.fifo:
            seen_ms = self._seen_ms.get((group, body))
            if seen_ms is not None and now_ms - seen_ms < DEDUPLICATION_MS:
                return
            self._seen_ms[group, body] = now_ms
        self._sent += 1
        self.bodies[body] = None
        message = Message(f"{self.name} {self._sent}", body, now_ms, now_ms + delay_ms, group, attributes or {})
        decision = None if self.fifo else self._calls.choices.in_delivery(f"message {message.id}")
        if decision is not None and decision.fault in {Fault.LATE, Fault.OVERTAKEN}:
            message.visible_ms += decision.amount
        self._add(message)
        if decision is not None and decision.fault is Fault.TWICE:
            self._add(Message(f"{message.id} again", body, now_ms, now_ms + decision.amount, "", attributes or {}))

    def receive(self, most: int) -> list[Message]:
        """Hand out messages that are visible, and hide them. What was received too often goes to the dead letters."""
        now_ms = self._calls.scheduler.now_ms
        received: list[Message] = []
        blocked: set[str] = set()
        for message in list(self.messages):
            if len(received) == most:
                break
            if message.visible_ms > now_ms:
                # The later ones of its group wait for it; in a standard queue each message is a group of its own.
                blocked.add(message.group)
                continue
            if self.fifo and message.group in blocked:
                continue
            if self.dead_letters is not None and message.receives >= self._max_receives:
                self.messages.remove(message)
                self.dead_letters.take_dead(message)
                continue
            message.receives += 1
            message.visible_ms = now_ms + self._visibility_ms
            received.append(message)
        return received

    def take_dead(self, message: Message) -> None:
        """Take a message of another queue, as it is."""
        message.receives = 0
        message.visible_ms = self._calls.scheduler.now_ms
        self._add(message)

    def show_again(self, messages: Sequence[Message]) -> None:
        """Say that messages are not done: they come again when they are visible."""
        for message in messages:
            if message in self.messages:
                self.on_message(message.visible_ms)

    def delete(self, handle: str) -> None:
        """Delete a message by the handle of its receive."""
        self.messages = [message for message in self.messages if message.id != handle]
        if self.fifo and self.messages:
            self.on_message(self._calls.scheduler.now_ms)  # what waited behind it may come

    def record(self, message: Message) -> dict[str, Any]:
        """Return a message as Lambda hands it over."""
        about = {"ApproximateReceiveCount": str(message.receives), "SentTimestamp": str(message.sent_ms)}
        if message.group:
            about["MessageGroupId"] = message.group
        said = {
            name: {"stringValue": value["StringValue"], "dataType": "String"}
            for name, value in message.attributes.items()
        }
        return {
            "messageId": message.id,
            "receiptHandle": message.id,
            "body": message.body,
            "attributes": about,
            "messageAttributes": said,
            "eventSourceARN": self.arn,
        }

    def _add(self, message: Message) -> None:
        self.messages.append(message)
        self.on_message(message.visible_ms)


class QueueClient:
    """boto3's client of SQS, as far as the functions use it. queues: by URL."""

    def __init__(self, queues: Mapping[str, Queue], calls: Calls) -> None:
        self._queues = queues
        self._calls = calls

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> Any:  # noqa: N803 - boto3's
        """See SQS. Torn, it fails for some entries."""
        queue = self._queues[QueueUrl]

        def send(most: int) -> Any:
            for entry in Entries[:most]:
                queue.send(
                    entry["MessageBody"],
                    entry.get("MessageGroupId", ""),
                    entry.get("MessageAttributes"),
                    entry.get("DelaySeconds", 0) * 1000,
                )
            return {"Failed": [_failed(entry["Id"]) for entry in Entries[most:]]}

        return self._calls.make(f"SendMessageBatch {queue.name}", lambda: send(len(Entries)), send)

    def delete_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> Any:  # noqa: N803
        """See SQS. Torn, it fails for some entries."""
        queue = self._queues[QueueUrl]

        def delete(most: int) -> Any:
            for entry in Entries[:most]:
                queue.delete(entry["ReceiptHandle"])
            return {"Failed": [_failed(entry["Id"]) for entry in Entries[most:]]}

        return self._calls.make(f"DeleteMessageBatch {queue.name}", lambda: delete(len(Entries)), delete)


def _failed(entry: str) -> dict[str, Any]:
    return {"Id": entry, "Code": _THROTTLED, "Message": "simulated", "SenderFault": True}
