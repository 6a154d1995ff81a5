"""A batch of messages: what is committed, what comes back, and that none waits for another."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from market_analytics import data_processor
from market_analytics.data_processor import SECONDS_A_RANGE, SMALL_RANGE_BYTES, process_batch
from services.deadlines import Deadline
from tests.unit.market_analytics.processor_world import (
    GOOD,
    INGEST,
    NOW_MS,
    Died,
    World,
    dying,
    pointer,
)
from tickstream import keys, messages
from tickstream.errors import ServiceIncomplete
from tickstream.ingests import Container, Format, Layout, Source, Span
from tickstream.messages import (
    InlineTicks,
    Message,
    ProcessedRange,
    RangePointer,
    encode_message,
    ranges_from_detail,
)
from tickstream.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from services.memory_table import Identity
    from tickstream.items import Item


class MemoryBus:
    """A bus that refuses the events at some positions. events: what each of those that it took says."""

    def __init__(self, refused: Sequence[int] = ()) -> None:
        self.events: list[tuple[ProcessedRange, ...]] = []
        self._refused = refused

    def put(self, details: Sequence[str]) -> dict[int, str]:
        """Take events."""
        taken = (detail for at, detail in enumerate(details) if at not in self._refused)
        self.events += [ranges_from_detail(json.loads(detail)) for detail in taken]
        return dict.fromkeys(self._refused, "refused")


def record(message_id: str, message: Message | str) -> dict[str, str]:
    """A message as SQS hands it over."""
    return {"messageId": message_id, "body": message if isinstance(message, str) else encode_message(message)}


def failures(answer: dict[str, Any]) -> list[str]:
    """The ids that a batch's answer names."""
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def posted(number: int) -> InlineTicks:
    """A message of one tick with an ingest of its own."""
    return InlineTicks(f"{number:032x}", NOW_MS, ((0, Tick("AAPL", 1767623400000000000, 10**9, 10**9)),))


LONG = 1000.0


@pytest.mark.parametrize(
    "poison",
    [
        "",
        "not JSON",
        "[]",
        '{"kind":"other"}',
        '{"kind":"ticks"}',
        "null",
        "[" * 100_000,
        '{"kind":"range","received_ms":Infinity}',
        encode_message(pointer(GOOD)).replace(f'"size":{len(GOOD)}', '"size":1e999'),
        encode_message(pointer(GOOD)).replace(f"[0,28,{len(GOOD)}]", '["0","28","1"]'),
        encode_message(pointer(GOOD)).replace('"v1"', '["v1"]'),
    ],
)
def test_m04_i5_a_poison_message_fails_alone(poison: str) -> None:
    """A message that nobody can read is returned as failed; those around it are committed and told of."""
    world, bus = World(None), MemoryBus()
    batch = [record("a", posted(1)), record("bad", poison), record("c", posted(2))]
    assert failures(process_batch(batch, world.stores(), bus.put, Deadline.after(LONG))) == ["bad"]
    assert [[one.ingest_id for one in event] for event in bus.events] == [[posted(1).ingest_id, posted(2).ingest_id]]


def test_m04_i5_a_failing_range_fails_alone() -> None:
    """A range that a service left undone comes back; the ranges of its batch do not."""
    world, bus = World(None), MemoryBus()

    def fail(identity: Identity) -> None:
        if identity[0] == keys.ingest_partition(posted(2).ingest_id):
            raise ServiceIncomplete("throttled")

    world.table.before_write = fail
    batch = [record(str(number), posted(number)) for number in (1, 2, 3)]
    assert failures(process_batch(batch, world.stores(), bus.put, Deadline.after(LONG))) == ["2"]
    assert [[one.ingest_id for one in event] for event in bus.events] == [[posted(1).ingest_id, posted(3).ingest_id]]


def test_small_ranges_of_a_batch_are_committed_with_all_their_slices_first() -> None:
    """Of ranges that are written together every slice comes before any receipt."""
    world, bus = World(GOOD), MemoryBus()
    order: list[Identity] = []
    world.table.before_write = order.append
    batch = [record("1", posted(1)), record("2", pointer(GOOD)), record("3", posted(3))]
    assert failures(process_batch(batch, world.stores(), bus.put, Deadline.after(LONG))) == []
    kinds = [name.partition("#")[0] if "#" in name else "slice" for name, _ in order]
    assert kinds[:5] == ["slice"] * 5
    assert sorted(kinds[5:]) == ["ingest"] * 3 + ["pending"] * 4


def test_many_small_ranges_take_few_requests() -> None:
    """Ten objects of three slices each are read one by one and written by two batches, as a large one is by itself."""
    world, bus = World(GOOD), MemoryBus()
    batches: list[int] = []
    write, put_in_order = world.table.batch_write, world.table.put_in_order

    def counted(puts: Iterable[Item], deletes: Iterable[Item] = ()) -> None:
        items = list(puts)
        batches.extend([len(items)] if items else [])
        write(items, deletes)

    def put(items: Sequence[Item]) -> None:
        batches.append(len(items))
        put_in_order(items)

    world.table.batch_write = counted  # type: ignore[method-assign]
    world.table.put_in_order = put  # type: ignore[method-assign]
    batch = [record(str(number), replace(pointer(GOOD), ingest_id=f"{number:032x}")) for number in range(10)]
    assert failures(process_batch(batch, world.stores(), bus.put, Deadline.after(LONG))) == []
    assert batches == [30, 30]  # slices; receipts and the entries of two lanes


