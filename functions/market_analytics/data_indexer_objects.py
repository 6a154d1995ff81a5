"""The index of a packed object: made part by part, then the object's ranges are known and queued.

What may go wrong in between, write by write:

1. the **parts**, one after the other. They follow from the object's bytes, so writing one again, or two functions doing
   so at once, changes nothing. Died in the middle of one: it is made again.
2. the **progress** after each part: how many are there. Died before it: the last part is made once more. One that falls
   behind, because another function is slower, costs work and no more.
3. the **manifest**, replaced where it still says that the object is being indexed. It freezes the ranges. Died before
   it: the order comes again, and finds all parts.
4. **activity** and **pointers**, as those of any object (`data_ingestion_objects`). Died before them: the order comes
   again, and finds ranges without receipts.

An order for an index that was there and is not, or does not fit, makes its parts again and changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

from aws_lambda_powertools import Logger

from market_analytics.data_ingestion_objects import send_missing
from tickstream import keys
from tickstream.errors import MalformedItem, ObjectRejected, Reason
from tickstream.index_making import Making
from tickstream.indexed_ranges import first_entries, is_entry_of, spans_of, streams_of, text_bytes
from tickstream.ingests import Span, expires_at_s
from tickstream.items import EXPIRY_ATTRIBUTE, IS_INDEXING, key_of, manifest_from, manifest_item
from tickstream.packed_index import ENTRIES_A_PART, ENTRY_BYTES, pack_entry, part_of, unpack_entry
from tickstream.ranges import MAX_RANGES, MAX_UNPACKED_BYTES, index_step_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from services.table import Table
    from tickstream.ingests import Manifest, Read, Source
    from tickstream.messages import IndexOrder
    from tickstream.packed_index import Entry

_PROGRESS_SORT_KEY: Final = 0

logger = Logger(child=True)


class Parts(Protocol):
    """Where the parts of indexes are kept (`services.index_parts`)."""

    def put(self, ingest_id: str, part: int, packed: bytes) -> None:
        """Write a part."""
        ...

    def get(self, ingest_id: str, part: int) -> bytes | None:
        """Return a part, whole; None where it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """What an index is made of and kept in.

    open_object: gives the bytes of a version. send: queues pointers to ranges. check: raises where no time is left.
    """

    table: Table
    parts: Parts
    open_object: Callable[[Source], Read]
    send: Callable[[Iterable[str]], int]
    check: Callable[[], None]
    now_ms: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Indexed:
    """What an order came to. `sent`: pointers queued."""

    manifest: Manifest
    sent: int


def index_object(order: IndexOrder, range_bytes: int, stores: Stores) -> Indexed:
    """Make the index of an object, or go on with it, and queue its ranges.

    Raises OutOfTime (by `check`), after which the same order goes on from there, ServiceIncomplete, ServiceRefused.
    """
    manifest = _manifest(order, stores.table)
    if manifest.indexing:
        manifest = _replaced(_planned(order, manifest, range_bytes, stores), stores.table)
    elif order.missing is not None:
        # The range that misses it was put back, and comes by itself: many ranges may order the same.
        if manifest.rejected is None and not _has_entry(manifest, order.missing, stores.parts):
            logger.warning("an index is made again", extra={"range": order.missing})
            for _ in _made(order, range_bytes, stores, None):
                pass
        return Indexed(manifest, 0)
    return Indexed(manifest, send_missing(manifest, order.source, stores.now_ms(), stores.table, stores.send))


def _manifest(order: IndexOrder, table: Table) -> Manifest:
    found = table.get(key_of(keys.ingest_partition(order.ingest_id), keys.MANIFEST_SORT_KEY))
    if found is None:
        raise MalformedItem(f"ingest {order.ingest_id} is to be indexed and has no manifest")
    return manifest_from(found)


