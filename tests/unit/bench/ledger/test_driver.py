from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from bench.errors import ApiUnansweredError, BenchError
from bench.ledger.api_client import Answer
from bench.ledger.driver import Driver
from bench.ledger.sent import Ledger, Outcome, Sent
from bench.ledger.truth import ObjectFile, PostBody

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CONTENT = b"symbol,timestamp,price,size\nA,1767623400000000000,1,1\n"
ETAG = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
TAKEN = Answer(200, {"ingestId": "ab", "accepted": 1, "rejected": 0, "reasons": []})
DEADLINE_S = 30.0


def error(status: int) -> ClientError:
    """An error answer of S3."""
    answer: Any = {"Error": {"Code": "Some", "Message": "words"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")


def stored(**more: Any) -> dict[str, Any]:
    """S3's answer to an upload that went well."""
    return {"ETag": f'"{ETAG}"', "VersionId": "v1", **more}


class Script:
    """S3 and API in one: gives one answer after the other, or raises it."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self._lock = threading.Lock()
        self.keys: list[str] = []

    def put_object(self, **asked: Any) -> Any:
        """Answer an upload."""
        assert asked["Body"].read() == CONTENT
        return self._next(asked["Key"])

    def post(self, _path: str, _body: bytes, headers: dict[str, str]) -> Any:
        """Answer a POST."""
        return self._next(headers["Idempotency-Key"])

    def _next(self, key: str) -> Any:
        with self._lock:
            self.keys.append(key)
            answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def objects(tmp_path: Path) -> Callable[[int], list[ObjectFile]]:
    """Make so many small objects."""
    path = tmp_path / "ticks.csv"
    path.write_bytes(CONTENT)
    return lambda count: [
        ObjectFile(number, f"ticks/{number}.csv", path, 1, len(CONTENT), ETAG, path) for number in range(count)
    ]


def drive(script: Any, pieces: Sequence[ObjectFile | PostBody], **options: Any) -> tuple[Sent, ...]:
    """Send pieces and return the ledger's entries."""
    ledger = Ledger()
    Driver(script, "bucket", script, ledger, **options).send(pieces)
    return ledger.entries()


@pytest.mark.parametrize(
    "failure",
    [
        error(500),
        error(503),
        ReadTimeoutError(endpoint_url="u"),
        ConnectionClosedError(endpoint_url="u"),
        EndpointConnectionError(endpoint_url="u"),
    ],
)
def test_an_upload_without_an_answer_is_made_again(
    objects: Callable[[int], list[ObjectFile]], failure: Exception
) -> None:
    """A lost connection, a timeout and a 5xx say nothing: the object is put again and counts as recovered."""
    script = Script(failure, stored())
    (one,) = drive(script, objects(1))
    assert script.keys == ["ticks/0.csv"] * 2
    assert (one.outcome, one.recovered, one.version_id, one.fault) == (Outcome.ACKNOWLEDGED, True, "v1", "")


def test_what_the_client_itself_tried_again_is_recovered_too(objects: Callable[[int], list[ObjectFile]]) -> None:
    """boto3 hides its own retries in the answer; the ledger does not."""
    (one, other) = drive(Script(stored(ResponseMetadata={"RetryAttempts": 1}), stored()), objects(2))
    assert sorted([one.recovered, other.recovered]) == [False, True]


def test_a_refusal_is_final(objects: Callable[[int], list[ObjectFile]]) -> None:
    """A 4xx is an answer: it is not asked again, and nothing is expected."""
    script = Script(error(403))
    (one,) = drive(script, objects(1))
    assert (one.outcome, len(script.keys)) == (Outcome.REFUSED, 1)
    assert "words" in one.fault


def test_a_refusal_after_a_try_without_an_answer_leaves_it_open(objects: Callable[[int], list[ObjectFile]]) -> None:
    """The first try may have arrived, whatever the second was told."""
    (one,) = drive(Script(error(500), error(403)), objects(1))
    assert one.outcome is Outcome.INDETERMINATE


def test_tries_end(objects: Callable[[int], list[ObjectFile]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that never answers makes the piece indeterminate after the deadline, not the run endless."""
    monkeypatch.setattr("bench.ledger.driver._TRY_AGAIN_S", 0.0)
    (one,) = drive(Script(error(500)), objects(1))
    assert one.outcome is Outcome.INDETERMINATE
    assert not one.recovered


def test_other_bytes_than_those_sent_are_no_acknowledgement(objects: Callable[[int], list[ObjectFile]]) -> None:
    """An answer with another ETag promises to keep something else."""
    (one,) = drive(Script(stored(ETag='"0"')), objects(1))
    assert one.outcome is Outcome.REFUSED
    assert "ETag 0" in one.fault


@pytest.mark.parametrize("failure", [ApiUnansweredError("lost"), Answer(502, {}), Answer(504, None)])
def test_a_post_without_an_answer_is_sent_again_under_its_key(failure: Any) -> None:
    """Every try of one POST has the same Idempotency-Key, other POSTs have others."""
    script = Script(failure, TAKEN, TAKEN)
    bodies = [PostBody(0, b"{}", 1)]
    (one,) = drive(script, bodies)
    assert (one.outcome, one.recovered, one.ingest_id) == (Outcome.ACKNOWLEDGED, True, "ab")
    assert len(script.keys) == 2
    assert len(set(script.keys)) == 1
    other = Script(TAKEN)
    drive(other, bodies)
    assert set(other.keys).isdisjoint(script.keys)


def test_a_throttled_post_is_sent_again_and_is_not_in_doubt() -> None:
    """A 429 says that nothing was taken: a later acknowledgement recovers nothing."""
    (one,) = drive(Script(Answer(429, {}), TAKEN), [PostBody(0, b"{}", 1)])
    assert (one.outcome, one.recovered) == (Outcome.ACKNOWLEDGED, False)


def test_an_answer_that_forgets_a_tick_is_not_tried_away() -> None:
    """A 200 that does not account for every tick stays in the ledger as what it is."""
    script = Script(TAKEN)
    (one,) = drive(script, [PostBody(0, json.dumps({"ticks": [{}, {}]}).encode(), 2)])
    assert one.outcome is Outcome.REFUSED
    assert len(script.keys) == 1


def test_the_schedule_is_the_pieces_own(objects: Callable[[int], list[ObjectFile]]) -> None:
    """Nothing goes before its time, and a rate takes the place of the schedule."""
    posts = [PostBody(number, b"{}", 1, intended_s=number / 20) for number in range(4)]
    entries = drive(Script(*[TAKEN] * 4), posts)
    assert [entry.intended_s for entry in entries] == [0.0, 0.05, 0.1, 0.15]
    assert all(entry.sent_s >= entry.intended_s for entry in entries)
    by_rate = drive(Script(*[stored()] * 3), objects(3), ticks_a_second=100.0)
    assert [entry.intended_s for entry in by_rate] == [0.0, 0.01, 0.02]


def test_a_slow_answer_does_not_hold_up_the_schedule() -> None:
    """The loop is open: many pieces are under way before the first is answered."""
    ten = threading.Barrier(10)

    class Slow(Script):
        def post(self, _path: str, _body: bytes, headers: dict[str, str]) -> Any:
            ten.wait(DEADLINE_S)
            return self._next(headers["Idempotency-Key"])

    entries = drive(Slow(*[TAKEN] * 10), [PostBody(number, b"{}", 1) for number in range(10)])
    assert all(entry.acknowledged for entry in entries)


def test_many_large_objects_are_not_sent_at_once(
    objects: Callable[[int], list[ObjectFile]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes under way are bounded; an object beyond the bound is sent alone."""
    monkeypatch.setattr("bench.ledger.driver._UNDER_WAY_BYTES", len(CONTENT) - 1)
    second = threading.Event()
    together = []

    class Slow(Script):
        def put_object(self, **asked: Any) -> Any:
            if asked["Key"] == "ticks/0.csv":
                # Long enough for another sender to begin, were there one.
                together.append(second.wait(0.3))
            else:
                second.set()
            return super().put_object(**asked)

    drive(Slow(*[stored()] * 2), objects(2))
    assert together == [False]


def test_an_interrupt_ends_the_wait_for_the_next_piece() -> None:
    """`stop` ends a schedule that has minutes to go, with an error and without sending more."""
    ledger = Ledger()

    class Interrupted(Script):
        def post(self, _path: str, _body: bytes, headers: dict[str, str]) -> Any:
            driver.stop()
            return self._next(headers["Idempotency-Key"])

    script = Interrupted(TAKEN)
    driver = Driver(script, "bucket", script, ledger)  # type: ignore[arg-type]  # a script in place of the client
    with pytest.raises(BenchError, match="stopped"):
        driver.send([PostBody(0, b"{}", 1), PostBody(1, b"{}", 1, intended_s=3_600.0)])
    assert len(ledger.entries()) == 1


def test_an_interrupt_ends_the_tries_of_a_piece(objects: Callable[[int], list[ObjectFile]]) -> None:
    """Nobody tries again after `stop`; the piece stays indeterminate."""
    ledger = Ledger()

    class Down(Script):
        def put_object(self, **_: Any) -> Any:
            driver.stop()
            raise error(500)

    script = Down()
    driver = Driver(script, "bucket", script, ledger)  # type: ignore[arg-type]  # a script in place of the client
    driver.send(objects(1))
    assert [entry.outcome for entry in ledger.entries()] == [Outcome.INDETERMINATE]


class Gatekeeper:
    """Lets a round begin at the second time of asking, up to a last one; notes what was sent by the first."""

    def __init__(self, script: Script, last: int) -> None:
        self._script = script
        self._last = last
        self.sent_before: dict[int, int] = {}

    @property
    def is_closed(self) -> bool:
        """Whether the round that was asked for last is beyond the last."""
        return max(self.sent_before, default=0) > self._last

    def may_begin(self, round_: int) -> bool:
        """Say so."""
        first = round_ not in self.sent_before
        self.sent_before.setdefault(round_, len(self._script.keys))
        return not first and round_ <= self._last


def test_a_round_waits_until_the_gate_lets_it_begin(objects: Callable[[int], list[ObjectFile]]) -> None:
    """All of the rounds before it was answered when it asks, and where no other will begin the sending ends."""
    script = Script(*[stored()] * 4)
    pieces = [replace(piece, round=number // 2) for number, piece in enumerate(objects(6))]
    gate = Gatekeeper(script, last=1)
    entries = drive(script, pieces, gate=gate)
    assert gate.sent_before == {1: 2, 2: 4}
    assert [entry.ordinal for entry in entries] == [0, 1, 2, 3]


def test_an_unforeseen_error_ends_the_sending_at_once() -> None:
    """What nobody expected is raised, although the next piece is an hour away."""
    with pytest.raises(ZeroDivisionError):
        drive(Script(ZeroDivisionError()), [PostBody(0, b"{}", 1), PostBody(1, b"{}", 1, intended_s=3_600.0)])
