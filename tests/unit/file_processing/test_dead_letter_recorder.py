"""What becomes of a file, and of the message, when a message has died."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from operations.dead_letter_recorder import Stores, origin_of, record_dead_letter
from services.queue import MAX_MESSAGE_BYTES
from tickstream.errors import MalformedItem
from tickstream.file_status import Status
from tickstream.files import decode_pointer, encode_pointer, redriven

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "feeds/2026/nyse trades%201.csv"
TICK = ("AAPL", 0, "10.5", "2")
QUEUES = {
    "validator": "file-validator-dead-letter-dev",
    "processor": "data-processor-dead-letter-dev.fifo",
    "aggregator": "result-aggregator-dead-letter-dev.fifo",
}


class Recorder:
    """The recorder over a world's table, and the messages that it has parked."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.parked: list[tuple[str, dict[str, str]]] = []

    def record(self, stage: str, body: str) -> None:
        """Deliver one dead message of a stage."""
        stores = Stores(self.world.table, self._park, lambda: 1_767_623_500_000)
        attributes = {} if stage == "validator" else {"MessageGroupId": "group-1"}
        source = f"arn:aws:sqs:us-east-1:123456789012:{QUEUES[stage]}"
        record_dead_letter({"messageId": "m", "body": body, "attributes": attributes, "eventSourceARN": source}, stores)

    def _park(self, body: str, attributes: Any) -> None:
        self.world.before_effect("park")
        self.parked.append((body, dict(attributes)))
        self.world.after_effect("park")


@pytest.fixture
def recorder(world: Any) -> Recorder:
    """Nothing has died yet."""
    return Recorder(world)


def test_f07_a_file_whose_message_died_is_failed(world: Any, csv_file: Any, recorder: Recorder) -> None:
    """The status says that, and at which stage; the message is parked with all that a redrive needs."""
    world.validate(world.upload(KEY, csv_file(TICK)))
    body = world.to_processor.pop()
    recorder.record("processor", body)
    last = world.status(KEY).last
    assert (last.status, last.stage, last.reason.code) == (Status.FAILED, "processor", "dead_lettered")
    assert "processor" in last.reason.message
    assert recorder.parked == [(body, {"origin": "data-processor-dev.fifo", "stage": "processor", "group": "group-1"})]


@pytest.mark.parametrize("stage", ["processor", "aggregator"])
def test_a_redrive_of_a_parked_message_completes_the_file(
    world: Any, csv_file: Any, recorder: Recorder, stage: str
) -> None:
    """Whichever queue it died in, the parked body with the next attempt goes on where the file stood."""
    world.validate(world.upload(KEY, csv_file(TICK)))
    body = world.to_processor.pop()
    if stage == "aggregator":
        world.process(body)
        body = world.to_aggregator.pop()
    recorder.record(stage, body)
    ((parked, _),) = recorder.parked
    again = encode_pointer(redriven(decode_pointer(parked)))
    if stage == "processor":
        world.process(again)
        again = world.to_aggregator.pop()
    world.complete(again)
    status = world.status(KEY)
    assert status.last.status is Status.COMPLETED
    assert (status.last.attempt, status.last.reason, status.last.totals.ticks) == (1, None, 1)
    assert f"{stage} failed" in [entry.split(" at ")[0] for entry in status.history]


def test_a_redrive_of_a_dead_event_completes_the_file(world: Any, csv_file: Any, recorder: Recorder) -> None:
    """The event itself knows no attempts: the validator takes the next one because the last one died."""
    record = world.upload(KEY, csv_file(TICK))
    recorder.record("validator", json.dumps({"Records": [record]}))
    last = world.status(KEY).last
    assert (last.status, last.stage, last.attempt) == (Status.FAILED, "validator", 0)
    assert recorder.parked[0][1] == {"origin": "file-validator-dev", "stage": "validator"}
    status = world.run(record)
    assert (status.last.status, status.last.attempt) == (Status.COMPLETED, 1)


def test_a_second_delivery_of_the_event_does_not_drive_a_refused_file_again(world: Any, recorder: Recorder) -> None:
    """A file that is bad stays at its first attempt, however often its event comes."""
    record = world.upload(KEY, b"")
    world.validate(record)
    before = world.status(KEY)
    world.validate(record)
    assert world.status(KEY) == before
    recorder.record("validator", json.dumps({"Records": [record]}))
    assert world.status(KEY).last.reason.code == "empty"


def test_a_dead_message_of_a_completed_file_takes_nothing_back(world: Any, csv_file: Any, recorder: Recorder) -> None:
    """A stage that did its work and died before its message was deleted leaves a dead message and a good file."""
    record = world.upload(KEY, csv_file(TICK))
    world.validate(record)
    body = world.to_processor[0]
    done = world.run(record)
    for stage in ("processor", "aggregator"):
        recorder.record(stage, body)
    recorder.record("validator", json.dumps({"Records": [record]}))
    assert world.status(KEY) == done
    assert len(recorder.parked) == 3


