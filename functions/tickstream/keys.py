"""Where everything stands in `MarketDataState`: partition keys, sort keys and the ids they are made of.

The partition key `symbol` is a symbol or, for the pipeline's own items, a name with `#` (which no symbol may contain).
The sort key `timestamp` is an integer of at most 33 digits: epoch milliseconds times 10^20 plus a 20-digit suffix. It
is an integer and not a fraction because DynamoDB keeps 38 digits exactly, while emulators compare fractions as floats.

Within the hour of a symbol the suffixes sort as the items must be read: the rollup (0), the slices (their range's
id), then the segments. A compaction puts the segment first and deletes the slices after; a reader that goes upwards
therefore meets a slice before its segment, both, or the segment alone, but never neither.
"""

from __future__ import annotations

import hashlib
from typing import Final

MS_PER_HOUR: Final = 3_600_000
NS_PER_MS: Final = 1_000_000
NS_PER_MINUTE: Final = 60_000_000_000
NS_PER_HOUR: Final = 3_600_000_000_000
MINUTES_PER_HOUR: Final = 60

SUFFIX_SPAN: Final = 10**20
ROLLUP_SUFFIX: Final = 0
FIRST_SEGMENT_SUFFIX: Final = 9 * 10**19
RANGE_ID_SPAN: Final = FIRST_SEGMENT_SUFFIX - 1

ACTIVITY_SHARDS: Final = 64
PENDING_SHARDS: Final = 16
MANIFEST_SORT_KEY: Final = 0
PARTS_PER_RANGE: Final = 1_000_000

#: Above the number of any range.
PAIR_KIND_SPAN: Final = 10**9

_INGEST: Final = "ingest#"

#: A symbol and an hour (whole hours since 1970): the unit in which bars are stored.
type SymbolHour = tuple[str, int]


def _digest(*parts: str) -> bytes:
    # A length before each part: ("ab", "c") and ("a", "bc") must not meet.
    hashed = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        hashed.update(len(encoded).to_bytes(8))
        hashed.update(encoded)
    return hashed.digest()


def same_bytes_partition(bucket: str, key: str, fingerprint: str, size_bytes: int) -> str:
    """The partition of the record that says which ingest one content under one key is."""
    return f"bytes#{_digest('bytes', bucket, key, fingerprint, str(size_bytes)).hex()[:32]}"


def object_ingest_id(bucket: str, key: str, etag: str, size_bytes: int) -> str:
    """32 hex digits that name the ingest which an object begins; the same bytes put again go on with it."""
    return _digest("object", bucket, key, etag, str(size_bytes)).hex()[:32]


def posted_ingest_id(caller: str, request: str) -> str:
    """32 hex digits for what one caller sent in one request (or under one idempotency key and its first use)."""
    return _digest("post", caller, request).hex()[:32]


def idempotency_partition(caller: str, idempotency_key: str) -> str:
    """The partition of the record of one caller's `Idempotency-Key`."""
    return f"idempotency#{_digest('idempotency', caller, idempotency_key).hex()[:32]}"


def range_id(ingest_id: str, index: int) -> int:
    """The suffix of every slice of one range: 1 to 9 x 10^19 - 1, the same each time the range is processed.

    66 bits of a hash: among the 20,000 ranges of a very busy symbol-hour two meet with a chance of 2 in 10^12.
    """
    return 1 + int.from_bytes(_digest("range", ingest_id, str(index))[:16]) % RANGE_ID_SPAN


def hour_of(timestamp_ns: int) -> int:
    """The whole hours since 1970 of a Unix time in nanoseconds."""
    return timestamp_ns // NS_PER_HOUR


def sort_key(hour: int, suffix: int) -> int:
    """The sort key of an item in the hour of a symbol."""
    return hour * MS_PER_HOUR * SUFFIX_SPAN + suffix


def hour_and_suffix(sort_key: int) -> tuple[int, int]:
    """The hour and the suffix that a sort key was made of."""
    epoch_ms, suffix = divmod(sort_key, SUFFIX_SPAN)
    return epoch_ms // MS_PER_HOUR, suffix


def segment_suffix(number: int) -> int:
    """The suffix of segment 1, 2, 3 ... of an hour: above those of all slices."""
    return FIRST_SEGMENT_SUFFIX + number


def ingest_partition(ingest_id: str) -> str:
    """The partition of one ingest: its manifest and its receipts."""
    return f"{_INGEST}{ingest_id}"


def ingest_of(partition: str) -> str:
    """The ingest whose partition this is."""
    return partition.removeprefix(_INGEST)


def index_partition(ingest_id: str) -> str:
    """The partition of how far the index of an ingest's object is."""
    return f"index#{ingest_id}"


def pairs_partition(ingest_id: str) -> str:
    """The partition of what the ranges of one ingest tell each other about pairs."""
    return f"pairs#{ingest_id}"


def pair_names_sort_key(index: int) -> int:
    """Where the names stand that rows of a range take back."""
    return index


def pair_balances_sort_key(index: int) -> int:
    """Where stands what a range has of these names."""
    return PAIR_KIND_SPAN + index


def receipt_sort_key(index: int, part: int) -> int:
    """Where part 0, 1 ... of the receipt of a range stands (the manifest stands at 0)."""
    return (index + 1) * PARTS_PER_RANGE + part


def receipt_index_and_part(sort_key: int) -> tuple[int, int]:
    """The range index and the part that a receipt's sort key was made of."""
    position, part = divmod(sort_key, PARTS_PER_RANGE)
    return position - 1, part


def activity_partition(ingest_id: str) -> str:
    """The shard of the list of ingests that are not confirmed yet."""
    return f"activity#{int(ingest_id[:8], 16) % ACTIVITY_SHARDS}"


def activity_partitions() -> tuple[str, ...]:
    """All shards of that list."""
    return tuple(f"activity#{shard}" for shard in range(ACTIVITY_SHARDS))


def activity_sort_key(received_ms: int, ingest_id: str) -> int:
    """Oldest first, unique to the ingest."""
    return received_ms * SUFFIX_SPAN + range_id(ingest_id, 0)


def pending_partition(range_id: int) -> str:
    """The shard of the list of committed ranges that no rollup includes yet."""
    return f"pending#{range_id % PENDING_SHARDS}"


def pending_partitions() -> tuple[str, ...]:
    """All shards of that list."""
    return tuple(f"pending#{shard}" for shard in range(PENDING_SHARDS))
