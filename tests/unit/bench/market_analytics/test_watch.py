"""What a look at the watch asks of the target, which may share this machine's processors."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from bench.ledger.sent import Ledger, Outcome, Sent
from bench.market_analytics.completion import Watch
from bench.stack.outputs import Outputs
from tickstream.ingests import Manifest, Receipt
from tickstream.items import key_of, manifest_item, receipt_items
from tickstream.keys import index_partition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.targets import Capability, Target
    from tickstream.items import Item

OUTPUTS = Outputs(**{one.name: one.name for one in fields(Outputs)})
INGESTS = [f"{number:032x}" for number in range(1_000)]


class World:
    """A target whose table has some items, and whose queues have some messages; it counts the keys asked for."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.queued = 0
        self.keys_asked = 0

    def client(self, _service: str) -> Any:
        """Be every client."""
        return self

    def put(self, *items: Item) -> None:
        """Have items in the table."""
        self.items |= {(item["symbol"]["S"], item["timestamp"]["N"]): item for item in items}

    #: It keeps no journal.
    capabilities: frozenset[Capability] = frozenset()

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> Any:  # noqa: N803 - as boto3 spells it
        """Answer as DynamoDB."""
        ((table, wanted),) = RequestItems.items()
        self.keys_asked += len(wanted["Keys"])
        asked = [(key["symbol"]["S"], key["timestamp"]["N"]) for key in wanted["Keys"]]
        return {"Responses": {table: [self.items[one] for one in asked if one in self.items]}}

    def get_queue_attributes(self, **_: Any) -> Any:
        """Answer as SQS."""
        counts = {"ApproximateNumberOfMessages": self.queued, "ApproximateNumberOfMessagesNotVisible": 0}
        return {"Attributes": {name: str(count) for name, count in counts.items()}}

    def get_paginator(self, _operation: str) -> Any:
        """Page through nothing: nothing is pending."""
        return self

    def paginate(self, **_: Any) -> Any:
        """See `get_paginator`."""
        return [{"Items": []}]


@pytest.fixture
def world() -> World:
    """A target that has seen nothing yet."""
    return World()


@pytest.fixture
def watch(world: World) -> Watch:
    """The watch of a thousand objects, all acknowledged."""
    ledger = Ledger()
    for ordinal, ingest in enumerate(INGESTS):
        ledger.record(Sent(ordinal, f"{ordinal}.csv", "e", "v", ingest, 1, 1, 0.0, 0.0, 0.0, Outcome.ACKNOWLEDGED))
    return Watch(cast("Target", world), OUTPUTS, ledger)


def looks(watch: Watch, world: World, number: int) -> list[int]:
    """Look some times; return how many keys each look asked for."""
    asked = []
    for _ in range(number):
        before = world.keys_asked
        watch.look()
        asked.append(world.keys_asked - before)
    return asked


def test_a_look_asks_little_while_there_is_work(watch: Watch, world: World) -> None:
    """A thousand ingests that nobody has begun are asked for in turn, and all at once only when the queue is empty."""
    world.queued = 5
    assert looks(watch, world, 3) == [200, 200, 200]
    world.queued = 0
    assert looks(watch, world, 1) == [1_000]


def test_every_ingest_has_its_turn_while_there_is_work(watch: Watch, world: World) -> None:
    """What is asked for in vain does not hide what is there: five looks find all of a thousand."""
    world.queued = 5
    for ingest in INGESTS[::2]:
        world.put(manifest_item(Manifest(ingest, 1, ranges=1)), *receipt_items(Receipt(ingest, 0, 1, 0, 1, {}), 1))
    looks(watch, world, 5)
    assert watch.look().manifests == 500
    looks(watch, world, 3)
    assert watch.look().ranges_done == 500


def test_books_that_balance_are_seen_to_at_one_look(watch: Watch, world: World) -> None:
    """When the queue is empty nothing is left for a later look."""
    world.put(*(manifest_item(Manifest(ingest, 1, ranges=1)) for ingest in INGESTS))
    world.put(*(item for ingest in INGESTS for item in receipt_items(Receipt(ingest, 0, 1, 0, 1, {"A": (1,)}), 1)))
    assert watch.look().complete


def test_an_ingest_whose_object_is_indexed_is_not_known_yet(watch: Watch, world: World) -> None:
    """Its manifest has no ranges that could be done; how far its index is shows, so that a long one is no stall."""
    world.put(*(manifest_item(Manifest(ingest, 1, ranges=0)) for ingest in INGESTS[1:]))
    world.put(manifest_item(Manifest(INGESTS[0], 1, ranges=0, indexing=True)))
    first = watch.look()
    assert (first.manifests, first.index_parts, first.complete) == (999, 0, False)
    world.put({**key_of(index_partition(INGESTS[0]), 0), "parts": {"N": "3"}})
    assert watch.look() == replace(first, index_parts=3)
    world.put(manifest_item(Manifest(INGESTS[0], 1, ranges=0)))
    last = watch.look()
    assert (last.manifests, last.index_parts, last.complete) == (1_000, 0, True)
