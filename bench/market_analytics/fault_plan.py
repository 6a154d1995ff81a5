"""How a run is put under faults: rules at its start, cures and redrives on its way, and what came of it.

The order is that of an operator's day. Faults of all kinds hit while everything is sent. Messages that were poisoned
come to rest in dead-letter queues; their cause is cured and they are put back to work. Where DataAggregator is to be
down it goes down then, so that what comes now is in no rollup: when all of it is committed, bars are read, and
DataAggregator comes back. Whatever else became a dead letter is put back too.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bench.faults.catalog import LEASE_PARTITION, fault_of, faults_of, named, names
from bench.faults.injector import FaultInjector
from bench.faults.of_objects import late_victim, stuck_victim
from bench.faults.retries import RETRY_AFTER_S, retry_as_deployed, retry_soon
from bench.faults.scene import VICTIMS, Scene, Victim
from bench.ledger.truth import ObjectFile
from bench.ledger.verdict import Check
from bench.ledger.waiting import Clock
from bench.market_analytics.completion import trigger_revision, trigger_schedule
from bench.market_analytics.hostile_objects import CHECK, NAME, HostileObjects, hostile_objects
from bench.market_analytics.table_reader import read_table
from bench.redrive import market_queues, redrive
from bench.targets.reading import queue_depth
from tickstream import keys
from tickstream.items import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bench.faults.catalog import Fault
    from bench.faults.rules import FaultRule
    from bench.ledger.truth import PostBody
    from bench.market_analytics.completion import Progress
    from bench.market_analytics.load import Deployed

ALL: Final = "all"
LATE_CHECK: Final = "bars while rollups are late"


def range_message(spoiled: str) -> str:
    """Write a message as the pipeline does, but for one field that is replaced by what is given."""
    fields = {
        "received_ms": "1767623400000",
        "span": "[0,28,100]",
        "bucket": '"market-data"',
        "key": '"no object"',
        "version": '"v"',
        "etag": '"e"',
        "size": "100",
    }
    name = spoiled.partition(":")[0].strip('"')
    said = {one: spoiled if one == name else f'"{one}":{value}' for one, value in fields.items()}
    source = ",".join(said[one] for one in ("bucket", "key", "version", "etag", "size"))
    layout = '{"format":"csv","gzipped":false,"columns":["symbol"],"data_start":28}'
    return (
        f'{{"kind":"range","ingest":"{"0" * 32}",{said["received_ms"]},{said["span"]},"source":{{{source}}},'
        f'"layout":{layout}}}'
    )


POISON_MESSAGES: Final = (
    "nothing that anybody could read",
    '{"kind":"greeting","from":"the bench"}',
    '{"kind":"range","ingest":"no ingest","span":[0,0,1]}',
    # Deeper than any parser goes, numbers without end, and values of other types: each once failed its whole batch.
    "[" * 100_000,
    range_message('"received_ms":Infinity'),
    range_message('"received_ms":1e999'),
    range_message('"size":1e999'),
    range_message('"span":["0","0","1"]'),
    range_message('"version":["v"]'),
    range_message('"received_ms":' + "9" * 5_000),
    range_message('"key":"\\ud800"'),
)
#: A failed event is tried again after one and after two seconds, then it is a dead letter: what has not come by then
#: does not come.
_EVENTS_QUIET_S: Final = 8.0
#: Hostile objects that are not done this long after all else has come to rest do not come.
_FATES_S: Final = 60.0
#: So often dead letters are put back before they count as not curable.
_ROUNDS: Final = 8
#: Rollups that two aggregators left behind each other are confirmed after twice the function's life, 100 s, and seen to
#: be confirmed a second such time later.
_CONFIRMATION_S: Final = 300.0
_CONFIRMATION_POLL_S: Final = 3.0

_PROCESSING: Final = "processing"
_LARGE: Final = "large-ranges"
_INDEX: Final = "index"
_INGESTION: Final = "ingestion"
#: The queues of those who are up again before DataAggregator is.
_WORK_QUEUES: Final = (_INGESTION, _INDEX, _LARGE, _PROCESSING)
_LATER_QUEUES: Final = ("aggregator", "revision", "rule")


class FaultPlan:
    """The faults of one run: made before it, installed in its stack, looked at on its way, finished after it.

    names: in the order of the catalog. about: a line on each. parameters: what the stack gets unless it is given
    others. deviations: sentences for the report. expected_dead_letters: bodies that must be dead letters at the end.
    """

    def __init__(self, faults: Sequence[Fault], seed: int, clock: Clock | None = None) -> None:
        self._faults = tuple(faults)
        self._seed = seed
        self._clock = clock or Clock()
        self.names = tuple(fault.name for fault in faults)
        self.about = tuple(f"fault {fault.name}: {fault.about}" for fault in faults)
        self.expected_dead_letters = POISON_MESSAGES if "poison-messages" in self.names else ()
        self.parameters = {name: value for fault in faults for name, value in fault.parameters.items()}
        sooner = f"what fails comes again after {RETRY_AFTER_S} s, not after the visibility timeout of its queue"
        self.deviations = (sooner, *(one for fault in faults for one in fault.deviations))
        # Rules by when they go.
        self._lasting: tuple[FaultRule, ...] = ()
        self._held: tuple[FaultRule, ...] = ()
        self._down: tuple[FaultRule, ...] = ()
        self._scene: Scene
        self._deployed: Deployed
        self._injector: FaultInjector
        self._read_late: Callable[[], Check | None]
        self._redriven = self._rounds = 0
        self._own_marks: list[tuple[str, int]] = []
        self._last_hits: Mapping[str, int] = {}
        self._changed_s = 0.0
        self._late: Check | None = None
        self._hostile: HostileObjects | None = None
        self._planted = 0
        self._fates: Check | None = None
        self._hits: dict[str, int] = {}
        self._marks: list[tuple[str, int]] = []

    @classmethod
    def of(
        cls,
        wanted: Iterable[str],
        seed: int,
        clock: Clock | None = None,
        **occasions: bool,
    ) -> FaultPlan:
        """Return the plan of these faults; `all` is every one that the workload has an occasion for.

        occasions: `objects` (by default there are some), `index` and `retractions` (there are none), as
        `bench.faults.catalog.names` has them. Raises BenchError for a name that there is not, or without an occasion.
        """
        asked = tuple(wanted)
        occasions = {"index": False, "retractions": False, **occasions}
        due = names(**occasions) if ALL in asked else asked
        return cls(faults_of(due, **occasions), seed, clock)

    def install(
        self, deployed: Deployed, pieces: Iterable[ObjectFile | PostBody], read_late: Callable[[], Check | None]
    ) -> None:
        """Put the faults into a deployed stack, before anything is sent.

        read_late: compares bars while rollups are late; called where DataAggregator is to be down, until it says
        something: while ingests are being taken back nobody knows what must be read.
        Raises TargetError where the target injects no faults.
        """
        self._deployed, self._read_late = deployed, read_late
        self._injector = FaultInjector(deployed.target)
        self._scene = Scene(deployed.outputs, self._seed, self._choose_victims(pieces))
        sqs, url = deployed.target.client("sqs"), deployed.outputs.queue_url
        retry_soon(sqs, deployed.outputs.working_queues().values())
        rules = [(fault.held, rule) for fault in self._faults for rule in named(fault, fault.rules, self._scene)]
        self._held = tuple(rule for held, rule in rules if held)
        self._lasting = tuple(rule for held, rule in rules if not held)
        # All at once: they are asked in the order in which they come. What comes later has its place from the start,
        # and hits nothing yet: behind rules that have hits left it would not come first when it should.
        for fault in self._faults:
            later = [replace(rule, rate=0.0) for rule in self._later(fault)]
            self._injector.add([rule for _, rule in rules if fault_of(rule) == fault.name] + later)
        for body in self.expected_dead_letters:
            sqs.send_message(QueueUrl=url, MessageBody=body)
            self._mark("poison-messages")
        if NAME in self.names:
            self._hostile = HostileObjects(deployed.target, deployed.outputs, hostile_objects)
            self._planted = self._hostile.put()
            self._mark(NAME)
        self._changed_s = self._clock.now_s()

    def look(self, progress: Progress, *, sending: bool) -> str:
        """Cure and put back what is due; return what the plan still waits for, empty when it is done.

        progress: the latest look. sending: whether more is still to be sent.
        """
        if sending:
            return "everything to be sent"
        if progress.queued or progress.in_flight:
            return f"the messages of {', '.join(self._deployed.outputs.working_queues())}"
        dead_letters = self._dead_letters()
        return (
            self._cure_spoiled(progress, dead_letters)
            or self._put_back(_WORK_QUEUES, dead_letters)
            or self._read_late_bars(progress)
            or self._put_back(_LATER_QUEUES, dead_letters)
            or self._hostile_objects_are_done()
            or self._events_are_quiet()
        )

    def finish(self) -> None:
        """End all faults, keep what they hit, and see rollups confirmed; after the last look.

        Raises TargetError or ReadBackError.
        """
        later = [rule for fault in self._faults for rule in self._later(fault)]
        self._take_away((*self._lasting, *self._held, *later))
        retry_as_deployed(self._deployed.target.client("sqs"), self._deployed.outputs.working_queues().values())
        self._count()
        if not {"two-aggregators", "two-compactions"}.isdisjoint(self.names):
            self._confirm_rollups()

    def checks(self) -> tuple[Check, ...]:
        """Judge the faults themselves: each has hit, and what had to be seen under them was; after `finish`."""
        idle = [name for name in self.names if not self._hits.get(name)]
        detail = f"{len(self.names) - len(idle)} of {len(self.names)} faults hit, {sum(self._hits.values()):,} times"
        if idle:
            detail += f"; no occasion in this workload for {', '.join(idle)}"
        found = [Check("faults injected", not idle, detail)]
        if "aggregator-down" in self.names:
            found.append(self._late or Check(LATE_CHECK, passed=False, detail="it did not come to that"))
        if self._hostile is not None:
            found.append(self._fates or Check(CHECK, passed=False, detail="it did not come to that"))
        return tuple(found)

    def planted_ingests(self) -> frozenset[str]:
        """Ingests of hostile objects, which are in nobody's books."""
        return self._hostile.ingest_ids() if self._hostile else frozenset()

    def late_ingests(self) -> frozenset[str]:
        """Ingests that are to be in bars while they are in no rollup; after `install`."""
        return frozenset(one.ingest_id for one in late_victim(self._scene) if "aggregator-down" in self.names)

    def stuck_ingests(self) -> frozenset[str]:
        """Ingests of which a range is half written and waits in a dead-letter queue; after `install`."""
        return frozenset(one.ingest_id for one in stuck_victim(self._scene) if "dead-letter-redrive" in self.names)

    def facts(self, began_ms: float) -> dict[str, Any]:
        """Say in plain JSON what was injected when; began_ms: the run's first send, Unix milliseconds."""
        return {
            "names": list(self.names),
            "seed": self._seed,
            "injected": self._hits,
            "marks": [{"name": name, "at_s": round((at_ms - began_ms) / 1000, 3)} for name, at_ms in self._marks],
        }

    # On the way ------------------------------------------------------------------------------------------------------

    def _choose_victims(self, pieces: Iterable[ObjectFile | PostBody]) -> tuple[Victim, ...]:
        bucket = self._deployed.outputs.bucket_name
        objects = [
            Victim(piece.key, keys.object_ingest_id(bucket, piece.key, piece.etag, piece.size_bytes))
            for piece in pieces
            if isinstance(piece, ObjectFile) and not piece.repeat
        ]
        # No secret depends on it.
        return tuple(random.Random(self._seed).sample(objects, min(VICTIMS, len(objects))))  # noqa: S311

    def _dead_letters(self) -> dict[str, int]:
        """Messages in each dead-letter queue."""
        sqs = self._deployed.target.client("sqs")
        return {queue: sum(queue_depth(sqs, url)) for queue, url in self._deployed.outputs.dead_letter_queues().items()}

    def _staying(self, queue: str) -> int:
        return len(self.expected_dead_letters) if queue == _PROCESSING else 0

    def _wanted_dead_letters(self) -> dict[tuple[str, ...], int]:
        """How many dead letters there are at least, in some queues together, when all that is held has come to rest."""
        by_ingestion = [rule.function == self._deployed.outputs.ingestion_function_name for rule in self._held]
        return {
            (_INGESTION,): sum(by_ingestion),
            # In which of the two a range is follows from its object.
            (_PROCESSING, _LARGE): self._staying(_PROCESSING) + len(by_ingestion) - sum(by_ingestion),
        }

    def _cure_spoiled(self, progress: Progress, dead_letters: Mapping[str, int]) -> str:
        """Take away what spoils messages, when these are dead letters; what is to be late comes then."""
        if not self._held:
            return ""
        wanted = self._wanted_dead_letters().items()
        if short := [queues for queues, number in wanted if sum(dead_letters[one] for one in queues) < number]:
            return f"spoiled messages to become dead letters ({', '.join(one for queues in short for one in queues)})"
        if not progress.hours or progress.hours_rolled_up < progress.hours:
            return "all that is committed to be rolled up"
        if not self._down:
            late = {fault_of(rule) for rule in self._held}
            self._down = tuple(rule for fault in self._faults if fault.name in late for rule in self._later(fault))
            self._injector.add(self._down)
        if self._down and self._is_rolling_up():
            # Called before it went down, it would still roll up what comes late, and nobody would call it again.
            return "DataAggregator to end what it was called for"
        self._take_away(self._held)
        self._held = ()
        return ""

    def _later(self, fault: Fault) -> tuple[FaultRule, ...]:
        return named(fault, fault.then, self._scene) if fault.then else ()

    def _is_rolling_up(self) -> bool:
        """Say whether somebody has claimed any lane."""
        dynamodb, table = self._deployed.target.client("dynamodb"), self._deployed.outputs.table_name
        answer = dynamodb.get_item(TableName=table, Key=key_of(LEASE_PARTITION, 0), ConsistentRead=True)
        now_ms = time.time_ns() // 10**6
        claims = (value["S"] for name, value in answer.get("Item", {}).items() if name.startswith("c"))
        return any(int(claim.partition(" ")[0]) > now_ms for claim in claims)

    def _put_back(self, queues: Iterable[str], dead_letters: Mapping[str, int]) -> str:
        """Put back to work what does not belong into these dead-letter queues."""
        if any(dead_letters[queue] < self._staying(queue) for queue in queues):
            return "messages of nobody's to become dead letters"
        surplus = [queue for queue in queues if dead_letters[queue] > self._staying(queue)]
        if not surplus:
            return ""
        if self._rounds >= _ROUNDS:
            return f"dead letters that came back {_ROUNDS} times ({', '.join(surplus)})"
        due = {name: queue for name, queue in market_queues(self._deployed.outputs).items() if name in surplus}
        if moved := sum(one.put_back for one in redrive(self._deployed.target, due)):
            self._rounds += 1
            self._redriven += moved
            self._changed_s = self._clock.now_s()
            self._mark("dead-letter-redrive")
        return "dead letters that were put back to work"

    def _read_late_bars(self, progress: Progress) -> str:
        """Read bars when all ranges are committed and DataAggregator was called in vain, then let it work again."""
        if not self._down:
            return ""
        if progress.manifests < progress.ingests or progress.ranges_done < progress.ranges:
            return "all ranges to be committed"
        if not any(self._injector.hits().get(rule.name) for rule in self._down):
            return "DataAggregator to be called while it is down"
        self._late = self._read_late()
        if self._late is None:
            return "ingests to be taken back, or published, before bars are read"
        self._take_away(self._down)
        self._down = ()
        return "DataAggregator to work again"

    def _hostile_objects_are_done(self) -> str:
        """Look whether each has its fate; for a while, since one that gets another never has it."""
        if self._hostile is None or self._fates is not None:
            return ""
        fates = self._hostile.judge()
        if not fates.passed and self._clock.now_s() - self._changed_s < _FATES_S:
            self._hostile.hasten(self._clock.now_s())
            return "hostile objects to be done"
        self._fates = fates
        return ""

    def _events_are_quiet(self) -> str:
        hits = self._injector.hits()
        if hits != self._last_hits:
            self._last_hits, self._changed_s = hits, self._clock.now_s()
        quiet = self._clock.now_s() - self._changed_s >= _EVENTS_QUIET_S
        return "" if quiet else "events that may be tried again"

    def _take_away(self, rules: Iterable[FaultRule]) -> None:
        for rule in rules:
            self._injector.remove(rule.name)

    def _mark(self, name: str) -> None:
        self._own_marks.append((name, time.time_ns() // 10**6))

    def _count(self) -> None:
        # Of a fault in two parts the second one is what it is about.
        rules = [rule for fault in self._faults for rule in named(fault, fault.then or fault.rules, self._scene)]
        origin = {rule.name: fault_of(rule) for rule in rules}
        self._hits = dict.fromkeys(self.names, 0)
        for name, hits in self._injector.hits().items():
            if name in origin:
                self._hits[origin[name]] += hits
        own = (
            ("poison-messages", len(self.expected_dead_letters)),
            (NAME, self._planted),
            ("dead-letter-redrive", self._redriven),
        )
        for name, done in own:
            if name in self._hits:
                self._hits[name] = done
        marks = [(origin[name], at_ms) for name, at_ms in self._injector.marks() if name in origin]
        self._marks = sorted([*marks, *self._own_marks], key=lambda mark: mark[1])

    def _confirm_rollups(self) -> None:
        """Have the schedule mend rollups that lost a range to an aggregator with an older one, where there are any.

        Until then every reader adds the slices, so no number is wrong. What is left is for the verdict to say.
        """
        target, outputs = self._deployed.target, self._deployed.outputs
        deadline_s = self._clock.now_s() + _CONFIRMATION_S
        while read_table(target, outputs.table_name).loose_slices and self._clock.now_s() < deadline_s:
            trigger_schedule(target, outputs)
            # Rollups with what was taken back meanwhile are its to find.
            trigger_revision(target, outputs)
            self._clock.sleep(_CONFIRMATION_POLL_S)
