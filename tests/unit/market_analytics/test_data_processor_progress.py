"""Ranges whose writes do not fit one invocation: they go back, go on where they were, and write nothing in vain."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_analytics.data_processor import WRITES_END_S, process_batch
from market_analytics.data_processor_progress import TRUSTED_MS, advanced, resumed, said_of
from market_analytics.data_processor_ranges import read_range
from services.deadlines import Deadline
from services.queue import MAX_UNFINISHED, History
from tests.unit.market_analytics.processor_world import NOW_MS, World, pointer, rows
from tests.unit.market_analytics.test_data_processor_batch import MemoryBus, failures
from tests.unit.market_analytics.test_data_processor_neighbours import Clock, MemoryQueue
from tickstream import keys
from tickstream.errors import ServiceIncomplete, WritesUnfinished
from tickstream.messages import encode_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.memory_table import Identity
    from tickstream.items import Item

SLICES = 12
# Of one lane: a range has one entry in the lists.
SYMBOLS = list(islice((name for name in map("S{:03}".format, range(1000)) if keys.lane_of(name) == 0), SLICES))
BODY = rows(*(f"{symbol},1767623400000000000,187.5,100".encode() for symbol in SYMBOLS))
WRITES = SLICES + 2
MESSAGE = encode_message(pointer(BODY))
LONG_S = 1000.0


class Killed(BaseException):
    """The process is gone."""


class Throttled:
    """A table that takes so many writes of an invocation, and what it took in all."""

    def __init__(self, world: World) -> None:
        self.taken: Counter[Identity] = Counter()
        self.left = 0
        self.kills = False
        self.on_throttled: Callable[[], None] = lambda: None
        world.table.before_write = self._write

    def _write(self, identity: Identity) -> None:
        if not self.left:
            self.on_throttled()
            raise Killed if self.kills else ServiceIncomplete("throttled")
        self.left -= 1
        self.taken[identity] += 1


def deliver(world: World, queue: MemoryQueue) -> None:
    """Have DataProcessor work on what is in the queue, once."""
    records = queue.receive()
    try:
        answer = process_batch(records, world.stores(), MemoryBus().put, Deadline.after(LONG_S), queue)
    except Killed:
        queue.end(None)
    else:
        queue.end(failures(answer))


def contents(world: World) -> dict[Identity, Item]:
    """All items but for the time at which the range was committed."""
    return {
        key: {name: value for name, value in item.items() if name != "committedMs"}
        for key, item in world.table.contents().items()
    }


def undisturbed() -> dict[Identity, Item]:
    """What the table has in the end when nothing comes in between."""
    world, queue = World(BODY), MemoryQueue()
    queue.send(MESSAGE)
    deliver(world, queue)
    assert len(world.table.contents()) == WRITES
    return contents(world)


def test_a_throttled_range_goes_on_where_it_was_and_spends_no_receive() -> None:
    """Five writes an invocation: three deliveries, each write made once, the receipt last, no dead letter."""
    world, queue = World(BODY), MemoryQueue()
    table = Throttled(world)
    queue.send(MESSAGE)
    for delivery in range(3):
        assert world.receipt() is None
        table.left = 5
        deliver(world, queue)
        assert [one.receives for one in queue.waiting] == ([0] if delivery < 2 else [])
    assert contents(world) == undisturbed()
    assert set(table.taken.values()) == {1}
    assert queue.dead == []


def test_the_pauses_grow_to_a_bound_and_are_those_of_the_message() -> None:
    """Between half of 5 s, 10 s, ... 120 s and all of it; the same message always waits as long, another one not."""
    found = []
    for body in (MESSAGE, MESSAGE, MESSAGE.replace('"received_ms"', '"received_ms" '), None):
        world, queue = World(BODY), MemoryQueue()
        table = Throttled(world)
        queue.send(body or encode_message(replace(pointer(BODY), ingest_id="f" * 32)))
        for _ in range(8):
            table.left = 0
            deliver(world, queue)
        for delay_s, longest_s in zip(queue.delays, (5, 10, 20, 40, 80, 120, 120, 120), strict=True):
            assert longest_s // 2 <= delay_s <= longest_s
        found.append(queue.delays)
    assert found[0] == found[1] == found[2] != found[3]
    assert WritesUnfinished.longest_delay_s == 120


def test_i6_a_range_that_never_gets_on_becomes_a_dead_letter() -> None:
    """It is put back often, more often than what was not begun, and then its receives count."""
    world, queue = World(BODY), MemoryQueue()
    table = Throttled(world)
    queue.send(MESSAGE, History(unfinished=MAX_UNFINISHED - 2, done="0-").attributes())
    for _ in range(2 + 3):
        table.left = 0
        deliver(world, queue)
    assert queue.copies == 2
    assert queue.dead == []
    queue.receive()
    assert queue.dead == [MESSAGE]


@given(
    st.lists(
        # What a delivery may write, whether it dies then, and whether a copy of each message comes beside it.
        st.tuples(st.integers(0, WRITES), st.sampled_from([False, False, True]), st.booleans()),
        max_size=12,
    )
)
def test_i2_whatever_is_throttled_killed_or_twice_the_table_ends_the_same(
    deliveries: list[tuple[int, bool, bool]],
) -> None:
    """Every item is there with its receipt and no receipt before them; without deaths and copies each is put once."""
    world, queue = World(BODY), MemoryQueue(max_receives=100)
    table = Throttled(world)
    queue.send(MESSAGE)
    wanted = undisturbed()
    for left, kills, twice in deliveries:
        if twice and len(queue.waiting) < 4:
            for one in tuple(queue.waiting):
                queue.send(one.body, one.attributes)
        table.left, table.kills = left, kills
        deliver(world, queue)
        assert world.receipt() is None or contents(world) == wanted
    table.left, table.kills = 1000, False
    while queue.waiting:
        deliver(world, queue)
    assert contents(world) == wanted
    if not any(kills or twice for _, kills, twice in deliveries):
        assert {table.taken[identity] for identity in table.taken if "#" not in identity[0]} == {1}


def test_small_ranges_that_are_throttled_together_go_on_each_where_it_was() -> None:
    """What was written of a group counts for the ranges that it was of."""
    world, queue = World(BODY), MemoryQueue()
    table = Throttled(world)
    for number in range(3):
        queue.send(encode_message(replace(pointer(BODY), ingest_id=f"{number:032x}")))
    table.left = SLICES + 5
    deliver(world, queue)
    assert [one.attributes["done"].partition("-")[0] for one in queue.waiting] == [str(SLICES), "5", "0"]
    table.left = 1000
    deliver(world, queue)
    assert queue.waiting == []
    assert set(table.taken.values()) == {1}
    assert len(table.taken) == 3 * WRITES


def test_small_ranges_that_are_throttled_to_the_end_go_back_without_another_try() -> None:
    """Each would take seconds to fail alone, and the function would be killed before they are put back."""
    world, queue, clock = World(BODY), MemoryQueue(), Clock()
    table = Throttled(world)
    for number in range(3):
        queue.send(encode_message(replace(pointer(BODY), ingest_id=f"{number:032x}")))
    table.left, tries = 5, []

    def throttled() -> None:
        tries.append(clock.left_s)
        clock.left_s = WRITES_END_S - 1

    table.on_throttled = throttled
    records = queue.receive()
    answer = process_batch(records, world.stores(), MemoryBus().put, cast("Deadline", clock), queue)
    assert failures(answer) == []
    assert len(tries) == 1
    assert [one.attributes["done"].partition("-")[0] for one in queue.waiting] == ["5", "0", "0"]


@pytest.mark.parametrize("said", ["", "5", "-", "x-y", "99-", "999999999999-", "5-0123", "\u0661-"])
def test_what_others_wrote_counts_for_nothing(said: str) -> None:
    """Whoever may send to the queue may write what they like: then everything is written."""
    writes = read_range(pointer(BODY), World(BODY).stores())
    assert resumed(writes, said, NOW_MS) == writes


def test_what_is_said_of_other_items_counts_for_nothing() -> None:
    """After a deployment that decodes otherwise the count is of other items, or of the same in another order."""
    writes = read_range(pointer(BODY), World(BODY).stores())
    (half,) = advanced([writes], 6)
    said = said_of(half)
    assert resumed(writes, said, NOW_MS) == half
    other = replace(writes, slices=(writes.slices[1], writes.slices[0], *writes.slices[2:]))
    assert resumed(other, said, NOW_MS) == other
    fewer = replace(writes, slices=writes.slices[1:])
    assert resumed(fewer, said, NOW_MS) == fewer
    # What comes behind those that are counted may be other ones.
    changed = replace(writes, slices=writes.slices[:-1])
    assert resumed(changed, said, NOW_MS).written == 6


def test_what_is_said_of_an_old_ingest_counts_for_nothing() -> None:
    """What is about to expire is not built upon."""
    writes = read_range(pointer(BODY), World(BODY).stores())
    (half,) = advanced([writes], 6)
    received_ms = writes.processed.received_ms
    assert resumed(writes, said_of(half), received_ms + TRUSTED_MS) == half
    assert resumed(writes, said_of(half), received_ms + TRUSTED_MS + 1) == writes


def test_items_are_in_the_order_of_their_keys() -> None:
    """Whatever order the rows came in: how many are written means the same in each delivery."""
    header, *lines = BODY.splitlines()
    turned = b"\n".join([header, *reversed(lines)]) + b"\n"
    slices = read_range(pointer(turned), World(turned).stores()).slices
    found = [(item["symbol"]["S"], int(item["timestamp"]["N"])) for item in slices]
    assert found == sorted(found)
