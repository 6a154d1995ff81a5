"""The files of a run, and what must become of each.

Good files are synthetic ticks in every format, a few of their rows spoiled. Corrupt files cannot be read as ticks, or
have none. Poison files are good, but a stage fails on each for good, for a reason that is not in the file; curable
files are good, and a stage fails on each twice.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from bench.errors import WorkloadError
from bench.ledger.truth import SCHEMA, ObjectFile, write_part
from bench.synthetic.factory import Factory
from bench.synthetic.plan import Kind, Part
from bench.workloads import market_day

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAGES: Final = ("validator", "processor", "aggregator")
#: What the bench has the stack take at most, so that a file beyond it need not be a big one.
MAX_FILE_BYTES: Final = 2 * 1024 * 1024

_MAX_FILES: Final = 100_000
_MAX_SYMBOLS: Final = 50
_ROWS: Final = (100, 600)
_SPOILED: Final = 0.02
_FORMATS: Final = (Kind.CSV, Kind.JSON_LINES, Kind.GZIP, Kind.CSV, Kind.PARQUET)
# Every one of these is a key that somebody's code gets wrong: slashes, spaces, a percent sign that is no encoding of
# anything, plus signs, and characters beyond ASCII.
_KEYS: Final = (
    "feeds/2026/nyse trades%201 {name}",
    "feeds/a+b/tape+{name}",
    "ticks/day=2026-01-05/{name}",
    "börse/größe & menge/日本 {name}",
    "50% off/100%25/{name}",
    "{name}",
    "deep/er/and/deeper/{name}",
    "it's (1), a;b@c!/{name}",
)


class Nature(StrEnum):
    """What kind of fate a file has."""

    GOOD = "good"
    CORRUPT = "corrupt"
    POISON = "poison"
    CURABLE = "curable"


@dataclass(frozen=True, slots=True)
class FileWorkload:
    """What is sent; equal workloads are equal bytes. Shares are fractions of the files, the rest is good."""

    files: int
    seed: int
    corrupt_share: float
    poison_share: float
    curable_share: float

    def __post_init__(self) -> None:
        """Raise WorkloadError, which names the limit."""
        if not 1 <= self.files <= _MAX_FILES:
            raise WorkloadError(f"the number of files is 1 to {_MAX_FILES:,}")
        shares = (self.corrupt_share, self.poison_share, self.curable_share)
        if min(shares) < 0 or sum(shares) > 1:
            raise WorkloadError("the shares of corrupt, poison and curable files are 0 or more, together at most 1")
        if self.seed < 0:
            raise WorkloadError("the seed is 0 or more")

    def facts(self) -> dict[str, Any]:
        """The whole workload as plain JSON, for the result file."""
        return asdict(self)

    @property
    def ticks(self) -> int:
        """About how many rows it has."""
        return self.files * sum(_ROWS) // 2

    def count(self, nature: Nature) -> int:
        """How many files of a nature there are; a share above 0 is at least one file."""
        shares = {
            Nature.CORRUPT: self.corrupt_share,
            Nature.POISON: self.poison_share,
            Nature.CURABLE: self.curable_share,
        }
        if nature is Nature.GOOD:
            return self.files - sum(self.count(other) for other in shares)
        return min(self.files, max(1, round(self.files * shares[nature]))) if shares[nature] else 0


@dataclass(frozen=True, slots=True)
class FeedFile:
    """One file and its fate.

    stage: the last stage that enters it, or the stage that fails on it.
    reason: the code of the failure, None for a file that must be completed.
    fault: for a person, what is wrong with it; empty for a good file.
    """

    object: ObjectFile
    nature: Nature
    stage: str
    reason: str | None
    fault: str = ""

    @property
    def ordinal(self) -> int:
        """Its number."""
        return self.object.ordinal

    @property
    def status(self) -> str:
        """The status that it must come to rest in."""
        return "completed" if self.reason is None else "failed"

    @property
    def history(self) -> tuple[str, ...]:
        """Which stages must have entered it, in order; the last one with ` failed` where it must fail there."""
        entered = STAGES[: STAGES.index(self.stage) + 1]
        return entered if self.reason is None else (*entered[:-1], f"{self.stage} failed")


@dataclass(frozen=True, slots=True)
class _Corruption:
    """How a file is spoilt as a whole. `spoil` makes its bytes from those of a good file of `kind`, of so many rows."""

    name: str
    kind: Kind
    stage: str
    reason: str
    spoil: Callable[[bytes], bytes]
    rows: int | None = None


def _cut_short(content: bytes) -> bytes:
    return content[: len(content) * 3 // 5]


def _too_large(content: bytes) -> bytes:
    body = content.partition(b"\n")[2]
    return content + body * (1 + MAX_FILE_BYTES // len(body))


def _twice(content: bytes) -> bytes:
    return content.replace(b"size", b"size,size", 1)


def _floats(content: bytes) -> bytes:
    frame = pl.read_parquet(content)
    return _parquet(frame.with_columns(pl.col("price").cast(pl.Float64)))


def _parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


_VALIDATOR, _PROCESSOR = STAGES[0], STAGES[1]
_CORRUPTIONS: Final = (
    _Corruption("no column price", Kind.CSV, _VALIDATOR, "missing_column", lambda c: c.replace(b"price", b"prize", 1)),
    _Corruption("gzip cut short", Kind.GZIP, _VALIDATOR, "corrupt_gzip", _cut_short),
    # It ends beyond the megabyte that the validator unpacks: only who reads all of it finds out.
    _Corruption("long gzip cut short", Kind.GZIP, _PROCESSOR, "corrupt_gzip", _cut_short, rows=80_000),
    _Corruption("a picture", Kind.CSV, _VALIDATOR, "unknown_format", lambda c: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + c),
    _Corruption("no bytes", Kind.CSV, _VALIDATOR, "empty", lambda _: b""),
    _Corruption("too large", Kind.CSV, _VALIDATOR, "too_large", _too_large),
    _Corruption("gzip of noise", Kind.GZIP, _VALIDATOR, "corrupt_gzip", lambda c: c[:10] + b"\xff" * 200),
    _Corruption("two columns size", Kind.CSV, _VALIDATOR, "duplicate_column", _twice),
    _Corruption("Parquet cut short", Kind.PARQUET, _VALIDATOR, "corrupt_parquet", _cut_short),
    _Corruption("Parquet of floats", Kind.PARQUET, _VALIDATOR, "unsuitable_column", _floats),
)
# These two have rows, and each row its own reason: they are made by spoiling all rows of a good file.
_ALL_ROWS_BAD: Final = (
    _Corruption("all lines bad", Kind.GZIP, _VALIDATOR, "no_valid_row", lambda content: content),
    _Corruption("all rows bad", Kind.PARQUET, _PROCESSOR, "no_valid_row", lambda content: content),
)
#: Every way in which a whole file is bad.
CORRUPTIONS: Final = (*_CORRUPTIONS, *_ALL_ROWS_BAD)


class Feed:
    """Makes the files of a workload under a folder; the truth goes into a second folder."""

    def __init__(self, workload: FileWorkload, folder: Path, truth: Path) -> None:
        self._workload = workload
        self._folder = folder
        self._truth = truth
        rows = workload.files * _ROWS[1]
        self._factory = Factory(market_day(ticks=rows, symbols=_MAX_SYMBOLS, seed=workload.seed), folder, truth)
        self._rng = np.random.default_rng([workload.seed, 5])

    def make(self) -> tuple[FeedFile, ...]:
        """Make all files; their natures are mixed over the whole feed."""
        natures = [nature for nature in Nature for _ in range(self._workload.count(nature))]
        of_nature: dict[Nature, int] = dict.fromkeys(Nature, 0)
        files = []
        for ordinal, position in enumerate(self._rng.permutation(len(natures))):
            nature = natures[position]
            files.append(self._file(ordinal, nature, of_nature[nature]))
            of_nature[nature] += 1
        return tuple(files)

    def _file(self, ordinal: int, nature: Nature, number: int) -> FeedFile:
        if nature is Nature.CORRUPT:
            return self._corrupt(ordinal, CORRUPTIONS[number % len(CORRUPTIONS)])
        kind = _FORMATS[int(self._rng.integers(len(_FORMATS)))]
        if nature is Nature.GOOD and number == 0:
            # A header and nothing else: nothing is wrong with it, and all its totals are 0.
            return FeedFile(self._without_rows(ordinal), nature, STAGES[-1], None)
        made = self._named(self._made(ordinal, kind, _SPOILED, self._rows()))
        stage = STAGES[number % len(STAGES)]
        if nature is Nature.POISON:
            return FeedFile(made, nature, stage, "dead_lettered", f"{stage} refused for good")
        fault = f"{stage} refused twice" if nature is Nature.CURABLE else ""
        return FeedFile(made, nature, STAGES[-1], None, fault)

    def _rows(self) -> int:
        return int(self._rng.integers(*_ROWS))

    def _made(self, ordinal: int, kind: Kind, spoiled: float, rows: int) -> ObjectFile:
        window = (ordinal / self._workload.files, (ordinal + 1) / self._workload.files)
        return self._factory.make_object(Part(kind, rows, window, round(rows * spoiled)), ordinal, ordinal)

    def _corrupt(self, ordinal: int, corruption: _Corruption) -> FeedFile:
        rows = corruption.rows or self._rows()
        made = self._made(ordinal, corruption.kind, 1.0 if corruption in _ALL_ROWS_BAD else 0.0, rows)
        if corruption not in _ALL_ROWS_BAD:
            made = self._rewritten(made, corruption.spoil(made.path.read_bytes()), rows=0)
        named = self._named(made)
        return FeedFile(named, Nature.CORRUPT, corruption.stage, corruption.reason, corruption.name)

    def _without_rows(self, ordinal: int) -> ObjectFile:
        made = self._made(ordinal, Kind.CSV, 0.0, self._rows())
        return self._named(self._rewritten(made, b"symbol,timestamp,price,size\n", rows=0))

    def _rewritten(self, made: ObjectFile, content: bytes, rows: int) -> ObjectFile:
        """Give a file other bytes; none of them is a row to count."""
        made.path.write_bytes(content)
        write_part(self._truth, made.ordinal, pl.DataFrame(schema=SCHEMA))
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return replace(made, rows=rows, size_bytes=len(content), etag=etag, text_path=None)

    def _named(self, made: ObjectFile) -> ObjectFile:
        name = f"{made.ordinal:05d}.{made.path.name.partition('.')[2]}"
        return replace(made, key=_KEYS[made.ordinal % len(_KEYS)].format(name=name))
