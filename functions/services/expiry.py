"""Time to live, by the clock: an item whose time has passed is not there, whether DynamoDB has deleted it yet or not.

DynamoDB deletes what has expired within days, item by item in any order: of one ingest some items would be gone and
others not. So both tables hide expired items from every read and from every condition.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tickstream.items import Item


def clock_s() -> int:
    """Return the epoch second."""
    return int(time.time())


def is_live(item: Item, attribute: str, now_s: int) -> bool:
    """Say whether an item has not expired; one without the attribute never does. now_s: epoch seconds."""
    expires_at = item.get(attribute, {}).get("N")
    return expires_at is None or int(expires_at) > now_s
