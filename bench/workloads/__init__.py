"""Workloads as data: what is sent and when, apart from the system that it is sent to. One TOML file each."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from bench.errors import WorkloadError
from bench.workloads.schema import WORKLOAD, Conditions, DayFile, Market, Objects, Posts, Volume, Workload

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = [
    "DEFAULT",
    "RANGE_BYTES",
    "Conditions",
    "DayFile",
    "Market",
    "Objects",
    "Posts",
    "Volume",
    "Workload",
    "load",
    "market_day",
    "names",
    "workload_of",
]

DEFAULT: Final = "market-day"

#: The pipeline's range size, unless it is given another: the template's default of `RangeBytes`.
RANGE_BYTES: Final = 33_554_432
_FILES: Final = resources.files(__name__)
_SUFFIX: Final = ".toml"


def names() -> tuple[str, ...]:
    """All workloads that can be loaded, by name."""
    files = (file.name for file in _FILES.iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX)))


def load(name: str, *, range_bytes: int = RANGE_BYTES, **overrides: float | str) -> Workload:
    """Read a workload. Raises WorkloadError, which names the key and the limit, or the workloads that there are.

    range_bytes: the pipeline's range size. overrides: fields of `Workload` in place of what the file says.
    """
    if name not in names():
        raise WorkloadError(f"there is no workload {name}: there are {', '.join(names())}")
    text = _FILES.joinpath(name + _SUFFIX).read_text(encoding="utf-8")
    return workload_of(name, text, {"range_bytes": range_bytes, **overrides})


def workload_of(name: str, text: str, overrides: dict[str, Any]) -> Workload:
    """Return the workload that the text of its file describes. Raises WorkloadError."""
    try:
        described = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WorkloadError(f"{name}{_SUFFIX} is no TOML: {error}") from error
    try:
        return WORKLOAD.validate_python({**described, "name": name, **overrides})
    except ValidationError as error:
        faults = error.errors(include_url=False)
        overridden = all(fault["loc"][:1] and fault["loc"][0] in overrides for fault in faults)
        where = "workload" if overridden else f"{name}{_SUFFIX}"
        raise WorkloadError(f"{where}: {'; '.join(map(_said_of, faults))}") from error


def _said_of(fault: ErrorDetails) -> str:
    key = ".".join(map(str, fault["loc"]))
    said = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "unexpected_keyword_argument":
        return f"unknown key {key}"
    if fault["type"] == "missing":
        return f"no key {key}"
    return f"{key}: {said}, got {fault['input']}" if key else said


def market_day(
    *,
    ticks: int,
    symbols: int,
    seed: int,
    corrupt_fraction: float = 0.001,
    single_posts: int = 0,
    range_bytes: int = RANGE_BYTES,
) -> Workload:
    """Load the default workload in another size, as tests and benchmarks do. Raises WorkloadError."""
    return load(
        DEFAULT,
        ticks=ticks,
        symbols=symbols,
        seed=seed,
        corrupt_fraction=corrupt_fraction,
        single_posts=single_posts,
        range_bytes=range_bytes,
    )
