"""What travels: pointers and inline ticks through SQS, what was processed through EventBridge.

All numbers are integers and all decimals scaled integers: some emulators re-encode message bodies as JSON, which
changes `1.10` and cuts long fractions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from tickstream import keys
from tickstream.errors import MalformedItem, RowRejected
from tickstream.ingests import Container, FooterPart, Format, Layout, Source, Span
from tickstream.promises import MAX_TICKS
from tickstream.strict_fields import (
    MAX_EPOCH_MS,
    MAX_NAME_BYTES,
    MAX_OBJECT_BYTES,
    Fields,
    quoted,
    read_fields,
)
from tickstream.ticks import PRICE_BOUND_E9, SIZE_BOUND_E9, Tick, parse_symbol

if TYPE_CHECKING:
    from collections.abc import Iterable

EVENT_SOURCE: Final = "market.analytics.processor"
EVENT_DETAIL_TYPE: Final = "MarketDataProcessed"
CALL_SOURCE: Final = "market.analytics.aggregator"
CALL_DETAIL_TYPE: Final = "LanesWaiting"
#: An event tells of so many ranges at most. They are 15 KB, of the 64 KB that EventBridge bills as one event, and as
#: many keys as DataAggregator reads with one request.
MAX_RANGES_AN_EVENT: Final = 100
#: Beyond any range of any object, and within what sort keys hold.
MAX_INDEX: Final = 10**9
#: Beyond any tick's, and 64 bits hold it.
MAX_TIMESTAMP_NS: Final = 2**62
#: Of a layout: a header has 64 KiB, and 256 columns (`tickstream.layouts`).
MAX_COLUMNS: Final = 256
MAX_HEADER_BYTES: Final = 64 * 1024
MAX_FEED_BYTES: Final = 24 * 1024
#: An id has 32 characters. What it looks like matters to nobody here: it is hashed, or stands in a key.
MAX_INGEST_ID_BYTES: Final = 64
#: Index, start and end; in Parquet also where the range's metadata stand.
_SPAN_SIZES: Final = (3, 3 + len(FooterPart._fields))


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
    """Ticks of one POST, already validated, each with its position in the request: one range, index 0.

    Their sequence is 0: a message has no field for it.
    """

    ingest_id: str
    received_ms: int
    ticks: tuple[tuple[int, Tick], ...]


@dataclass(frozen=True, slots=True)
class IndexOrder:
    """An object whose index is to be made.

    missing: the range whose entry was not there, or did not fit, where the index was made before; None the first time.
    """

    ingest_id: str
    received_ms: int
    source: Source
    layout: Layout
    missing: int | None = None


type Message = RangePointer | InlineTicks


@dataclass(frozen=True, slots=True)
class ProcessedRange:
    """One range was committed: what an event says of it. Only ids and counts, whatever number of symbols it has.

    lanes: those of its symbols, in order; of a range without ticks there are none. refused: the range was, as a whole.
    waits: nothing of it counts until all of its ingest does.
    """

    ingest_id: str
    index: int
    ticks: int
    rejected: int
    received_ms: int
    committed_ms: int
    lanes: tuple[int, ...]
    refused: bool = False
    waits: bool = False


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


def encode_order(order: IndexOrder) -> str:
    """Write the body of a message that orders an index."""
    body = {
        "kind": "index",
        "ingest": order.ingest_id,
        "received_ms": order.received_ms,
        "source": source_fields(order.source),
        "layout": layout_fields(order.layout),
        **({} if order.missing is None else {"missing": order.missing}),
    }
    return json.dumps(body, separators=(",", ":"))


def decode_order(body: object) -> IndexOrder:
    """Read the body of a message that orders an index. Raises MalformedItem."""
    fields = read_fields(body, "an order")
    if fields.text("kind") != "index":
        fields.refuse("kind", "index")
    return IndexOrder(
        ingest_id=_ingest_id(fields),
        received_ms=fields.whole("received_ms", 0, MAX_EPOCH_MS),
        source=source_from(fields.values.get("source")),
        layout=layout_from(fields.values.get("layout")),
        missing=fields.whole("missing", 0, MAX_INDEX) if "missing" in fields.values else None,
    )


def decode_message(body: object) -> Message:
    """Read a message body. Raises MalformedItem for everything that is none of this pipeline's."""
    fields = read_fields(body, "a message")
    kind = fields.text("kind")
    if kind == "range":
        return RangePointer(
            ingest_id=_ingest_id(fields),
            received_ms=fields.whole("received_ms", 0, MAX_EPOCH_MS),
            span=span_from(fields.values.get("span")),
            source=source_from(fields.values.get("source")),
            layout=layout_from(fields.values.get("layout")),
        )
    if kind == "ticks":
        return InlineTicks(_ingest_id(fields), fields.whole("received_ms", 0, MAX_EPOCH_MS), _ticks_from(fields))
    raise MalformedItem(f"unknown kind of message: {quoted(kind)}")


