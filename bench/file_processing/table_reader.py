"""Reading back what file processing left: statuses, dead letters, parked messages.

The bench may Scan; the pipeline may not. Items are read with the pipeline's own codec (an item that it cannot read is
an error here too), what they say is then judged by `bench.file_processing.compare`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from bench.errors import ReadBackError
from tickstream.errors import TickstreamError
from tickstream.status_items import is_statistics, statistics_from, status_from
from tickstream.symbol_statistics import unpack_statistics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.targets import Target
    from tickstream.file_status import FileStatus


@dataclass(frozen=True, slots=True)
class StoredStatus:
    """One status item: as the pipeline reads it, and when DynamoDB is told to delete it (epoch seconds)."""

    status: FileStatus
    expiration_s: int


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """One message at rest in a dead-letter or parked queue.

    file_ids: the files that it is about; empty where nobody can say.
    origin, stage, group: what the recorder says about a parked message.
    """

    file_ids: tuple[str, ...]
    body: str
    origin: str
    stage: str
    group: str
    message_id: str
    receipt: str


def read_statuses(target: Target, table: str) -> dict[str, StoredStatus]:
    """Read every status, by file id. Raises ReadBackError if an item is not what the pipeline writes.

    Statistics are read only to see that they can be: what they add up to stands in the status.
    """
    pages = target.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    statuses = {}
    for page in pages:
        for item in page["Items"]:
            try:
                if is_statistics(item):
                    unpack_statistics(statistics_from(item))
                    continue
                file_id = str(item["fileId"]["S"])
                stored = StoredStatus(status_from(item), int(item["expirationTime"]["N"]))
            except (KeyError, ValueError, TickstreamError) as error:
                raise ReadBackError(f"the table holds what the pipeline does not write: {error}") from error
            if file_id != stored.status.file_id:
                raise ReadBackError(f"the item of {file_id} describes {stored.status.file_id}")
            statuses[file_id] = stored
    return statuses


def queued(target: Target, url: str, *, hide_s: int = 60) -> Iterator[QueuedMessage]:
    """Yield what a queue holds, each message once; they stay, out of sight for so many seconds."""
    client, seen = target.client("sqs"), set()
    while messages := client.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=hide_s,
        WaitTimeSeconds=0,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["MessageGroupId"],
    ).get("Messages", []):
        for message in messages:
            if message["MessageId"] not in seen:
                seen.add(message["MessageId"])
                yield _queued(message)


def _queued(message: Mapping[str, Any]) -> QueuedMessage:
    said = {name: str(value["StringValue"]) for name, value in message.get("MessageAttributes", {}).items()}
    return QueuedMessage(
        file_ids=file_ids_of(message["Body"]),
        body=message["Body"],
        origin=said.get("origin", ""),
        stage=said.get("stage", ""),
        group=said.get("group") or message.get("Attributes", {}).get("MessageGroupId", ""),
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
    )


def file_ids_of(body: str) -> tuple[str, ...]:
    """The files that a message is about, be it the pipeline's own or an event of S3; none where it is neither."""
    try:
        fields = json.loads(body)
        if "Records" in fields:
            places = [record["s3"] for record in fields["Records"]]
            return tuple(f"{place['bucket']['name']}/{unquote_plus(place['object']['key'])}" for place in places)
        return (str(fields["fileId"]),)
    except (ValueError, KeyError, TypeError):
        # Somebody's poison: no file's, and the check that counts it says so.
        return ()
