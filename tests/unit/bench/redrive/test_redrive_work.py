"""Looking at dead messages and putting them back, against queues in memory that behave as SQS's do."""

from __future__ import annotations

import itertools
import time
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from bench.errors import TargetError
from bench.redrive import DeadQueue, Pace, Redriven, look, redrive
from bench.redrive.dead_letters import DeadLetter, ToFunction
from bench.redrive.work import LOOKED_AT_MOST, STAY_MOST
from tickstream.errors import MalformedItem

URL = "http://sqs/dead"


def read(message: Any) -> DeadLetter:
    """Read a body `FUNCTION ID`."""
    function, _, one = message["Body"].partition(" ")
    if function == "foreign":
        raise MalformedItem("not of this pipeline")
    return DeadLetter((one,), f"ingest {one}", ToFunction(function, message["Body"]))


QUEUES = {"dead": DeadQueue(URL, "again", "Works", read)}


class FakeTarget:
    """One queue, and functions that take events; everything happens at once and is noted in order."""

    def __init__(self, *bodies: str) -> None:
        self.there = {str(number): body for number, body in enumerate(bodies)}
        self.hidden: set[str] = set()
        self.log: list[str] = []
        self.sent_ms = 0
        self.most_received = 0
        self._receipts = itertools.count()

    def client(self, _service: str) -> Any:
        """Return itself: it is SQS and Lambda."""
        return self

    def get_queue_attributes(self, **_: Any) -> Any:
        """Count what is in sight and what is not."""
        visible = len(self.there) - len(self.hidden)
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return {"Attributes": dict(zip(names, (str(visible), str(len(self.hidden))), strict=True))}

    def receive_message(self, **_: Any) -> Any:
        """Hand out ten messages and hide them."""
        ids = list(itertools.islice((one for one in self.there if one not in self.hidden), 10))
        self.hidden.update(ids)
        self.most_received = max(self.most_received, len(self.hidden))
        messages = [
            {
                "MessageId": one,
                "ReceiptHandle": f"{one} {next(self._receipts)}",
                "Body": self.there[one],
                "Attributes": {"SentTimestamp": str(self.sent_ms)},
            }
            for one in ids
        ]
        return {"Messages": messages} if messages else {}

    def change_message_visibility_batch(self, **request: Any) -> None:
        """Show messages again."""
        for entry in request["Entries"]:
            assert entry["VisibilityTimeout"] == 0
            self.hidden.discard(entry["ReceiptHandle"].partition(" ")[0])

    def delete_message_batch(self, **request: Any) -> Any:
        """Delete messages."""
        ids = [entry["ReceiptHandle"].partition(" ")[0] for entry in request["Entries"]]
        for one in ids:
            self.log.append(f"deleted {self.there.pop(one)}")
            self.hidden.discard(one)
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}

    def invoke(self, **request: Any) -> None:
        """Take an event, as the function that it names does."""
        assert request["InvocationType"] == "Event"
        body = request["Payload"].decode()
        self.log.append(f"sent {body}")
        match request["FunctionName"]:
            case "Gone":
                raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "gone"}}, "Invoke")
            case "Interrupted":
                raise KeyboardInterrupt
            case "Unreachable":
                raise EndpointConnectionError(endpoint_url="http://lambda")

    def count(self, what: str) -> int:
        """How often something was done."""
        return sum(entry.startswith(what) for entry in self.log)


def put_back(target: FakeTarget, only: set[str] | None = None) -> Redriven:
    """Redrive the one queue."""
    (one,) = redrive(cast("Any", target), QUEUES, only)
    return one


def test_a_dry_run_changes_nothing() -> None:
    """Nothing is sent, nothing deleted, everything in sight again; good and foreign messages are told apart."""
    target = FakeTarget("Works 1", "foreign 2", "Works 3")
    found = look(cast("Any", target), QUEUES["dead"])
    assert (found.messages, found.looked_at, found.good, len(found.stay)) == (3, 3, 2, 1)
    assert found.examples == ("ingest 1: see the log of Works", "ingest 3: see the log of Works")
    assert "not of this pipeline" in found.stay[0]
    assert target.log == []
    assert len(target.there) == 3
    assert not target.hidden


def test_a_dry_run_of_very_many_messages_looks_at_some() -> None:
    """It says of how many it speaks, and hides no more from others."""
    target = FakeTarget(*(f"Works {number}" for number in range(LOOKED_AT_MOST + 500)))
    found = look(cast("Any", target), QUEUES["dead"])
    assert (found.messages, found.looked_at) == (LOOKED_AT_MOST + 500, LOOKED_AT_MOST)
    assert target.most_received <= LOOKED_AT_MOST
    assert not target.hidden


