"""Where everything stands in `MarketDataState`: partition keys, sort keys and the ids they are made of.

The partition key `symbol` is a symbol or, for the pipeline's own items, a name with `#` (which no symbol may contain).
The sort key `timestamp` is an integer of at most 33 digits: epoch milliseconds times 10^20 plus a 20-digit suffix. It
is an integer and not a fraction because DynamoDB keeps 38 digits exactly, while emulators compare fractions as floats.

Within the hour of a symbol the suffixes sort as the items must be read: the rollup (0), the slices (their range's
id), then the segments, then the revisions. A compaction puts the segment first and takes the slices away after; a
reader that goes upwards therefore meets a slice before its segment, both, or the segment alone, but never neither. And
what it has read that was withdrawn before, by a revision, it is told at the end.
"""

from __future__ import annotations

import hashlib
import zlib
from enum import StrEnum
from typing import Final

MS_PER_HOUR: Final = 3_600_000
MS_PER_DAY: Final = 24 * MS_PER_HOUR
NS_PER_MS: Final = 1_000_000
NS_PER_MINUTE: Final = 60_000_000_000
NS_PER_HOUR: Final = 3_600_000_000_000
MINUTES_PER_HOUR: Final = 60

SUFFIX_SPAN: Final = 10**20
ROLLUP_SUFFIX: Final = 0
FIRST_SEGMENT_SUFFIX: Final = 9 * 10**19
RANGE_ID_SPAN: Final = FIRST_SEGMENT_SUFFIX - 1
FIRST_REVISION_SUFFIX: Final = 95 * 10**18
REVISION_SPAN: Final = SUFFIX_SPAN - FIRST_REVISION_SUFFIX

ACTIVITY_SHARDS: Final = 64
REVISING_SHARDS: Final = 16
#: Symbols are dealt out to so many lanes, and as many aggregators at most are at work at once. Each does some 3,600
#: slices a second: together more than a table of default quotas (40,000 units) takes.
LANES: Final = 16
#: The list of what came in an hour is dealt out to so many shards. A shard takes 1,000 writes a second; of 10,000 POSTs
#: a second each gets 160, so that several of them may meet on one of the table's partitions, as keys of a new hour do
#: before DynamoDB has parted them. Whoever reads an hour asks for each shard, most of them empty where little comes in.
ARRIVED_SHARDS: Final = 64
#: The lists of a day hold what is rare. Should all that comes in be refused they take 16,000 a second: what is
#: throttled beyond that is the telling of refusals, and nobody waits for it but whoever sent what is refused.
DAY_SHARDS: Final = 16
MANIFEST_SORT_KEY: Final = 0
PARTS_PER_RANGE: Final = 1_000_000

#: Above the number of any range.
PAIR_KIND_SPAN: Final = 10**9

_INGEST: Final = "ingest#"
_ASIDE: Final = "aside#"


class DayList(StrEnum):
    """The lists of ingests by the day they came, of those that somebody looks for among very many others."""

    REFUSED = "refused"
    RETRACTED = "retracted"
    INDEXING = "indexing"


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


def next_ingest_id(ingest_id: str) -> str:
    """32 hex digits for the ingest that the same bytes begin when this one was taken back."""
    return _digest("again", ingest_id).hex()[:32]


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


def withdrawal_name(range_id: int) -> int:
    """The name of the revisions by which a range, of an ingest that is taken back, is withdrawn from its hours."""
    return int.from_bytes(_digest("withdrawal", str(range_id))[:16]) % REVISION_SPAN


def replacement_name(ingest_id: str) -> int:
    """The name of the revisions by which an ingest takes the place of others."""
    return int.from_bytes(_digest("replacement", ingest_id)[:16]) % REVISION_SPAN


def revision_suffix(name: int) -> int:
    """The suffix of a revision of an hour: above those of all segments. 62 bits: two meet as seldom as two ranges."""
    return FIRST_REVISION_SUFFIX + name


def set_aside_partition(symbol: str) -> str:
    """The partition of a symbol's slices that a segment has, or a revision withdraws, under their own sort keys."""
    return f"{_ASIDE}{symbol}"


def symbol_set_aside(partition: str) -> str:
    """The symbol whose slices stand in such a partition."""
    return partition.removeprefix(_ASIDE)


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


def activity_lane(partition: str) -> int:
    """The lane of a shard of that list: one aggregator at a time looks through the shards of a lane."""
    return int(partition.partition("#")[2]) % LANES


def activity_sort_key(received_ms: int, ingest_id: str) -> int:
    """Oldest first, unique to the ingest, and the same in all lists of ingests."""
    return arrival_bound(received_ms) + range_id(ingest_id, 0)


def arrival_bound(received_ms: int) -> int:
    """Below the sort keys of all ingests that came in this millisecond or later, in any list of ingests."""
    return received_ms * SUFFIX_SPAN


def arrival_ms(sort_key: int) -> int:
    """The millisecond in which came what stands there in a list of ingests."""
    return sort_key // SUFFIX_SPAN


def key_partition(bucket: str, key: str) -> str:
    """The list of the ingests of one key of a bucket.

    A partition for each key: whoever rewrites one object more than 1,000 times a second throttles that object alone.
    """
    return f"key#{_digest('key', bucket, key).hex()[:32]}"


def arrived_partition(received_ms: int, ingest_id: str) -> str:
    """The shard of the list of what came in an hour."""
    return f"arrived#{received_ms // MS_PER_HOUR}#{_shard(ingest_id, ARRIVED_SHARDS)}"


def arrived_partitions(hour: int) -> tuple[str, ...]:
    """All shards of the list of what came in an hour (whole hours since 1970)."""
    return tuple(f"arrived#{hour}#{shard}" for shard in range(ARRIVED_SHARDS))


def day_partition(of: DayList, received_ms: int, ingest_id: str) -> str:
    """The shard of a list of the day on which an ingest came, whenever it is that it is listed there."""
    return f"{of}#{received_ms // MS_PER_DAY}#{_shard(ingest_id, DAY_SHARDS)}"


def day_partitions(of: DayList, day: int) -> tuple[str, ...]:
    """All shards of a list of a day (whole days since 1970)."""
    return tuple(f"{of}#{day}#{shard}" for shard in range(DAY_SHARDS))


def _shard(ingest_id: str, shards: int) -> int:
    # Not by its digits: what a message calls an ingest need not have any.
    return zlib.crc32(ingest_id.encode()) % shards


def revising_partition(ingest_id: str) -> str:
    """The shard of the list of ingests that are being taken back."""
    return f"revising#{int(ingest_id[:8], 16) % REVISING_SHARDS}"


def revising_partitions() -> tuple[str, ...]:
    """All shards of that list."""
    return tuple(f"revising#{shard}" for shard in range(REVISING_SHARDS))


def lane_of(symbol: str) -> int:
    """The lane of a symbol: one aggregator at a time writes the rollups of a lane's symbols."""
    return zlib.crc32(symbol.encode()) % LANES


def pending_partition(lane: int) -> str:
    """The list of committed ranges that have ticks of a lane's symbols, which no rollup includes yet."""
    return f"pending#{lane}"


def symbols_partition(lane: int, above: str) -> str:
    """The list of a lane's symbols that begin with some characters (`tickstream.symbol_lists`)."""
    return f"symbols#{lane}#{above}"


def pending_lane(partition: str) -> int:
    """The lane whose list this is."""
    return int(partition.partition("#")[2])
