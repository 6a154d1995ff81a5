"""What all parts of the model use: the clock, what they ask AWS for, the table, and functions' concurrency."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from simpy.events import Event

from bench.capacity.limits import LOOK_S, Limits
from bench.capacity.shared import Shared

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from simpy import Environment

    from bench.capacity.designs import Design
    from bench.capacity.figures import Figures
    from bench.capacity.quotas import Quotas

#: A process of simpy, which returns a T.
type Steps[T] = Generator[Event, Any, T]

#: Operation to requests and items.
type Asked = Mapping[str, tuple[float, float]]

#: From this share of it on, capacity is said to be used up.
_FULL: Final = 0.95


@dataclass(slots=True, eq=False)
class Table:
    """The table: units that all share, which double over the previous peak, and one item that all events write.

    full: which of its writes and reads were used up at the last look. keys: over which its reads and writes are spread
    evenly.
    """

    env: Environment
    quotas: Quotas
    limits: Limits
    writes: Shared
    reads: Shared
    board: Shared
    full: set[str] = field(default_factory=set)
    keys: int = 1
    _peaks: dict[str, float] = field(default_factory=lambda: {"writes": 0.0, "reads": 0.0})

    @classmethod
    def of(cls, env: Environment, quotas: Quotas, limits: Limits, warm_writes: int | None, most_each: float) -> Table:
        """Return a new table, warmed or not."""
        writes = max(warm_writes or 0, quotas["dynamodb_new_writes"])
        return cls(
            env, quotas, limits,
            Shared(env, min(writes, quotas["dynamodb_table_writes"]), most_each),
            Shared(env, min(quotas["dynamodb_new_reads"], quotas["dynamodb_table_reads"]), most_each),
            Shared(env, quotas["dynamodb_key_writes"]),
        )  # fmt: skip

    def live(self) -> Steps[None]:
        """Look what is used; each half hour, have twice as much as was used at most."""
        before = {"writes": 0.0, "reads": 0.0, "board": 0.0}
        due_s = float(self.quotas["dynamodb_doubling_s"])
        while True:
            yield self.env.timeout(LOOK_S)
            for name, shared in (("writes", self.writes), ("reads", self.reads), ("board", self.board)):
                total = shared.total()
                a_second, before[name] = (total - before[name]) / LOOK_S, total
                if name in self._peaks:
                    self._peaks[name] = max(self._peaks[name], a_second)
                is_full = a_second >= _FULL * shared.rate
                if is_full:
                    self.limits.note(self._limit(name, shared.rate), self.env.now)
                (self.full.add if is_full else self.full.discard)(name)
                if name != "board" and a_second / self.keys >= _FULL * self.quotas[f"dynamodb_key_{name}"]:
                    self.limits.note(f"dynamodb_key_{name}", self.env.now)
            if self.env.now >= due_s:
                due_s += self.quotas["dynamodb_doubling_s"]
                self._grow()

    def _limit(self, name: str, rate: float) -> str:
        if name == "board":
            return "dynamodb_key_writes"
        at_quota = rate >= self.quotas[f"dynamodb_table_{name}"]
        return f"dynamodb_{'table' if at_quota else 'new'}_{name}"

    def _grow(self) -> None:
        for name, shared in (("writes", self.writes), ("reads", self.reads)):
            most = self.quotas[f"dynamodb_table_{name}"]
            shared.set_rate(min(most, max(shared.rate, 2 * self._peaks[name])))
            self._peaks[name] = 0.0


@dataclass(slots=True, eq=False)
class Functions:
    """The account's concurrency: who waits for it, and how fast a function gets new environments."""

    env: Environment
    most: int
    ramp_per_10_s: int
    limits: Limits
    busy: Counter[str] = field(default_factory=Counter)
    environments: Counter[str] = field(default_factory=Counter)
    cold: Counter[str] = field(default_factory=Counter)
    _tokens: dict[str, tuple[float, float]] = field(default_factory=dict)
    _waiting: deque[tuple[str, int, float, Event]] = field(default_factory=deque)

    @property
    def in_use(self) -> int:
        """Invocations at this moment."""
        return self.busy.total()

    def take(self, function: str, wanted: int) -> int:
        """Start as many as there is room for, now; the rest is throttled."""
        granted = min(wanted, self.most - self.in_use)
        if granted < wanted:
            self.limits.note("lambda_concurrency", self.env.now)
        idle = self.environments[function] - self.busy[function]
        if granted > idle:
            tokens = self._refilled(function)
            made = min(granted - idle, int(tokens))
            if made < granted - idle:
                self.limits.note("lambda_ramp_per_10_s", self.env.now)
            granted = idle + made
            self._tokens[function] = (tokens - made, self.env.now)
            self.environments[function] += made
            self.cold[function] += made
        granted = max(0, granted)
        self.busy[function] += granted
        return granted

    def enter(self, function: str, number: int = 1) -> Steps[float]:
        """Start so many, as soon as there is room for them all; return how long that took."""
        came_at = self.env.now
        if not self._waiting and self._fits(function, number):
            self.take(function, number)
            return 0.0
        turn = Event(self.env)
        self._waiting.append((function, number, came_at, turn))
        self.env.process(self._look_again())
        self.limits.note("lambda_concurrency", came_at)
        yield turn
        self.limits.note("lambda_concurrency", self.env.now)
        return self.env.now - came_at

    def leave(self, function: str, number: int = 1) -> None:
        """End so many."""
        self.busy[function] -= number
        self._let_in()

    def waiting(self) -> int:
        """Return how many invocations wait for their turn."""
        return sum(number for _, number, _, _ in self._waiting)

    def _fits(self, function: str, number: int) -> bool:
        new = max(0, number - self.environments[function] + self.busy[function])
        return number <= self.most - self.in_use and int(self._refilled(function)) >= min(new, self.ramp_per_10_s)

    def _let_in(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0], self._waiting[0][1]):
            function, number, _, turn = self._waiting.popleft()
            self.take(function, number)
            turn.succeed()

    def _look_again(self) -> Steps[None]:
        # Nobody leaves where nobody is at work: new environments come by themselves.
        yield self.env.timeout(1.0)
        self._let_in()

    def _refilled(self, function: str) -> float:
        tokens, at = self._tokens.get(function, (float(self.ramp_per_10_s), self.env.now))
        return min(float(self.ramp_per_10_s), tokens + (self.env.now - at) * self.ramp_per_10_s / 10)


