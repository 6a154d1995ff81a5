"""The ranges of an ingest on their way to the queue: which of them have no receipt, and the pointers to them.

DataIngestion sends them, and DataIndexer where it finds out what they are (`data_ingestion_objects` says in which
order).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import batched
from typing import TYPE_CHECKING, Final

from tickstream import keys
from tickstream.errors import MalformedItem
from tickstream.ingests import Activity, is_forgotten
from tickstream.items import activity_item, commit_from, key_of
from tickstream.messages import RangePointer, encode_message
from tickstream.revisions import Revising, revising_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from services.table import Table
    from tickstream.ingests import Manifest, Source, Span
    from tickstream.items import Item

#: Receipts are read so many at a time: each may be 300 KB, and only their keys are kept.
_RECEIPTS_AT_A_TIME: Final = 500


def send_missing(
    manifest: Manifest, source: Source, now_ms: int, table: Table, send: Callable[[Iterable[str]], int]
) -> int:
    """Queue the ranges of an ingest that have no receipt; return how many. source: a version that has these bytes."""
    if is_forgotten(manifest.received_ms, now_ms):
        return 0
    return send_again(manifest, source, list(without_receipt(manifest, table)), table, send)


def send_again(
    manifest: Manifest,
    source: Source,
    missing: Sequence[tuple[Span, bool]],
    table: Table,
    send: Callable[[Iterable[str]], int],
) -> int:
    """List an ingest as open, unless it is, and queue these ranges of it; return how many."""
    if missing:
        table.put_if_absent(activity_of(manifest))
        # Published and taken off already, it is found published, and taken off again.
        for entry in publishing_of(manifest):
            table.put(entry)
        send(encode_message(pointer) for pointer in pointers_to(manifest, source, missing))
    return len(missing)


def activity_of(manifest: Manifest) -> Item:
    """Build the entry of an ingest, of which nothing is confirmed, in the list of open ones."""
    waits = manifest.replaces
    return activity_item(Activity(manifest.ingest_id, manifest.received_ms, manifest.ranges, waits=waits))


def publishing_of(manifest: Manifest) -> tuple[Item, ...]:
    """Build the entry of an ingest that is to take the place of others; none of all else."""
    if not manifest.replaces:
        return ()
    return (revising_item(Revising(manifest.ingest_id, manifest.received_ms, manifest.ranges, publishes=True)),)


def without_receipt(manifest: Manifest, table: Table) -> Iterator[tuple[Span, bool]]:
    """Yield the ranges that are to be processed, and of each whether its object was found gone before."""
    partition = keys.ingest_partition(manifest.ingest_id)
    for spans in batched(manifest.spans, _RECEIPTS_AT_A_TIME, strict=False):
        # Part 0 alone: it is written last and commits the range.
        found = table.batch_get(key_of(partition, keys.receipt_sort_key(span.index, 0)) for span in spans)
        commits = [commit_from(item) for item in found]
        is_gone = {one.index: one.is_gone for one in commits}
        yield from ((span, span.index in is_gone) for span in spans if is_gone.get(span.index, True))


def pointers_to(manifest: Manifest, source: Source, missing: Iterable[tuple[Span, bool]]) -> Iterator[RangePointer]:
    """Yield the pointers to ranges, each given with whether its object was found gone before."""
    if manifest.source is None or manifest.layout is None:
        raise MalformedItem(f"the manifest of ingest {manifest.ingest_id} has ranges of no object")
    # The frozen version is gone; its bytes are there again as another.
    again = replace(manifest.source, version_id=source.version_id)
    for span, is_gone in missing:
        frozen = again if is_gone else manifest.source
        yield RangePointer(manifest.ingest_id, manifest.received_ms, span, frozen, manifest.layout)
