"""Adds each tick to the bar of its symbol and minute."""

import os
from datetime import datetime
from decimal import Decimal
from typing import Any

import boto3

bars = boto3.resource("dynamodb").Table(os.environ["BARS_TABLE"])


def minute_of(timestamp: str) -> int:
    """Return the minute of a timestamp, nanoseconds or ISO 8601."""
    if timestamp.isdigit():
        return int(timestamp) // 60_000_000_000
    return int(datetime.fromisoformat(timestamp).timestamp()) // 60


def handler(event: Any, _context: Any) -> None:
    """Take an event of one tick."""
    tick = event["detail"]
    price, size = Decimal(tick["price"]), Decimal(tick["size"])
    key = {"symbol": tick["symbol"], "minute": minute_of(tick["timestamp"])}
    bar: dict[str, Any] = bars.get_item(Key=key).get("Item", {})
    bars.update_item(
        Key=key,
        UpdateExpression="SET high = :high, low = :low, #last = :price ADD volume :size, ticks :one",
        ExpressionAttributeNames={"#last": "close"},
        ExpressionAttributeValues={
            ":high": max(price, bar.get("high", price)),
            ":low": min(price, bar.get("low", price)),
            ":price": price,
            ":size": size,
            ":one": 1,
        },
    )
