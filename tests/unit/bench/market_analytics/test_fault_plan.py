from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from bench.errors import BenchError
from bench.faults.catalog import COMPACTION_THRESHOLD, faults_of, names
from bench.ledger.truth import ObjectFile, PostBody
from bench.ledger.verdict import Check
from bench.ledger.waiting import Clock
from bench.market_analytics import fault_plan as plan_module
from bench.market_analytics.completion import Progress
from bench.market_analytics.fault_plan import LATE_CHECK, POISON_MESSAGES, FaultPlan
from bench.market_analytics.hostile_objects import CHECK
from bench.redrive import Redriven
from bench.stack.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.faults import FaultRule
    from bench.market_analytics.load import Deployed

OUTPUTS = Outputs(**{field.name: field.name for field in fields(Outputs)})
PIECES: tuple[ObjectFile | PostBody, ...] = (
    *(ObjectFile(place, f"object-{place}", Path("f"), 10, 100, "e", None) for place in range(9)),
    PostBody(9, b"{}", 1),
)
#: All is done and rolled up.
DONE = Progress(
    ingests=10,
    manifests=10,
    ranges=10,
    ranges_done=10,
    ticks=100,
    rejected=0,
    pending=0,
    hours=5,
    hours_rolled_up=5,
    queued=0,
    in_flight=0,
    dead_letters=0,
)
PROCESSING, INGESTION, AGGREGATOR = (
    OUTPUTS.processing_dead_letter_queue_url,
    OUTPUTS.ingestion_dead_letter_queue_url,
    OUTPUTS.aggregator_dead_letter_queue_url,
)