def _ticks_from(fields: Fields) -> tuple[tuple[int, Tick], ...]:
    positions = fields.wholes("position", 0, MAX_OBJECT_BYTES, MAX_TICKS)
    symbols = fields.texts("symbol", MAX_NAME_BYTES, MAX_TICKS)
    columns = (
        fields.wholes("timestamp_ns", 0, MAX_TIMESTAMP_NS, MAX_TICKS),
        fields.wholes("price_e9", 1 - PRICE_BOUND_E9, PRICE_BOUND_E9 - 1, MAX_TICKS),
        fields.wholes("size_e9", 0, SIZE_BOUND_E9 - 1, MAX_TICKS),
    )
    try:
        for symbol in dict.fromkeys(symbols):
            parse_symbol(symbol)
        ticks = [Tick(*row) for row in zip(symbols, *columns, strict=True)]
        return tuple(zip(positions, ticks, strict=True))
    except RowRejected as error:
        raise MalformedItem(f"a message: {error}") from None
    except ValueError:
        raise MalformedItem("a message: its columns differ in length") from None


def _ingest_id(fields: Fields) -> str:
    ingest_id = fields.text("ingest", MAX_INGEST_ID_BYTES)
    if not ingest_id:
        fields.refuse("ingest", "an ingest id")
    return ingest_id


def names_of(message: Message) -> dict[str, str | int]:
    """Return what the log calls a message's range by."""
    return {"ingest_id": message.ingest_id, "range": message.span.index if isinstance(message, RangePointer) else 0}


class CalledFor(StrEnum):
    """What DataAggregator calls for help with."""

    ROLLUPS = "rollups"
    SURVEY = "survey"


def call_detail(work: CalledFor, lanes: Iterable[int]) -> str:
    """Write the detail of the event by which DataAggregator calls for help with some lanes, as JSON."""
    return json.dumps({"work": work, "lanes": sorted(lanes)}, separators=(",", ":"))


def call_from_detail(detail: object) -> tuple[CalledFor, frozenset[int]]:
    """Read the detail of such an event: one lane at least. Raises MalformedItem."""
    fields = Fields.of(detail, f"a {CALL_DETAIL_TYPE} event")
    lanes = frozenset(fields.wholes("lanes", 0, keys.LANES - 1, keys.LANES))
    if not lanes:
        fields.refuse("lanes", "one at least")
    work = fields.text("work")
    if work not in set(CalledFor):
        fields.refuse("work", " or ".join(CalledFor))
    return CalledFor(work), lanes


def event_details(ranges: Iterable[ProcessedRange]) -> list[str]:
    """Write the details of the events that tell of these ranges, in order, as JSON; as few events as hold them."""
    return [
        json.dumps({"ranges": [_processed_fields(one) for one in some]}, separators=(",", ":"))
        for some in batched(ranges, MAX_RANGES_AN_EVENT, strict=False)
    ]


def ranges_from_detail(detail: object) -> tuple[ProcessedRange, ...]:
    """Read the detail of a delivered event: one range at least. Raises MalformedItem."""
    what = f"a {EVENT_DETAIL_TYPE} event"
    ranges = tuple(
        _processed_from(Fields.of(one, what)) for one in Fields.of(detail, what).items("ranges", MAX_RANGES_AN_EVENT)
    )
    if not ranges:
        raise MalformedItem(f"{what} of no range")
    return ranges