def test_a_dead_message_does_not_stop_a_file_that_is_a_stage_further(
    world: Any, csv_file: Any, recorder: Recorder
) -> None:
    """The event died after the processor had the file: the file goes on and completes."""
    record = world.upload(KEY, csv_file(TICK))
    world.validate(record)
    world.process(world.to_processor.pop())
    recorder.record("validator", json.dumps({"Records": [record]}))
    assert world.status(KEY).last.status is Status.PROCESSED
    world.complete(world.to_aggregator.pop())
    assert world.status(KEY).last.status is Status.COMPLETED


def test_a_dead_message_of_an_older_upload_changes_nothing(world: Any, csv_file: Any, recorder: Recorder) -> None:
    """The newer version's status stays; the message is parked all the same."""
    world.validate(world.upload(KEY, csv_file(TICK), 1))
    old = world.to_processor.pop()
    done = world.run(world.upload(KEY, csv_file(TICK), 2))
    recorder.record("processor", old)
    assert world.status(KEY) == done
    assert len(recorder.parked) == 1


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        "[]",
        "{}",
        '{"Records": 5}',
        "[" * 100_000,
        '{"Records":[{"eventTime":"0001-01-01T00:00:00+14:00"}],"received_ms":Infinity,"size":1e999}',
        '{"Records":[' + ",".join(["{}"] * 200) + "]}",
    ],
)
@pytest.mark.parametrize("stage", list(QUEUES))
def test_what_nobody_can_read_is_parked_and_logged(
    recorder: Recorder, stage: str, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It has no file, but it is not lost, and an ERROR line tells of it."""
    recorder.record(stage, body)
    assert [parked for parked, _ in recorder.parked] == [body]
    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [
        ("ERROR", "dead letter cannot be read: parked as it is")
    ]


def test_a_record_that_nobody_can_read_keeps_no_other_file_of_its_event_from_its_status(
    world: Any, csv_file: Any, recorder: Recorder
) -> None:
    """What can be read of an event is marked, and the event is parked once."""
    record = world.upload(KEY, csv_file(TICK))
    broken = record | {"eventTime": "0001-01-01T00:00:00+14:00"}
    recorder.record("validator", json.dumps({"Records": [broken, record]}))
    assert world.status(KEY).last.status is Status.FAILED
    assert len(recorder.parked) == 1


@pytest.mark.parametrize("stage", list(QUEUES))
def test_a_message_of_a_file_whose_status_nobody_can_read_is_parked(
    world: Any, csv_file: Any, recorder: Recorder, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would come again for as long as its queue keeps it."""
    record = world.upload(KEY, csv_file(TICK))
    world.validate(record)
    body = json.dumps({"Records": [record]}) if stage == "validator" else world.to_processor.pop()

    def damaged(_: str) -> Any:
        raise MalformedItem("not the status of a file")

    monkeypatch.setattr(world.table, "get", damaged)
    recorder.record(stage, body)
    assert [parked for parked, _ in recorder.parked] == [body]


def test_i7_a_message_as_long_as_sqs_takes_is_parked_without_attributes(recorder: Recorder) -> None:
    """Both count: with attributes it would be refused each time it comes."""
    body = "x" * MAX_MESSAGE_BYTES
    recorder.record("processor", body)
    assert recorder.parked == [(body, {})]


@pytest.mark.parametrize("side", ["before_effect", "after_effect"])
@pytest.mark.parametrize("point", [0, 1])
def test_death_around_any_write_loses_nothing(
    make_world: Callable[[], Any], csv_file: Any, died: type[Exception], side: str, point: int
) -> None:
    """Delivered again, the status is the same and the message is parked at least once, with the same text."""
    world = make_world()
    world.validate(world.upload(KEY, csv_file(TICK)))
    body = world.to_processor.pop()
    recorder = Recorder(world)
    seen: list[str] = []

    def die(effect: str) -> None:
        seen.append(effect)
        if len(seen) == point + 1:
            raise died

    setattr(world, side, die)
    with pytest.raises(died):
        recorder.record("processor", body)
    recorder.record("processor", body)
    status = world.status(KEY)
    assert status.last.status is Status.FAILED
    assert [entry.split(" at ")[0] for entry in status.history] == ["validator", "processor failed"]
    assert {parked for parked, _ in recorder.parked} == {body}


def test_a_queue_of_another_kind_is_refused() -> None:
    """Attached to the wrong queue, the recorder leaves its messages where they are."""
    with pytest.raises(MalformedItem, match="orders-dev"):
        origin_of({"messageId": "m", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders-dev"})
