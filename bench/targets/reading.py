"""Reads of a target's services that every pipeline's bench makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench.errors import ReadBackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TRIES: Final = 20


def queue_depth(sqs: Any, url: str) -> tuple[int, int]:
    """Return how many messages of a queue are visible or will be after their delay, and how many are out of sight."""
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
    ]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    visible, delayed, in_flight = (int(attributes.get(name, 0)) for name in names)
    return visible + delayed, in_flight


def read_items(dynamodb: Any, table: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Read items of one table by BatchGetItem, those that DynamoDB left unread too.

    request: `Keys` (a hundred at most) and what else holds for them. Raises ReadBackError where some stay unread.
    """
    asked: dict[str, Any] = {table: dict(request)}
    for _ in range(_TRIES):
        answer = dynamodb.batch_get_item(RequestItems=asked)
        yield from answer["Responses"].get(table, [])
        asked = answer.get("UnprocessedKeys") or {}
        if not asked:
            return
    raise ReadBackError(f"DynamoDB left keys unread {_TRIES} times in a row")
