"""The result file: everything that a later run needs to be compared with this one, units in the names.

A run writes plain facts. Whoever reads them back (the report, the comparison) gets a `Result`, which has checked that
the file is of this version and that each field is what its name says.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, ValidationError

from bench.engine import DISTRIBUTIONS
from bench.errors import ResultError
from bench.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.ledger.verdict import Verdict

#: Raised whenever a field changes its meaning; readers refuse what they do not know.
SCHEMA_VERSION: Final = 3
FILE_NAME: Final = "result.json"

#: Counts of a verdict that a correct pipeline leaves at 0.
MUST_BE_ZERO: Final = frozenset({"lost", "duplicated", "unexpected", "wrong bars"})

#: Each stage that a latency is measured to, in the order in which a piece passes them.
STAGES: Final = {
    "send_delay": "Send delay",
    "acknowledged": "Acknowledged",
    "ingested": "Ingested",
    "processed": "Processed",
    "event": "Event published",
    "rollup": "Rolled up",
    "visible": "Visible in the API",
}
#: Not the pipeline's own requests: the bench's, and what the emulator asks itself.
OUTSIDERS: Final = frozenset({"bench", "localstack"})

_PACKAGES: Final = ("boto3", "duckdb", *DISTRIBUTIONS.values(), "ministack", "numpy", "polars", "tickstream")


def result_folder(results: Path, seed: int, now: datetime) -> Path:
    """Make the folder of one run: when it began, and its seed; a number is added where two begin in one second."""
    name = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{seed}"
    for attempt in range(1, 1_000):
        folder = results / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{results / name} and 998 more exist")


def write_result(folder: Path, fields: Mapping[str, Any]) -> Path:
    """Write `result.json`, whole or not at all."""
    path = folder / FILE_NAME
    write_whole(path, json.dumps({"schema_version": SCHEMA_VERSION, **fields}, indent=2) + "\n")
    return path


def verdict_fields(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain JSON."""
    return {
        "passed": verdict.passed,
        "counts": dict(verdict.counts),
        "checks": [asdict(check) for check in verdict.checks],
        "rejected_by_reason": {column: dict(numbers) for column, numbers in verdict.rejected_by_reason.items()},
        "examples": list(verdict.examples),
        "not_measured": list(verdict.not_measured),
    }


def host_facts() -> dict[str, Any]:
    """What the numbers depend on besides the code."""
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cores_usable": os.process_cpu_count(),
        "memory_bytes": pages * page_bytes,
        "load_1_minute": os.getloadavg()[0],
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str | None:
    # Of the emulators one is there, and not always the same.
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_commit() -> str | None:
    """The commit of the working tree, with `+` where it has changes; None outside a repository or without git."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None


def _git(*arguments: str) -> str:
    root = Path(__file__).parent
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


class _Part(BaseModel):
    # Fields that a later minor change adds are let pass: a meaning that changes raises the version instead.
    model_config = ConfigDict(frozen=True, extra="ignore")


class CheckResult(_Part):
    """One check of the verdict, and what it saw."""

    name: str
    passed: bool
    detail: str


class VerdictResult(_Part):
    """The verdict. `rejected_by_reason`: column (planted, recorded) to reason to number."""

    passed: bool
    counts: dict[str, int]
    checks: tuple[CheckResult, ...]
    rejected_by_reason: dict[str, dict[str, int]] = {}
    examples: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()


class Percentiles(_Part):
    """Milliseconds from the intended time of sending, of `count` pieces."""

    count: NonNegativeInt
    p50: float
    p90: float
    p99: float
    p99_9: float
    max: float


class Latency(_Part):
    """Percentiles of each stage; None where the target could not measure it. `how`: a sentence on the measuring."""

    stages: dict[str, Percentiles | None]
    how: str


class Sample(_Part):
    """One look at the run, seconds after the first upload. Ticks and rows are totals so far, the rest is as of now."""

    at_s: float
    acknowledged_rows: int
    ticks: int
    rejected: int
    queued: int
    in_flight: int
    dead_letters: int
    pending: int


class Requests(_Part):
    """Requests of one caller for one operation. `items`: entries of batches, items written or returned.

    The last four are what AWS bills by, as `bench.measure.journal.RequestCount` has them; None in older results.
    """

    service: str
    operation: str
    caller: str
    requests: NonNegativeInt
    errors: NonNegativeInt
    items: NonNegativeInt
    request_bytes: NonNegativeInt
    response_bytes: NonNegativeInt
    write_units: NonNegativeInt | None = None
    read_half_units: NonNegativeInt | None = None
    chunks: NonNegativeInt | None = None
    fifo_chunks: NonNegativeInt | None = None


class FunctionUse(_Part):
    """What Lambda bills of one function, and CloudWatch of its log. `billed_ms`: the sum of all its invocations."""

    function: str
    memory_mb: NonNegativeInt
    invocations: NonNegativeInt
    errors: NonNegativeInt
    billed_ms: NonNegativeInt
    log_bytes: NonNegativeInt | None = None


class Idle(_Part):
    """What some invocations by the schedule asked while there was nothing to do."""

    invocations: Annotated[int, Field(gt=0)]
    requests: tuple[Requests, ...]
    functions: tuple[FunctionUse, ...]


class Stored(_Part):
    """What the tables hold at the end, with what DynamoDB adds to each item."""

    table_items: NonNegativeInt
    table_bytes: NonNegativeInt


class FaultMark(_Part):
    """When a fault struck, in seconds after the first upload."""

    name: str
    at_s: float


class FaultResult(_Part):
    """Which faults were asked for, and how often each of their rules struck."""

    names: tuple[str, ...]
    seed: int
    injected: dict[str, int] = {}
    marks: tuple[FaultMark, ...] = ()


class EngineOpinion(_Part):
    """What an engine made of the same run: its own verdict, how many items it answered, how many unlike the first's."""

    engine: str
    verdict: str
    items: NonNegativeInt
    different: NonNegativeInt
    conclusion: str