class Machine(Protocol):
    """Where everything runs, if it is not AWS: what is asked takes its processors' time."""

    def upload(self, size_bytes: float) -> Event:
        """Take an object in."""
        ...

    def start(self, function: str, alike: int) -> Steps[None]:
        """Start environments of a function."""
        ...

    def serve(self, cpu_s: float, asked: Asked, alike: int) -> Steps[None]:
        """Compute, and serve requests, for each of some who are alike."""
        ...


@dataclass(slots=True, eq=False)
class World:
    """Everything that is outside of the pipeline's parts. machine: where it runs, None: on AWS.

    used: what is billed, by key of the price table. requests: of the pipeline, by operation.
    """

    env: Environment
    design: Design
    quotas: Quotas
    figures: Figures
    limits: Limits
    table: Table
    functions: Functions
    machine: Machine | None = None
    _before: dict[str, float] = field(default_factory=dict)
    used: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    requests: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def look(self) -> None:
        """Hold what was asked since the last look against quotas that the model does not enforce."""
        for name, total in (
            ("eventbridge_puts", self.used["eventbridge_events"]),
            ("eventbridge_invocations", self.used["eventbridge_events"]),
            ("s3_gets", self.used["s3_reads"]),
        ):
            a_second, self._before[name] = (total - self._before.get(name, 0.0)) / LOOK_S, total
            if a_second >= _FULL * self.quotas[name]:
                self.limits.note(name, self.env.now)

    def asked(self, operation: str, requests: float) -> None:
        """Count requests of the pipeline."""
        self.requests[operation] += requests

    def work(self, cpu_s: float, waits_s: float, asked: Asked, *, alike: int = 1) -> Event:
        """Compute, and wait for requests, in each of some invocations that are alike.

        waits_s: how long that takes on AWS. asked: operation to how many requests, and how many items in all of them.
        """
        for operation, (requests, _) in asked.items():
            self.asked(operation, requests * alike)
        if self.machine is None:
            return self.env.timeout(cpu_s + waits_s)
        return self.env.process(self.machine.serve(cpu_s, asked, alike))

    def enter(self, function: str, number: int = 1) -> Steps[float]:
        """Start so many, as soon as there is room, new environments where there are none; return the wait for room."""
        waited_s = yield from self.functions.enter(function, number)
        yield from self.warm(function)
        return waited_s

    def warm(self, function: str) -> Steps[None]:
        """Wait for the environments that were made for this function just now."""
        made = self.functions.cold.pop(function, 0)
        if made and self.machine is not None:
            yield from self.machine.start(function, made)
        elif made:
            cold = self.figures["processor_cold_s" if function == "DataProcessor" else "ingestion_cold_s"]
            yield self.work(cold, 0.0, {}, alike=made)

    def write(self, units: float, *, alike: float = 1.0, until: float = math.inf) -> Event:
        """Write so many units each; the event's value is how many came through before time was up."""
        return self.table.writes.use(units, alike=alike, until=until)

    def read(self, units: float, *, alike: float = 1.0) -> Event:
        """Read so many units each."""
        return self.table.reads.use(units, alike=alike)

    def bill(self, seconds: float, number: float = 1.0) -> None:
        """Bill invocations of so many seconds each."""
        gigabytes = self.design.memory_mb / 1024
        self.used["lambda_gb_seconds"] += seconds * number * gigabytes
        self.used["lambda_requests"] += number
        self.used["log_bytes"] += self.figures["log_bytes"] * number
