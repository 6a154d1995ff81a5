"""The simulation's SQS: what the functions and their redrives build on."""

from __future__ import annotations

import pytest

from bench.simulation.decisions import Decision, Fault, Place, Recorded
from bench.simulation.queues import DEDUPLICATION_MS, Queue
from bench.simulation.scheduler import Scheduler
from bench.simulation.services import Calls


@pytest.fixture
def calls() -> Calls:
    """A world in which nothing goes wrong."""
    return Calls(Scheduler(), Recorded())


def bodies(queue: Queue, most: int = 10) -> list[str]:
    """Receive."""
    return [message.body for message in queue.receive(most)]


def test_a_received_message_is_hidden_until_its_time_is_over(calls: Calls) -> None:
    """And comes again, as often as it may be received; then it is a dead letter."""
    dead = Queue("dead", calls)
    queue = Queue("q", calls, visibility_ms=1_000, max_receives=2, dead_letters=dead)
    queue.send("a")
    assert bodies(queue) == ["a"]
    assert bodies(queue) == []
    calls.scheduler.run(calls.scheduler.now_ms + 1_000)
    assert bodies(queue) == ["a"]
    calls.scheduler.run(calls.scheduler.now_ms + 1_000)
    assert bodies(queue) == []
    assert bodies(dead) == ["a"]
    assert queue.messages == []


def test_a_group_waits_behind_its_first_message_and_others_do_not(calls: Calls) -> None:
    """As a FIFO queue hands out."""
    queue = Queue("q.fifo", calls, fifo=True)
    for body, group in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        queue.send(body, group)
    assert bodies(queue, 1) == ["a1"]
    assert bodies(queue) == ["b1"]
    queue.delete(queue.messages[0].id)
    assert bodies(queue) == ["a2"]


def test_a_fifo_queue_drops_a_repeated_text_for_five_minutes(calls: Calls) -> None:
    """By group and text."""
    queue = Queue("q.fifo", calls, fifo=True)
    queue.send("same", "a")
    queue.send("same", "a")
    queue.send("same", "b")
    assert len(queue.messages) == 2
    calls.scheduler.run(calls.scheduler.now_ms + DEDUPLICATION_MS)
    queue.send("same", "a")
    assert len(queue.messages) == 3


def test_a_standard_queue_may_deliver_twice_and_late() -> None:
    """Where it is decided so."""
    twice = Place("message q 1", 0), Decision(Fault.TWICE, 50, "")
    late = Place("message q 2", 0), Decision(Fault.LATE, 70, "")
    calls = Calls(Scheduler(), Recorded([twice, late]))
    queue = Queue("q", calls)
    queue.send("a")
    queue.send("b")
    assert bodies(queue) == ["a"]
    calls.scheduler.run(calls.scheduler.now_ms + 50)
    assert bodies(queue) == ["a"]
    calls.scheduler.run(calls.scheduler.now_ms + 20)
    assert bodies(queue) == ["b"]
