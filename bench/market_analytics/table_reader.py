"""Reading back what the pipeline left: its table, its rejected rows, its dead letters.

The bench may Scan; the pipeline may not. Items are read with the pipeline's own codec (an item that it cannot read is
an error here too), their numbers are then judged by `bench.market_analytics.compare`.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from bench.errors import ReadBackError
from tickstream.errors import MalformedItem, TickstreamError
from tickstream.fate_items import listed_from
from tickstream.hours import HourItem, Revision, Rollup, Segment, Slice, current_bars, hour_items
from tickstream.items import (
    hour_item_from,
    manifest_from,
    pending_from,
    receipt_from,
    set_aside_from,
    sort_key_of,
)
from tickstream.keys import MANIFEST_SORT_KEY, receipt_index_and_part
from tickstream.messages import RangePointer, decode_message
from tickstream.refused_objects import refusal_key
from tickstream.revisions import Cause, Retraction, Step, retraction_from

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.targets import Target
    from tickstream.bars import Bar
    from tickstream.ingests import Manifest, Receipt
    from tickstream.items import Item
    from tickstream.keys import SymbolHour

#: How much of a rejected row's text the pipeline keeps.
RAW_LIMIT_BYTES: Final = 65_536
#: Lists by which ingests are found.
_LISTS: Final = ("arrived", "key", "refused", "retracted")


@dataclass(frozen=True, slots=True)
class TableState:
    """The whole table, read once.

    bars: symbol -> minute -> bar. loose_slices: slices that no rollup or segment includes (rollups are late).
    unlisted: ingests that a list lacks by which they are to be found, each with the list. retractions: by ingest, how
    far it is taken back. withdrawn: ids of the ranges that count no more in an hour. posted: ingests of requests that
    came under a key, by the SHA-256 of their bodies.
    """

    bars: Mapping[str, Mapping[int, Bar]]
    manifests: Mapping[str, Manifest]
    receipts: Mapping[tuple[str, int], Receipt]
    pending: int
    rollups: int
    slices: int
    segments: int
    loose_slices: int
    items: int
    unlisted: tuple[str, ...] = ()
    retractions: Mapping[str, Retraction] = field(default_factory=dict)
    withdrawn: Mapping[SymbolHour, frozenset[int]] = field(default_factory=dict)
    posted: Mapping[bytes, tuple[str, ...]] = field(default_factory=dict)

    def is_taken_back(self, ingest_id: str, cause: Cause) -> bool:
        """Whether that was done, and why it was to be done."""
        retraction = self.retractions.get(ingest_id)
        return retraction is not None and (retraction.step, retraction.cause) == (Step.DONE, cause)


@dataclass(frozen=True, slots=True)
class RecordedReject:
    """One line of a rejects object. `raw` as far as it was kept; None where the row is no text."""

    ingest_id: str
    index: int
    offset: int
    reason: str
    raw: bytes | None
    raw_bytes: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message in a dead-letter queue; ingest id and extent where it is one of the pipeline's own messages."""

    queue: str
    body: str
    ingest_id: str
    start: int
    end: int


def read_table(target: Target, table: str) -> TableState:
    """Read everything. Raises ReadBackError if an item is not what the pipeline writes."""
    hours: dict[str, list[HourItem]] = {}
    aside: dict[SymbolHour, list[Slice]] = {}
    manifests: dict[str, Manifest] = {}
    retractions: dict[str, Retraction] = {}
    parts: dict[tuple[str, int], list[Item]] = {}
    listed: dict[str, set[str]] = {kind: set() for kind in _LISTS}
    posted: dict[bytes, tuple[str, ...]] = {}
    pending = count = 0
    try:
        for item in _scan(target, table):
            count += 1
            kind, separator, rest = item["symbol"]["S"].partition("#")
            if not separator:
                hours.setdefault(kind, []).append(hour_item_from(item))
            elif kind == "aside":
                piece = set_aside_from(item)
                aside.setdefault((piece.symbol, piece.hour), []).append(piece)
            elif kind == "ingest" and sort_key_of(item) == MANIFEST_SORT_KEY:
                manifests[rest] = manifest_from(item)
                if retraction := retraction_from(item):
                    retractions[rest] = retraction
            elif kind == "ingest":
                parts.setdefault((rest, receipt_index_and_part(sort_key_of(item))[0]), []).append(item)
            elif kind == "pending":
                pending_from(item)
                pending += 1
            elif kind == "idempotency":
                body = bytes(item["body"]["B"])
                posted[body] = (*posted.get(body, ()), item["ingest"]["S"])
            elif kind in listed:
                listed[kind].add(listed_from(item).ingest_id)
        bars, loose = _bars(hours, aside)
        # Without its part 0 a receipt commits nothing: the range is simply not done.
        whole = {key: items for key, items in parts.items() if any("parts" in item for item in items)}
        kinds = Counter(type(item) for items in hours.values() for item in items)
        state = TableState(
            bars=bars,
            manifests=manifests,
            receipts={key: receipt_from(items) for key, items in whole.items()},
            pending=pending,
            rollups=kinds[Rollup],
            slices=kinds[Slice],
            segments=kinds[Segment],
            loose_slices=loose,
            items=count,
            retractions=retractions,
            withdrawn=_withdrawn(hours),
            posted=posted,
        )
        return replace(state, unlisted=tuple(_unlisted(state, listed)))
    except (KeyError, ValueError, TickstreamError) as error:
        raise ReadBackError(f"the table holds what the pipeline does not write: {error}") from error