def test_a_message_is_sent_before_it_is_deleted() -> None:
    """Whoever dies in between leaves it where it was."""
    target = FakeTarget("Works 1")
    assert put_back(target) == Redriven("dead", 1, 1, 0, ())
    assert target.log == ["sent Works 1", "deleted Works 1"]


def test_very_many_messages_are_put_back_a_few_at_a_time() -> None:
    """No more are out of sight, and in memory, than are being put back."""
    target = FakeTarget(*(f"Works {number}" for number in range(2_000)))
    assert put_back(target).put_back == 2_000
    assert target.most_received <= 10
    assert (target.count("sent"), target.count("deleted")) == (2_000, 2_000)


def test_a_foreign_message_stays_and_is_named() -> None:
    """Its neighbours are put back; it is in sight again, with the reason why it stays."""
    target = FakeTarget("Works 1", "foreign \x1b2", "Works 3")
    one = put_back(target)
    assert (one.put_back, one.after, len(one.stay)) == (2, 1, 1)
    assert "message 1" in one.stay[0]
    assert "not of this pipeline" in one.stay[0]
    assert "\x1b" not in one.stay[0]
    assert list(target.there.values()) == ["foreign \x1b2"]
    assert not target.hidden


def test_messages_for_a_function_that_is_gone_stay() -> None:
    """Others are put back; the function is not asked for each of very many messages."""
    target = FakeTarget(*["Gone 1"] * 100, "Works 2")
    one = put_back(target)
    assert (one.put_back, one.after, len(one.stay)) == (1, 100, 100)
    assert all("ResourceNotFoundException" in text for text in one.stay)
    assert target.count("sent Gone") <= 10
    assert not target.hidden


def test_what_comes_back_while_it_goes_on_is_not_put_back_again() -> None:
    """A message whose cause is not cured must not go round for ever."""
    target = FakeTarget("Works 1")
    target.sent_ms = (int(time.time()) + 60) * 1000
    one = put_back(target)
    assert (one.put_back, one.after) == (0, 1)
    assert "is its cause cured?" in one.stay[0]
    assert target.log == []


def test_only_the_messages_that_are_meant_are_put_back() -> None:
    """Others are left alone, foreign ones among them, and are not complained about."""
    target = FakeTarget("Works 1", "Works 2", "foreign 3")
    one = put_back(target, {"2"})
    assert (one.put_back, one.stay) == (1, ())
    assert list(target.there.values()) == ["Works 1", "foreign 3"]
    assert not target.hidden


def test_a_queue_full_of_foreign_messages_is_left_alone_in_the_end() -> None:
    """Memory and messages out of sight stay bounded."""
    target = FakeTarget(*["foreign 1"] * (STAY_MOST + 100))
    one = put_back(target)
    assert STAY_MOST <= len(one.stay) < STAY_MOST + 100
    assert one.after == STAY_MOST + 100
    assert not target.hidden


def test_an_interrupt_loses_nothing() -> None:
    """What was not deleted is in sight again."""
    target = FakeTarget("foreign 1", "Interrupted 2", "Works 3")
    with pytest.raises(KeyboardInterrupt):
        put_back(target)
    assert list(target.there.values()) == ["foreign 1", "Interrupted 2", "Works 3"]
    assert not target.hidden


def test_a_target_that_does_not_answer_is_one_sentence() -> None:
    """It ends with the bench's own error, and nothing is deleted that was not sent."""
    target = FakeTarget("Unreachable 1")
    with pytest.raises(TargetError, match="http://lambda"):
        put_back(target)
    assert list(target.there.values()) == ["Unreachable 1"]


def test_progress_is_told_of_each_queue() -> None:
    """The last figures are the whole."""
    told: list[tuple[str, int, int]] = []
    target = FakeTarget(*(f"Works {number}" for number in range(25)))
    redrive(cast("Any", target), QUEUES, tell=lambda *step: told.append(step))
    assert told == [("dead", 10, 25), ("dead", 20, 25), ("dead", 25, 25)]


def test_messages_go_back_at_the_pace_that_is_asked_for() -> None:
    """Evenly, over all queues together, and none at once for those that were not sent earlier."""
    clock, sent_s = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    pace = Pace(4, lambda: clock[0], sleep)
    for pause_s in (0, 0, 0, 10, 0):
        clock[0] += pause_s
        pace.wait()
        sent_s.append(clock[0] - 100)
    assert sent_s == [0, 0.25, 0.5, 10.5, 10.75]


def test_each_message_that_is_sent_waits_for_its_turn() -> None:
    """What stays does not."""
    target = FakeTarget(*(f"Works {number}" for number in range(12)), "foreign 1")
    turns: list[float] = []
    redrive(cast("Any", target), QUEUES, pace=Pace(0.001, lambda: 0.0, turns.append))
    assert len(turns) == 12 - 1
