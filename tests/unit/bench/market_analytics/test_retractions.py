"""Taking ingests back while a run goes on: which, when, and what becomes of lost and refused answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from bench.errors import ApiUnansweredError
from bench.ledger.api_client import Answer
from bench.ledger.sent import Ledger, Outcome, Sent
from bench.ledger.truth import ObjectFile, PostBody
from bench.ledger.waiting import Clock
from bench.market_analytics import retractions as module
from bench.market_analytics.completion import Progress
from bench.market_analytics.retraction_moments import Moment
from bench.market_analytics.retractions import Due, Retractions, Step, choose
from tickstream.keys import object_ingest_id

if TYPE_CHECKING:
    from bench.market_analytics.load import Deployed

BUCKET = "bucket"
ROWS = 10
DONE = Progress(
    ingests=10, manifests=10, ranges=10, ranges_done=10, ticks=100, rejected=0, pending=0,
    hours=5, hours_rolled_up=5, queued=0, in_flight=0, dead_letters=0,
)  # fmt: skip
WORKING = replace(DONE, ranges_done=2, ticks=20, pending=2)


def an_object(ordinal: int, **more: Any) -> ObjectFile:
    """An object of ten rows."""
    return ObjectFile(ordinal, f"{ordinal}.csv", Path("f"), ROWS, 100, "e", None, **more)


def ingest_of(ordinal: int) -> str:
    """The ingest of such an object."""
    return object_ingest_id(BUCKET, f"{ordinal}.csv", "e", 100)


OBJECTS = tuple(map(an_object, range(40)))


def test_a_share_of_the_objects_is_chosen_by_the_seed() -> None:
    """Equal seeds choose equal objects at equal moments, other seeds others; each moment has its third."""
    due = choose(OBJECTS, 0.3, 5, BUCKET)
    assert due == choose(OBJECTS, 0.3, 5, BUCKET) != choose(OBJECTS, 0.3, 6, BUCKET)
    assert len({one.ordinal for one in due}) == 12
    assert Counter(one.moment for one in due) == dict.fromkeys(Moment, 4)
    assert all(one.ingest_id == ingest_of(one.ordinal) for one in due)
    assert all(0 <= one.after_rows <= len(OBJECTS) * ROWS for one in due)


def test_what_is_put_twice_posted_or_refused_is_never_chosen() -> None:
    """The second upload would be a new ingest under the id of the first, and what is refused has nothing to take."""
    pieces: list[ObjectFile | PostBody] = [
        *OBJECTS[:3],
        an_object(0, repeat=1),
        an_object(7, refusal="missing_column: no price"),
        PostBody(8, b"{}", 5),
    ]
    assert {one.ordinal for one in choose(pieces, 1.0, 1, BUCKET)} == {1, 2}


def test_a_share_is_one_object_at_least_and_none_is_none() -> None:
    """A tenth of three objects is one; of nothing it is nothing."""
    assert len(choose(OBJECTS[:3], 0.1, 1, BUCKET)) == 1
    assert choose(OBJECTS, 0.0, 1, BUCKET) == ()
    assert choose([PostBody(0, b"{}", 5)], 0.5, 1, BUCKET) == ()


def test_some_come_first_and_some_are_spared() -> None:
    """Of a run under faults one object is to be among them, and one is not."""
    (first,) = choose(OBJECTS, 0.01, 1, BUCKET, first={ingest_of(17)})
    assert first.ordinal == 17
    spared = choose(OBJECTS, 1.0, 1, BUCKET, spared={ingest_of(17)})
    assert {one.ordinal for one in spared} == set(range(40)) - {17}


@dataclass
class World:
    """An API that answers what the test says, a ledger and a clock; also the target, whose functions are counted."""

    deletes: list[Answer | Exception] = field(default_factory=list)
    gets: list[Answer | Exception] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    called: int = 0
    now_s: float = 1000.0
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def api(self) -> World:
        """Itself."""
        return self

    @property
    def target(self) -> str:
        """Not looked into."""
        return "target"

    outputs = target

    def delete(self, path: str) -> Answer:
        """Answer the next answer."""
        self.asked.append(f"DELETE {path}")
        return self._next(self.deletes)

    def get(self, path: str) -> Answer:
        """Answer the next answer."""
        self.asked.append(f"GET {path}")
        return self._next(self.gets)

    def _next(self, answers: list[Answer | Exception]) -> Answer:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sent(self, ordinal: int, outcome: Outcome = Outcome.ACKNOWLEDGED) -> None:
        """Record an object as sent."""
        entry = Sent(ordinal, f"{ordinal}.csv", "e", "", ingest_of(ordinal), ROWS, 100, 0.0, 0.0, 0.0, outcome)
        self.ledger.record(entry)

    def of(self, *due: Due) -> Retractions:
        """Make what takes back."""
        return Retractions(cast("Deployed", self), self.ledger, due, Clock(lambda: self.now_s, lambda _: None))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose DataRevision is counted."""
    made = World()

    def call(*_: object) -> None:
        made.called += 1

    monkeypatch.setattr(module, "trigger_revision", call)
    return made


