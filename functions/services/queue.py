"""Sending to a queue in batches, within its limits, until each message is in; and putting back what was not begun.

SQS counts each receive of a message and moves it to the dead-letter queue after some, whoever was to blame: what was
received with others, and not begun because they took all the time or killed the function, counts like what failed.
So such a message is **put back**: sent again, as a new message that counts from nothing, then deleted.

- Died between the two: it is there twice. Only for work that may be done twice at no harm, such as ranges.
- Sent twice, because an answer got lost: the same.
- A FIFO queue is none for this: the copy would come after its successors, and be dropped as a repetition.
- It ends: a copy says how often its message was put back and how often it was tried before, and from a number on it
  is returned and counts (`History.may_be_put_back`). Each time somebody else's work was begun, or some time passed.

What was begun and is **unfinished**, because a service throttles or the invocation's time ends, goes back the same way;
its copy says what is done already, in words that are its consumer's own. That has a bound of its own
(`History.may_be_finished_later`), since a backlog of days throttles for days.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from services import clients
from services.batching import batches
from services.deadlines import Deadline, attempts
from services.failures import explanation, is_transient, passes_by_itself
from tickstream.errors import ServiceIncomplete, ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_sqs import SQSClient

#: A batch: 10 entries. SQS takes 1 MiB a batch today; 256 KB keep a batch cheap to send again and was the limit of
#: all regions before. A message that is larger than that travels alone.
MAX_ENTRIES_A_BATCH: Final = 10
MAX_BATCH_BYTES: Final = 256 * 1024
MAX_MESSAGE_BYTES: Final = 1024 * 1024

#: A thousand files of half a minute that arrive together have each other put back some thirty times.
MAX_PUT_BACKS: Final = 100
#: An invocation of three quarters of a minute and a pause each: a day and a half in which nothing can be done at all.
#: Where many wait, each has its turn more rarely, and it is many days.
MAX_UNFINISHED: Final = 1_000
#: Copies count receives from nothing: one that fails each time it is begun is tried so often at most, and then as often
#: as its queue says.
MAX_TRIES_CARRIED: Final = 3
#: Whoever puts back has other work to do: it is given up after this, and the message counts as received.
PUT_BACK_S: Final = 5.0

_PUT_BACKS: Final = "putBacks"
_TRIES: Final = "tries"
_UNFINISHED: Final = "unfinished"
_DONE: Final = "done"
_COUNT_DIGITS: Final = 6

#: A message as Lambda hands it over.
type Record = Mapping[str, Any]

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a message: what its earlier deliveries came to.

    put_backs: how often it was put back. tries: how often it was received without success. unfinished: how often it was
    put back half done. done: what its consumer says of what is done, empty where nothing is.
    """

    put_backs: int = 0
    tries: int = 0
    unfinished: int = 0
    done: str = ""

    @classmethod
    def of(cls, record: Record) -> Self:
        """Read it. Attributes that this code did not write count for nothing, and nothing is raised."""
        said = record.get("messageAttributes") or {}
        received = _count((record.get("attributes") or {}).get("ApproximateReceiveCount"))

        def text(name: str) -> object:
            return (said.get(name) or {}).get("stringValue")

        tries = _count(text(_TRIES)) + max(0, received - 1)
        return cls(_count(text(_PUT_BACKS)), tries, _count(text(_UNFINISHED)), str(text(_DONE) or ""))

    @property
    def may_be_put_back(self) -> bool:
        """Whether it may come again without that this counts."""
        return self.put_backs < MAX_PUT_BACKS and self.tries < MAX_TRIES_CARRIED

    @property
    def may_be_finished_later(self) -> bool:
        """Whether it may come again half done without that this counts."""
        return self.unfinished < MAX_UNFINISHED

    def put_back(self) -> Self:
        """Return what is known of the copy of a message that was not begun."""
        return replace(self, put_backs=self.put_backs + 1)

    def left_unfinished(self, done: str) -> Self:
        """Return what is known of the copy of one that is half done; done: what is."""
        return replace(self, unfinished=self.unfinished + 1, done=done)

    def attributes(self) -> dict[str, str]:
        """Return what a message of this history says; SQS takes no empty text."""
        said = {_PUT_BACKS: str(self.put_backs), _TRIES: str(self.tries)}
        return said | ({_UNFINISHED: str(self.unfinished), _DONE: self.done} if self.done else {})


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
        about: dict[str, Any] = {"MessageGroupId": group} if group else {}
        about |= _attributes(attributes or {})
        count = 0
        for batch in message_batches(bodies):
            self._send_batch([{"MessageBody": body, **about} for body in batch], self._deadline)
            count += len(batch)
        return count

    def put_back(self, records: Iterable[Record], delay_s: int = 0, done: str = "") -> dict[str, str]:
        """Have messages of this queue come again as if they had not been received: sent again, then deleted.

        delay_s: after so many seconds, 900 at most. done: what their copies say of what is done; empty where they were
        not begun: then they say what they said before.

        Returns those that could not be sent, by id, with the reason, for the caller to return as failed: they count as
        received. It raises nothing of the service's. One that was sent but not deleted is there twice, and that only
        if the caller dies: otherwise it is deleted as done.
        """
        deadline = Deadline.after(min(PUT_BACK_S, self._deadline.remaining_s()))
        undone: dict[str, str] = {}
        due: list[tuple[Record, int]] = []
        for record in records:
            history = History.of(record)
            if history.may_be_finished_later if done else history.may_be_put_back:
                due.append((record, len(str(record["body"]).encode())))
            else:
                undone[record["messageId"]] = "put back or tried too often"
        for batch in batches(due, max_entries=MAX_ENTRIES_A_BATCH, max_bytes=MAX_BATCH_BYTES):
            copies = [
                {
                    "MessageBody": record["body"],
                    "DelaySeconds": delay_s,
                    **_attributes(_next(record, done).attributes()),
                }
                for record in batch
            ]
            try:
                self._send_batch(copies, deadline)
            except (ServiceIncomplete, ServiceRefused) as error:
                undone |= {record["messageId"]: str(error) for record in batch}
            else:
                self._delete_batch(batch, deadline)
        return undone

    def delete(self, records: Iterable[Record]) -> None:
        """Delete messages that are done; raises nothing of the service's: what is not deleted is done again."""
        deadline = Deadline.after(min(PUT_BACK_S, self._deadline.remaining_s()))
        for batch in batches(
            ((record, 0) for record in records), max_entries=MAX_ENTRIES_A_BATCH, max_bytes=MAX_BATCH_BYTES
        ):
            self._delete_batch(batch, deadline)

    def _delete_batch(self, records: Sequence[Record], deadline: Deadline) -> None:
        doing = f"SQS DeleteMessageBatch on {self.url}"
        waiting = {str(position): record for position, record in enumerate(records)}
        try:
            for _ in attempts(deadline, doing):
                waiting = self._delete_some(waiting, doing)
                if not waiting:
                    break
        except (ServiceIncomplete, ServiceRefused):
            ids = [record["messageId"] for record in waiting.values()]
            logger.warning("messages not deleted: they may come again", extra={"message_ids": ids}, exc_info=True)

    def _delete_some(self, waiting: dict[str, Record], doing: str) -> dict[str, Record]:
        """Ask once to delete messages; return those that are to be asked for again. Raises ServiceRefused."""
        entries: Any = [{"Id": name, "ReceiptHandle": one["receiptHandle"]} for name, one in waiting.items()]
        try:
            answer = self._client.delete_message_batch(QueueUrl=self.url, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            if not is_transient(error):
                raise explanation(error, doing) from error
            return waiting
        failed = {entry["Id"]: str(entry.get("Code")) for entry in answer.get("Failed", [])}
        if refused := sorted(code for code in failed.values() if not passes_by_itself(code)):
            raise ServiceRefused(f"{doing}: {refused[0]}")
        return {name: waiting[name] for name in failed}

    def _send_batch(self, messages: Sequence[Mapping[str, Any]], deadline: Deadline) -> None:
        doing = f"SQS SendMessageBatch to {self.url}"
        waiting = {str(position): message for position, message in enumerate(messages)}
        for _ in attempts(deadline, doing):
            entries: Any = [{"Id": entry, **message} for entry, message in waiting.items()]
            try:
                answer = self._client.send_message_batch(QueueUrl=self.url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                # A lost answer means that the messages may be in already: sent twice, they change nothing.
                if not is_transient(error):
                    raise explanation(error, doing) from error
                continue
            failed = answer.get("Failed", [])
            for entry in failed:
                # The code decides first: a throttled key is the sender's fault to SQS, and passes all the same.
                if entry.get("SenderFault") and not passes_by_itself(str(entry.get("Code"))):
                    raise ServiceRefused(f"{doing}: {entry.get('Code')}: {entry.get('Message')}")
            waiting = {entry["Id"]: waiting[entry["Id"]] for entry in failed}
            if not waiting:
                break


def _next(record: Record, done: str) -> History:
    history = History.of(record)
    return history.left_unfinished(done) if done else history.put_back()


def url_of_source(records: Sequence[Record], urls: Iterable[str]) -> str | None:
    """Return from which of these queues a batch came; None where it is none of them. A batch is of one queue."""
    names = {str(record.get("eventSourceARN", "")).rpartition(":")[2] for record in records}
    return next((url for url in urls if names == {url.rpartition("/")[2]}), None)


def _attributes(texts: Mapping[str, str]) -> dict[str, Any]:
    if not texts:
        return {}
    return {"MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in texts.items()}}


def _count(text: object) -> int:
    if not isinstance(text, str) or not (text.isascii() and text.isdigit() and len(text) <= _COUNT_DIGITS):
        return 0
    return int(text)


def message_batches(bodies: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Group bodies into batches within the limits, in order. Raises ServiceRefused for one that no message holds."""
    return batches(map(_measured, bodies), max_entries=MAX_ENTRIES_A_BATCH, max_bytes=MAX_BATCH_BYTES)


def _measured(body: str) -> tuple[str, int]:
    size_bytes = len(body.encode())
    if size_bytes > MAX_MESSAGE_BYTES:
        raise ServiceRefused(f"a message of {size_bytes} bytes is beyond SQS's {MAX_MESSAGE_BYTES}")
    return body, size_bytes
