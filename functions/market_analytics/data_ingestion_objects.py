"""An object arrives: cut it into ranges once, and queue a pointer to each range.

What may go wrong in between, write by write. S3 delivers each event at least once, Lambda invokes again after a failure
and ends in the dead-letter queue, from where a redrive is one more delivery of the same event:

1. sniff and plan (reads only). Died here: nothing has happened.
2. the **claim** of a large object, put if absent: it says which ingest these bytes under this key are, by what does
   not change with the way they are stored or uploaded. An ETag does, under a KMS key and with the size of an upload's
   parts. Died here: the next delivery of these bytes, of whatever version, goes on with the ingest that it names.
3. the **manifest**, put if absent. It freezes the version and the ranges; from now on other settings (RangeBytes
   after an update) and later versions of these bytes change nothing. Died here: the next delivery finds the manifest.
4. of a refused object the **line** in the bucket of rejects. Died here, as after the manifest: the next delivery finds
   the manifest and writes line and lists again, the same but for the time in the line.
5. the **lists** by which the ingest is found (`tickstream.fate_items`) and, of one that has ranges, its **activity**
   entry, in one request and before any message: the schedule confirms an ingest only when all its receipts are there,
   and could not know of one whose messages were sent and whose entry was not. The delivery that wrote the manifest
   writes all of them without conditions: the activity entry has no progress yet, which takes a receipt that is older
   than this function lives, and no receipt is older than the manifest. Every other delivery puts the activity entry if
   absent (it may have progress in it), and writes the lists again where it finds no receipt at all: with one the lists
   are there, since they go before any message. Died here: the ingest is listed, incomplete, and becomes overdue unless
   a delivery resends its ranges. Died in between: what is written in part is seen so by whoever looks, and the next
   delivery writes the rest.
6. the **pointers**, or the order to index. Died in the middle: a delivery resends exactly those frozen ranges that have
   no receipt. One that is on its way is sent twice then; processing it twice writes the same items twice.

A delivery that finds every receipt does nothing. In particular it does not list the ingest again: it may be confirmed.

The same bytes that are put after their ingest was taken back are a new ingest, with an id that follows from the old
one, and so on: each delivery goes along them to the first that counts. A late delivery of a put from before, which is
the old ingest's, finds that one by the version that it froze, or by the time of the put. While it is not decided yet
whether an ingest can be taken back at all, its bytes begin no other: the delivery fails, and comes again.

Where new bytes take the place of old ones the same bytes may be put again after others: their ingest moves to that
place by one conditional write of its manifest or, where it was replaced by what was put before, they are a new ingest.

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
from typing import TYPE_CHECKING, Final

from market_analytics.data_ingestion_ranges import activity_of, pointers_to, publishing_of, send_again, without_receipt
from tickstream import keys
from tickstream.errors import MalformedItem, ObjectRejected, Reason, ServiceIncomplete
from tickstream.fate_items import arrival_items
from tickstream.feeds.catalogue import installed
from tickstream.feeds.choice import chosen_by
from tickstream.feeds.documents import thawed
from tickstream.ingests import UNVERSIONED, Manifest, Refusal, is_forgotten
from tickstream.items import key_of, manifest_from, manifest_item, manifest_key
from tickstream.layouts import SNIFFED_BYTES, sniff_with_footer
from tickstream.messages import IndexOrder, encode_message, encode_order
from tickstream.ranges import has_large_ranges, is_to_be_indexed, plan_spans
from tickstream.refused_objects import refusal_key, refusal_line
from tickstream.revisions import Step, put_order, retraction_from
from tickstream.row_samples import refuse_rows_that_fail_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from services.table import Table
    from tickstream.ingests import Layout, Read, Source
    from tickstream.items import Item
    from tickstream.revisions import Retraction

#: A manifest is replaced only while it says that its object was gone; writers who disagree on that read again.
_ATTEMPTS_AT_MANIFEST: Final = 5
_CLAIM_SORT_KEY: Final = 0
#: So often may the same bytes be put and taken back.
MAX_LIVES: Final = 100


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
    send_large: Callable[[Iterable[str]], int],
    order_index: Callable[[Iterable[str]], int],
    checksum: Callable[[], str] = lambda: "",
    put_ms: int | None = None,
    replaces: bool = False,
    keep_refusal: Callable[[str, bytes], object] = lambda _key, _line: None,
) -> Ingested:
    """Begin the ingest of one object version, or go on with it where an earlier delivery left off.

    received_ms: Unix milliseconds; only the first delivery's counts.
    range_bytes: the size of ranges wanted; only the first delivery's counts.
    read: the bytes of that version.
    send: queues message bodies and returns how many. send_large: does so in the queue of large ranges.
    order_index: queues orders for DataIndexer.
    put_ms: when the version was put, in Unix milliseconds; None: when it was received.
    replaces: whether an object takes the place of what came under its key before, where its feed does not say.
    checksum: gives the one that S3 keeps of that version, with its algorithm; empty where there is none.
    keep_refusal: puts a line under a key of the bucket of rejects.

    Raises ServiceIncomplete and ServiceRefused; whatever it is, the same event again goes on from there.
    """
    read = _remembering_head(source, read)
    planned, fingerprint = _plan(source, received_ms, range_bytes, read, checksum)
    put_ms = received_ms if put_ms is None else put_ms
    planned = replace(planned, put_ms=put_ms)
    if planned.layout is not None and says_replace(planned.layout, default=replaces):
        planned = replace(planned, layout=replace(planned.layout, replaces=True))
    if fingerprint:
        planned = replace(planned, ingest_id=_claimed(planned.ingest_id, source, fingerprint, table))
    manifest, is_new = _freeze(planned, table)
    if manifest.rejected is not None:
        refusal = Refusal(manifest.rejected, manifest.rejected_detail)
        line = refusal_line(manifest.ingest_id, manifest.source or source, refusal, received_ms)
        keep_refusal(refusal_key(manifest.ingest_id), line)
    if manifest.indexing:
        table.batch_write(arrival_items(manifest))
        order_index([encode_order(_order(manifest))])
        return Ingested(manifest, 0, not is_new)
    if has_large_ranges(manifest):
        send = send_large
    sent = _begin(manifest, source, table, send) if is_new else _go_on(manifest, source, received_ms, table, send)
    return Ingested(manifest, sent, not is_new)


def _begin(manifest: Manifest, source: Source, table: Table, send: Callable[[Iterable[str]], int]) -> int:
    """List an ingest whose manifest is this delivery's own, and queue all its ranges; return how many."""
    if not manifest.ranges:
        table.batch_write(arrival_items(manifest))
        return 0
    table.batch_write((*arrival_items(manifest), activity_of(manifest)))
    # Behind it: whoever takes this off sees that it is listed as one that waits.
    table.batch_write(publishing_of(manifest))
    never_sent = ((span, False) for span in manifest.spans)
    send(encode_message(pointer) for pointer in pointers_to(manifest, source, never_sent))
    return manifest.ranges


