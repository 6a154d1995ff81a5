"""Looking at dead messages, which changes nothing, and putting them back to work.

One way for all queues, and not SQS's own redrive: that knows nothing of events that functions were invoked with, and
takes what is not the pipeline's along. However many messages stand there, no more than a few are held at a time, apart
from those that stay.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from botocore.exceptions import BotoCoreError, ClientError

from bench.errors import TargetError
from bench.redrive.dead_letters import DeadLetter, ToQueue, excerpt, why
from tickstream.errors import MalformedItem

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

    from bench.redrive.dead_letters import Message
    from bench.redrive.pace import Pace
    from bench.redrive.queues import DeadQueue
    from bench.targets import Target

#: A message is out of sight for so long when it is received; it is shown again earlier, unless the process is killed.
HIDDEN_S: Final = 120
#: SQS hands out and takes no more in one request.
_BATCH: Final = 10
#: So many messages are looked at without putting them back.
LOOKED_AT_MOST: Final = 1_000
#: So many may stay before the rest of a queue is left alone: somebody has to look into it first.
STAY_MOST: Final = 10_000
_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Survey:
    """What stands in a queue.

    messages: how many. looked_at: of how many the following is said. oldest_s: the age of the oldest, None where none
    was looked at. good: how many can be put back. examples: some of these, in words. stay: those that cannot.
    """

    messages: int
    looked_at: int
    oldest_s: float | None
    good: int
    examples: tuple[str, ...]
    stay: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Redriven:
    """What was done with a queue.

    before, after: messages in it. put_back: how many are at work again. stay: each of those that could not be put
    back, with the reason.
    """

    queue: str
    before: int
    put_back: int
    after: int
    stay: tuple[str, ...]


def look(target: Target, queue: DeadQueue) -> Survey:
    """Look at what stands in a queue; all of it is where it was when this returns. Raises TargetError."""
    good, examples, stay = 0, list[str](), list[str]()
    oldest_ms: int | None = None
    with _said_in_one_line(queue), _OutOfSight(target, queue) as messages:
        total = depth(target, queue.url)
        for batch in messages.batches(at_most=LOOKED_AT_MOST):
            for message in batch:
                sent_ms = _sent_ms(message)
                oldest_ms = sent_ms if oldest_ms is None else min(oldest_ms, sent_ms)
                dead_letter = _dead_letter(queue, message)
                if isinstance(dead_letter, str):
                    stay.append(dead_letter)
                    continue
                good += 1
                if len(examples) < _EXAMPLES:
                    reason = why(message) or f"see the log of {queue.failed}"
                    examples.append(f"{excerpt(dead_letter.about)}: {reason}")
    oldest_s = None if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1000)
    return Survey(total, good + len(stay), oldest_s, good, tuple(examples), tuple(stay))


def redrive(
    target: Target,
    queues: Mapping[str, DeadQueue],
    only: Container[str] | None = None,
    tell: Callable[[str, int, int], None] | None = None,
    pace: Pace | None = None,
) -> tuple[Redriven, ...]:
    """Put back to work what stands in these queues (by name) now; what comes meanwhile stays for the next time.

    only: the ids of the ingests or files whose messages are meant; None for all. tell: gets, after each step, a queue's
    name, how many of its messages were put back and how many stood there. pace: of all queues together; None: as fast
    as they are taken.

    Each message is sent before it is deleted, so an interrupt loses none; those that stay are in sight again
    afterwards. Raises TargetError where the target does not answer: what was put back until then is at work.
    """
    done = []
    for name, queue in queues.items():
        with _said_in_one_line(queue):
            done.append(_redrive(target, name, queue, only=only, tell=tell, pace=pace))
    return tuple(done)


def _redrive(
    target: Target,
    name: str,
    queue: DeadQueue,
    *,
    only: Container[str] | None,
    tell: Callable[[str, int, int], None] | None,
    pace: Pace | None,
) -> Redriven:
    began_ms = time.time_ns() // 10**6
    put_back, stay = 0, list[str]()
    #: Why a destination takes nothing: its client has asked it several times, asking for each message is of no use.
    refusals: dict[str, str] = {}

    def send(due: tuple[Message, DeadLetter]) -> str:
        if pace is not None:
            pace.wait()
        return _send(target, due[1])

    with _OutOfSight(target, queue) as messages, ThreadPoolExecutor(_BATCH) as pool:
        before = depth(target, queue.url)
        for batch in messages.batches(at_most=STAY_MOST):
            due: list[tuple[Message, DeadLetter]] = []
            for message in batch:
                dead_letter = _dead_letter(queue, message)
                if isinstance(dead_letter, str):
                    stay += [dead_letter] if only is None else []
                elif only is None or any(one in only for one in dead_letter.ids):
                    refusal = refusals.get(dead_letter.way.destination, "")
                    if _sent_ms(message) > began_ms:
                        # Otherwise a message whose cause is not cured would go round for ever.
                        refusal = "came while this went on; is its cause cured?"
                    if refusal:
                        stay.append(f"{excerpt(dead_letter.about)}: {refusal}")
                    else:
                        due.append((message, dead_letter))
            sent = []
            answers = pool.map(send, due)
            for (message, dead_letter), refusal in zip(due, answers, strict=True):
                if refusal:
                    refusals[dead_letter.way.destination] = refusal
                    stay.append(f"{excerpt(dead_letter.about)}: {refusal}")
                else:
                    sent.append(message)
            undeleted = messages.delete(sent)
            put_back += len(sent)
            stay += ["a message was put back, but SQS did not delete it: it will be put back again"] * undeleted
            if tell is not None:
                tell(name, put_back, before)
    return Redriven(name, before, put_back, depth(target, queue.url), tuple(stay))


def depth(target: Target, url: str) -> int:
    """Return how many messages a queue holds, those out of sight among them."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = target.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


