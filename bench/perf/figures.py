"""What a benchmark gives: figures with their samples, kept in a file that a later run is compared with."""

from __future__ import annotations

import json
import statistics
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import ResultError
from bench.files import write_whole
from bench.report.units import said_bytes, said_ms, said_number, said_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

#: Raised whenever a field changes its meaning; readers refuse what they do not know.
SCHEMA_VERSION: Final = 1
#: A figure whose middle half of samples is spread over more than this share of it is called unstable.
MAX_SPREAD: Final = 0.1


class Unit(StrEnum):
    """What a figure counts."""

    RATIO = "ratio"
    TICKS_PER_S = "ticks/s"
    REQUESTS = "requests"
    USD = "USD"
    SECONDS = "s"
    MILLISECONDS = "ms"
    BYTES = "bytes"


class Better(StrEnum):
    """In which direction a figure is better."""

    MORE = "more"
    LESS = "less"


class Figure(BaseModel):
    """One measured figure: its samples in the order in which they were taken, and the goal it was measured for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    unit: Unit
    better: Better
    samples: Annotated[tuple[float, ...], Field(min_length=1)]
    goal: float | None = None
    about: str = ""

    @property
    def value(self) -> float:
        """The median: one disturbed sample does not move it."""
        return statistics.median(self.samples)

    @property
    def reached(self) -> bool | None:
        """Whether the goal was reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better is Better.MORE else self.value <= self.goal

    @property
    def spread(self) -> float | None:
        """The distance between the quartiles as a share of the median; None of fewer than three samples."""
        if len(self.samples) < 3 or not self.value:
            return None
        low, _, high = statistics.quantiles(self.samples, n=4, method="inclusive")
        return (high - low) / self.value

    @property
    def unstable(self) -> bool:
        """Whether the samples differ too much to tell a small change."""
        return self.spread is not None and self.spread > MAX_SPREAD

    def said(self, value: float) -> str:
        """Return a value of this figure in words, with its unit."""
        return _SAID[self.unit](value)


_SAID: Final[dict[Unit, Callable[[float], str]]] = {
    Unit.RATIO: lambda value: said_number(value) if value >= 10 else f"{value:.3g}",
    Unit.TICKS_PER_S: lambda value: f"{said_number(value)} ticks/s",
    Unit.REQUESTS: said_number,
    Unit.USD: lambda value: f"${value:.3g}",
    Unit.SECONDS: said_seconds,
    Unit.MILLISECONDS: said_ms,
    Unit.BYTES: said_bytes,
}


class Benchmarks(BaseModel):
    """All figures of one run of the benchmarks, and what they depend on besides the code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    began: datetime
    commit: str | None
    host: dict[str, Any]
    figures: tuple[Figure, ...]

    def by_name(self) -> dict[str, Figure]:
        """Return the figures by their names."""
        return {figure.name: figure for figure in self.figures}

    def with_others_of(self, earlier: Benchmarks | None) -> Benchmarks:
        """Return these figures and, of an earlier run, those that were not measured now."""
        now = self.by_name()
        kept = (figure for figure in (earlier.figures if earlier else ()) if figure.name not in now)
        return self.model_copy(update={"figures": (*self.figures, *kept)})


def write_benchmarks(path: Path, benchmarks: Benchmarks) -> None:
    """Write the file, whole or not at all."""
    write_whole(path, benchmarks.model_dump_json(indent=2) + "\n")


def read_benchmarks(path: Path) -> Benchmarks:
    """Read a file of figures. Raises ResultError, which names the file and what is wrong."""
    try:
        fields = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ResultError(f"there are no benchmarks {path}") from None
    except ValueError as error:
        raise ResultError(f"{path} is not JSON: {error}") from None
    if not _are_benchmarks(fields):
        raise ResultError(f"{path} is no file of benchmarks: it has no figures")
    if fields["schema_version"] != SCHEMA_VERSION:
        raise ResultError(f"{path} has schema version {fields['schema_version']!r}; this bench reads {SCHEMA_VERSION}")
    try:
        return Benchmarks.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ResultError(f"{path} is not as its schema says, at {place}: {first['msg']}") from None


def are_benchmarks(path: Path) -> bool:
    """Say whether a path is a file of benchmarks, of whatever version, and no result of a run."""
    try:
        return path.is_file() and _are_benchmarks(json.loads(path.read_bytes()))
    except ValueError:
        return False


def _are_benchmarks(fields: object) -> bool:
    return isinstance(fields, dict) and {"schema_version", "figures"} <= fields.keys()


def benchmarks_of(figures: Iterable[Figure], began: datetime, commit: str | None, host: dict[str, Any]) -> Benchmarks:
    """Put figures and what they depend on together."""
    return Benchmarks(began=began.astimezone(UTC), commit=commit, host=host, figures=tuple(figures))
