"""What is sent to market analytics in a schedule, and what else is done there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bench.simulation.market_stock import (
    DAMAGED,
    HOT,
    KEYS,
    OBJECTS,
    POSTS,
    STOCK,
    SYMBOLS,
    VERSIONS,
    VERSIONS_A_KEY,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

#: As the function has it (`market_analytics.data_revision_hours`).
MAX_COMPACTED: Final = 50_000
#: The function has sixteen, which take eight times the requests of two.
MOST_LANES: Final = 2
#: The last input comes before this: from then on nothing goes wrong any more.
LAST_MS: Final = 415_000


class Do(StrEnum):
    """What the world outside does."""

    UPLOAD = "puts"
    POST = "posts"
    COMMIT = "commits"
    COMMIT_UNTOLD = "commits without an event"
    FIRE = "fires the schedule"
    READ = "reads"
    ASK = "asks for the state of"
    #: By its number among those that are known; of the aggregators' ranges, by its own.
    RETRACT = "takes back"
    #: The ingest that an object began last.
    RETRACT_OBJECT = "takes back the object"
    #: Of the messages that were ever sent, or of the ranges.
    REDELIVER = "delivers again"
    #: A version of a key, which takes the place of those before; or is added, as the stack's parameter said then.
    PUT = "puts the version"
    PUT_ADDING = "puts the version, to be added"
    #: The ingest that a key began last.
    RETRACT_KEY = "takes back the key"
    #: Of the puts, S3's event.
    ANNOUNCE_AGAIN = "announces again"


@dataclass(frozen=True, slots=True, order=True)
class Input:
    """One thing that the world outside does. at_ms: from the beginning. number: of the object, the post ...

    A commit is of the ranges from `number` to before `number + count`, together.
    """

    at_ms: int
    do: Do
    number: int = 0
    count: int = 1

    def __str__(self) -> str:
        """Say it in one line."""
        what = {
            Do.UPLOAD: f"somebody puts {OBJECTS[self.number % len(OBJECTS)].name}",
            Do.POST: f"somebody posts {POSTS[self.number % STOCK].name}",
            Do.COMMIT: f"a processor commits ranges {self.number} to {self.number + self.count - 1}",
            Do.COMMIT_UNTOLD: f"a processor commits range {self.number}, and its event is lost",
            Do.FIRE: "the schedule fires",
            Do.READ: f"somebody reads the bars of {SYMBOLS[self.number % 2]}",
            Do.ASK: f"somebody asks for the state of ingest {self.number}",
            Do.RETRACT: f"somebody takes back ingest {self.number}",
            Do.RETRACT_OBJECT: f"somebody takes back {OBJECTS[self.number % len(OBJECTS)].name}",
            Do.REDELIVER: f"message {self.number} comes once more",
            Do.PUT: f"somebody puts {_version(self.number)}",
            Do.PUT_ADDING: f"somebody puts {_version(self.number)}, which is added",
            Do.RETRACT_KEY: f"somebody takes back {KEYS[self.number % len(KEYS)]}",
            Do.ANNOUNCE_AGAIN: f"put {self.number} is announced once more",
        }[self.do]
        return f"{self.at_ms / 1000:g} s: {what}"


def _version(number: int) -> str:
    return f"{VERSIONS[number % len(VERSIONS)].name}, version {number % VERSIONS_A_KEY}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a schedule is given, without what goes wrong in it.

    inputs: in order of time. threshold: of compaction. range_bytes: of objects. batch_size: ranges of one invocation.
    scheduled: whether the schedule repairs what events missed; without it they must do everything alone. paced: whether
    it fires by itself, every five minutes; otherwise only when an input says so. max_compacted: of how many ranges an
    hour is put together again. lanes: to which symbols are dealt out.
    """

    inputs: tuple[Input, ...]
    threshold: int
    range_bytes: int = 100
    batch_size: int = 5
    scheduled: bool = True
    paced: bool = True
    max_compacted: int = MAX_COMPACTED
    lanes: int = MOST_LANES

    @property
    def takes_back(self) -> bool:
        """Whether anything may be taken back."""
        return any(one.do in _TAKING_BACK or (one.do is Do.UPLOAD and one.number >= STOCK) for one in self.inputs)


_TAKING_BACK: Final = frozenset({Do.RETRACT, Do.RETRACT_OBJECT, Do.RETRACT_KEY, Do.PUT})


def whole_pipeline(rng: random.Random, *, scheduled: bool, length_ms: int) -> Scenario:
    """Draw what is sent through the whole pipeline."""
    inputs = [
        Input(rng.randrange(length_ms), Do.UPLOAD, number) for number in rng.sample(range(STOCK), rng.randint(1, 2))
    ]
    inputs += [
        Input(rng.randrange(length_ms), Do.POST, number) for number in rng.sample(range(STOCK), rng.randint(0, 2))
    ]
    inputs += looks(rng, length_ms, rng.randint(1, 3))
    if rng.random() < 0.3:
        inputs += [Input(one.at_ms + rng.choice((0, 10, 30_000)), one.do, one.number) for one in inputs[:1]]
    max_compacted = MAX_COMPACTED
    if scheduled and rng.random() < 0.15:
        damaged = Input(rng.randrange(length_ms), Do.UPLOAD, STOCK + rng.randrange(DAMAGED))
        inputs.append(damaged)
        # All of its receipts are there for a moment before it is taken back.
        inputs += [Input(damaged.at_ms + rng.choice((70, 75, 80, 90, 2_000, 40_000)), Do.ASK, n) for n in range(4)]
    if scheduled and rng.random() < 0.35:
        inputs += _taken_back(rng, inputs, length_ms)
        max_compacted = rng.choice((MAX_COMPACTED, MAX_COMPACTED, MAX_COMPACTED, 3))
    return Scenario(
        tuple(sorted(inputs)),
        threshold=rng.choice((2, 3, 4, 500)),
        range_bytes=rng.choice((60, 100, 10**6)),
        batch_size=rng.choice((1, 2, 5)),
        scheduled=scheduled,
        max_compacted=max_compacted,
    )


