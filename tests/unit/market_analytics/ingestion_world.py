"""Objects for DataIngestion on a table in memory, with a queue that takes what it sends."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from market_analytics.data_ingestion_objects import Ingested, ingest_object
from tickstream.errors import ObjectRejected, Reason
from tickstream.ingests import Receipt, Source
from tickstream.items import receipt_items
from tickstream.messages import RangePointer, decode_message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.memory_table import MemoryTable

HEADER = b"symbol,timestamp,price,size\n"
BODY = HEADER + b"AAPL,1767623400000000000,187.5,100\n" * 40
NOW_MS = 1_767_623_400_123
RANGE_BYTES = 100
SIXTY_DAYS_MS = 60 * 24 * 3600 * 1000
LONG_BODY = BODY * 50  # longer than what is looked at of an object's beginning


class Died(Exception):
    """The process is gone."""


class Outbox:
    """A queue that dies when it has taken so many messages."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.sent: list[RangePointer] = []
        self.dies_after = dies_after

    def __call__(self, bodies: Iterable[str]) -> int:
        """Take the bodies one by one."""
        for count, body in enumerate(bodies):
            if count == self.dies_after:
                raise Died
            message = decode_message(body)
            assert isinstance(message, RangePointer)
            self.sent.append(message)
        return len(self.sent)


def source_for(body: bytes, version: str = "v1") -> Source:
    """A version with that content, uploaded at once and stored as it is."""
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return Source("bucket", "day one/ticks.csv", version, etag, len(body))


def ingest(  # noqa: PLR0917 - a short name for what every test here does
    table: MemoryTable,
    outbox: Outbox,
    body: bytes | None = BODY,
    source: Source | None = None,
    now_ms: int = NOW_MS,
    range_bytes: int = RANGE_BYTES,
    checksum: str = "",
    large: Outbox | None = None,
    *,
    replaces: bool = False,
) -> Ingested:
    """Deliver the event of an object; `body` None means that its version is gone. checksum: what S3 keeps of it.

    large: the queue of large ranges; without it there is one queue.
    """

    def read(start: int, end: int) -> bytes:
        if body is None:
            raise ObjectRejected(Reason.OBJECT_GONE, "gone")
        return body[start:end]

    source = source or source_for(body or BODY)
    return ingest_object(
        source,
        now_ms,
        range_bytes,
        table=table,
        read=read,
        send=outbox,
        send_large=outbox if large is None else large,
        order_index=Outbox(),
        checksum=lambda: checksum,
        replaces=replaces,
    )


def commit(table: MemoryTable, pointer: RangePointer) -> None:
    """Write the receipt of a range."""
    for item in receipt_items(Receipt(pointer.ingest_id, pointer.span.index, 1, 0, NOW_MS, {}), NOW_MS):
        table.put(item)