def _processed_from(fields: Fields) -> ProcessedRange:
    return ProcessedRange(
        ingest_id=_ingest_id(fields),
        index=fields.whole("range", 0, MAX_INDEX),
        ticks=fields.whole("ticks", 0, MAX_OBJECT_BYTES),
        rejected=fields.whole("rejected", 0, MAX_OBJECT_BYTES),
        received_ms=fields.whole("received_ms", 0, MAX_EPOCH_MS),
        committed_ms=fields.whole("committed_ms", 0, MAX_EPOCH_MS),
        # Those of an event that an older DataProcessor put are not known.
        lanes=tuple(fields.wholes("lanes", 0, keys.LANES - 1, keys.LANES))
        if "lanes" in fields
        else tuple(range(keys.LANES)),
        refused=fields.flag("refused") if "refused" in fields else False,
        waits=fields.flag("waits") if "waits" in fields else False,
    )


def _processed_fields(processed: ProcessedRange) -> dict[str, Any]:
    fields = {
        "ingest": processed.ingest_id,
        "range": processed.index,
        "ticks": processed.ticks,
        "rejected": processed.rejected,
        "received_ms": processed.received_ms,
        "committed_ms": processed.committed_ms,
        "lanes": processed.lanes,
    }
    return {**fields, **{name: True for name in ("refused", "waits") if getattr(processed, name)}}


def span_fields(span: Span) -> list[int]:
    """Plain JSON for a span."""
    return [span.index, span.start, span.end, *(span.footer or ())]


def span_from(values: object) -> Span:
    """Read what `span_fields` wrote. Raises MalformedItem."""
    whole = isinstance(values, list) and len(values) in _SPAN_SIZES and all(type(value) is int for value in values)
    if not isinstance(values, list) or not whole:
        raise MalformedItem("a span is a list of three whole numbers, or of nine in Parquet")
    index, start, end, *footer = values
    if not (0 <= index <= MAX_INDEX and all(0 <= value <= MAX_OBJECT_BYTES for value in values)):
        raise MalformedItem("a span is an index and offsets, none of them negative or beyond any object")
    if sorted(footer[:-1]) != footer[:-1]:
        raise MalformedItem("a span's metadata stand in order: footer, schema, row groups")
    return Span(index, start, end, FooterPart(*footer) if footer else None)


def source_fields(source: Source) -> dict[str, Any]:
    """Plain JSON for a source."""
    return {
        "bucket": source.bucket,
        "key": source.key,
        "version": source.version_id,
        "etag": source.etag,
        "size": source.size_bytes,
    }


def source_from(values: object) -> Source:
    """Read what `source_fields` wrote. Raises MalformedItem."""
    fields = Fields.of(values, "a source")
    return Source(
        fields.text("bucket"),
        fields.text("key"),
        fields.text("version"),
        fields.text("etag"),
        fields.whole("size", 0, MAX_OBJECT_BYTES),
    )


def layout_fields(layout: Layout) -> dict[str, Any]:
    """Plain JSON for a layout."""
    return {
        "format": layout.format.value,
        "container": layout.container.value,
        "columns": list(layout.columns),
        "data_start": layout.data_start,
        # Text and not JSON: its numbers would not survive every emulator.
        **({"feed": layout.feed, "delimiter": layout.delimiter} if layout.feed else {}),
        **{name: True for name in ("indexed", "replaces") if getattr(layout, name)},
    }


def layout_from(values: object) -> Layout:
    """Read what `layout_fields` wrote. Raises MalformedItem."""
    fields = Fields.of(values, "a layout")
    written = fields.text("format")
    if written not in set(Format):
        fields.refuse("format", "a format")
    if "container" in fields.values:
        container = fields.text("container")
        if container not in set(Container):
            fields.refuse("container", "a container")
    else:  # written before there were others: manifests stay for ever
        container = Container.GZIP if fields.flag("gzipped") else Container.PLAIN
    return Layout(
        Format(written),
        Container(container),
        tuple(fields.texts("columns", MAX_HEADER_BYTES, MAX_COLUMNS)),
        fields.whole("data_start", 0, MAX_OBJECT_BYTES),
        fields.text("feed", MAX_FEED_BYTES) if "feed" in fields.values else "",
        fields.text("delimiter", 1) if "delimiter" in fields.values else ",",
        indexed=fields.flag("indexed") if "indexed" in fields.values else False,
        replaces=fields.flag("replaces") if "replaces" in fields.values else False,
    )