def _taken_back(rng: random.Random, inputs: Sequence[Input], length_ms: int) -> list[Input]:
    """Draw what is taken back of what is sent, put again after that, delivered again long after, and read meanwhile."""
    sent = [one for one in inputs if one.do in {Do.UPLOAD, Do.POST}]
    more: list[Input] = []
    for _ in range(rng.choice((1, 1, 2))):
        one = rng.choice(sent)
        at_ms = one.at_ms + rng.choice((30, 50, 300, 2_000, 20_000, 65_000, 100_000))
        if one.do is Do.UPLOAD and rng.random() < 0.8:
            more.append(Input(at_ms, Do.RETRACT_OBJECT, one.number))
            if rng.random() < 0.4:
                more.append(Input(at_ms + rng.choice((10, 3_000, 20_000, 110_000)), Do.UPLOAD, one.number))
        else:
            more.append(Input(at_ms, Do.RETRACT, rng.randrange(4)))
        more += looks(rng, length_ms, 1)
        more.append(Input(at_ms + rng.choice((30, 200, 1_000, 30_000)), Do.READ, rng.randrange(2)))
    if rng.random() < 0.5:
        at_ms = rng.choice((rng.randrange(LAST_MS), rng.randrange(361_000, LAST_MS)))
        more.append(Input(at_ms, Do.REDELIVER, rng.randrange(8)))
    return [replace(one, at_ms=min(one.at_ms, LAST_MS)) for one in more]


def aggregators_alone(rng: random.Random, *, scheduled: bool, length_ms: int, fires: int) -> Scenario:
    """Draw ranges that are committed one after the other, most of them of one hour, and what else is done meanwhile."""
    inputs: list[Input] = []
    at = 0
    last = rng.randint(2, 4)
    while at < last:
        count = rng.choice((1, 1, 1, 2))
        inputs.append(Input(rng.randrange(length_ms), Do.COMMIT, at, count))
        at += count
    inputs += [Input(rng.randrange(length_ms), Do.FIRE) for _ in range(fires if scheduled else 0)]
    inputs += looks(rng, length_ms, rng.randint(1, 2))
    max_compacted = MAX_COMPACTED
    if scheduled and rng.random() < 0.35:
        inputs += _ranges_taken_back(rng, inputs, length_ms)
        max_compacted = rng.choice((MAX_COMPACTED, MAX_COMPACTED, MAX_COMPACTED, 3))
    return Scenario(
        tuple(sorted(inputs)),
        threshold=rng.choice((2, 3, 500, 500)),
        scheduled=scheduled,
        paced=rng.random() < 0.5,
        max_compacted=max_compacted,
        lanes=rng.randint(1, MOST_LANES),
    )


def _ranges_taken_back(rng: random.Random, inputs: Sequence[Input], length_ms: int) -> list[Input]:
    """Draw what is taken back of the ranges that are committed, and what of it is delivered again."""
    more: list[Input] = []
    for _ in range(rng.choice((1, 1, 2))):
        one = rng.choice([one for one in inputs if one.do is Do.COMMIT])
        at_ms = one.at_ms + rng.choice((20, 50, 300, 2_000, 20_000, rng.randrange(1, length_ms)))
        number = one.number + rng.randrange(one.count)
        more.append(Input(at_ms, Do.RETRACT, number))
        more.append(Input(at_ms + rng.choice((30, 200, 1_000, 30_000)), Do.READ, rng.randrange(2)))
        if rng.random() < 0.3:
            again_ms = rng.choice((at_ms + rng.randrange(30_000), rng.randrange(361_000, LAST_MS)))
            more.append(Input(again_ms, Do.REDELIVER, number))
    return [replace(one, at_ms=min(one.at_ms, LAST_MS)) for one in more]


def settling_meets_rolling_up(rng: random.Random) -> Scenario:
    """Draw four ranges of one hour so that twice, 100 s apart, a settling repairs the hour while others roll it up.

    The first is not rolled up when the first settling comes, because somebody is at work on the second and would do it
    otherwise. The third comes while the settling is at its repair, which may be older than the third's rollup and go
    over it. Whether the second settling may believe that it has cured this shows if the fourth's rollup, read before,
    goes over its repair.
    """
    first, second, third, fourth = rng.sample(range(HOT), 4)
    settling_ms = rng.randrange(105_000, 140_000)
    again_ms = settling_ms + rng.randrange(120_000, 150_000)
    inputs = [
        Input(rng.randrange(5_000), Do.COMMIT_UNTOLD, first),
        Input(settling_ms - rng.randrange(100, 10_000), Do.COMMIT, second),
        Input(settling_ms, Do.FIRE),
        Input(settling_ms + rng.randrange(100, 20_000), Do.COMMIT, third),
        Input(again_ms - rng.randrange(100, 10_000), Do.COMMIT, fourth),
        Input(again_ms, Do.FIRE),
        *looks(rng, again_ms, rng.randint(0, 1)),
    ]
    return Scenario(tuple(sorted(inputs)), threshold=rng.choice((3, 500, 500)), paced=False)


def looks(rng: random.Random, length_ms: int, count: int) -> list[Input]:
    """Draw when somebody reads bars, or asks for the state of an ingest."""
    return [
        Input(rng.randrange(length_ms * 5 // 4), rng.choice((Do.READ, Do.READ, Do.ASK)), rng.randrange(4))
        for _ in range(count)
    ]
