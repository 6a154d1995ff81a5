"""The lists by which an ingest is found that nobody knows the id of: by its key, its hour, and what became of it.

| list | `symbol` | who writes it, and when |
|---|---|---|
| of a key | `key#HASH` | DataIngestion, behind the manifest and before any message |
| of an hour | `arrived#HOUR#SHARD` | the same, and with a POST's manifest |
| refused | `refused#DAY#SHARD` | whoever refuses: DataIngestion, DataIndexer, DataProcessor |
| being indexed | `indexing#DAY#SHARD` | DataIngestion, before it orders the index |
| taken back | `retracted#DAY#SHARD` | whoever takes an ingest back |

An entry says no more than which ingest it is, and when that came: hour, day and sort key are those of its arrival, in
every list. What became of it its own items say. So an entry is the same whoever writes it, however often and however
late, and none is ever changed: one of an ingest that is not refused after all, or not being indexed any more, is passed
over by who reads. One whose manifest says another time of arrival is of an earlier try, whose object was gone: it is
passed over, too. Entries expire with their ingest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.ingests import expires_at_s
from tickstream.items import EXPIRY_ATTRIBUTE, key_of, sort_key_of

if TYPE_CHECKING:
    from tickstream.ingests import Manifest
    from tickstream.items import Item


class Listed(NamedTuple):
    """An ingest as a list has it. received_ms: Unix milliseconds."""

    ingest_id: str
    received_ms: int


def arrival_items(manifest: Manifest) -> tuple[Item, ...]:
    """Build the entries of an ingest that its manifest is known of: all that are to be written when it begins."""
    ingest_id, received_ms, source = manifest.ingest_id, manifest.received_ms, manifest.source
    partitions = [keys.arrived_partition(received_ms, ingest_id)]
    if source is not None:
        partitions.append(keys.key_partition(source.bucket, source.key))
    if manifest.rejected is not None:
        partitions.append(keys.day_partition(keys.DayList.REFUSED, received_ms, ingest_id))
    if manifest.indexing:
        partitions.append(keys.day_partition(keys.DayList.INDEXING, received_ms, ingest_id))
    return tuple(_entry(partition, ingest_id, received_ms) for partition in partitions)


def refused_item(ingest_id: str, received_ms: int) -> Item:
    """Build the entry of an ingest that is refused as a whole, or in a range of it."""
    return _entry(keys.day_partition(keys.DayList.REFUSED, received_ms, ingest_id), ingest_id, received_ms)


def retracted_item(ingest_id: str, received_ms: int) -> Item:
    """Build the entry of an ingest that is taken back or replaced."""
    return _entry(keys.day_partition(keys.DayList.RETRACTED, received_ms, ingest_id), ingest_id, received_ms)


def listed_from(item: Item) -> Listed:
    """Read an entry of any of these lists, or of the list of open ingests. Raises MalformedItem."""
    try:
        return Listed(item["ingest"]["S"], keys.arrival_ms(sort_key_of(item)))
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedItem(f"not an entry of a list of ingests: {error!r}") from error


def _entry(partition: str, ingest_id: str, received_ms: int) -> Item:
    return {
        **key_of(partition, keys.activity_sort_key(received_ms, ingest_id)),
        "ingest": {"S": ingest_id},
        EXPIRY_ATTRIBUTE: {"N": str(expires_at_s(received_ms))},
    }