def due(ordinal: int = 0, moment: Moment = Moment.SENDING, after_rows: int = 0) -> Due:
    """One that is due."""
    return Due(ordinal, f"{ordinal}.csv", ingest_of(ordinal), moment, after_rows)


RETRACTING = Answer(200, {"state": "retracting"})
RETRACTED = Answer(200, {"state": "retracted", "retraction": {"cause": "asked"}})
UNKNOWN = Answer(404, {"error": {"code": "unknown_ingest", "message": "no such ingest"}})


def test_nothing_is_asked_for_before_its_moment(world: World) -> None:
    """By rows sent, by rows processed, and when all is rolled up; and never what was not acknowledged yet."""
    world.deletes, world.gets = [RETRACTING] * 3, [RETRACTING] * 9
    ops = world.of(due(0, Moment.SENDING, 20), due(1, Moment.PROCESSING, 30), due(2, Moment.ROLLED_UP))
    assert ops.look(WORKING, sending=True)
    world.sent(1)
    world.sent(2)
    ops.look(WORKING, sending=True)
    assert world.asked == []  # twenty rows are sent, but not the object itself
    world.sent(0)
    ops.look(WORKING, sending=True)
    assert world.asked == [f"DELETE /ingest/{ingest_of(0)}"]
    ops.look(replace(WORKING, ticks=25, rejected=5), sending=True)
    assert f"DELETE /ingest/{ingest_of(1)}" in world.asked
    ops.look(DONE, sending=True)
    assert f"DELETE /ingest/{ingest_of(2)}" not in world.asked
    ops.look(DONE, sending=False)
    assert f"DELETE /ingest/{ingest_of(2)}" in world.asked


@pytest.mark.parametrize(
    "answer",
    [
        UNKNOWN,
        Answer(409, {"error": {"code": "still_indexing", "message": "wait"}}),
        Answer(429, {"message": "Too Many Requests"}),
        Answer(502, {"message": "Internal server error"}),
        ApiUnansweredError("lost"),
    ],
)
def test_what_is_not_there_yet_or_not_answered_is_asked_again(world: World, answer: Answer | Exception) -> None:
    """Until it is heard; then it is watched until it is done, and nothing is waited for any more."""
    world.deletes, world.gets = [answer, answer, RETRACTING], [ApiUnansweredError("lost"), RETRACTING, RETRACTED]
    world.sent(0)
    ops = world.of(due())
    for _ in range(5):
        assert ops.look(DONE, sending=False).startswith("1 of 1 ingests to be taken back")
    assert ops.look(DONE, sending=False) == ""
    assert ops.look(DONE, sending=False) == ""
    assert [said.split()[0] for said in world.asked] == ["DELETE"] * 3 + ["GET"] * 3
    assert (ops.all[0].step, ops.all[0].retracted_s) == (Step.RETRACTED, 1000.0)


