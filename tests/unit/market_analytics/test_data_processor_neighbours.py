"""A queue, its redrive policy and DataProcessor together: what takes long, or kills, hurts no neighbour."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_analytics import data_processor
from market_analytics.data_processor import SECONDS_A_RANGE, process_batch
from market_analytics.data_processor_order import PATIENCE, Arrived, order_of
from services.queue import MAX_PUT_BACKS, MAX_TRIES_CARRIED, History
from tests.unit.market_analytics.processor_world import COLUMNS, GOOD, HEADER, NOW_MS, World, rows
from tests.unit.market_analytics.test_data_processor_batch import MemoryBus, failures
from tickstream import keys
from tickstream.errors import NotShownYet, ServiceRefused
from tickstream.ingests import Format, Layout, Source, Span
from tickstream.messages import RangePointer, decode_message, encode_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from services.deadlines import Deadline
    from tickstream.ingests import Read

FUNCTION_S = 48.0
SLOW_S = 30.0
BATCH = 5
#: Objects of few bytes stand for small and large ones; `few_bytes_are_many` draws the line between them.
SMALL = rows(b"AAPL,1767623400000000000,187.5,100")
LARGE = GOOD
BODIES = {len(body): body for body in (SMALL, LARGE)}


@pytest.fixture(autouse=True, scope="module")
def few_bytes_are_many() -> Iterator[None]:
    """Have ranges of more than one row count as large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_processor, "SMALL_RANGE_BYTES", len(SMALL))
        yield


class Killed(BaseException):
    """The process is gone: out of memory, or out of time."""


@dataclass
class Clock:
    """The time left of one invocation, in seconds; as much of a deadline as the processor uses."""

    left_s: float = FUNCTION_S

    def remaining_s(self) -> float:
        """Seconds left."""
        return max(0.0, self.left_s)

    def spend(self, seconds: float) -> None:
        """Work; whoever works longer than there is time is killed."""
        self.left_s -= seconds
        if self.left_s < 0:
            raise Killed


@dataclass
class Sent:
    """A message in a queue."""

    id: str
    body: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    receives: int = 0