def _go_on(manifest: Manifest, source: Source, now_ms: int, table: Table, send: Callable[[Iterable[str]], int]) -> int:
    """List an ingest that an earlier delivery began, if it may not be listed; queue its ranges without receipt."""
    if is_forgotten(manifest.received_ms, now_ms):
        return 0
    missing = list(without_receipt(manifest, table))
    if len(missing) == manifest.ranges:
        table.batch_write(arrival_items(manifest))
    return send_again(manifest, source, missing, table, send)


def says_replace(layout: Layout, *, default: bool) -> bool:
    """Say whether new bytes under an old key take the place of the old ones: as the feed says, or else the bucket."""
    said = thawed(layout.feed).same_key if layout.feed else ""
    return said == "replace" if said else default


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
        choice = chosen_by(source.key, layout.feed, installed())
        if is_to_be_indexed(source, layout, range_bytes):
            manifest = Manifest(
                ingest_id, received_ms, 0, source=source, layout=layout, indexing=True, feed_choice=choice
            )
            return manifest, _fingerprint(head, checksum()) if len(head) < source.size_bytes else ""
        spans = plan_spans(source, layout, range_bytes, read, footer=footer)
        fingerprint = _fingerprint(head, checksum()) if spans and len(head) < source.size_bytes else ""
    except ObjectRejected as error:
        # A result, not a failure: trying again would not help, and the manifest tells whoever asks.
        rejected = Manifest(
            ingest_id, received_ms, ranges=0, source=source, rejected=error.reason, rejected_detail=error.detail
        )
        return rejected, ""
    return Manifest(ingest_id, received_ms, len(spans), spans, source, layout, feed_choice=choice), fingerprint


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
    """Return the manifest that counts, and whether it is the planned one and was surely written by this delivery."""
    for _ in range(MAX_LIVES):
        known, is_planned, retraction = _freeze_one(planned, table)
        if retraction is None or retraction.step is Step.REFUSED:
            if is_planned or not _is_put_later(known, planned) or _move(known, planned, retraction, table):
                return known, is_planned
            continue  # somebody has taken it back, or its place, or moved it: whichever it was says what this put is
        if _is_of(known, planned, retraction, table):
            return known, is_planned
        if retraction.step is Step.ASKED:
            # It may yet be refused, and the ingest stay: another one beside it would have the same ticks twice.
            raise ServiceIncomplete(f"whether ingest {known.ingest_id} is taken back is decided in a moment")
        planned = replace(planned, ingest_id=keys.next_ingest_id(known.ingest_id))
    raise MalformedItem(f"the bytes of ingest {planned.ingest_id} were taken back {MAX_LIVES} times")


