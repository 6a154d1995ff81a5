"""The index of a packed object: made part by part, then the object's ranges are known and queued.

What may go wrong in between, write by write:

0. the **copy**, of a zst whose frames are too large to be ranges, in smaller ones. Written again it is the same; an
   upload that dies is never seen, and S3 forgets it.
1. the **parts**, one after the other. They follow from the object's bytes, so writing one again, or two functions doing
   so at once, changes nothing. Died in the middle of one: it is made again.
2. the **progress** after each part: how many are there; 0 where a copy is to be made first. Died before it: the last
   part is made once more. One that falls behind, because another function is slower, costs work and no more.
3. the **manifest**, replaced where it still says that the object is being indexed. It freezes the ranges. Died before
   it: the order comes again, and finds all parts. Of an object that is refused its **line** in the bucket of rejects
   and its entry in the **list** of refused ones follow. Died before them: the order comes again, finds the refusal,
   and writes both, as it does each time.
4. **activity** and **pointers**, as those of any object (`data_ingestion_objects`). Died before them: the order comes
   again, and finds ranges without receipts.

An order for an index that was there and is not, or does not fit, makes its parts again and changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from aws_lambda_powertools import Logger

from market_analytics.data_ingestion_ranges import send_missing
from tickstream import keys
from tickstream.errors import MalformedItem, ObjectRejected, OutOfTime, Reason, ServiceIncomplete
from tickstream.fate_items import refused_item
from tickstream.index_making import FrameTooLarge, Making
from tickstream.indexed_ranges import first_entries, opened_range, spans_of, streams_of, text_bytes
from tickstream.ingests import Refusal, Span, expires_at_s
from tickstream.items import EXPIRY_ATTRIBUTE, IS_INDEXING, key_of, manifest_from, manifest_item
from tickstream.packed_index import (
    ENTRIES_A_PART,
    ENTRY_BYTES,
    Packing,
    Stream,
    pack_entry,
    part_of,
    unpack_entry,
)
from tickstream.ranges import MAX_RANGES, MAX_UNPACKED_BYTES, index_step_bytes
from tickstream.reframing import Reframed
from tickstream.refused_objects import refusal_key, refusal_line

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

    def put_copy(self, ingest_id: str, copy: Any) -> None:
        """Write the copy of an object, read from a file."""
        ...

    def copy(self, ingest_id: str, size_bytes: int) -> Read:
        """Return what reads the copy of an object."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """What an index is made of and kept in.

    open_object: gives the bytes of a version. send: queues pointers to ranges, all of which are large ones
    (`ranges.has_large_ranges`). check: raises where no time is left. keep_refusal: puts a line under a key of the
    bucket of rejects.
    """

    table: Table
    parts: Parts
    open_object: Callable[[Source], Read]
    send: Callable[[Iterable[str]], int]
    check: Callable[[], None]
    now_ms: Callable[[], int]
    keep_refusal: Callable[[str, bytes], object] = lambda _key, _line: None


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
        if manifest.rejected is None and not _can_be_read(manifest, order, order.missing, stores):
            logger.warning("an index is made again", extra={"range": order.missing})
            _make(_original(order, stores), order, range_bytes, stores, _Begun())
        return Indexed(manifest, 0)
    if manifest.rejected is not None:
        refusal = Refusal(manifest.rejected, manifest.rejected_detail)
        line = refusal_line(order.ingest_id, order.source, refusal, stores.now_ms())
        stores.keep_refusal(refusal_key(order.ingest_id), line)
        stores.table.put(refused_item(order.ingest_id, manifest.received_ms))
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
        packed = _original(order, stores)
        if len(packed.streams) > MAX_RANGES and text_bytes(packed.streams) <= MAX_UNPACKED_BYTES:
            # A zip of very many small files is read at once, as a small one is: each would be a range of its own.
            whole = (Span(0, 0, order.source.size_bytes),)
            return replace(manifest, indexing=False, ranges=1, spans=whole)
        packed, parts = _make(packed, order, range_bytes, stores, _begun(order, stores))
        spans = tuple(spans_of(_kept(order, parts, stores.parts), packed.streams, order.layout, packed.read))
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


class _Begun(NamedTuple):
    """How far earlier lives came: the next part, the entry with which it begins, whether a copy is to be made first."""

    part: int = 0
    entry: Entry | None = None
    copying: bool = False


def _begun(order: IndexOrder, stores: Stores) -> _Begun:
    progress = stores.table.get(key_of(keys.index_partition(order.ingest_id), _PROGRESS_SORT_KEY))
    if progress is None:
        return _Begun()
    parts = int(progress["parts"]["N"])
    last = stores.parts.get(order.ingest_id, parts - 1) if parts else None
    if last is None or len(last) <= ENTRIES_A_PART * ENTRY_BYTES:
        return _Begun(copying=parts == 0)
    return _Begun(parts, unpack_entry(last[ENTRIES_A_PART * ENTRY_BYTES :]))


class _Packed(NamedTuple):
    """What is indexed: the streams of an object, or of its copy, each with its name in a zip, and their bytes."""

    streams: list[tuple[str, Stream]]
    read: Read


def _original(order: IndexOrder, stores: Stores) -> _Packed:
    read = stores.open_object(order.source)
    return _Packed(streams_of(order.source, order.layout, read), read)


def _copied(order: IndexOrder, size_bytes: int, stores: Stores) -> _Packed:
    return _Packed([("", Stream(Packing.COPY, 0, size_bytes))], stores.parts.copy(order.ingest_id, size_bytes))


def _is_there(copied: _Packed) -> bool:
    try:
        copied.read(0, 1)
    except MalformedItem:
        return False
    return True


def _make(packed: _Packed, order: IndexOrder, range_bytes: int, stores: Stores, begun: _Begun) -> tuple[_Packed, int]:
    """Make the parts of an index, from where it was begun; return what it is of, maybe a copy, and their number."""
    step_bytes = index_step_bytes(range_bytes)
    if begun.entry is not None and begun.entry.stream.packing is Packing.COPY:
        copied = _copied(order, begun.entry.stream.end, stores)
        if _is_there(copied):
            packed = copied
        else:
            begun = _Begun(copying=True)
    if not begun.copying:
        try:
            return packed, _write_parts(packed, order, step_bytes, stores, begun)
        except FrameTooLarge:
            # Whoever is out of time here leaves the next life all of its own for the copy.
            _note(order, 0, stores.table)
    copy = Reframed(order.source.size_bytes, packed.read, step_bytes, stores.check)
    try:
        stores.parts.put_copy(order.ingest_id, copy)
    except OutOfTime as error:
        if not begun.copying:
            raise
        raise ObjectRejected(Reason.TOO_MUCH_WORK, "a frame of it is too large: pack it in smaller ones") from error
    packed = _copied(order, copy.size_bytes, stores)
    return packed, _write_parts(packed, order, step_bytes, stores, _Begun())


def _write_parts(packed: _Packed, order: IndexOrder, step_bytes: int, stores: Stores, begun: _Begun) -> int:
    """Write the parts from where they were begun; return how many the index has then."""
    part, entry = begun.part, begun.entry
    making = Making(packed.read, step_bytes, stores.check)
    entries: list[bytes] = []
    for one in chain.from_iterable(map(making.entries, first_entries(packed.streams, entry))):
        entries.append(pack_entry(one))
        if part * ENTRIES_A_PART + len(entries) > MAX_RANGES:
            raise ObjectRejected(Reason.TOO_LARGE, f"an object is at most {MAX_RANGES} ranges: split it")
        if len(entries) > ENTRIES_A_PART:
            # With the first entry of the next part behind it, from which another invocation can go on.
            stores.parts.put(order.ingest_id, part, b"".join(entries))
            part, entries = part + 1, entries[ENTRIES_A_PART:]
            _note(order, part, stores.table)
    if entries:
        stores.parts.put(order.ingest_id, part, b"".join(entries))
        part += 1
    return part


def _note(order: IndexOrder, parts: int, table: Table) -> None:
    table.put(
        {
            **key_of(keys.index_partition(order.ingest_id), _PROGRESS_SORT_KEY),
            "parts": {"N": str(parts)},
            EXPIRY_ATTRIBUTE: {"N": str(expires_at_s(order.received_ms))},
        }
    )


def _kept(order: IndexOrder, count: int, parts: Parts) -> Iterator[Entry]:
    """Yield the entries of an index of so many parts. Raises ServiceIncomplete where it is not there, whole."""
    last: Entry | None = None
    for part in range(count):
        packed = parts.get(order.ingest_id, part) or b""
        for at in range(0, min(len(packed), ENTRIES_A_PART * ENTRY_BYTES), ENTRY_BYTES):
            entry = unpack_entry(packed[at : at + ENTRY_BYTES])
            # A part that is lost or another's would be ticks that nobody misses.
            if not _follows(entry, last):
                raise ServiceIncomplete(f"part {part} of the index does not follow the one before it")
            yield entry
            last = entry
        if not packed:
            raise ServiceIncomplete(f"part {part} of the index is gone")


def _follows(entry: Entry, last: Entry | None) -> bool:
    if last is None or entry.stream != last.stream:
        return entry.place.text == 0
    return entry.place.text == last.text_end


def _can_be_read(manifest: Manifest, order: IndexOrder, index: int, stores: Stores) -> bool:
    """Say whether a range can be read by its entry by now, and from the copy where there is one."""
    part, start = part_of(index)
    packed = stores.parts.get(manifest.ingest_id, part) or b""
    if index >= len(manifest.spans):
        return True  # nobody can want it
    try:
        entry = unpack_entry(packed[start : start + ENTRY_BYTES])
        is_copied = entry.stream.packing is Packing.COPY
        of = _copied(order, entry.stream.end, stores) if is_copied else _original(order, stores)
        opened_range(order.source, order.layout, manifest.spans[index], entry, of.read)
    except (MalformedItem, ObjectRejected):
        return False
    return True
