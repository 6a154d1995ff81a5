"""What is sent to market analytics in a schedule, and what else is done there.

Objects, posts and ranges come out of a fixed stock, so that all schedules see the same bytes and each is decoded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bench.simulation.ticks import Maker, Tick

if TYPE_CHECKING:
    import random

SYMBOLS: Final = ("AAA", "BBB")
_HEADING: Final = "symbol,timestamp,price,size\n"
#: Objects, posts and ranges that a schedule chooses from. Of each the first few, the hot ones, hit one hour, where most
#: can go wrong; the others spread over two symbols and two hours.
STOCK: Final = 12
HOT: Final = 4


@dataclass(frozen=True, slots=True)
class Parcel:
    """Ticks that are sent together. name: of the object, or the post's key."""

    name: str
    ticks: tuple[Tick, ...]

    def text(self) -> str:
        """Write them as an object."""
        return _HEADING + "".join(tick.row() for tick in self.ticks)


def _stock() -> tuple[tuple[Parcel, ...], tuple[Parcel, ...], tuple[Parcel, ...]]:
    maker = Maker()
    objects = [Parcel(f"object-{n}.csv", tuple(_ticks(maker, n, 2 + n % 5))) for n in range(STOCK)]
    posts = [Parcel(f"post-{n}", tuple(_ticks(maker, n, 1 + n % 3))) for n in range(STOCK)]
    ranges = [Parcel(f"range-{n}", tuple(_ticks(maker, n, 1 + n % 2))) for n in range(STOCK)]
    return tuple(objects), tuple(posts), tuple(ranges)


def _ticks(maker: Maker, number: int, count: int) -> list[Tick]:
    ticks = []
    for position in range(count):
        spread = number >= HOT
        symbol = SYMBOLS[(number + position) % 2 if spread else position % 4 == 3]
        minute = (0, 1, 59, 60, 119)[(number * 3 + position) % 5] if spread else position % 2
        ticks.append(maker.tick(symbol, minute))
    return ticks


OBJECTS, POSTS, RANGES = _stock()


class Do(StrEnum):
    """What the world outside does."""

    UPLOAD = "puts"
    POST = "posts"
    COMMIT = "commits"
    COMMIT_UNTOLD = "commits without an event"
    FIRE = "fires the schedule"
    READ = "reads"
    ASK = "asks for the state of"


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
            Do.UPLOAD: f"somebody puts {OBJECTS[self.number % STOCK].name}",
            Do.POST: f"somebody posts {POSTS[self.number % STOCK].name}",
            Do.COMMIT: f"a processor commits ranges {self.number} to {self.number + self.count - 1}",
            Do.COMMIT_UNTOLD: f"a processor commits range {self.number}, and its event is lost",
            Do.FIRE: "the schedule fires",
            Do.READ: f"somebody reads the bars of {SYMBOLS[self.number % 2]}",
            Do.ASK: f"somebody asks for the state of ingest {self.number}",
        }[self.do]
        return f"{self.at_ms / 1000:g} s: {what}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a schedule is given, without what goes wrong in it.

    inputs: in order of time. threshold: of compaction. range_bytes: of objects. batch_size: ranges of one invocation.
    scheduled: whether the schedule repairs what events missed; without it they must do everything alone. paced: whether
    it fires by itself, every five minutes; otherwise only when an input says so.
    """

    inputs: tuple[Input, ...]
    threshold: int
    range_bytes: int = 100
    batch_size: int = 5
    scheduled: bool = True
    paced: bool = True


def whole_pipeline(rng: random.Random, *, scheduled: bool, length_ms: int) -> Scenario:
    """Draw what is sent through the whole pipeline."""
    inputs = [
        Input(rng.randrange(length_ms), Do.UPLOAD, number) for number in rng.sample(range(STOCK), rng.randint(1, 3))
    ]
    inputs += [
        Input(rng.randrange(length_ms), Do.POST, number) for number in rng.sample(range(STOCK), rng.randint(0, 2))
    ]
    inputs += _looks(rng, length_ms, rng.randint(2, 4))
    if rng.random() < 0.3:
        inputs += [Input(one.at_ms + rng.choice((0, 10, 30_000)), one.do, one.number) for one in inputs[:1]]
    return Scenario(
        tuple(sorted(inputs)),
        threshold=rng.choice((2, 3, 4, 500)),
        range_bytes=rng.choice((60, 100, 10**6)),
        batch_size=rng.choice((1, 2, 5)),
        scheduled=scheduled,
    )


def aggregators_alone(rng: random.Random, *, scheduled: bool, length_ms: int, fires: int) -> Scenario:
    """Draw ranges that are committed one after the other, most of them of one hour, and what else is done meanwhile."""
    inputs: list[Input] = []
    at = 0
    last = rng.randint(2, 7)
    while at < last:
        count = rng.choice((1, 1, 1, 2))
        inputs.append(Input(rng.randrange(length_ms), Do.COMMIT, at, count))
        at += count
    inputs += [Input(rng.randrange(length_ms), Do.FIRE) for _ in range(fires if scheduled else 0)]
    inputs += _looks(rng, length_ms, rng.randint(1, 2))
    return Scenario(tuple(sorted(inputs)), threshold=rng.choice((2, 3, 500, 500)), scheduled=scheduled)


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
        *_looks(rng, again_ms, rng.randint(0, 1)),
    ]
    return Scenario(tuple(sorted(inputs)), threshold=rng.choice((3, 500, 500)), paced=False)


def _looks(rng: random.Random, length_ms: int, count: int) -> list[Input]:
    return [
        Input(rng.randrange(length_ms * 5 // 4), rng.choice((Do.READ, Do.READ, Do.ASK)), rng.randrange(4))
        for _ in range(count)
    ]
