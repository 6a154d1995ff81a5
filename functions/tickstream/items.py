"""The items of `MarketDataState` as DynamoDB stores them (low-level attribute values), both ways.

Every `..._item` has its `..._from`. Numbers go in and out as text and never through a float.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from tickstream import keys
from tickstream.errors import MalformedItem, Reason
from tickstream.hours import HourItem, Revision, Rollup, Segment, Slice
from tickstream.ingests import Activity, Commit, FeedChoice, Manifest, Pending, Receipt, Refusal, expires_at_s
from tickstream.messages import layout_fields, layout_from, source_fields, source_from, span_fields, span_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

type Item = dict[str, Any]  # attribute name -> {"S": ...} | {"N": "..."} | {"B": bytes}

EXPIRY_ATTRIBUTE: Final = "expiresAt"
#: What `manifest_from` and `commit_from` read: all that an ingest's items have but the hours, which are most of it.
PROGRESS_ATTRIBUTES: Final = (
    "symbol", "timestamp",
    "receivedMs", "ranges", "indexing", "accepted", "refused", "details", "rejected",
    "ticks", "skipped", "cancelled", "parts", "committedMs", "detail", "reasons",
    "retraction", "retractionCause", "retractionMs", "retractedMs", "retractionWhy", "replacedBy",
    "publishedMs", "putMs",
)  # fmt: skip
#: The hours of a receipt are split so that one part's item stays well below DynamoDB's 400 KB.
RECEIPT_PART_BYTES: Final = 300_000

#: What a manifest says that is to be replaced.
IS_INDEXING: Final = {"BOOL": True}

_RANGE_ID_BYTES: Final = 9


def key_of(partition: str, sort_key: int) -> Item:
    """Build the primary key of an item."""
    return {"symbol": {"S": partition}, "timestamp": {"N": str(sort_key)}}


def primary_key(item: Item) -> Item:
    """Return the primary key of a read item alone, as deletes want it."""
    return {"symbol": item["symbol"], "timestamp": item["timestamp"]}


def sort_key_of(item: Item) -> int:
    """Return the sort key of a read item."""
    return int(item["timestamp"]["N"])


# --- the hour of a symbol ------------------------------------------------------------------------------------------


def slice_item(piece: Slice, ingest_id: str, index: int, received_ms: int) -> Item:
    """Build a slice's item; ingest and range are for people who look, the key says all that the code needs."""
    item = {
        **slice_key(piece),
        "bars": {"B": piece.packed_bars},
        "range": {"S": f"{ingest_id}/{index}"},
        EXPIRY_ATTRIBUTE: {"N": str(expires_at_s(received_ms))},
    }
    return {**item, "waits": {"BOOL": True}} if piece.waits else item


def slice_key(piece: Slice) -> Item:
    """Build the primary key of a slice."""
    return key_of(piece.symbol, keys.sort_key(piece.hour, piece.range_id))


def set_aside(item: Item) -> Item:
    """Return a slice's item as it stands where slices are set aside."""
    return {**item, "symbol": {"S": keys.set_aside_partition(item["symbol"]["S"])}}


def set_aside_from(item: Item) -> Slice:
    """Read such an item as the slice that it is. Raises MalformedItem."""
    found = hour_item_from({**item, "symbol": {"S": keys.symbol_set_aside(item["symbol"]["S"])}})
    if not isinstance(found, Slice):
        raise MalformedItem("what was set aside is no slice")
    return found


def rollup_item(rollup: Rollup) -> Item:
    """Build a rollup's item. It never expires."""
    return {
        **key_of(rollup.symbol, keys.sort_key(rollup.hour, keys.ROLLUP_SUFFIX)),
        "bars": {"B": rollup.packed_bars},
        "ranges": {"B": _pack_range_ids(rollup.ranges)},
        "segments": {"N": str(rollup.segments)},
    }


def segment_item(segment: Segment) -> Item:
    """Build a segment's item. It never expires."""
    item = {
        **key_of(segment.symbol, keys.sort_key(segment.hour, keys.segment_suffix(segment.number))),
        "bars": {"B": segment.packed_bars},
        "ranges": {"B": _pack_range_ids(segment.ranges)},
    }
    return {**item, "without": {"B": _pack_range_ids(segment.without)}} if segment.without else item


