"""One schedule of market analytics: with faults, then without them, at rest, and two months later."""

from __future__ import annotations

import json
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bench.simulation.decisions import AT_CALLS, IN_DELIVERIES, PATIENT, Drawn, Fault, Odds, Recorded
from bench.simulation.fate import not_listed
from bench.simulation.market import SCHEDULE_MS, MarketWorld
from bench.simulation.market_at_rest import Wanted, open_bars, wrong_states, wrong_symbols
from bench.simulation.market_inputs import aggregators_alone, settling_meets_rolling_up, whole_pipeline
from bench.simulation.market_replacements import mixtures
from bench.simulation.market_stock import SYMBOLS
from bench.simulation.parts import Part
from bench.simulation.replacing_inputs import versions_of_keys
from bench.simulation.scheduler import EPOCH_MS, EndlessError
from bench.simulation.seams import on_stage
from bench.simulation.verdicts import Outcome, Quiet, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.simulation.market_inputs import Scenario

#: From when on nothing goes wrong any more. Inputs come earlier.
FAULTS_END_MS: Final = 420_000
#: How long after that everything must be settled: two visibility timeouts of five minutes for what failed twice, a
#: redrive, the 100 s that a receipt must be old, and the schedule's five minutes for each of them.
SETTLED_AFTER_MS: Final = 40 * 60_000
#: Somebody puts dead letters back to work so often.
REDRIVE_MS: Final = 200_000
TWO_MONTHS_MS: Final = 61 * 24 * 3_600_000


def drawn(part: Part, seed: int) -> tuple[Scenario, Drawn]:
    """Draw a schedule's scenario, and who decides in it."""
    rng = random.Random(f"{part} {seed}")  # noqa: S311 - no secret
    draw = {Part.WHOLE: _whole, Part.AGGREGATORS: _aggregators, Part.REPLACEMENTS: _replacements}[part]
    return draw(rng)


def _whole(rng: random.Random) -> tuple[Scenario, Drawn]:
    scheduled = rng.random() < 0.8
    scenario = whole_pipeline(rng, scheduled=scheduled, length_ms=rng.choice((200, 5_000, 60_000, 240_000)))
    return scenario, Drawn(rng, _odds(rng, scheduled=scheduled))


def _aggregators(rng: random.Random) -> tuple[Scenario, Drawn]:
    if rng.random() < 0.3:
        return _overlapping(rng)
    scheduled = rng.random() < 0.7
    length_ms = rng.choice((200, 2_000, 60_000, 200_000, 360_000))
    fires = rng.choice((0, 1, 2, 4))
    return aggregators_alone(rng, scheduled=scheduled, length_ms=length_ms, fires=fires), Drawn(
        rng, _odds(rng, scheduled=scheduled)
    )


def _replacements(rng: random.Random) -> tuple[Scenario, Drawn]:
    scenario = versions_of_keys(rng, length_ms=rng.choice((200, 5_000, 60_000, 240_000)))
    return scenario, Drawn(rng, _odds(rng, scheduled=True))


def _overlapping(rng: random.Random) -> tuple[Scenario, Drawn]:
    """Draw aggregators that take long between reading and writing an hour, so that rolling up and settling overlap."""
    scenario = settling_meets_rolling_up(rng)
    odds = Odds(
        at_calls=0.6,
        in_deliveries=0,
        skews=0,
        calls=(Fault.PAUSED,),
        deliveries=(),
        pauses_ms=(1_000, 10_000, 20_000, 35_000),
        at_writes=True,
        only_at=SYMBOLS[0],
    )
    return scenario, Drawn(rng, odds)


def _odds(rng: random.Random, *, scheduled: bool) -> Odds:
    """Draw how much goes wrong: sometimes a little of everything, sometimes much of few things."""
    if not scheduled:
        # Events alone must do it, so none is lost; but they may be slow, and told twice. Who fails or dies comes again;
        # only one whose wake-up could not be counted does not, and trusts the schedule.
        is_failing = rng.random() < 0.6
        return Odds(
            at_calls=rng.choice((0.02, 0.04, 0.08) if is_failing else (0.02, 0.1, 0.3)),
            in_deliveries=rng.choice((0, 0.2)),
            skews=0,
            calls=(Fault.REFUSED, Fault.KILLED) if is_failing else rng.sample(PATIENT, rng.randint(1, len(PATIENT))),
            deliveries=(Fault.TWICE, Fault.LATE),
            pauses_ms=rng.choice(((10, 30), (10, 200, 2_000), (5, 10, 15))),
            spared="Count",
        )
    long = rng.random() < 0.6
    return Odds(
        at_calls=rng.choice((0.01, 0.03, 0.1, 0.3)) if long else rng.choice((0.02, 0.1)),
        in_deliveries=rng.choice((0.05, 0.3)),
        skews=rng.choice((0, 0.3)),
        calls=(Fault.PAUSED, *rng.sample(AT_CALLS, rng.randint(0, 3))),
        deliveries=rng.sample(IN_DELIVERIES, rng.randint(1, len(IN_DELIVERIES))),
        pauses_ms=(1_000, 5_000, 15_000, 30_000) if long else (10, 100, 2_000),
        at_writes=rng.random() < 0.5,
    )


