"""Batches of a standard queue that are under way at the same time, and waiting for a message without asking."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from bench.emulator.queue_polling import Batches, _has_message, _retry_soon
from bench.engine import StandardQueue, sqs_stores
from bench.faults.retries import RETRY_AFTER_S, RETRY_TAG


def test_emulator_batches_are_bounded() -> None:
    """As many as the mapping allows run at a time; there is room again when one of them has ended."""
    batches, go_on = Batches(2), threading.Event()
    running = threading.Barrier(3)

    def work() -> None:
        running.wait(10)
        go_on.wait(10)

    assert batches.wait_for_room(0)
    batches.begin(work)
    assert batches.wait_for_room(0)
    batches.begin(work)
    running.wait(10)

    assert not batches.wait_for_room(0)
    go_on.set()
    assert batches.wait_for_room(10)
    batches.close()


def test_emulator_batches_that_fail_make_room(caplog: pytest.LogCaptureFixture) -> None:
    """A batch that raises is in the log, hinders no other one, and closing waits for it; more may begin after that."""
    done: list[int] = []
    batches = Batches(1)

    def fail() -> None:
        raise ValueError("no such function")

    batches.begin(fail)
    batches.begin(done.append, 1)
    batches.close()
    batches.begin(done.append, 2)
    batches.close()

    assert done == [1, 2]
    assert "no such function" in caplog.text


def test_emulator_queue_tells_of_a_message() -> None:
    """Whoever waits for a message learns of it when it is put, and of none after the time that it gives."""
    queue = StandardQueue("q", "us-east-1", "000000000000")
    assert not _has_message(queue, 0)
    told: list[bool] = []
    waiting = threading.Thread(target=lambda: told.append(_has_message(queue, 30)))
    waiting.start()
    queue.put({"Body": "x", "MessageId": "1"}, visibility_timeout=30)
    waiting.join(20)

    assert told == [True]
    assert queue.approximate_number_of_messages == 1


@pytest.mark.parametrize("tagged", [True, False])
def test_emulator_failed_messages_come_again_as_the_queue_is_tagged(*, tagged: bool) -> None:
    """What is left of a batch is hidden for the tag's seconds from then on; without the tag nothing is asked for."""
    asked: list[dict[str, Any]] = []
    arn = "arn:aws:sqs:us-east-1:000000000000:retried"
    tags = sqs_stores["000000000000"]["us-east-1"].tags
    client = SimpleNamespace(change_message_visibility_batch=lambda **request: asked.append(request))
    poller: Any = SimpleNamespace(source_arn=arn, queue_url="url", source_client=client)
    if tagged:
        tags.update_tags(arn, {RETRY_TAG: str(RETRY_AFTER_S)})
    try:
        _retry_soon(poller, [{"ReceiptHandle": str(number)} for number in range(12)])
    finally:
        tags.delete_all_tags(arn)

    entries = [entry for request in asked for entry in request["Entries"]]
    assert [entry["ReceiptHandle"] for entry in entries] == [str(number) for number in range(12) if tagged]
    assert {entry["VisibilityTimeout"] for entry in entries} == ({RETRY_AFTER_S} if tagged else set())
    assert [len(request["Entries"]) for request in asked] == ([10, 2] if tagged else [])