def revision_item(revision: Revision) -> Item:
    """Build a revision's item. It never expires: a rollup or a message may bring back what it withdraws."""
    return {
        **revision_key((revision.symbol, revision.hour), revision.name),
        "withdrawn": {"B": _pack_range_ids(revision.withdrawn)},
        "published": {"B": _pack_range_ids(revision.published)},
    }


def revision_key(symbol_hour: keys.SymbolHour, name: int) -> Item:
    """Build the primary key of a revision of an hour."""
    symbol, hour = symbol_hour
    return key_of(symbol, keys.sort_key(hour, keys.revision_suffix(name)))


def hour_item_from(item: Item) -> HourItem:
    """Read any item of a symbol's hour. Raises MalformedItem."""
    try:
        symbol = item["symbol"]["S"]
        hour, suffix = keys.hour_and_suffix(sort_key_of(item))
        if suffix >= keys.FIRST_REVISION_SUFFIX:
            both = (_unpack_range_ids(item[name]["B"]) for name in ("withdrawn", "published"))
            return Revision(symbol, hour, suffix - keys.FIRST_REVISION_SUFFIX, *both)
        packed_bars = bytes(item["bars"]["B"])
        if suffix == keys.ROLLUP_SUFFIX:
            ranges = _unpack_range_ids(item["ranges"]["B"])
            return Rollup(symbol, hour, ranges, int(item["segments"]["N"]), packed_bars)
        if suffix > keys.FIRST_SEGMENT_SUFFIX:
            ranges = _unpack_range_ids(item["ranges"]["B"])
            without = _unpack_range_ids(item["without"]["B"]) if "without" in item else frozenset[int]()
            return Segment(symbol, hour, suffix - keys.FIRST_SEGMENT_SUFFIX, ranges, packed_bars, without)
        return Slice(symbol, hour, suffix, packed_bars, "waits" in item)
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedItem(f"not an item of a symbol's hour: {error!r}") from error


def _pack_range_ids(range_ids: Iterable[int]) -> bytes:
    # Sorted, so that equal sets are equal bytes.
    return b"".join(range_id.to_bytes(_RANGE_ID_BYTES) for range_id in sorted(range_ids))


def _unpack_range_ids(packed: bytes) -> frozenset[int]:
    packed = bytes(packed)
    if len(packed) % _RANGE_ID_BYTES:
        raise MalformedItem(f"{len(packed)} bytes are no whole number of range ids")
    return frozenset(
        int.from_bytes(packed[start : start + _RANGE_ID_BYTES]) for start in range(0, len(packed), _RANGE_ID_BYTES)
    )


# --- an ingest -----------------------------------------------------------------------------------------------------


def manifest_item(manifest: Manifest) -> Item:
    """Build the manifest's item: put if absent. It never expires where an object was cut into ranges."""
    details = {
        "spans": [span_fields(span) for span in manifest.spans],
        "source": manifest.source and source_fields(manifest.source),
        "layout": manifest.layout and layout_fields(manifest.layout),
        "rejected_detail": manifest.rejected_detail,
    }
    if manifest.feed_choice is not None:
        details["feed_choice"] = manifest.feed_choice.value
    item = {
        **key_of(keys.ingest_partition(manifest.ingest_id), keys.MANIFEST_SORT_KEY),
        "receivedMs": {"N": str(manifest.received_ms)},
        "ranges": {"N": str(manifest.ranges)},
        "accepted": {"N": str(manifest.accepted)},
        "refused": {"N": str(manifest.refused)},
        "details": {"B": _pack_json(details)},
    }
    if manifest.source is None or not manifest.ranges:
        item[EXPIRY_ATTRIBUTE] = {"N": str(expires_at_s(manifest.received_ms))}
    if manifest.rejected is not None:
        item["rejected"] = {"S": manifest.rejected.value}
    if manifest.indexing:
        item["indexing"] = IS_INDEXING
    if manifest.put_ms:
        item["putMs"] = {"N": str(manifest.put_ms)}
    return item


def manifest_key(ingest_id: str) -> Item:
    """Build the primary key of an ingest's manifest."""
    return key_of(keys.ingest_partition(ingest_id), keys.MANIFEST_SORT_KEY)