class Result(_Part):
    """One run, read back. None and empty stand for what its target or its pipeline does not measure."""

    began: datetime
    commit: str | None
    pipeline: str
    host: dict[str, Any]
    target: dict[str, str | None]
    target_settings: dict[str, str]
    not_emulated: tuple[str, ...]
    deviations: tuple[str, ...] = ()
    stack_parameters: dict[str, str]
    phases_s: dict[str, NonNegativeFloat]
    workload: dict[str, Any]
    objects: NonNegativeInt | None = None
    posts: NonNegativeInt | None = None
    sent_bytes: NonNegativeInt
    first_upload_to_last_acknowledgement_s: float
    first_upload_to_last_rollup_s: float | None = None
    first_upload_to_rest_s: float | None = None
    ticks_per_s: float | None = None
    #: Of the second half of the ticks, when functions are warm; measured of the naive design alone.
    warm_ticks_per_s: float | None = None
    aggregator_triggers: NonNegativeInt | None = None
    peak_memory_bench_bytes: NonNegativeInt
    peak_memory_target_bytes: NonNegativeInt
    faults: FaultResult | None = None
    latency_ms: Latency | None = None
    timeline: tuple[Sample, ...] = Field(default=(), max_length=600)
    requests: tuple[Requests, ...] | None = None
    functions: tuple[FunctionUse, ...] | None = None
    idle: Idle | None = None
    stored: Stored | None = None
    #: Of a run on AWS: the dollars by service that it was predicted to cost, and what was billed once it is known.
    predicted_usd: dict[str, str] | None = None
    billed: dict[str, Any] | None = None
    stack: str | None = None
    #: Of a run that `bench agree` made: all engines, this run's first.
    agreement: tuple[EngineOpinion, ...] = ()
    verdict: VerdictResult

    @property
    def unit(self) -> str:
        """What the verdict counts."""
        return "files" if self.pipeline == "file-processing" else "ticks"

    @property
    def own_requests(self) -> tuple[Requests, ...] | None:
        """The requests of the pipeline itself."""
        if self.requests is None:
            return None
        return tuple(row for row in self.requests if row.caller not in OUTSIDERS)


def read_result(path: Path) -> Result:
    """Read a result file, or the one in a folder. Raises ResultError, which names the file and what is wrong."""
    file = path / FILE_NAME if path.is_dir() else path
    try:
        fields = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise ResultError(f"there is no result {file}") from None
    except ValueError as error:
        raise ResultError(f"{file} is not JSON: {error}") from None
    if not isinstance(fields, dict) or "schema_version" not in fields:
        raise ResultError(f"{file} is no result of the bench: it has no schema_version")
    if fields["schema_version"] != SCHEMA_VERSION:
        raise ResultError(
            f"{file} has schema version {fields['schema_version']!r}, and this bench reads {SCHEMA_VERSION}: "
            "make the run again"
        )
    try:
        return Result.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ResultError(f"{file} is not as its schema says, at {place}: {first['msg']}") from None
