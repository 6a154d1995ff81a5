"""The result file: everything that a later run needs to be compared with this one, units in the names."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.verify import Verdict

#: Raised whenever a field changes its meaning; readers refuse what they do not know.
SCHEMA_VERSION: Final = 1

_PACKAGES: Final = ("boto3", "duckdb", "localstack-core", "numpy", "polars", "tickstream")


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
    path = folder / "result.json"
    handle, name = tempfile.mkstemp(dir=folder, prefix=".result-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"schema_version": SCHEMA_VERSION, **fields}, file, indent=2)
            file.write("\n")
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def verdict_fields(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain JSON."""
    return {
        "passed": verdict.passed,
        "counts": dict(verdict.counts),
        "checks": [asdict(check) for check in verdict.checks],
        "rejected_by_reason": {column: dict(numbers) for column, numbers in verdict.rejected_by_reason.items()},
        "examples": list(verdict.examples),
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
        "packages": {name: version(name) for name in _PACKAGES},
    }


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
