"""Putting parked messages back to work, once what stopped them is cured.

A message is sent before it is taken out of the parked queue: who dies in between redrives it again, with the same
body, which the queue drops or the stages find done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from bench.errors import BenchError
from bench.file_processing.state import queued
from tickstream.errors import MalformedItem
from tickstream.files import decode_pointer, encode_pointer, redriven

if TYPE_CHECKING:
    from collections.abc import Container

    from bench.file_processing.state import QueuedMessage
    from bench.targets import Target

_VALIDATOR = "validator"


@dataclass(frozen=True, slots=True)
class Redriven:
    """One message that was put back to work. `origin`: the queue or the function that has it again."""

    file_ids: tuple[str, ...]
    origin: str


def redrive_parked(target: Target, parked_queue_url: str, only: Container[str] | None = None) -> tuple[Redriven, ...]:
    """Put parked messages back to where they failed, as a new attempt; returns what was put back.

    only: the ids of the files whose messages are meant; None for all. A message that cannot be put back stays parked.

    Raises BenchError, which names the message; those before it have been put back, those after it are out of sight
    for a minute.
    """
    client, done = target.client("sqs"), []
    # Out of sight while this goes on, whichever they are; those that stay are shown again at its end.
    for message in list(queued(target, parked_queue_url)):
        wanted = only is None or any(file_id in only for file_id in message.file_ids)
        if wanted:
            _send(target, message)
            client.delete_message(QueueUrl=parked_queue_url, ReceiptHandle=message.receipt)
            done.append(Redriven(message.file_ids, message.origin))
        else:
            client.change_message_visibility(
                QueueUrl=parked_queue_url, ReceiptHandle=message.receipt, VisibilityTimeout=0
            )
    return tuple(done)


def _send(target: Target, message: QueuedMessage) -> None:
    try:
        if message.stage == _VALIDATOR:
            # An asynchronous event, verbatim: the validator finds by its file's status that this is a new attempt.
            target.client("lambda").invoke(
                FunctionName=message.origin, InvocationType="Event", Payload=message.body.encode()
            )
            return
        # A new attempt has a body of its own: otherwise the queue might take it for a repetition and drop it.
        body = encode_pointer(redriven(decode_pointer(message.body)))
        client = target.client("sqs")
        url = client.get_queue_url(QueueName=message.origin)["QueueUrl"]
        client.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=message.group)
    except (BotoCoreError, ClientError, MalformedItem) as error:
        raise BenchError(f"message {message.message_id} of {message.origin!r} cannot be put back: {error}") from error
