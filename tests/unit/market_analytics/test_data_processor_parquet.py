"""Damaged Parquet among good neighbours: DataProcessor's handler and batch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from bench.market_analytics.hostile_objects import deadly_parquet
from market_analytics import data_processor
from market_analytics.data_processor import process_batch
from services.deadlines import Deadline
from services.decoder_process import decode_apart
from tests.unit.market_analytics.processor_world import GOOD as TEXT
from tests.unit.market_analytics.processor_world import NOW_MS, World, pointer
from tests.unit.market_analytics.test_data_processor_batch import MemoryBus, failures, posted, record
from tests.unit.tickstream.test_parquet_objects import GOOD, packed
from tickstream import keys
from tickstream.errors import Reason
from tickstream.ingests import Format, Layout, Source
from tickstream.items import receipt_from
from tickstream.messages import RangePointer
from tickstream.ranges import plan_spans

if TYPE_CHECKING:
    from typing import Any

    import pytest

    from market_analytics.data_processor_ranges import Stores
    from tickstream.ingests import Read, Receipt
    from tickstream.messages import Message

PARQUET = packed(GOOD)


def pointer_to(name: str, body: bytes) -> RangePointer:
    """The pointer to the one range of a Parquet object."""
    source = Source("bucket", name, "v1", "e" * 32, len(body))
    layout = Layout(Format.PARQUET)
    [span] = plan_spans(source, layout, 16 << 20, lambda start, end: body[start:end])
    return RangePointer(keys.object_ingest_id("bucket", name, "e" * 32, len(body)), NOW_MS, span, source, layout)


def receipt_of(world: World, ingest_id: str) -> Receipt:
    """The receipt of an ingest of one range."""
    first = keys.receipt_sort_key(0, 0)
    last = keys.receipt_sort_key(0, keys.PARTS_PER_RANGE - 1)
    return receipt_from(list(world.table.query(keys.ingest_partition(ingest_id), first, last)))


def test_i5_a_file_that_ends_its_decoder_costs_itself_only() -> None:
    """Between two good files, text and a POST: nothing comes back, and the damaged one is corrupt_parquet."""
    bodies = {"a": PARQUET, "b": deadly_parquet(PARQUET), "c": PARQUET, "ticks.csv": TEXT}
    world, bus, deadline = World(None), MemoryBus(), Deadline.after(600)

    def open_object(source: Source) -> Read:
        return lambda start, end: bodies[source.key][start:end]

    stores = replace(world.stores(), open_object=open_object, decode=partial(decode_apart, deadline=deadline))
    pointers = [pointer_to(name, bodies[name]) for name in ("a", "b", "c")]
    messages: list[Message] = [*pointers, pointer(TEXT), posted(1)]
    batch = [record(str(number), one) for number, one in enumerate(messages)]
    assert failures(process_batch(batch, stores, bus.put, deadline)) == []
    good, bad, other = (receipt_of(world, one.ingest_id) for one in pointers)
    assert (good.ticks, other.ticks) == (3, 3)
    assert bad.refusal is not None
    assert bad.refusal.reason is Reason.CORRUPT_PARQUET
    assert len(bad.refusal.detail) < 1_000
    assert sum(len(event) for event in bus.events) == 5


def test_the_handler_decodes_parquet_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Lambda calls gives the batch a decoder of its own process, and the invocation's deadline."""
    for name in (
        "TABLE_NAME",
        "REJECTED_BUCKET",
        "EVENT_BUS_NAME",
        "QUEUE_URL",
        "LARGE_RANGE_QUEUE_URL",
        "INDEX_QUEUE_URL",
    ):
        monkeypatch.setenv(name, "x")
    for name in ("DynamoTable", "EventBus", "Queue"):
        monkeypatch.setattr(data_processor, name, lambda *_: type("Nothing", (), {"put": None})())
    given: list[Any] = []

    def process(_records: object, stores: Stores, _put: object, deadline: Deadline, _queue: object) -> dict[str, Any]:
        given.extend((stores.decode, deadline))
        return {}

    monkeypatch.setattr(data_processor, "process_batch", process)

    class Context:
        aws_request_id = function_name = memory_limit_in_mb = invoked_function_arn = "test"

        def get_remaining_time_in_millis(self) -> int:
            return 60_000

    context: Any = Context()
    data_processor.handler({"Records": []}, context)
    assert given[0].func is decode_apart
    assert given[0].keywords == {"deadline": given[1]}