def manifest_from(item: Item) -> Manifest:
    """Read a manifest. Raises MalformedItem."""
    try:
        details = _unpack_json(item["details"]["B"])
        return Manifest(
            ingest_id=keys.ingest_of(item["symbol"]["S"]),
            received_ms=int(item["receivedMs"]["N"]),
            ranges=int(item["ranges"]["N"]),
            spans=tuple(span_from(span) for span in details["spans"]),
            source=source_from(details["source"]) if details["source"] else None,
            layout=layout_from(details["layout"]) if details["layout"] else None,
            accepted=int(item["accepted"]["N"]),
            refused=int(item["refused"]["N"]),
            rejected=Reason(item["rejected"]["S"]) if "rejected" in item else None,
            rejected_detail=details["rejected_detail"],
            indexing="indexing" in item,
            put_ms=int(item["putMs"]["N"]) if "putMs" in item else 0,
            feed_choice=FeedChoice(details["feed_choice"]) if "feed_choice" in details else None,
        )
    except (KeyError, ValueError, TypeError, zlib.error) as error:
        raise MalformedItem(f"not a manifest: {error!r}") from error


def receipt_items(receipt: Receipt, received_ms: int) -> tuple[Item, ...]:
    """Build the receipt's parts, part 0 last: writing it in this order commits the range with its last write.

    Only part 0 carries counts, so that a sum over the items of an ingest is right without knowing about parts.
    """
    batches = list(_split_hours(receipt.hours)) or [{}]
    items = []
    for part, hours in reversed(list(enumerate(batches))):
        item = {
            **key_of(keys.ingest_partition(receipt.ingest_id), keys.receipt_sort_key(receipt.index, part)),
            "hours": {"B": _pack_json(hours)},
            EXPIRY_ATTRIBUTE: {"N": str(expires_at_s(received_ms))},
        }
        if part == 0:
            item |= {
                "ticks": {"N": str(receipt.ticks)},
                "rejected": {"N": str(receipt.rejected)},
                "parts": {"N": str(len(batches))},
                "committedMs": {"N": str(receipt.committed_ms)},
            }
            item |= {name: {"N": str(rows)} for name, rows in _no_ticks(receipt).items() if rows}
            if receipt.reasons:
                item["reasons"] = {"M": {why.value: {"N": str(rows)} for why, rows in receipt.reasons.items()}}
            if receipt.refusal is not None:
                item |= {"refused": {"S": receipt.refusal.reason.value}, "detail": {"S": receipt.refusal.detail}}
        items.append(item)
    return tuple(items)


