"""An object arrives: cut it into ranges once, and queue a pointer to each range.

What may go wrong in between, write by write. S3 delivers each event at least once, Lambda invokes again after a failure
and ends in the dead-letter queue, from where a redrive is one more delivery of the same event:

1. sniff and plan (reads only). Died here: nothing has happened.
2. the **claim** of a large object, put if absent: it says which ingest these bytes under this key are, by what does
   not change with the way they are stored or uploaded. An ETag does, under a KMS key and with the size of an upload's
   parts. Died here: the next delivery of these bytes, of whatever version, goes on with the ingest that it names.
3. the **manifest**, put if absent. It freezes the version and the ranges; from now on other settings (RangeBytes
   after an update) and later versions of these bytes change nothing. Died here: the next delivery finds the manifest.
4. the **activity** entry, put if absent (it may have progress in it) and before any message: the schedule confirms an
   ingest only when all its receipts are there, and could not know of one whose messages were sent and whose entry was
   not. Died here: the ingest is listed, incomplete, and becomes overdue unless a delivery resends its ranges.
5. the **pointers**. Died in the middle: a delivery resends exactly those frozen ranges that have no receipt. One that
   is on its way is sent twice then; processing it twice writes the same items twice.

A delivery that finds every receipt does nothing. In particular it does not list the ingest again: it may be confirmed.

A receipt that says that the object was gone is none here: whoever puts the same bytes again gets those ranges
processed, from the version that was put now. Their receipts are replaced by the new ones; a late message about the
version that is gone finds a receipt and leaves it alone.

Claim and manifest stay for ever, as the rollups do that know the ranges: cut another way, the same bytes would be
counted in part. Receipts do not: once they have expired, a delivery of these bytes does nothing, whatever became of
them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import batched
from typing import TYPE_CHECKING, Final

from tickstream import keys
from tickstream.errors import MalformedItem, ObjectRejected, Reason, ServiceIncomplete
from tickstream.ingests import Activity, Manifest, is_forgotten
from tickstream.items import activity_item, commit_from, key_of, manifest_from, manifest_item
from tickstream.layouts import SNIFFED_BYTES, sniff_with_footer
from tickstream.messages import IndexOrder, RangePointer, encode_message, encode_order
from tickstream.ranges import is_to_be_indexed, plan_spans
from tickstream.row_samples import refuse_rows_that_fail_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from services.table import Table
    from tickstream.ingests import Read, Source, Span

#: Receipts are read so many at a time: each may be 300 KB, and only their keys are kept.
_RECEIPTS_AT_A_TIME: Final = 500
#: A manifest is replaced only while it says that its object was gone; writers who disagree on that read again.
_ATTEMPTS_AT_MANIFEST: Final = 5
_CLAIM_SORT_KEY: Final = 0


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a delivery of an object's event did. `sent`: pointers queued; `known`: it was not the first delivery."""

    manifest: Manifest
    sent: int
    known: bool


def ingest_object(
    source: Source,
    received_ms: int,
    range_bytes: int,
    *,
    table: Table,
    read: Read,
    send: Callable[[Iterable[str]], int],
    order_index: Callable[[Iterable[str]], int],
    checksum: Callable[[], str] = lambda: "",
) -> Ingested:
    """Begin the ingest of one object version, or go on with it where an earlier delivery left off.

    received_ms: Unix milliseconds; only the first delivery's counts.
    range_bytes: the size of ranges wanted; only the first delivery's counts.
    read: the bytes of that version.
    send: queues message bodies and returns how many. order_index: queues orders for DataIndexer.
    checksum: gives the one that S3 keeps of that version, with its algorithm; empty where there is none.

    Raises ServiceIncomplete and ServiceRefused; whatever it is, the same event again goes on from there.
    """
    read = _remembering_head(source, read)
    planned, fingerprint = _plan(source, received_ms, range_bytes, read, checksum)
    if fingerprint:
        planned = replace(planned, ingest_id=_claimed(planned.ingest_id, source, fingerprint, table))
    manifest, is_new = _freeze(planned, table)
    if manifest.indexing:
        order_index([encode_order(_order(manifest))])
        return Ingested(manifest, 0, not is_new)
    if is_new:
        sent = _send(manifest, source, [(span, False) for span in manifest.spans], table, send)
    else:
        sent = send_missing(manifest, source, received_ms, table, send)
    return Ingested(manifest, sent, not is_new)


def send_missing(
    manifest: Manifest, source: Source, now_ms: int, table: Table, send: Callable[[Iterable[str]], int]
) -> int:
    """Queue the ranges of an ingest that have no receipt; return how many. source: a version that has these bytes."""
    if is_forgotten(manifest.received_ms, now_ms):
        return 0
    return _send(manifest, source, list(_without_receipt(manifest, table)), table, send)


def _send(
    manifest: Manifest,
    source: Source,
    missing: Sequence[tuple[Span, bool]],
    table: Table,
    send: Callable[[Iterable[str]], int],
) -> int:
    if missing:
        table.put_if_absent(activity_item(Activity(manifest.ingest_id, manifest.received_ms, manifest.ranges)))
        send(encode_message(pointer) for pointer in _pointers(manifest, source, missing))
    return len(missing)


def _order(manifest: Manifest) -> IndexOrder:
    if manifest.source is None or manifest.layout is None:
        raise MalformedItem(f"the manifest of ingest {manifest.ingest_id} is of no object")
    return IndexOrder(manifest.ingest_id, manifest.received_ms, manifest.source, manifest.layout)


