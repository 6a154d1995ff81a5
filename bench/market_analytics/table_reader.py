"""Reading back what the pipeline left: its table, its rejected rows, its dead letters.

The bench may Scan; the pipeline may not. Items are read with the pipeline's own codec (an item that it cannot read is
an error here too), their numbers are then judged by `bench.market_analytics.compare`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.errors import ReadBackError
from tickstream.errors import MalformedItem, TickstreamError
from tickstream.hours import Rollup, Segment, Slice, current_bars, hour_items
from tickstream.items import hour_item_from, manifest_from, pending_from, receipt_from, sort_key_of
from tickstream.keys import MANIFEST_SORT_KEY, receipt_index_and_part
from tickstream.messages import RangePointer, decode_message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.targets import Target
    from tickstream.bars import Bar
    from tickstream.ingests import Manifest, Receipt
    from tickstream.items import Item

#: How much of a rejected row's text the pipeline keeps.
RAW_LIMIT_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class TableState:
    """The whole table, read once.

    bars: symbol -> minute -> bar. loose_slices: slices that no rollup or segment includes (rollups are late).
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
    hours: dict[str, list[Rollup | Slice | Segment]] = {}
    manifests: dict[str, Manifest] = {}
    parts: dict[tuple[str, int], list[Item]] = {}
    pending = count = 0
    try:
        for item in _scan(target, table):
            count += 1
            kind, separator, rest = item["symbol"]["S"].partition("#")
            if not separator:
                hours.setdefault(kind, []).append(hour_item_from(item))
            elif kind == "ingest" and sort_key_of(item) == MANIFEST_SORT_KEY:
                manifests[rest] = manifest_from(item)
            elif kind == "ingest":
                parts.setdefault((rest, receipt_index_and_part(sort_key_of(item))[0]), []).append(item)
            elif kind == "pending":
                pending_from(item)
                pending += 1
        return _state(hours, manifests, parts, pending, count)
    except (KeyError, ValueError, TickstreamError) as error:
        raise ReadBackError(f"the table holds what the pipeline does not write: {error}") from error


def _state(
    hours: Mapping[str, list[Rollup | Slice | Segment]],
    manifests: Mapping[str, Manifest],
    parts: Mapping[tuple[str, int], list[Item]],
    pending: int,
    count: int,
) -> TableState:
    bars: dict[str, dict[int, Bar]] = {}
    kinds = {Rollup: 0, Slice: 0, Segment: 0}
    loose = 0
    for symbol, items in hours.items():
        for item in items:
            kinds[type(item)] += 1
        of_symbol: dict[int, Bar] = {}
        for hour in hour_items(items).values():
            loose += len(hour.loose_slices())
            of_symbol.update((bar.minute, bar) for bar in current_bars(hour))
        bars[symbol] = of_symbol
    # Without its part 0 a receipt commits nothing: the range is simply not done.
    whole = {key: items for key, items in parts.items() if any("parts" in item for item in items)}
    return TableState(
        bars=bars,
        manifests=manifests,
        receipts={key: receipt_from(items) for key, items in whole.items()},
        pending=pending,
        rollups=kinds[Rollup],
        slices=kinds[Slice],
        segments=kinds[Segment],
        loose_slices=loose,
        items=count,
    )


def _scan(target: Target, table: str) -> Iterator[Item]:
    pages = target.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    for page in pages:
        yield from page["Items"]


def read_rejects(target: Target, bucket: str) -> list[RecordedReject]:
    """Read every rejects object. Raises ReadBackError if one is not what the pipeline writes."""
    client, rejects = target.client("s3"), []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="rejected/"):
        for entry in page.get("Contents", []):
            content = client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            try:
                _, ingest_id, name = entry["Key"].split("/")
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
