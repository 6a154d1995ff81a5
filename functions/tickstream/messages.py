"""What travels: pointers and inline ticks through SQS, the processed event through EventBridge.

All numbers are integers and all decimals scaled integers: some emulators re-encode message bodies as JSON, which
changes `1.10` and cuts long fractions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from tickstream.errors import MalformedItem
from tickstream.ingests import Format, Layout, Source, Span
from tickstream.ticks import Tick

EVENT_SOURCE: Final = "market.analytics.processor"
EVENT_DETAIL_TYPE: Final = "MarketDataProcessed"


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
class ProcessedEvent:
    """One range was committed. Only ids and counts, so that its size does not grow with the symbols."""

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


def event_detail(event: ProcessedEvent) -> str:
    """Write the event's detail as JSON."""
    return json.dumps(
        {
            "ingest": event.ingest_id,
            "range": event.index,
            "ticks": event.ticks,
            "rejected": event.rejected,
            "received_ms": event.received_ms,
            "committed_ms": event.committed_ms,
        },
        separators=(",", ":"),
    )


def event_from_detail(detail: dict[str, Any]) -> ProcessedEvent:
    """Read the detail of a delivered event. Raises MalformedItem."""
    try:
        return ProcessedEvent(
            ingest_id=detail["ingest"],
            index=int(detail["range"]),
            ticks=int(detail["ticks"]),
            rejected=int(detail["rejected"]),
            received_ms=int(detail["received_ms"]),
            committed_ms=int(detail["committed_ms"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedItem(f"not a {EVENT_DETAIL_TYPE} event: {error!r}") from error


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