def _plan(
    source: Source, received_ms: int, range_bytes: int, read: Read, checksum: Callable[[], str]
) -> tuple[Manifest, str]:
    """Return the manifest that these bytes would have, and the fingerprint by which they are claimed, if by any."""
    ingest_id = keys.object_ingest_id(source.bucket, source.key, source.etag, source.size_bytes)
    if source.size_bytes == 0:
        return Manifest(ingest_id, received_ms, ranges=0, source=source), ""
    try:
        head = read(0, min(SNIFFED_BYTES, source.size_bytes))
        if len(head) == source.size_bytes:
            # All of it: the ETag that a plain upload has, whatever S3 made of these bytes. Nothing is to be claimed.
            digest = hashlib.md5(head, usedforsecurity=False).hexdigest()
            ingest_id = keys.object_ingest_id(source.bucket, source.key, digest, source.size_bytes)
        layout, footer = sniff_with_footer(source, read)
        refuse_rows_that_fail_alike(source, layout, read)
        if is_to_be_indexed(source, layout, range_bytes):
            manifest = Manifest(ingest_id, received_ms, ranges=0, source=source, layout=layout, indexing=True)
            return manifest, _fingerprint(head, checksum()) if len(head) < source.size_bytes else ""
        spans = plan_spans(source, layout, range_bytes, read, footer=footer)
        fingerprint = _fingerprint(head, checksum()) if spans and len(head) < source.size_bytes else ""
    except ObjectRejected as error:
        # A result, not a failure: trying again would not help, and the manifest tells whoever asks.
        rejected = Manifest(
            ingest_id, received_ms, ranges=0, source=source, rejected=error.reason, rejected_detail=error.detail
        )
        return rejected, ""
    return Manifest(ingest_id, received_ms, len(spans), spans, source, layout), fingerprint


def _remembering_head(source: Source, read: Read) -> Read:
    """Read the first bytes, which several look at, once."""
    head_bytes = min(SNIFFED_BYTES, source.size_bytes)
    heads: list[bytes] = []

    def remembering(start: int, end: int) -> bytes:
        if (start, end) != (0, head_bytes):
            return read(start, end)
        if not heads:
            heads.append(read(start, end))
        return heads[0]

    return remembering


def _claimed(ingest_id: str, source: Source, fingerprint: str, table: Table) -> str:
    """Claim bytes for an ingest; return the one that they are: this one, or an earlier one under another ETag."""
    key = key_of(keys.same_bytes_partition(source.bucket, source.key, fingerprint, source.size_bytes), _CLAIM_SORT_KEY)
    if table.put_if_absent({**key, "ingest": {"S": ingest_id}}):
        return ingest_id
    claim = table.get(key)
    if claim is None or "ingest" not in claim:
        raise MalformedItem(f"not a claim of bytes, though it never expires: {claim!r}")
    return str(claim["ingest"]["S"])


def _fingerprint(head: bytes, checksum: str) -> str:
    """Return what a large object's bytes are known by beside their number; empty where there is only the ETag.

    The first bytes are added to the checksum because that may have 32 bits, and a key may be written every minute for
    years.
    """
    return f"{hashlib.sha256(head).hexdigest()} {checksum}" if checksum else ""


def _freeze(planned: Manifest, table: Table) -> tuple[Manifest, bool]:
    """Return the manifest that counts, and whether it is the planned one."""
    item = manifest_item(planned)
    for _ in range(_ATTEMPTS_AT_MANIFEST):
        if table.put_if_absent(item):
            return planned, True
        found = table.get(key_of(keys.ingest_partition(planned.ingest_id), keys.MANIFEST_SORT_KEY))
        if found is None:
            continue
        known = manifest_from(found)
        if known == planned:
            # This very call wrote it and lost the answer: nothing has been sent yet.
            return known, True
        if known.rejected is not Reason.OBJECT_GONE or planned.rejected is Reason.OBJECT_GONE:
            return known, False
        # The object was deleted before it was read, and the same bytes are there again. Nothing was ever sent for
        # the ingest (it has no ranges), so this is its first use; of two that try, the condition lets one through.
        if table.put_if_equal(item, "rejected", {"S": Reason.OBJECT_GONE.value}):
            return planned, True
    raise ServiceIncomplete(f"the manifest of ingest {planned.ingest_id} changed {_ATTEMPTS_AT_MANIFEST} times")


def _without_receipt(manifest: Manifest, table: Table) -> Iterator[tuple[Span, bool]]:
    """Yield the ranges that are to be processed, and of each whether its object was found gone before."""
    partition = keys.ingest_partition(manifest.ingest_id)
    for spans in batched(manifest.spans, _RECEIPTS_AT_A_TIME, strict=False):
        # Part 0 alone: it is written last and commits the range.
        found = table.batch_get(key_of(partition, keys.receipt_sort_key(span.index, 0)) for span in spans)
        commits = [commit_from(item) for item in found]
        is_gone = {one.index: one.is_gone for one in commits}
        yield from ((span, span.index in is_gone) for span in spans if is_gone.get(span.index, True))


def _pointers(manifest: Manifest, source: Source, missing: Iterable[tuple[Span, bool]]) -> Iterator[RangePointer]:
    if manifest.source is None or manifest.layout is None:
        raise MalformedItem(f"the manifest of ingest {manifest.ingest_id} has ranges of no object")
    # The frozen version is gone; its bytes are there again as another.
    again = replace(manifest.source, version_id=source.version_id)
    for span, is_gone in missing:
        frozen = again if is_gone else manifest.source
        yield RangePointer(manifest.ingest_id, manifest.received_ms, span, frozen, manifest.layout)
