"""Which queue a range goes to, whoever sends it, and that it goes back to the one that it came from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_analytics import data_processor
from services.memory_table import MemoryTable
from tests.unit.market_analytics.ingestion_world import NOW_MS, RANGE_BYTES, Outbox, ingest
from tickstream.ingests import Container, Format, Layout, Manifest, Source, Span
from tickstream.packed_index import LEAST_STEP_BYTES
from tickstream.ranges import (
    LARGE_TEXT_BYTES,
    MAX_UNPACKED_BYTES,
    MOST_PACKED_BYTES,
    has_large_ranges,
    is_to_be_indexed,
)

MIB = 1 << 20
#: Beyond what an object may have.
FAR_MORE = 1 << 40


def manifest(layout: Layout | None, size_bytes: int, ranges: int = 1) -> Manifest:
    """The manifest of an object of so many ranges; of posted ticks without a layout."""
    source = None if layout is None else Source("bucket", "key", "v1", "e" * 32, size_bytes)
    spans = tuple(Span(index, index, index + 1) for index in range(ranges)) if layout else ()
    return Manifest("0" * 32, NOW_MS, ranges, spans, source, layout)


@pytest.mark.parametrize(
    ("layout", "size_bytes", "ranges", "is_large"),
    [
        (None, 0, 1, False),
        (Layout(Format.CSV), MIB - 1, 1, False),
        (Layout(Format.CSV), MIB, 1, True),
        (Layout(Format.CSV), 1000, 2, True),
        (Layout(Format.JSON_LINES), 1000, 1, False),
        (Layout(Format.JSON), 2 * MIB, 1, True),
        (Layout(Format.CSV, Container.GZIP), MIB // 8 - 1, 1, False),
        (Layout(Format.CSV, Container.ZSTD), MIB // 8, 1, True),
        (Layout(Format.CSV, Container.GZIP, indexed=True), 1000, 1, True),
        (Layout(Format.PARQUET), MIB // 8 - 1, 1, False),
        (Layout(Format.PARQUET), MIB // 8, 1, True),
        (Layout(Format.PARQUET), 1000, 2, True),
    ],
)
def test_what_is_large(layout: Layout | None, size_bytes: int, ranges: int, is_large: bool) -> None:  # noqa: FBT001
    """Ranges of what is cut or indexed, and single ones of a MiB of text; what is packed is eight times as much."""
    assert has_large_ranges(manifest(layout, size_bytes, ranges)) == is_large
    assert LARGE_TEXT_BYTES == MIB


@given(st.integers(0, FAR_MORE), st.integers(1, FAR_MORE), st.sampled_from(Container), st.sampled_from(Format))
def test_all_that_is_indexed_is_large(size_bytes: int, range_bytes: int, container: Container, kind: Format) -> None:
    """Also where the index turns out to be of no use, and the object is one range: DataIndexer knows one queue only."""
    layout = Layout(kind, container)
    planned = manifest(layout, size_bytes)
    assert planned.source is not None
    if is_to_be_indexed(planned.source, layout, range_bytes):
        assert size_bytes >= LEAST_STEP_BYTES
        assert has_large_ranges(planned)


@pytest.mark.parametrize(("range_bytes", "is_large"), [(RANGE_BYTES, True), (10**6, False)])
def test_ranges_of_a_cut_object_go_to_the_queue_of_large_ranges(range_bytes: int, is_large: bool) -> None:  # noqa: FBT001
    """A backfill waits there, and what is small passes it by; a range that is sent again goes the same way."""
    table, small, large = MemoryTable(), Outbox(), Outbox()
    ingested = ingest(table, small, range_bytes=range_bytes, large=large)
    wanted, other = (large, small) if is_large else (small, large)
    assert len(wanted.sent) == ingested.manifest.ranges > 0
    ingest(table, small, range_bytes=range_bytes, large=large)
    assert len(wanted.sent) == 2 * ingested.manifest.ranges
    assert other.sent == []


class Context:
    """What Lambda says of an invocation."""

    aws_request_id = function_name = memory_limit_in_mb = invoked_function_arn = "test"

    def get_remaining_time_in_millis(self) -> int:
        """A minute."""
        return 60_000


@pytest.mark.parametrize(
    ("arn", "url"),
    [
        ("arn:aws:sqs:us-east-1:1:ProcessingQueue-dev", "https://sqs/1/ProcessingQueue-dev"),
        ("arn:aws:sqs:us-east-1:1:LargeRangeQueue-dev", "https://sqs/1/LargeRangeQueue-dev"),
        ("arn:aws:sqs:us-east-1:1:SomebodysQueue-dev", None),
    ],
)
def test_the_processor_puts_messages_back_where_they_came_from(
    monkeypatch: pytest.MonkeyPatch, arn: str, url: str | None
) -> None:
    """By the queue that Lambda names; from one that is not known nothing can be put back."""
    for name in ("TABLE_NAME", "REJECTED_BUCKET", "EVENT_BUS_NAME", "INDEX_QUEUE_URL"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("QUEUE_URL", "https://sqs/1/ProcessingQueue-dev")
    monkeypatch.setenv("LARGE_RANGE_QUEUE_URL", "https://sqs/1/LargeRangeQueue-dev")
    for name in ("DynamoTable", "EventBus"):
        monkeypatch.setattr(data_processor, name, lambda *_: type("Nothing", (), {"put": None})())
    monkeypatch.setattr(data_processor, "Queue", lambda url, _: url)
    given_queue: list[object] = []
    monkeypatch.setattr(data_processor, "process_batch", lambda *given: given_queue.append(given[-1]))
    context: Any = Context()
    data_processor.handler({"Records": [{"eventSourceARN": arn}]}, context)
    assert given_queue == [url]


@pytest.mark.parametrize("range_bytes", [32 << 20, 1 << 30])
def test_a_packed_object_whose_text_one_range_may_not_hold_is_indexed(range_bytes: int) -> None:
    """However large ranges are: of 16 MiB packed the text may be more than the 256 MiB that one range may unpack."""
    layout = Layout(Format.CSV, container=Container.GZIP, columns=("symbol",), data_start=0)
    for size_bytes, indexed in ((MOST_PACKED_BYTES - 1, False), (MOST_PACKED_BYTES, True)):
        source = Source("bucket", "key.csv.gz", "1", "0" * 32, size_bytes)
        assert is_to_be_indexed(source, layout, range_bytes) is indexed
    assert 16 * MOST_PACKED_BYTES == MAX_UNPACKED_BYTES
