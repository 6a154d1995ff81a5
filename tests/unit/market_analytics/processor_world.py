"""A processor's surroundings in memory, with a place to die before any write."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from market_analytics.data_processor_ranges import Stores, commit, read_range
from services.memory_table import MemoryTable
from tickstream import keys
from tickstream.errors import ObjectRejected, Reason
from tickstream.hours import current_bars, hour_items
from tickstream.ingests import Format, Layout, Receipt, Source, Span
from tickstream.items import hour_item_from, receipt_from
from tickstream.messages import RangePointer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from services.memory_table import Identity
    from tickstream.bars import Bar
    from tickstream.messages import Message, ProcessedRange

HEADER = b"symbol,timestamp,price,size\n"
NOW_MS = 1_767_623_400_123
INGEST = "0123456789abcdef" * 2
COLUMNS = ("symbol", "timestamp", "price", "size")


class Died(Exception):
    """The process is gone."""


class MemoryRejects:
    """An object of rejected rows that appears whole when it is left without an error."""

    def __init__(self, objects: dict[str, list[Any]], key: str) -> None:
        self.lines = 0
        self._objects = objects
        self._key = key
        self._written: list[Any] = []

    def add(self, line: bytes) -> None:
        """Take a line."""
        self.lines += 1
        self._written.append(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._objects[self._key] = self._written


@dataclass
class World:
    """Everything around the processor, in memory. `body` None: the object's version is gone."""

    body: bytes | None
    table: MemoryTable = field(default_factory=MemoryTable)
    rejects: dict[str, list[Any]] = field(default_factory=dict)
    now_ms: int = NOW_MS

    def stores(self) -> Stores:
        """What the processor gets of it."""

        def read(start: int, end: int) -> bytes:
            if self.body is None:
                raise ObjectRejected(Reason.OBJECT_GONE, "gone")
            return self.body[start:end]

        return Stores(
            table=self.table,
            open_object=lambda _: read,
            open_rejects=lambda key: MemoryRejects(self.rejects, key),
            now_ms=lambda: self.now_ms,
        )

    def receipt(self, index: int = 0) -> Receipt | None:
        """The receipt of a range, if it is committed."""
        first = keys.receipt_sort_key(index, 0)
        parts = list(self.table.query(keys.ingest_partition(INGEST), first, first + keys.PARTS_PER_RANGE - 1))
        return receipt_from(parts) if parts else None

    def bars(self, symbol: str) -> list[Bar]:
        """What a reader sees of a symbol."""
        hours = hour_items(hour_item_from(item) for item in self.table.query(symbol))
        return [bar for items in hours.values() for bar in current_bars(items)]


def commit_range(message: Message, stores: Stores) -> ProcessedRange:
    """Process one message to its receipt; return what its event says."""
    writes = read_range(message, stores)
    commit([writes], stores.table)
    return writes.processed


def rows(*lines: bytes) -> bytes:
    """A CSV object of these rows."""
    return HEADER + b"".join(line + b"\n" for line in lines)


def pointer(body: bytes) -> RangePointer:
    """The pointer to all of a CSV object."""
    source = Source("bucket", "ticks.csv", "v1", "e" * 32, len(body))
    layout = Layout(Format.CSV, columns=COLUMNS, data_start=len(HEADER))
    return RangePointer(INGEST, NOW_MS - 5, Span(0, len(HEADER), len(body)), source, layout)


GOOD = rows(
    b"AAPL,1767623400000000000,187.5,100",
    b"AAPL,1767627000000000000,188,50",
    b"MSFT,1767623400000000000,400.25,10",
)
MIXED = rows(b"AAPL,1767623400000000000,187.5,100", b"AAPL,1767623400000000000,+1,100", b"AAPL,17,1,\xff")


def dying(at: int) -> Callable[[Identity], None]:
    """What dies at the write of that number, counted from 0."""
    remaining = at

    def die(_: Identity) -> None:
        nonlocal remaining
        if remaining == 0:
            raise Died
        remaining -= 1

    return die