class _OutOfSight:
    """Messages of a queue that were received and are still there; leaving shows them again, however it is left."""

    def __init__(self, target: Target, queue: DeadQueue) -> None:
        self._client = target.client("sqs")
        self._url = queue.url
        #: Receipt of each message by its id.
        self._receipts: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        receipts = list(self._receipts.values())
        for start in range(0, len(receipts), _BATCH):
            entries = [
                {"Id": str(place), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for place, receipt in enumerate(receipts[start : start + _BATCH])
            ]
            # Failed entries are of messages that are in sight already.
            self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def batches(self, *, at_most: int) -> Iterator[list[Message]]:
        """Yield what the queue hands out, each message once, until it has no more or so many are held.

        A FIFO queue hands out nothing of a group behind a message that stays; it is the next one's turn then.
        """
        while len(self._receipts) < at_most:
            messages = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=HIDDEN_S,
                # Without waiting SQS asks some of its servers only, and an empty answer means nothing.
                WaitTimeSeconds=1,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp"],
            ).get("Messages", [])
            if not messages:
                return
            new = [message for message in messages if message["MessageId"] not in self._receipts]
            self._receipts |= {message["MessageId"]: message["ReceiptHandle"] for message in messages}
            yield new

    def delete(self, messages: list[Message]) -> int:
        """Delete messages; return how many are still there nevertheless."""
        if not messages:
            return 0
        entries = [
            {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]} for place, message in enumerate(messages)
        ]
        answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        for entry in answer.get("Successful", []):
            del self._receipts[messages[int(entry["Id"])]["MessageId"]]
        return len(answer.get("Failed", []))


def _dead_letter(queue: DeadQueue, message: Message) -> DeadLetter | str:
    """Read a message; a text says why it stays."""
    try:
        return queue.read(message)
    except (MalformedItem, ValueError, RecursionError) as error:
        return f"message {message['MessageId']}, {excerpt(message['Body'])!r}: {excerpt(str(error))}"


def _send(target: Target, dead_letter: DeadLetter) -> str:
    """Send a dead letter on its way; return why it was refused, empty where it was not."""
    way = dead_letter.way
    try:
        if isinstance(way, ToQueue):
            group = {"MessageGroupId": way.group} if way.group else {}
            target.client("sqs").send_message(QueueUrl=way.url, MessageBody=way.body, **group)
        else:
            target.client("lambda").invoke(FunctionName=way.name, InvocationType="Event", Payload=way.event.encode())
    except ClientError as error:
        return f"{way.destination} does not take it: {excerpt(str(error))}"
    return ""


def _sent_ms(message: Mapping[str, Any]) -> int:
    return int(message["Attributes"]["SentTimestamp"])


@contextmanager
def _said_in_one_line(queue: DeadQueue) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise TargetError(f"the queue {queue.url}: {error}") from error
