"""What is sent to file processing in a schedule: versions of a few files, good and bad, and redrives in between."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bench.simulation.ticks import Maker

if TYPE_CHECKING:
    import random

_HEADING = "symbol,timestamp,price,size\n"
GOOD = 8


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file. totals: ticks and volume; None where it must be refused."""

    body: bytes
    totals: tuple[int, int] | None


def _contents() -> tuple[Content, ...]:
    maker = Maker()
    good = []
    for number in range(GOOD):
        ticks = [maker.tick("AB"[position % 2], position * 61) for position in range(1 + number % 4)]
        text = _HEADING + "".join(tick.row() for tick in ticks)
        good.append(Content(text.encode(), (len(ticks), sum(1 << tick.bit for tick in ticks))))
    bad = (b"", b"bad", (_HEADING + "x\n").encode())
    return (*good, *(Content(body, None) for body in bad))


CONTENTS = _contents()


class Do(StrEnum):
    """What the world outside does."""

    UPLOAD = "puts"
    REDRIVE = "redrives"


@dataclass(frozen=True, slots=True, order=True)
class Input:
    """One thing that the world outside does. number: of the file; of a redrive, 1 where it dies before it deletes."""

    at_ms: int
    do: Do
    number: int = 0
    content: int = 0

    def __str__(self) -> str:
        """Say it in one line."""
        if self.do is Do.REDRIVE:
            what = "somebody redrives what is parked" + (", and is ended before it is deleted" if self.number else "")
        else:
            totals = CONTENTS[self.content].totals
            what = f"somebody puts {key_of_file(self.number)}, " + (f"{totals[0]} ticks" if totals else "a bad file")
        return f"{self.at_ms / 1000:g} s: {what}"


@dataclass(frozen=True, slots=True)
class FilesScenario:
    """What a schedule is given. batch_size: files of one invocation."""

    inputs: tuple[Input, ...]
    batch_size: int


def key_of_file(number: int) -> str:
    """Return the key of a file."""
    return f"file-{number}.csv"


def files(rng: random.Random, length_ms: int) -> FilesScenario:
    """Draw versions of files."""
    inputs = [
        Input(rng.randrange(length_ms), Do.UPLOAD, number, rng.randrange(len(CONTENTS)))
        for number in range(rng.randint(1, 3))
        for _ in range(rng.randint(1, 3))
    ]
    redrives = rng.randint(0, 2)
    inputs += [Input(rng.randrange(60_000, 1_500_000), Do.REDRIVE, rng.randrange(2)) for _ in range(redrives)]
    return FilesScenario(tuple(sorted(inputs)), batch_size=rng.choice((1, 1, 3)))