def _is_of(known: Manifest, planned: Manifest, retraction: Retraction, table: Table) -> bool:
    """Say whether a put is one of an ingest that is taken back: the one that began it, or one from before it was asked.

    The moments are of two clocks, S3's and DataRevision's; the put that matters most does not depend on them. Of one
    that was replaced they are of S3's alone: whether it was put before what took its place.
    """
    began, put = known.source, planned.source
    if began is None or put is None:
        raise MalformedItem(f"the manifest of ingest {known.ingest_id} is of no object")
    if put.version_id not in UNVERSIONED and put.version_id == began.version_id:
        return True
    by = table.get(manifest_key(retraction.by)) if retraction.by else None
    return planned.put_ms <= (retraction.asked_ms if by is None else put_order(by)[0])


def _is_put_later(known: Manifest, planned: Manifest) -> bool:
    """Say whether bytes that take the place of others were put again after the put that their ingest knows of.

    Known gap: while an object is being indexed its manifest is written anew, and would forget it.
    """
    return (
        planned.replaces
        and known.rejected is None
        and not known.indexing
        and planned.put_ms > (known.put_ms or known.received_ms)
    )


def _move(known: Manifest, planned: Manifest, retraction: Retraction | None, table: Table) -> bool:
    """Have an ingest stand where its bytes were put last, among those of its key; say whether it does.

    On the condition that nobody takes its place, whose mark is on the condition that it was not put again. Twice, or
    with the answer lost: it stands there already. One that was to be added, and counts, is published by it.
    """
    expected: dict[str, Item | None] = {
        "retraction": {"S": retraction.step.value} if retraction else None,
        "putMs": {"N": str(known.put_ms)} if known.put_ms else None,
    }
    put_ms: Item = {"N": str(planned.put_ms)}
    changes = {"putMs": put_ms} if known.replaces else {"putMs": put_ms, "publishedMs": put_ms}
    return table.change_if_equal(manifest_key(known.ingest_id), changes, expected) is not None


def _freeze_one(planned: Manifest, table: Table) -> tuple[Manifest, bool, Retraction | None]:
    """Return what `_freeze` does, of one ingest, and its retraction."""
    item = manifest_item(planned)
    for _ in range(_ATTEMPTS_AT_MANIFEST):
        if table.put_if_absent(item):
            return planned, True, None
        found = table.get(key_of(keys.ingest_partition(planned.ingest_id), keys.MANIFEST_SORT_KEY))
        if found is None:
            continue
        known = manifest_from(found)
        # Also where this very call wrote it and lost the answer: to go on with it does all that a beginning does.
        if known.rejected is not Reason.OBJECT_GONE or planned.rejected is Reason.OBJECT_GONE:
            return known, False, retraction_from(found)
        # The object was deleted before it was read, and the same bytes are there again. Nothing was ever sent for
        # the ingest (it has no ranges), so this is its first use; of two that try, the condition lets one through.
        if table.put_if_equal(item, "rejected", {"S": Reason.OBJECT_GONE.value}):
            return planned, True, None
    raise ServiceIncomplete(f"the manifest of ingest {planned.ingest_id} changed {_ATTEMPTS_AT_MANIFEST} times")