def _bars(
    hours: Mapping[str, list[HourItem]], aside: Mapping[SymbolHour, list[Slice]]
) -> tuple[dict[str, dict[int, Bar]], int]:
    """Return the bars of each symbol as a reader would, by minute, and how many slices no rollup has."""
    bars: dict[str, dict[int, Bar]] = {}
    loose = 0
    for symbol, items in hours.items():
        of_symbol: dict[int, Bar] = {}
        for hour in hour_items(items).values():
            loose += len(hour.loose_slices())
            missing = hour.missing()
            set_aside = (piece for piece in aside.get((symbol, hour.hour), ()) if piece.range_id in missing)
            of_symbol.update((bar.minute, bar) for bar in current_bars(hour.with_slices(set_aside)))
        bars[symbol] = of_symbol
    return bars, loose


def _withdrawn(hours: Mapping[str, list[HourItem]]) -> dict[SymbolHour, frozenset[int]]:
    found: dict[SymbolHour, frozenset[int]] = {}
    for item in (item for items in hours.values() for item in items if isinstance(item, Revision)):
        place = (item.symbol, item.hour)
        found[place] = found.get(place, frozenset()) | item.withdrawn
    return found


def _unlisted(state: TableState, listed: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield what no list leads to."""
    refused = {ingest_id for (ingest_id, _), receipt in state.receipts.items() if receipt.refusal is not None}
    refused |= {ingest_id for ingest_id, manifest in state.manifests.items() if manifest.rejected is not None}
    of_objects = {ingest_id for ingest_id, manifest in state.manifests.items() if manifest.source is not None}
    wanted = {
        "arrived": set(state.manifests),
        "key": of_objects,
        "refused": refused & set(state.manifests),
        "retracted": {one for one in state.retractions if state.is_taken_back(one, Cause.ASKED)},
    }
    for kind, ingests in wanted.items():
        yield from (f"{ingest_id} in {kind}" for ingest_id in sorted(ingests - listed[kind]))


def _scan(target: Target, table: str) -> Iterator[Item]:
    pages = target.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    for page in pages:
        yield from page["Items"]


def read_rejects(target: Target, bucket: str) -> list[RecordedReject]:
    """Read every object of rejected rows. Raises ReadBackError if one is not what the pipeline writes.

    Those that tell of an object as a whole are passed over: what they say stands in manifests and receipts, too.
    """
    client, rejects = target.client("s3"), []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="rejected/"):
        for entry in page.get("Contents", []):
            _, ingest_id, name = entry["Key"].split("/")
            if entry["Key"] == refusal_key(ingest_id):
                continue
            content = client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            try:
                index = int(name.removesuffix(".jsonl"))
                rejects += [_reject(ingest_id, index, json.loads(line)) for line in content.splitlines()]
            except (KeyError, ValueError, TypeError) as error:
                raise ReadBackError(f"{entry['Key']} is no list of rejected rows: {error!r}") from error
    return rejects


def _reject(ingest_id: str, index: int, fields: dict[str, Any]) -> RecordedReject:
    raw: bytes | None = None
    if "raw_base64" in fields:
        raw = base64.b64decode(fields["raw_base64"], validate=True)
    elif "raw" in fields:
        raw = str(fields["raw"]).encode()
    full = int(fields.get("raw_bytes", len(raw or b"")))
    return RecordedReject(ingest_id, index, int(fields["offset"]), str(fields["reason"]), raw, full)


def read_dead_letters(target: Target, queues: Mapping[str, str]) -> list[DeadLetter]:
    """Take what dead-letter queues hold (name -> URL); the messages stay, out of sight for a minute."""
    client = target.client("sqs")
    dead_letters: list[DeadLetter] = []
    for name, url in queues.items():
        while messages := client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60, WaitTimeSeconds=0
        ).get("Messages", []):
            dead_letters += [_dead_letter(name, message["Body"]) for message in messages]
    return dead_letters


def _dead_letter(queue: str, body: str) -> DeadLetter:
    try:
        message = decode_message(body)
    except MalformedItem:
        # Also an answer: somebody's poison, or an event of S3 or EventBridge.
        return DeadLetter(queue, body, "", 0, 0)
    if isinstance(message, RangePointer):
        return DeadLetter(queue, body, message.ingest_id, message.span.start, message.span.end)
    return DeadLetter(queue, body, message.ingest_id, 0, 10**9)