def run(scenario: Scenario, choices: Drawn | Recorded, trace: Callable[[str], None] | None = None) -> Outcome:
    """Run a schedule and judge it. trace: gets a line for each call."""
    quiet = Quiet(choices)
    world = MarketWorld(scenario, quiet)
    world.calls.trace = trace
    with on_stage(world), _limited(scenario):
        try:
            found = list(_phases(world, quiet))
        except EndlessError as error:
            found = [Violation("no rest", str(error))]
        finally:
            world.scheduler.close()
    return Outcome((*world.violations, *found), dict(choices.made), world.scheduler.step)


@contextmanager
def _limited(scenario: Scenario) -> Iterator[None]:
    """Set the limits that are not the same in all schedules."""
    from market_analytics import data_revision_hours  # noqa: PLC0415 - a planted fault must be in place before
    from tickstream import keys  # noqa: PLC0415

    before = data_revision_hours.MAX_COMPACTED, keys.LANES
    data_revision_hours.MAX_COMPACTED, keys.LANES = scenario.max_compacted, scenario.lanes  # type: ignore[misc]
    try:
        yield
    finally:
        data_revision_hours.MAX_COMPACTED, keys.LANES = before  # type: ignore[misc]


def _phases(world: MarketWorld, quiet: Quiet) -> Iterator[Violation]:
    scheduler, history = world.scheduler, world.history
    end_ms = EPOCH_MS + FAULTS_END_MS
    if world.scenario.scheduled and world.scenario.paced:
        for at_ms in range(SCHEDULE_MS // 5, FAULTS_END_MS, SCHEDULE_MS):
            scheduler.at(EPOCH_MS + at_ms, world.fire)
    scheduler.run(end_ms)
    quiet.is_over = True
    if not world.scenario.scheduled:
        world.scheduler.rest()
        if not any(queue.messages for queue in world.dead_letters):
            if history.lists_pending():
                yield Violation("nobody comes", "a range is committed and listed, no event is left that rolls it up")
            elif forgotten := history.not_rolled_up(world.table):
                yield Violation("forgotten", f"no rollup includes {forgotten[0]}, and it is not listed")
    until_ms = scheduler.now_ms + SETTLED_AFTER_MS
    while not _is_settled(world) and not world.is_stuck and scheduler.now_ms < until_ms:
        world.fire()
        for turn in (1, 2):
            _redrive(world)
            scheduler.run(scheduler.now_ms + (REDRIVE_MS if turn == 1 else SCHEDULE_MS - REDRIVE_MS))
    if world.is_stuck:
        yield from history.violations()
        yield from mixtures(history)
        return
    if not _is_settled(world):
        yield Violation("not settled in time", f"left are {_left(world)}")
    world.scheduler.rest()
    yield from not_listed(world.table)
    for ingest_id in history.ingests:
        world.ask(ingest_id)
    world.scheduler.rest()
    yield from wrong_states(history)
    wanted = Wanted(history)
    yield from wanted.violations
    yield from _read_all(world, wanted, "at rest")
    scheduler.run(scheduler.now_ms + TWO_MONTHS_MS)
    world.table.expire("expiresAt", scheduler.now_ms // 1000)
    yield from _read_all(world, wanted, "after two months")
    # Once is enough: what is listed here was listed before.
    world.list_symbols()
    world.scheduler.rest()
    yield from wrong_symbols(world.symbols, world.bars, "after two months")
    yield from history.violations()
    yield from mixtures(history)


def _is_settled(world: MarketWorld) -> bool:
    return (
        world.history.is_settled
        and not world.scheduler.living
        and world.scheduler.next_ms is None
        and not any(queue.messages for queue in world.queues)
    )


def _left(world: MarketWorld) -> str:
    queues = [f"{len(queue.messages)} in {queue.name}" for queue in world.queues if queue.messages]
    return ", ".join([*world.history.listed(), *queues, *(actor.label for actor in world.scheduler.living)])


def _redrive(world: MarketWorld) -> None:
    """Put dead letters back to where they failed."""
    dead_ranges, dead_large, dead_objects, dead_replacing, dead_events, dead_revisions = world.dead_letters
    asynchronous = (
        (dead_objects, world.ingestion),
        (dead_replacing, world.replacing),
        (dead_events, world.aggregator),
        (dead_revisions, world.revision),
    )
    for dead, queue in ((dead_ranges, world.queue), (dead_large, world.large_queue)):
        for message in dead.messages:
            queue.send(message.body)
    for queue, function in asynchronous:
        for message in queue.messages:
            function.invoke_later(json.loads(message.body), f"redriven {message.id}", may_be_lost=False)
    for queue in world.dead_letters:
        queue.messages.clear()


def _read_all(world: MarketWorld, wanted: Wanted, when: str) -> Iterator[Violation]:
    """Judge the bars of all symbols: every tick that counts, once, and none besides."""
    for symbol in SYMBOLS:
        world.read(symbol)
        world.scheduler.rest()
        yield from wanted.judged(symbol, world.history, when)
    yield from open_bars(world.bars, world.scheduler.now_ms, when)