@dataclass
class World:
    """A target that does what it is told, and a clock."""

    dead_letters: Counter[str] = field(default_factory=Counter)
    sent: list[str] = field(default_factory=list)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    rules: dict[str, FaultRule] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    put_back: list[tuple[str, ...]] = field(default_factory=list)
    time_s: float = 1000.0
    late_reads: int = 0
    are_taken_back: bool = False
    lease_until_ms: int | None = None

    # As boto3's client of DynamoDB.
    def get_item(self, *, Key: Mapping[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        """Return who rolls up, where somebody does."""
        assert Key["symbol"] == {"S": "aggregator#lease"}
        return {} if self.lease_until_ms is None else {"Item": {"c3": {"S": f"{self.lease_until_ms} somebody"}}}

    # As boto3's client of SQS.
    def client(self, _service: str) -> World:
        """Return itself."""
        return self

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        """Return what is asked for."""
        known = {"ApproximateNumberOfMessages": str(self.dead_letters[QueueUrl])}
        return {"Attributes": {name: known.get(name, "0") for name in AttributeNames}}

    def tag_queue(self, *, QueueUrl: str, Tags: Mapping[str, str]) -> None:  # noqa: N803
        """Take tags."""
        self.tags.setdefault(QueueUrl, {}).update(Tags)

    def untag_queue(self, *, QueueUrl: str, TagKeys: list[str]) -> None:  # noqa: N803
        """Forget tags."""
        for name in TagKeys:
            del self.tags[QueueUrl][name]

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:  # noqa: N803
        """Remember the body."""
        assert QueueUrl == OUTPUTS.queue_url
        self.sent.append(MessageBody)

    # As FaultInjector.
    def add(self, rules: Iterable[FaultRule]) -> None:
        """Have rules apply."""
        self.rules |= {rule.name: rule for rule in rules}

    def remove(self, name: str) -> None:
        """Have one rule apply no more."""
        self.rules.pop(name, None)

    def hits(self) -> dict[str, int]:
        """Return what the test counted."""
        return dict(self.counted)

    def marks(self) -> list[tuple[str, int]]:
        """Return one mark for each rule that hit, at 2 s."""
        return [(name, 2_000) for name, count in self.counted.items() if count]

    # As bench.redrive.redrive.
    def redrive(self, _target: object, queues: Mapping[str, Any]) -> tuple[Redriven, ...]:
        """Empty the queues, but for the planted messages."""
        self.put_back.append(tuple(queues))
        done = []
        for name, queue in queues.items():
            stays = min(self.dead_letters[queue.url], len(POISON_MESSAGES) if name == "processing" and self.sent else 0)
            done.append(Redriven(name, self.dead_letters[queue.url], self.dead_letters[queue.url] - stays, stays, ()))
            self.dead_letters[queue.url] = stays
        return tuple(done)

    def read_late(self) -> Check | None:
        """Count the reading, unless nobody knows what must be read."""
        if self.are_taken_back:
            return None
        self.late_reads += 1
        return Check(LATE_CHECK, passed=True, detail="as expected")

    def of(self, fault: str) -> list[FaultRule]:
        """Rules of a fault that apply now."""
        return [rule for name, rule in self.rules.items() if name.startswith(f"{fault}/")]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Replace what a plan acts on."""
    made = World()
    monkeypatch.setattr(plan_module, "FaultInjector", lambda _target: made)
    monkeypatch.setattr(plan_module, "redrive", made.redrive)
    monkeypatch.setattr(plan_module, "trigger_revision", lambda *_: None)
    return made


def installed(world: World, *wanted: str, pieces: tuple[ObjectFile | PostBody, ...] = PIECES) -> FaultPlan:
    """Install a plan in the world."""

    @dataclass
    class Stack:
        target: World
        outputs: Outputs

    plan = FaultPlan.of(wanted, seed=3, clock=Clock(lambda: world.time_s, lambda _seconds: None))
    plan.install(cast("Deployed", Stack(world, OUTPUTS)), pieces, world.read_late)
    return plan


def run_out(world: World, plan: FaultPlan) -> None:
    """Let the time pass in which a failed event could come again; nothing is waited for then."""
    assert plan.look(DONE, sending=False) == "events that may be tried again"
    world.time_s += 60
    assert plan.look(DONE, sending=False) == ""


def test_all_is_every_fault_and_says_how_the_stack_departs() -> None:
    """`all` is the whole catalog; what differs from the deployed stack is told, and its parameters are the plan's."""
    plan = FaultPlan.of(["all"], 1, index=True, retractions=True)
    assert plan.names == names()
    assert FaultPlan.of(["all"], 1).names == names(index=False, retractions=False)
    assert plan.about[0].startswith("fault kill-before-writes: DataProcessor, DataIngestion and DataIndexer are killed")
    assert plan.parameters == {"CompactionThreshold": str(COMPACTION_THRESHOLD)}
    assert len(plan.deviations) == 2


def test_an_unknown_name_is_refused_before_anything_is_made() -> None:
    """A typing error costs no run."""
    with pytest.raises(BenchError, match="no fault sharks"):
        FaultPlan.of(["throttling", "sharks"], 1)


def test_equal_seeds_spoil_equal_objects(world: World) -> None:
    """What is poisoned follows from the seed."""
    installed(world, "poison-objects")
    first = {rule.contains for rule in world.of("poison-objects")}
    world.rules.clear()
    installed(world, "poison-objects")
    assert {rule.contains for rule in world.of("poison-objects")} == first
    assert len(first) == 2


def test_nothing_is_cured_while_sending_or_while_messages_are_under_way(world: World) -> None:
    """Dead letters of a run in full swing are not all there are."""
    plan = installed(world, "poison-objects")
    world.dead_letters.update({PROCESSING: 1, INGESTION: 1})
    assert plan.look(DONE, sending=True)
    assert plan.look(replace(DONE, queued=1), sending=False)
    assert plan.look(replace(DONE, in_flight=1), sending=False)
    assert len(world.of("poison-objects")) == 2
    assert world.put_back == []


def test_poisoned_objects_are_cured_when_all_are_dead_letters_then_put_back(world: World) -> None:
    """First both rest in their queues, then the cause goes, then their messages are put back, then it is over."""
    plan = installed(world, "poison-objects")
    world.dead_letters.update({PROCESSING: 1})
    assert "ingestion" in plan.look(DONE, sending=False)
    world.dead_letters.update({INGESTION: 1})
    assert plan.look(DONE, sending=False) == "dead letters that were put back to work"
    assert world.of("poison-objects") == []
    assert world.put_back == [("processing", "ingestion")]
    run_out(world, plan)


def test_poison_messages_are_sent_and_stay_dead(world: World) -> None:
    """They must all become dead letters, and are not put back with others."""
    plan = installed(world, "poison-messages")
    assert tuple(world.sent) == plan.expected_dead_letters == POISON_MESSAGES
    world.dead_letters[PROCESSING] = 2
    assert plan.look(DONE, sending=False) == "messages of nobody's to become dead letters"
    world.dead_letters[PROCESSING] = len(POISON_MESSAGES) + 1
    assert plan.look(DONE, sending=False) == "dead letters that were put back to work"
    assert world.dead_letters[PROCESSING] == len(POISON_MESSAGES)
    run_out(world, plan)


def test_hostile_objects_are_put_waited_for_and_judged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on when each has its fate, or when one has not got it for long; what it was is a check."""
    hastened: list[int] = []
    fates = [Check(CHECK, passed=False, detail="not yet"), Check(CHECK, passed=True, detail="as they must be")]

    class Planted:
        def __init__(self, *_: object) -> None:
            pass

        def put(self) -> int:
            return 9

        def ingest_ids(self) -> frozenset[str]:
            return frozenset({"i"})

        def hasten(self, _now_s: float) -> None:
            hastened.append(len(fates))

        def judge(self) -> Check:
            return fates.pop(0)

    monkeypatch.setattr(plan_module, "HostileObjects", Planted)
    plan = installed(world, "hostile-objects")
    assert plan.look(DONE, sending=False) == "hostile objects to be done"
    run_out(world, plan)
    plan.finish()
    assert (plan.planted_ingests(), hastened) == (frozenset({"i"}), [1])
    assert [(check.name, check.passed) for check in plan.checks()] == [("faults injected", True), (CHECK, True)]


def test_bars_are_read_while_the_aggregator_is_down_and_all_is_committed(world: World) -> None:
    """It goes down when all but one object is rolled up, and comes back when that one was read while it was late."""
    plan = installed(world, "aggregator-down", "throttling")
    assert [rule.rate for rule in world.of("aggregator-down")] == [1.0, 0.0]
    first = list(world.rules)
    world.counted[first[-1]] = 1
    world.dead_letters[PROCESSING] = 1
    assert plan.look(replace(DONE, hours_rolled_up=4), sending=False) == "all that is committed to be rolled up"
    # One that was called before is still at work.
    world.lease_until_ms = 10**15
    assert plan.look(replace(DONE, ranges_done=9), sending=False) == "DataAggregator to end what it was called for"
    assert plan.look(replace(DONE, ranges_done=9), sending=False) == "DataAggregator to end what it was called for"
    (late, down) = world.of("aggregator-down")
    # Where it was from the start, before the others of the catalog that are behind it: the first that hits decides.
    assert (down.rate, list(world.rules)) == (1.0, first)
    assert late.function == OUTPUTS.processor_function_name
    world.lease_until_ms = 1
    assert plan.look(replace(DONE, ranges_done=9), sending=False) == "dead letters that were put back to work"
    assert world.of("aggregator-down") == [down]
    assert down.function == OUTPUTS.aggregator_function_name
    assert plan.look(replace(DONE, ranges_done=9), sending=False) == "all ranges to be committed"
    assert plan.look(DONE, sending=False) == "DataAggregator to be called while it is down"
    world.counted[down.name] = 3
    world.dead_letters[AGGREGATOR] = 1
    world.are_taken_back = True
    assert plan.look(DONE, sending=False) == "ingests to be taken back, or published, before bars are read"
    world.are_taken_back = False
    assert (world.late_reads, world.of("aggregator-down")) == (0, [down])
    assert plan.look(DONE, sending=False) == "DataAggregator to work again"
    assert world.late_reads == 1
    assert world.of("aggregator-down") == []
    assert plan.look(DONE, sending=False) == "dead letters that were put back to work"
    run_out(world, plan)
    plan.finish()
    assert [check.passed for check in plan.checks()] == [True, True]


def test_dead_letters_that_always_come_back_are_given_up(world: World) -> None:
    """A pipeline that is really broken ends the run; nothing goes round for ever."""
    plan = installed(world, "throttling")
    for _ in range(50):
        world.dead_letters[PROCESSING] = 1
        awaited = plan.look(DONE, sending=False)
    assert awaited == "dead letters that came back 8 times (processing)"
    assert len(world.put_back) == 8


def test_what_is_to_be_late_or_stuck_is_known_by_its_ingest(world: World) -> None:
    """Whoever takes ingests back spares the first, which readers are to see, and takes the second."""
    plan = installed(world, "aggregator-down", "dead-letter-redrive")
    (late,), (stuck,) = plan.late_ingests(), plan.stuck_ingests()
    assert late != stuck
    assert any(stuck in rule.contains for rule in world.of("dead-letter-redrive"))
    other = installed(world, "throttling")
    assert (other.late_ingests(), other.stuck_ingests()) == (frozenset(), frozenset())


def test_finishing_takes_all_faults_away(world: World) -> None:
    """What is verified is verified in calm, and the queues are as they were deployed."""
    plan = installed(world, "throttling", "poison-objects", "dropped-events")
    assert world.rules
    assert world.tags.keys() == {OUTPUTS.queue_url, OUTPUTS.large_range_queue_url, OUTPUTS.index_queue_url}
    assert all(world.tags.values())
    plan.finish()
    assert world.rules == {}
    assert not any(world.tags.values())


def test_a_fault_that_hit_nothing_fails_and_is_named(world: World) -> None:
    """No fault may silently do nothing."""
    plan = installed(world, "throttling", "dropped-events")
    (rule, *_) = world.of("throttling")
    world.counted[rule.name] = 4
    plan.finish()
    (check,) = plan.checks()
    assert not check.passed
    assert "no occasion in this workload for dropped-events" in check.detail
    facts = plan.facts(began_ms=500)
    assert facts["injected"] == {"throttling": 4, "dropped-events": 0}
    assert facts["marks"] == [{"name": "throttling", "at_s": 1.5}]


def test_without_objects_there_is_nothing_to_poison(world: World) -> None:
    """A run of POSTs ends all the same, and says that the fault had no occasion."""
    plan = installed(world, "poison-objects", "aggregator-down", pieces=PIECES[9:])
    run_out(world, plan)
    plan.finish()
    assert [check.passed for check in plan.checks()] == [False, False]


def test_the_order_is_the_catalogs_whatever_was_typed(world: World) -> None:
    """Rules are asked in the order in which they were given: it must not depend on the command line."""
    plan = installed(world, "duplicate-messages", "partial-sends", "duplicate-messages")
    assert plan.names == tuple(fault.name for fault in faults_of(["partial-sends", "duplicate-messages"]))
    assert list(dict.fromkeys(name.partition("/")[0] for name in world.rules)) == list(plan.names)


def test_rollups_that_lost_a_range_to_an_older_one_are_seen_confirmed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two aggregators may overwrite each other's rollups; the schedule is called until it has mended them."""
    plan = installed(world, "two-aggregators")
    loose = [2, 1, 0]
    called: list[int] = []

    @dataclass
    class Table:
        loose_slices: int

    monkeypatch.setattr(plan_module, "read_table", lambda *_: Table(loose.pop(0)))
    monkeypatch.setattr(plan_module, "trigger_schedule", lambda *_: called.append(len(loose)))
    plan.finish()
    assert called == [2, 1]


def test_rollups_that_are_never_mended_end_the_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict says what is left; the run does not wait for ever."""
    plan = installed(world, "two-compactions")

    @dataclass
    class Table:
        loose_slices: int = 1

    def call(*_: object) -> None:
        world.time_s += 30

    monkeypatch.setattr(plan_module, "read_table", lambda *_: Table())
    monkeypatch.setattr(plan_module, "trigger_schedule", call)
    began_s = world.time_s
    plan.finish()
    assert 300 <= world.time_s - began_s < 360
