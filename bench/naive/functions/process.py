"""Stores each tick under its symbol and timestamp, and says so in an event."""

import json
import os
from decimal import Decimal
from typing import Any

import boto3

ticks = boto3.resource("dynamodb").Table(os.environ["TICKS_TABLE"])
events = boto3.client("events")


def handler(event: Any, _context: Any) -> None:
    """Take a batch of messages, a tick each."""
    for record in event["Records"]:
        tick = json.loads(record["body"])
        ticks.put_item(
            Item={
                "symbol": tick["symbol"],
                "timestamp": tick["timestamp"],
                "price": Decimal(tick["price"]),
                "size": Decimal(tick["size"]),
            }
        )
        detail = json.dumps({name: tick[name] for name in ("symbol", "timestamp", "price", "size")})
        entry = {"Source": os.environ["EVENT_SOURCE"], "DetailType": "TickStored", "Detail": detail}
        if events.put_events(Entries=[entry])["FailedEntryCount"]:  # type: ignore[list-item] # its own TypedDict
            raise RuntimeError("the event was not taken")