def _planned(order: IndexOrder, manifest: Manifest, range_bytes: int, stores: Stores) -> Manifest:
    """Return the manifest with the ranges of the index, which is there then; or one of a refused object."""
    try:
        read = stores.open_object(order.source)
        streams = streams_of(order.source, order.layout, read)
        if len(streams) > MAX_RANGES and text_bytes(streams) <= MAX_UNPACKED_BYTES:
            # A zip of very many small files is read at once, as a small one is: each would be a range of its own.
            whole = (Span(0, 0, order.source.size_bytes),)
            return replace(manifest, indexing=False, ranges=1, spans=whole)
        for _ in _made(order, range_bytes, stores, _begun(order, stores)):
            pass
        spans = tuple(spans_of(_kept(order, stores.parts), streams, order.layout, read))
    except ObjectRejected as error:
        return replace(manifest, indexing=False, rejected=error.reason, rejected_detail=error.detail)
    layout = replace(order.layout, indexed=True)
    return replace(manifest, indexing=False, ranges=len(spans), spans=spans, layout=layout)


def _replaced(planned: Manifest, table: Table) -> Manifest:
    if table.put_if_equal(manifest_item(planned), "indexing", IS_INDEXING):
        return planned
    found = table.get(key_of(keys.ingest_partition(planned.ingest_id), keys.MANIFEST_SORT_KEY))
    if found is None:
        raise MalformedItem(f"the manifest of ingest {planned.ingest_id} is gone")
    return manifest_from(found)  # another function was faster, or this one's answer was lost


def _begun(order: IndexOrder, stores: Stores) -> tuple[int, Entry] | None:
    """Return how many parts are there, and with which entry the next one begins."""
    progress = stores.table.get(key_of(keys.index_partition(order.ingest_id), _PROGRESS_SORT_KEY))
    parts = int(progress["parts"]["N"]) if progress is not None else 0
    last = stores.parts.get(order.ingest_id, parts - 1) if parts else None
    if last is None or len(last) <= ENTRIES_A_PART * ENTRY_BYTES:
        return None
    return parts, unpack_entry(last[ENTRIES_A_PART * ENTRY_BYTES :])


def _made(order: IndexOrder, range_bytes: int, stores: Stores, begun: tuple[int, Entry] | None) -> Iterator[int]:
    """Make the parts of an index, from where it was begun; yield the number of each that is written."""
    read = stores.open_object(order.source)
    part, entry = begun if begun is not None else (0, None)
    streams = streams_of(order.source, order.layout, read)
    making = Making(read, index_step_bytes(range_bytes), stores.check)
    found = chain.from_iterable(map(making.entries, first_entries(streams, entry)))
    packed: list[bytes] = []
    for one in found:
        packed.append(pack_entry(one))
        if part * ENTRIES_A_PART + len(packed) > MAX_RANGES:
            raise ObjectRejected(Reason.TOO_LARGE, f"an object is at most {MAX_RANGES} ranges: split it")
        if len(packed) > ENTRIES_A_PART:
            # With the first entry of the next part behind it, from which another invocation can go on.
            stores.parts.put(order.ingest_id, part, b"".join(packed))
            part, packed = part + 1, packed[ENTRIES_A_PART:]
            _note(order, part, stores.table)
            yield part
    if packed:
        stores.parts.put(order.ingest_id, part, b"".join(packed))
        yield part


def _note(order: IndexOrder, parts: int, table: Table) -> None:
    table.put(
        {
            **key_of(keys.index_partition(order.ingest_id), _PROGRESS_SORT_KEY),
            "parts": {"N": str(parts)},
            EXPIRY_ATTRIBUTE: {"N": str(expires_at_s(order.received_ms))},
        }
    )


def _kept(order: IndexOrder, parts: Parts) -> Iterator[Entry]:
    """Yield the entries of an index that is complete."""
    part, more = 0, True
    while more:
        packed = parts.get(order.ingest_id, part)
        if packed is None:
            return
        more = len(packed) > ENTRIES_A_PART * ENTRY_BYTES
        end = min(len(packed), ENTRIES_A_PART * ENTRY_BYTES)
        for at in range(0, end, ENTRY_BYTES):
            yield unpack_entry(packed[at : at + ENTRY_BYTES])
        part += 1


def _has_entry(manifest: Manifest, index: int, parts: Parts) -> bool:
    """Say whether the entry of a range is there by now, and is its own."""
    part, start = part_of(index)
    packed = parts.get(manifest.ingest_id, part) or b""
    try:
        entry = unpack_entry(packed[start : start + ENTRY_BYTES])
    except MalformedItem:
        return False
    return is_entry_of(entry, manifest.spans[index]) if index < len(manifest.spans) else True
