"""The parts put together, and run until nothing is left to do, or nobody looks any more."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import simpy

from bench.capacity.aggregation import DataAggregator
from bench.capacity.books import Books
from bench.capacity.intake import DataIngestion
from bench.capacity.limits import LOOK_S, Limits
from bench.capacity.lists import Lists
from bench.capacity.processing import DataProcessor, ProcessingQueue
from bench.capacity.settling import Settling
from bench.capacity.world import Functions, Table, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simpy.events import Event

    from bench.capacity.designs import Design
    from bench.capacity.figures import Figures
    from bench.capacity.quotas import Quotas
    from bench.capacity.scenarios import Scenario
    from bench.capacity.world import Steps

SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Look:
    """What was to be seen at one moment; units a second since the look before."""

    at_s: float
    queued: int
    in_flight: int
    listed: int
    open_ingests: int
    dead: int
    refused: int
    invocations: int
    waiting_events: int
    write_units: float
    write_capacity: float


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the model. rest_s: when nothing was left to do; None: the model stopped looking before."""

    scenario: Scenario
    design: Design
    world: World
    books: Books
    looks: tuple[Look, ...]
    ended_s: float
    rest_s: float | None
    open_ingests: int


class Model:
    """One scenario on one design, at some quotas.

    also: what else comes. until_settled: it ends when no ingest is open, and not when all is rolled up.
    """

    def __init__(
        self, scenario: Scenario, design: Design, quotas: Quotas, figures: Figures, seed: int = SEED, *,
        also: Sequence[Scenario] = (), until_settled: bool = True,
    ) -> None:  # fmt: skip
        env = simpy.Environment()
        limits = Limits()
        self._also, self._until_settled = also, until_settled
        self.scenario, self.design, self.books = scenario, design, Books()
        most_each = figures["client_units_a_second"]
        self.world = World(
            env, design, quotas, figures, limits,
            Table.of(env, quotas, limits, design.warm_write_units, most_each),
            Functions(env, quotas["lambda_concurrency"], quotas["lambda_ramp_per_10_s"], limits),
        )  # fmt: skip
        self.world.table.keys = max(1, scenario.shape.symbols)
        # No secret: who comes when, and which lanes.
        drawn = random.Random(seed)  # noqa: S311
        lists = Lists(self.world, self.books, scenario.shape, drawn)
        self.settling = Settling(self.world, self.books, lists)
        aggregator = DataAggregator(self.world, self.books, lists, self.settling)
        processor = DataProcessor(self.world, self.books, aggregator, drawn)
        small = ProcessingQueue(
            self.world, design.small, "ProcessingQueue", "processor_ceiling", processor, scenario.alike
        )
        large = small
        if not design.shares_queue:
            large = ProcessingQueue(
                self.world, design.large, "LargeRangeQueue", "large_ceiling", processor, scenario.alike
            )
        self.queues = (small,) if design.shares_queue else (small, large)
        self.ingestion = DataIngestion(self.world, self.books, {False: small, True: large}, self.settling, drawn)
        self.looks: list[Look] = []
        self.rest_s: float | None = None
        self._written = 0.0
        env.process(self.world.table.live())
        env.process(aggregator.schedule())

    def run(self) -> Run:
        """Run it, once."""
        env = self.world.env
        sending = simpy.AllOf(env, [env.process(self.ingestion.send(one)) for one in (self.scenario, *self._also)])
        env.run(until=env.process(self._watch(sending)))
        self._poll(env.now)
        return Run(
            self.scenario, self.design, self.world, self.books, tuple(self.looks), env.now, self.rest_s,
            self.settling.open_ingests,
        )  # fmt: skip

    def _watch(self, sending: Event) -> Steps[None]:
        env, scenario = self.world.env, self.scenario
        while env.now < scenario.horizon_s:
            yield env.timeout(min(LOOK_S, scenario.horizon_s - env.now))
            self.world.look()
            self.settling.look()
            self.world.limits.look()
            self.looks.append(self._look())
            if scenario.is_steady or not sending.processed or not self.books.at_rest:
                continue
            self.rest_s = self.rest_s or env.now
            if not self._until_settled or not self.settling.open_ingests or self.books.dead:
                return

    def _look(self) -> Look:
        world, books = self.world, self.books
        written = world.table.writes.total()
        a_second, self._written = (written - self._written) / LOOK_S, written
        return Look(
            at_s=world.env.now,
            queued=sum(queue.visible for queue in self.queues),
            in_flight=sum(queue.in_flight for queue in self.queues),
            listed=books.listed,
            open_ingests=self.settling.open_ingests,
            dead=books.dead,
            refused=books.refused,
            invocations=world.functions.in_use,
            waiting_events=world.functions.waiting(),
            write_units=a_second,
            write_capacity=world.table.writes.rate,
        )

    def _poll(self, seconds: float) -> None:
        """Count Lambda's long polls of the queues, which an idle stack pays too; IndexQueue's among them."""
        queues = len(self.queues) + 1
        self.world.used["sqs_requests"] += queues * self.world.quotas["mapping_first"] * seconds / 20


def run_model(scenario: Scenario, design: Design, quotas: Quotas, figures: Figures, seed: int = SEED) -> Run:
    """Run one scenario on one design."""
    return Model(scenario, design, quotas, figures, seed).run()