def commit_from(head: Item) -> Commit:
    """Read part 0 of a receipt without unpacking its hours. Raises MalformedItem."""
    try:
        index, part = keys.receipt_index_and_part(sort_key_of(head))
        commit = Commit(
            index=index,
            ticks=int(head["ticks"]["N"]),
            rejected=int(head["rejected"]["N"]),
            committed_ms=int(head["committedMs"]["N"]),
            parts=int(head["parts"]["N"]),
            refusal=_refusal_from(head),
            reasons=_reasons_from(head),
            **_no_ticks_from(head),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedItem(f"not the head of a receipt: {error!r}") from error
    if part != 0:
        raise MalformedItem(f"part {part} of a receipt is not its head")
    return commit


def receipt_from(parts: Iterable[Item]) -> Receipt:
    """Read a receipt from all its parts, in any order. Raises MalformedItem, also where a part is missing."""
    try:
        by_part = {keys.receipt_index_and_part(sort_key_of(item))[1]: item for item in parts}
        head = by_part[0]
        hours: dict[str, tuple[int, ...]] = {}
        for part in range(int(head["parts"]["N"])):
            for symbol, more in _unpack_json(by_part[part]["hours"]["B"]).items():
                hours[symbol] = hours.get(symbol, ()) + tuple(more)
        return Receipt(
            ingest_id=keys.ingest_of(head["symbol"]["S"]),
            index=keys.receipt_index_and_part(sort_key_of(head))[0],
            ticks=int(head["ticks"]["N"]),
            rejected=int(head["rejected"]["N"]),
            committed_ms=int(head["committedMs"]["N"]),
            hours=hours,
            refusal=_refusal_from(head),
            reasons=_reasons_from(head),
            **_no_ticks_from(head),
        )
    except (KeyError, ValueError, TypeError, zlib.error) as error:
        raise MalformedItem(f"not a whole receipt: {error!r}") from error


def _no_ticks(receipt: Receipt) -> dict[str, int]:
    """Return the counts of rows that are no ticks, and no rejects either: of most objects there are none."""
    return {"skipped": receipt.skipped, "cancelled": receipt.cancelled}


def _no_ticks_from(head: Item) -> dict[str, int]:
    return {name: int(head[name]["N"]) if name in head else 0 for name in ("skipped", "cancelled")}


def _reasons_from(head: Item) -> Mapping[Reason, int]:
    return {Reason(why): int(rows["N"]) for why, rows in head["reasons"]["M"].items()} if "reasons" in head else {}


def _refusal_from(head: Item) -> Refusal | None:
    return Refusal(Reason(head["refused"]["S"]), head["detail"]["S"]) if "refused" in head else None


def _split_hours(hours: Mapping[str, tuple[int, ...]]) -> Iterator[dict[str, list[int]]]:
    batch: dict[str, list[int]] = {}
    size_bytes = 0
    for symbol, hour in ((name, one) for name in sorted(hours) for one in hours[name]):
        entry_bytes = len(symbol) + len(str(hour)) + 8
        if size_bytes + entry_bytes > RECEIPT_PART_BYTES:
            yield batch
            batch, size_bytes = {}, 0
        batch.setdefault(symbol, []).append(hour)
        size_bytes += entry_bytes
    if batch:
        yield batch


# --- the two lists -------------------------------------------------------------------------------------------------


def activity_item(activity: Activity) -> Item:
    """Build the entry of an ingest that is not confirmed. It never expires."""
    item = {
        **key_of(
            keys.activity_partition(activity.ingest_id),
            keys.activity_sort_key(activity.received_ms, activity.ingest_id),
        ),
        "ingest": {"S": activity.ingest_id},
        "ranges": {"N": str(activity.ranges)},
    }
    if activity.confirmed:
        item["confirmed"] = {"B": activity.confirmed.to_bytes(-(-activity.ranges // 8), "little")}
    if activity.next_range:
        item["next"] = {"N": str(activity.next_range)}
    if activity.waits:
        item["waits"] = {"BOOL": True}
    return item


def activity_from(item: Item) -> Activity:
    """Read such an entry. Raises MalformedItem."""
    try:
        return Activity(
            ingest_id=item["ingest"]["S"],
            received_ms=sort_key_of(item) // keys.SUFFIX_SPAN,
            ranges=int(item["ranges"]["N"]),
            confirmed=int.from_bytes(bytes(item["confirmed"]["B"]), "little") if "confirmed" in item else 0,
            next_range=int(item["next"]["N"]) if "next" in item else 0,
            waits="waits" in item,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedItem(f"not an activity: {error!r}") from error


def key_of_pending(pending: Pending) -> Item:
    """Build the primary key of the entry of a range to roll up."""
    range_id = keys.range_id(pending.ingest_id, pending.index)
    return key_of(keys.pending_partition(pending.lane), pending.received_ms * keys.SUFFIX_SPAN + range_id)


def pending_item(pending: Pending) -> Item:
    """Build the entry of a range to roll up: the same entry each time the range is processed. It never expires."""
    item = {
        **key_of_pending(pending),
        "ingest": {"S": pending.ingest_id},
        "index": {"N": str(pending.index)},
    }
    return {**item, "whole": {"BOOL": True}} if pending.whole else item


def pending_from(item: Item) -> Pending:
    """Read such an entry. Raises MalformedItem."""
    try:
        return Pending(
            ingest_id=item["ingest"]["S"],
            index=int(item["index"]["N"]),
            received_ms=sort_key_of(item) // keys.SUFFIX_SPAN,
            lane=keys.pending_lane(item["symbol"]["S"]),
            whole="whole" in item,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedItem(f"not a pending range: {error!r}") from error


#: `json.dumps` would make one each time.
_WRITER: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True)


def _pack_json(value: object) -> bytes:
    return zlib.compress(_WRITER.encode(value).encode(), 1)


def _unpack_json(packed: bytes) -> Any:
    return json.loads(zlib.decompress(bytes(packed)))