@pytest.mark.parametrize(
    ("size_bytes", "layout"),
    [
        (SMALL_RANGE_BYTES + 1, Layout(Format.CSV)),
        (1, Layout(Format.CSV, container=Container.GZIP)),
        (1, Layout(Format.PARQUET)),
    ],
)
def test_i6_what_may_be_large_is_read_and_written_alone(size_bytes: int, layout: Layout) -> None:
    """A range that is large, or may unpack to be, waits for no other and comes after the small ones."""
    world, bus = World(None), MemoryBus()
    source = Source("bucket", "ticks", "v1", "e" * 32, size_bytes)
    large = RangePointer(INGEST, NOW_MS, Span(0, 0, size_bytes), source, layout)
    committed: list[str] = []
    world.table.before_write = lambda identity: committed.append(identity[0])
    batch = [record("large", large), record("a", posted(1)), record("b", posted(2))]
    assert failures(process_batch(batch, world.stores(), bus.put, Deadline.after(LONG))) == []
    assert committed[-1] == keys.ingest_partition(INGEST)
    receipts = [name for name in committed if name.startswith("ingest#")]
    assert receipts[:2] == [keys.ingest_partition(posted(number).ingest_id) for number in (1, 2)]
    assert receipts[2:] == [keys.ingest_partition(INGEST)]


def test_i1_ranges_that_die_together_are_committed_by_the_next_delivery() -> None:
    """Killed before any write of a batch of small ranges and delivered again, each counts once."""
    batch = [record("1", posted(1)), record("2", pointer(GOOD)), record("3", posted(3))]
    for dies_at in range(11):
        world, bus = World(GOOD), MemoryBus()
        world.table.before_write = _killed(dies_at)
        with pytest.raises(KeyboardInterrupt):
            process_batch(batch, world.stores(), bus.put, Deadline.after(LONG))
        world.table.before_write = None
        assert failures(process_batch(batch, world.stores(), bus.put, Deadline.after(LONG))) == []
        assert [bar.ticks for bar in world.bars("AAPL")] == [3, 1]


def _killed(at: int) -> Callable[[Identity], None]:
    """A death that no `except Exception` survives."""
    die = dying(at)

    def kill(identity: Identity) -> None:
        try:
            die(identity)
        except Died:
            raise KeyboardInterrupt from None

    return kill


def test_i2_a_post_that_is_twice_in_a_batch_counts_once() -> None:
    """A replayed POST may meet its first message in one batch: both are done, its ticks are there once."""
    world, bus = World(None), MemoryBus()
    batch = [record("a", posted(1)), record("b", posted(2)), record("again", posted(1))]
    assert failures(process_batch(batch, world.stores(), bus.put, Deadline.after(LONG))) == []
    assert [bar.ticks for bar in world.bars("AAPL")] == [2]


def test_m09_one_event_tells_of_a_batch() -> None:
    """Ten ranges wake DataAggregator once, whether they were written together or alone."""
    world, bus = World(GOOD), MemoryBus()
    large = pointer(GOOD)
    large = replace(large, span=replace(large.span, end=large.span.start + SMALL_RANGE_BYTES + 1))
    batch = [record("large", large), *(record(str(number), posted(number)) for number in range(9))]
    assert failures(process_batch(batch, world.stores(), bus.put, Deadline.after(LONG))) == []
    (event,) = bus.events
    assert {one.ingest_id for one in event} == {INGEST, *(posted(number).ingest_id for number in range(9))}


def test_an_event_that_cannot_be_sent_brings_its_messages_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Committed ranges whose event failed are not forgotten: their messages are returned, the others are not."""
    monkeypatch.setattr(data_processor, "MAX_RANGES_AN_EVENT", 2)
    monkeypatch.setattr(messages, "MAX_RANGES_AN_EVENT", 2)
    world, bus = World(None), MemoryBus([1])
    batch = [record(str(number), posted(number)) for number in range(5)]
    assert failures(process_batch(batch, world.stores(), bus.put, Deadline.after(LONG))) == ["2", "3"]
    assert [len(event) for event in bus.events] == [2, 1]


def test_m07_what_does_not_fit_the_time_comes_back_and_something_is_always_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Near the end of its time the function begins no other range; the first of a batch is tried all the same."""
    log = io.StringIO()
    monkeypatch.setattr(data_processor.logger.registered_handler, "stream", log)
    world, bus = World(None), MemoryBus()
    batch = [record(str(number), posted(number)) for number in (1, 2, 3)]
    answer = process_batch(batch, world.stores(), bus.put, Deadline.after(SECONDS_A_RANGE / 2))
    assert failures(answer) == ["2", "3"]
    assert len(bus.events) == 1
    put_off = [line for line in map(json.loads, log.getvalue().splitlines()) if line["level"] == "WARNING"]
    assert [line["ingest_id"] for line in put_off] == [posted(2).ingest_id, posted(3).ingest_id]


def test_an_empty_batch_is_no_error() -> None:
    """Nothing to do, nothing failed."""
    assert failures(process_batch([], World(None).stores(), MemoryBus().put, Deadline.after(LONG))) == []
