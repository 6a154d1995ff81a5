"""A packed object on its way in memory: its queues, its index, its copy and the table."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import zipfile
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from typing import IO, TYPE_CHECKING, Any

from backports import zstd

import market_analytics.data_query  # noqa: F401 - makes the logger whose child reports states
from market_analytics.data_indexer_objects import Stores as IndexStores
from market_analytics.data_indexer_objects import index_object
from market_analytics.data_ingestion_objects import ingest_object
from market_analytics.data_processor_ranges import commit, read_range
from market_analytics.data_query_ingest import ingest_status
from tests.unit.market_analytics.processor_world import NOW_MS, World
from tickstream.decoding import decode_span
from tickstream.errors import IndexAwaited, MalformedItem
from tickstream.ingests import Format, Layout, Source, Span
from tickstream.messages import IndexOrder, RangePointer, decode_message, decode_order, encode_order
from tickstream.packed_index import ENTRY_BYTES, part_of, unpack_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tickstream.bars import Bar
    from tickstream.ingests import Read
    from tickstream.packed_index import Entry

#: Two megabytes of text: ten ranges or more of the least size.
ROWS = 60_000
RANGE_BYTES = 1_000


def text_of(rows: int = ROWS, seed: int = 1) -> bytes:
    """A CSV object with a header; its numbers hardly repeat."""
    chance = random.Random(seed)  # noqa: S311
    lines = [
        b"S%d,%d,%d.%02d,%d\n"
        % (
            chance.randrange(3),
            NOW_MS * 10**6 + at * 10**7,
            chance.randrange(1, 500),
            at % 100,
            chance.randrange(1, 900),
        )
        for at in range(rows)
    ]
    return b"symbol,timestamp,price,size\n" + b"".join(lines)


def zipped(*texts: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of some files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for at, text in enumerate(texts):
            archive.writestr(f"ticks-{at}.csv", text)
    return packed.getvalue()


TEXT = text_of()
#: Cut between two rows: what a member of its own is made of, which has a header in a zip.
HALF = TEXT.index(b"\n", len(TEXT) // 2) + 1
SECOND = TEXT[: TEXT.index(b"\n") + 1] + TEXT[HALF:]
OBJECTS: dict[str, tuple[str, bytes]] = {
    "gzip": ("day.csv.gz", gzip.compress(TEXT, 6)),
    "gzip of two members": ("day.csv.gz", gzip.compress(TEXT[:HALF]) + b"\0" * 100 + gzip.compress(TEXT[HALF:])),
    "gzip of many members": (
        "day.csv.gz",
        b"".join(gzip.compress(TEXT[at : at + 60_000]) for at in range(0, len(TEXT), 60_000)),
    ),
    "zip": ("day.zip", zipped(TEXT)),
    "zip of two files": ("day.zip", zipped(TEXT[:HALF], SECOND)),
    "zip that is not packed": ("day.zip", zipped(TEXT, method=zipfile.ZIP_STORED)),
    "zstd of frames": (
        "day.csv.zst",
        b"".join(zstd.compress(TEXT[at : at + 90_000]) for at in range(0, len(TEXT), 90_000)),
    ),
    "zstd of one frame": ("day.csv.zst", zstd.compress(TEXT)),
    "zstd of small frames and a large one": (
        "day.csv.zst",
        b"".join(map(zstd.compress, (TEXT[:300_000], TEXT[300_000:600_000], TEXT[600_000:]))),
    ),
}

#: Frames of so much text are no ranges.
COPIED = ("zstd of one frame", "zstd of small frames and a large one")


@dataclass
class MemoryParts:
    """Parts of indexes in memory."""

    parts: dict[tuple[str, int], bytes] = field(default_factory=dict)
    copies: dict[str, bytes] = field(default_factory=dict)

    def put_copy(self, ingest_id: str, copy: IO[bytes]) -> None:
        """See IndexParts."""
        self.copies[ingest_id] = b"".join(iter(lambda: copy.read(50_000), b""))

    def copy(self, ingest_id: str, size_bytes: int) -> Read:
        """See IndexParts."""

        def read(start: int, end: int) -> bytes:
            copy = self.copies.get(ingest_id, b"")
            if len(copy) != size_bytes:
                raise MalformedItem("no such copy")
            return copy[start:end]

        return read

    def put(self, ingest_id: str, part: int, packed: bytes) -> None:
        """See IndexParts."""
        self.parts[ingest_id, part] = packed

    def get(self, ingest_id: str, part: int) -> bytes | None:
        """See IndexParts."""
        return self.parts.get((ingest_id, part))

    def entry(self, ingest_id: str, index: int) -> Entry | None:
        """See IndexParts."""
        part, start = part_of(index)
        packed = self.parts.get((ingest_id, part))
        try:
            return None if packed is None else unpack_entry(packed[start : start + ENTRY_BYTES])
        except MalformedItem:
            return None


@dataclass
class Bench:
    """An object on its way: both queues, the index and the table."""

    key: str
    body: bytes
    parts: MemoryParts = field(default_factory=MemoryParts)
    orders: deque[IndexOrder] = field(default_factory=deque)
    ranges: deque[RangePointer] = field(default_factory=deque)
    refusals: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the world around it."""
        self.world = World(self.body)
        etag = hashlib.md5(self.body, usedforsecurity=False).hexdigest()
        self.source = Source("bucket", self.key, "v1", etag, len(self.body))

    def read(self, start: int, end: int) -> bytes:
        """Read the object."""
        return self.body[start:end]

    def send(self, bodies: Iterable[str]) -> int:
        """Queue ranges."""
        found = [decode_message(one) for one in bodies]
        self.ranges.extend(one for one in found if isinstance(one, RangePointer))
        return len(found)

    def order(self, bodies: Iterable[str]) -> int:
        """Queue orders."""
        found = [decode_order(one) for one in bodies]
        self.orders.extend(found)
        return len(found)

    def arrive(self) -> str:
        """Deliver the object's event; return its ingest."""
        ingested = ingest_object(
            self.source,
            NOW_MS,
            RANGE_BYTES,
            table=self.world.table,
            read=self.read,
            send=self.send,
            send_large=self.send,
            order_index=self.order,
        )
        return ingested.manifest.ingest_id

    def index(self, check: Callable[[], None] = lambda: None) -> None:
        """Work on the first order."""
        stores = IndexStores(
            table=self.world.table,
            parts=self.parts,
            open_object=lambda _: self.read,
            send=self.send,
            check=check,
            now_ms=lambda: NOW_MS,
            keep_refusal=self.refusals.__setitem__,
        )
        index_object(self.orders[0], RANGE_BYTES, stores)
        self.orders.popleft()

    def process(self) -> None:
        """Work on the first range; one whose index is missing goes to the end."""
        stores = self.world.stores()
        stores = type(stores)(
            table=stores.table,
            open_object=stores.open_object,
            open_rejects=stores.open_rejects,
            now_ms=stores.now_ms,
            index_entry=self.parts.entry,
            index_copy=self.parts.copy,
            order_index=lambda order: self.order([encode_order(order)]),
        )
        message = self.ranges.popleft()
        try:
            commit([read_range(message, stores)], stores.table)
        except IndexAwaited:
            self.ranges.append(message)
            raise

    def state(self, ingest_id: str) -> dict[str, Any]:
        """What a caller is told."""
        return ingest_status(self.world.table, ingest_id, NOW_MS + 1, 900)


def numbers(bars: Iterable[Bar]) -> list[tuple[object, ...]]:
    """Bars without what says of which object they are."""
    return [(*bar[:8], bar.begin_ns, bar.end_ns) for bar in bars]


@cache
def bars_of_the_text() -> dict[str, list[tuple[object, ...]]]:
    """The bars of the text itself."""
    head = TEXT.index(b"\n") + 1
    layout = Layout(Format.CSV, columns=("symbol", "timestamp", "price", "size"), data_start=head)
    source = Source("bucket", "day.csv", "v1", "e", len(TEXT))
    found = decode_span(source, layout, Span(0, head, len(TEXT)), lambda start, end: TEXT[start:end])
    return {
        symbol: numbers(bar for (name, _), bars in sorted(found.bars.items()) if name == symbol for bar in bars)
        for symbol in ("S0", "S1", "S2")
    }