def test_a_lost_answer_leaves_open_whether_its_ticks_count(world: World) -> None:
    """It may have been heard; an answer that there is no such ingest says that it was not."""
    world.deletes, world.gets = [ApiUnansweredError("lost"), UNKNOWN, RETRACTING], [RETRACTED]
    world.sent(0)
    ops = world.of(due())
    assert (ops.are_under_way, ops.ordinals()) == (False, frozenset())
    seen = []
    for _ in range(4):
        ops.look(DONE, sending=False)
        seen.append((ops.are_under_way, ops.ordinals()))
    it = frozenset({0})
    assert seen == [(True, it), (False, frozenset()), (True, it), (False, it)]


@pytest.mark.parametrize(
    "answer", [Answer(409, {"error": {"code": "cannot_be_retracted", "message": "expired"}}), Answer(403, {})]
)
def test_a_refusal_is_over_and_its_ticks_count(world: World, answer: Answer) -> None:
    """It is not asked again, and kept for the verdict."""
    world.deletes = [answer]
    world.sent(0)
    ops = world.of(due())
    assert ops.look(DONE, sending=False) == ""
    assert (ops.all[0].step, ops.ordinals()) == (Step.REFUSED, frozenset())
    assert str(answer.status) in ops.all[0].why


def test_a_refusal_after_the_fact_is_over_too(world: World) -> None:
    """DataRevision may find that an hour cannot do without a range: the ingest's status says so."""
    refused = Answer(200, {"state": "complete", "retraction": {"cause": "asked", "refused": "its slices expired"}})
    world.deletes, world.gets = [RETRACTING], [refused]
    world.sent(0)
    ops = world.of(due())
    ops.look(DONE, sending=False)
    assert ops.look(DONE, sending=False) == ""
    assert (ops.all[0].step, "its slices expired" in ops.all[0].why) == (Step.REFUSED, True)


def test_what_was_never_put_is_left_out(world: World) -> None:
    """There is nothing that anybody could take back; one that is still to be sent in a later round is waited for."""
    world.sent(0, Outcome.REFUSED)
    ops = world.of(due(0), due(1))
    assert ops.look(DONE, sending=False).startswith("1 of 2")
    assert [one.step for one in ops.all] == [Step.LEFT_OUT, Step.WAITING]
    assert world.asked == []


def test_the_schedule_is_called_when_nothing_moves(world: World) -> None:
    """Not while ranges are committed one after the other, and not over and over."""
    world.deletes, world.gets = [RETRACTING], [RETRACTING] * 99
    world.sent(0)
    ops = world.of(due())
    for done in range(5):
        ops.look(replace(WORKING, ranges_done=done), sending=False)
        world.now_s += 5
    assert world.called == 0
    calls = []
    for _ in range(8):
        ops.look(replace(WORKING, ranges_done=4), sending=False)
        calls.append(world.called)
        world.now_s += 4
    assert calls == [0, 1, 1, 2, 2, 3, 3, 4] == [*calls[:-1], ops.triggers]


def test_one_look_asks_few_and_every_one_has_its_turn(world: World) -> None:
    """Whoever takes thousands back must not hold up the others who look."""
    for ordinal in range(30):
        world.sent(ordinal)
    world.deletes, world.gets = [RETRACTING] * 30, [RETRACTED] * 30
    ops = world.of(*map(due, range(30)))
    looks = 0
    while ops.look(DONE, sending=False):
        looks += 1
        assert len(world.asked) == 8 * looks
    assert len(set(world.asked)) == len(world.asked) == 60


def test_the_result_says_when_each_was_asked_for_and_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In seconds after the first send."""
    monkeypatch.setattr(module, "time", type("Time", (), {"time": staticmethod(lambda: 5_000.0)}))
    world.deletes, world.gets = [RETRACTING], [RETRACTED]
    world.sent(0)
    ops = world.of(due(), due(1, Moment.ROLLED_UP))
    ops.look(WORKING, sending=True)
    world.now_s += 2
    ops.look(WORKING, sending=True)
    first, second = ops.facts(began_ms=4_990_000)
    assert first == {
        "key": "0.csv", "moment": "while sending", "became": "retracted", "asked_at_s": 8.0, "retracted_at_s": 10.0,
    }  # fmt: skip
    assert (second["became"], second["asked_at_s"], second["retracted_at_s"]) == ("waiting", None, None)