class MemoryQueue:
    """A standard queue with a redrive policy. put_back and delete are what `services.queue.Queue` does."""

    def __init__(self, max_receives: int = 3) -> None:
        self.waiting: list[Sent] = []
        self.dead: list[str] = []
        self.delays: list[int] = []
        self.copies = 0
        self._max_receives = max_receives
        self._in_flight: dict[str, Sent] = {}
        self._ids = itertools.count()

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        """Add a message at the end."""
        self.waiting.append(Sent(f"m{next(self._ids)}", body, attributes or {}))

    def receive(self) -> list[dict[str, Any]]:
        """Hand over a batch; those that were received too often are dead letters."""
        records: list[dict[str, Any]] = []
        while self.waiting and len(records) < BATCH:
            one = self.waiting.pop(0)
            one.receives += 1
            if one.receives > self._max_receives:
                self.dead.append(one.body)
                continue
            self._in_flight[one.id] = one
            records.append(
                {
                    "messageId": one.id,
                    "receiptHandle": one.id,
                    "body": one.body,
                    "attributes": {"ApproximateReceiveCount": str(one.receives)},
                    "messageAttributes": {
                        name: {"dataType": "String", "stringValue": value} for name, value in one.attributes.items()
                    },
                }
            )
        return records

    def put_back(self, records: Iterable[Mapping[str, Any]], delay_s: int = 0, done: str = "") -> Mapping[str, str]:
        """Send again, then delete."""
        undone = {}
        for record in records:
            history = History.of(record)
            if history.may_be_finished_later if done else history.may_be_put_back:
                copy = history.left_unfinished(done) if done else history.put_back()
                self.send(record["body"], copy.attributes())
                self._in_flight.pop(record["messageId"])
                self.copies += 1
                self.delays.append(delay_s)
            else:
                undone[record["messageId"]] = "too often"
        return undone

    def delete(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Delete what is done."""
        for record in records:
            self._in_flight.pop(record["messageId"], None)

    def end(self, failed: Iterable[str] | None) -> None:
        """Have an invocation end: with what failed, or (None) without an answer, which returns all that is left."""
        names = set(self._in_flight if failed is None else failed)
        self.waiting += [one for name, one in self._in_flight.items() if name in names]
        self._in_flight.clear()


def range_of(name: str, body: bytes = LARGE) -> str:
    """The message of the only range of an object of this name."""
    source = Source("bucket", name, "v1", "e" * 32, len(body))
    layout = Layout(Format.CSV, columns=COLUMNS, data_start=len(HEADER))
    span = Span(0, len(HEADER), len(body))
    return encode_message(RangePointer(ingest_of(name), NOW_MS, span, source, layout))


def ingest_of(name: str) -> str:
    """The ingest of an object of this name."""
    return keys.object_ingest_id("bucket", name, "", 0)


def work_off(queue: MemoryQueue, world: World, most_invocations: int = 500) -> int:
    """Have DataProcessor work until nothing waits; what an object costs stands in its name. Count invocations."""
    stores = world.stores()
    for invocation in range(most_invocations):
        records = queue.receive()
        if not records and not queue.waiting:
            return invocation
        clock = Clock()
        read_already: set[str] = set()

        def open_object(source: Source, clock: Clock = clock, read_already: set[str] = read_already) -> Read:
            kind = source.key.partition("-")[0]

            def read(start: int, end: int) -> bytes:
                if kind == "slow" and source.key not in read_already:
                    read_already.add(source.key)
                    clock.spend(SLOW_S)
                elif kind == "deadly":
                    raise Killed
                elif kind == "refused":
                    raise ServiceRefused("no")
                elif kind == "unseen":
                    raise NotShownYet("listed")
                return BODIES[source.size_bytes][start:end]

            return read

        try:
            answer = process_batch(
                records,
                replace(stores, open_object=open_object),
                MemoryBus().put,
                cast("Deadline", clock),
                queue,
            )
        except Killed:
            queue.end(None)
        else:
            queue.end(failures(answer))
    raise AssertionError(f"{len(queue.waiting)} messages after {most_invocations} invocations")


def committed(world: World, names: Sequence[str]) -> set[str]:
    """Those of these objects whose range has a receipt."""
    return {name for name in names if list(world.table.query(keys.ingest_partition(ingest_of(name))))}


def dead(queue: MemoryQueue) -> set[str]:
    """The objects whose messages are dead letters."""
    messages = [decode_message(body) for body in queue.dead]
    return {message.source.key for message in messages if isinstance(message, RangePointer)}


def test_i5_five_good_files_of_half_a_minute_are_all_committed() -> None:
    """They arrive in one batch, and each takes most of an invocation: none is a dead letter, none is received twice."""
    world, queue = World(GOOD), MemoryQueue()
    names = [f"slow-{number}" for number in range(BATCH)]
    for name in names:
        queue.send(range_of(name))
    assert work_off(queue, world) == BATCH
    assert committed(world, names) == set(names)
    assert queue.dead == []


@pytest.mark.parametrize("body", [SMALL, LARGE])
@pytest.mark.parametrize("place", range(BATCH))
def test_i5_a_file_that_kills_the_function_is_the_only_dead_letter(place: int, body: bytes) -> None:
    """Wherever it stands in a batch, before or after its neighbours, small or large."""
    world, queue = World(GOOD), MemoryQueue()
    names = [f"good-{number}" for number in range(BATCH)]
    names[place] = "deadly"
    for name in names:
        queue.send(range_of(name, body))
    work_off(queue, world)
    assert committed(world, names) == set(names) - {"deadly"}
    assert dead(queue) == {"deadly"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["good", "slow", "deadly", "refused", "poison"]), st.booleans()), max_size=4 * BATCH
    ),
    # Of two receives a range that is killed beside two deadly ones has none left; the template gives three.
    st.sampled_from([3, 5]),
)
def test_i5_whatever_meets_in_a_queue_good_ranges_are_committed_and_bad_ones_are_dead_letters(
    kinds: list[tuple[str, bool]], max_receives: int
) -> None:
    """Slow, deadly, failing and unreadable ones in any mixture and order: the books balance, and it ends."""
    world, queue = World(GOOD), MemoryQueue(max_receives)
    names = [f"{kind}-{number}" for number, (kind, _) in enumerate(kinds) if kind != "poison"]
    for number, (kind, small) in enumerate(kinds):
        if kind == "poison":
            queue.send("[" * 5000)
        else:
            queue.send(range_of(f"{kind}-{number}", SMALL if small else LARGE))
    work_off(queue, world)
    good = {name for name in names if name.startswith(("good", "slow"))}
    assert committed(world, names) == good
    letters = [body for body in queue.dead if not body.startswith("[")]
    assert len(queue.dead) - len(letters) == sum(kind == "poison" for kind, _ in kinds)
    queue.dead = letters
    assert dead(queue) == set(names) - good


def test_i6_many_slow_files_end_with_few_copies_each() -> None:
    """Of 120 files of half a minute each one is done an invocation, and no message is copied for ever."""
    world, queue = World(GOOD), MemoryQueue()
    names = [f"slow-{number}" for number in range(120)]
    for name in names:
        queue.send(range_of(name))
    assert work_off(queue, world) == len(names)
    assert committed(world, names) == set(names)
    assert queue.copies <= len(names) * (BATCH - 1)


def test_an_object_that_s3_does_not_show_yet_is_asked_for_again_without_spending_a_receive() -> None:
    """Its message goes back with a growing delay, within AWS's quarter of an hour several times."""
    world, queue = World(GOOD), MemoryQueue()
    queue.send(range_of("unseen"))
    with pytest.raises(AssertionError):
        work_off(queue, world, 8)
    assert queue.delays == [NotShownYet.first_delay_s * 2**at for at in range(6)] + [300, 300]
    assert queue.dead == []
    assert queue.waiting[0].receives == 0


def test_i6_an_object_that_is_never_shown_becomes_a_dead_letter() -> None:
    """What is put back has an end, and then its receives count."""
    world, queue = World(GOOD), MemoryQueue()
    queue.send(range_of("unseen"))
    assert work_off(queue, world) == MAX_PUT_BACKS + 3
    assert dead(queue) == {"unseen"}


def arrived(name: str, *, tries: int = 0, put_backs: int = 0, body: bytes = SMALL) -> Arrived:
    """A message with a history."""
    return Arrived({"messageId": name}, decode_message(range_of(name, body)), History(put_backs, tries))


def test_what_was_received_before_is_begun_last_and_alone() -> None:
    """Of two that were, one is put back; those that come for the first time are worked on before."""
    batch = [arrived("d1", tries=1), arrived("a"), arrived("L", body=LARGE), arrived("d2", tries=1, put_backs=1)]
    order = order_of(batch, small_bytes=len(SMALL))
    assert [one.message_id for one in (*order.back, *order.small, *order.large)] == ["d1", "a", "L"]
    assert order.alone is not None
    assert order.alone.message_id == "d2"


def test_who_waited_too_long_comes_first() -> None:
    """Otherwise a steady stream of slow neighbours would keep a message waiting for ever."""
    batch = [arrived("a"), arrived("b", body=LARGE), arrived("d", tries=1, put_backs=PATIENCE)]
    order = order_of(batch, small_bytes=len(SMALL))
    assert [one.message_id for one in order.back] == ["a", "b"]
    assert (order.small, order.large, order.alone) == ((), (), batch[2])


def test_who_cannot_be_put_back_any_more_is_begun() -> None:
    """Another that can be put back waits for it."""
    batch = [arrived("d", tries=1, put_backs=3), arrived("worn", tries=MAX_TRIES_CARRIED)]
    order = order_of(batch, small_bytes=len(SMALL))
    assert order.alone == batch[1]
    assert order.back == (batch[0],)


def test_what_is_done_is_told_of_and_deleted_before_a_doubtful_one_is_begun() -> None:
    """It may be the death of the process: its neighbours are finished by then, events included."""
    world, queue, bus = World(GOOD), MemoryQueue(), MemoryBus()
    queue.send(range_of("good"))
    queue.send(range_of("deadly"), History(0, 1).attributes())
    stores = world.stores()
    events: list[object] = []

    def open_object(source: Source) -> Read:
        def read(start: int, end: int) -> bytes:
            if source.key == "deadly":
                events.extend(bus.events)
                raise Killed
            return GOOD[start:end]

        return read

    with pytest.raises(Killed):
        process_batch(
            queue.receive(),
            replace(stores, open_object=open_object),
            bus.put,
            cast("Deadline", Clock()),
            queue,
        )
    assert len(events) == 1
    queue.end(None)
    assert [decode_message(one.body).ingest_id for one in queue.waiting] == [ingest_of("deadly")]


@pytest.mark.parametrize(
    "attributes", [{"putBacks": "x"}, {"putBacks": "-1"}, {"putBacks": "9" * 7}, {"tries": "\u0661"}, {"tries": ""}]
)
def test_attributes_that_others_wrote_count_for_nothing(attributes: dict[str, str]) -> None:
    """Whoever may send to the queue may write what they like."""
    said = {name: {"dataType": "String", "stringValue": value} for name, value in attributes.items()}
    assert History.of({"messageAttributes": said}) == History(0, 0)


def test_a_range_is_begun_only_with_the_time_that_the_worst_takes() -> None:
    """The simulated files are slow enough to show it: after one of them too little is left for another."""
    assert FUNCTION_S - SLOW_S < SECONDS_A_RANGE < FUNCTION_S
