"""What travels: pointers and inline ticks through SQS, what was processed through EventBridge.

All numbers are integers and all decimals scaled integers: some emulators re-encode message bodies as JSON, which
changes `1.10` and cuts long fractions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from tickstream.errors import MalformedItem
from tickstream.ingests import Format, Layout, Source, Span
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EVENT_SOURCE: Final = "market.analytics.processor"
EVENT_DETAIL_TYPE: Final = "MarketDataProcessed"
#: An event tells of so many ranges at most. They are 15 KB, of the 64 KB that EventBridge bills as one event, and as
#: many keys as DataAggregator reads with one request.
MAX_RANGES_AN_EVENT: Final = 100


@dataclass(frozen=True, slots=True)
class RangePointer:
    """A claim check: one range of one frozen object version."""

    ingest_id: str
    received_ms: int
    span: Span
    source: Source
    layout: Layout


@dataclass(frozen=True, slots=True)
class InlineTicks:
    """Ticks of one POST, already validated, each with its position in the request: one range, index 0."""

    ingest_id: str
    received_ms: int
    ticks: tuple[tuple[int, Tick], ...]


type Message = RangePointer | InlineTicks


@dataclass(frozen=True, slots=True)
class ProcessedRange:
    """One range was committed: what an event says of it. Only ids and counts, whatever number of symbols it has."""

    ingest_id: str
    index: int
    ticks: int
    rejected: int
    received_ms: int
    committed_ms: int


def encode_message(message: Message) -> str:
    """Write a message body; compact, because SQS counts bytes."""
    if isinstance(message, RangePointer):
        body: dict[str, Any] = {
            "kind": "range",
            "ingest": message.ingest_id,
            "received_ms": message.received_ms,
            "span": span_fields(message.span),
            "source": source_fields(message.source),
            "layout": layout_fields(message.layout),
        }
    else:
        positions = [position for position, _ in message.ticks]
        ticks = [tick for _, tick in message.ticks]
        body = {
            "kind": "ticks",
            "ingest": message.ingest_id,
            "received_ms": message.received_ms,
            "position": positions,
            "symbol": [tick.symbol for tick in ticks],
            "timestamp_ns": [tick.timestamp_ns for tick in ticks],
            "price_e9": [tick.price_e9 for tick in ticks],
            "size_e9": [tick.size_e9 for tick in ticks],
        }
    return json.dumps(body, separators=(",", ":"))


def decode_message(body: str) -> Message:
    """Read a message body. Raises MalformedItem."""
    try:
        fields = json.loads(body)
        if fields["kind"] == "range":
            return RangePointer(
                ingest_id=fields["ingest"],
                received_ms=int(fields["received_ms"]),
                span=span_from(fields["span"]),
                source=source_from(fields["source"]),
                layout=layout_from(fields["layout"]),
            )
        if fields["kind"] == "ticks":
            columns = (fields["symbol"], fields["timestamp_ns"], fields["price_e9"], fields["size_e9"])
            ticks = (Tick(*row) for row in zip(*columns, strict=True))
            return InlineTicks(
                ingest_id=fields["ingest"],
                received_ms=int(fields["received_ms"]),
                ticks=tuple(zip(fields["position"], ticks, strict=True)),
            )
        raise MalformedItem(f"unknown kind of message: {fields['kind']!r}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedItem(f"not a message of this pipeline: {error!r}") from error


def names_of(message: Message) -> dict[str, str | int]:
    """Return what the log calls a message's range by."""
    return {"ingest_id": message.ingest_id, "range": message.span.index if isinstance(message, RangePointer) else 0}


def event_details(ranges: Iterable[ProcessedRange]) -> list[str]:
    """Write the details of the events that tell of these ranges, in order, as JSON; as few events as hold them."""
    return [
        json.dumps({"ranges": [_processed_fields(one) for one in some]}, separators=(",", ":"))
        for some in batched(ranges, MAX_RANGES_AN_EVENT, strict=False)
    ]


def ranges_from_detail(detail: Mapping[str, Any]) -> tuple[ProcessedRange, ...]:
    """Read the detail of a delivered event: one range at least. Raises MalformedItem."""
    try:
        ranges = tuple(
            ProcessedRange(
                ingest_id=fields["ingest"],
                index=int(fields["range"]),
                ticks=int(fields["ticks"]),
                rejected=int(fields["rejected"]),
                received_ms=int(fields["received_ms"]),
                committed_ms=int(fields["committed_ms"]),
            )
            for fields in detail["ranges"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedItem(f"not a {EVENT_DETAIL_TYPE} event: {error!r}") from error
    if not ranges:
        raise MalformedItem(f"a {EVENT_DETAIL_TYPE} event of no range")
    return ranges


def _processed_fields(processed: ProcessedRange) -> dict[str, Any]:
    return {
        "ingest": processed.ingest_id,
        "range": processed.index,
        "ticks": processed.ticks,
        "rejected": processed.rejected,
        "received_ms": processed.received_ms,
        "committed_ms": processed.committed_ms,
    }


def span_fields(span: Span) -> list[int]:
    """Plain JSON for a span."""
    return [span.index, span.start, span.end]


def span_from(fields: list[int]) -> Span:
    """Read what `span_fields` wrote."""
    index, start, end = fields
    return Span(index, start, end)


def source_fields(source: Source) -> dict[str, Any]:
    """Plain JSON for a source."""
    return {
        "bucket": source.bucket,
        "key": source.key,
        "version": source.version_id,
        "etag": source.etag,
        "size": source.size_bytes,
    }


def source_from(fields: dict[str, Any]) -> Source:
    """Read what `source_fields` wrote."""
    return Source(fields["bucket"], fields["key"], fields["version"], fields["etag"], int(fields["size"]))


def layout_fields(layout: Layout) -> dict[str, Any]:
    """Plain JSON for a layout."""
    return {
        "format": layout.format.value,
        "gzipped": layout.gzipped,
        "columns": list(layout.columns),
        "data_start": layout.data_start,
    }


def layout_from(fields: dict[str, Any]) -> Layout:
    """Read what `layout_fields` wrote."""
    return Layout(
        Format(fields["format"]), bool(fields["gzipped"]), tuple(fields["columns"]), int(fields["data_start"])
    )
