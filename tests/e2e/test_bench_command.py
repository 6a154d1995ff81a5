"""`python -m bench` as a user types it, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.report.result import SCHEMA_VERSION

ROOT = Path(__file__).parents[2]
RUN = ("run", "--ticks", "6000", "--symbols", "6", "--range-bytes", "65536")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a command whose temporary files lie in a folder of the test."""
    temporary = folder / "tmp"
    temporary.mkdir()
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "bench", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_run_ends_in_a_verdict_and_a_result_file(tmp_path: Path) -> None:
    """Generate, deploy, push, verify, destroy: status 0, every tick accounted for, nothing left behind."""
    results = tmp_path / "results"
    process = start(tmp_path, *RUN, "--env", "cmdrun", "--results", str(results))
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert "PASSED" in said
    (path,) = results.glob("*/result.json")
    result = json.loads(path.read_text())
    counts = result["verdict"]["counts"]
    assert counts["attempted"] == counts["acknowledged"] == counts["ok"] + counts["rejected"] == 6_000
    assert counts["rejected"] == 6
    assert {check["name"] for check in result["verdict"]["checks"]} >= {
        "everything processed",
        "bars in DynamoDB",
        "bars through POST /bars",
        "rejected rows",
        "one deletion leaves nothing",
    }
    assert result["schema_version"] == SCHEMA_VERSION
    assert result["ticks_per_s"] > 0
    assert result["not_emulated"]
    assert "PASSED" in path.with_name("report.html").read_text()
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "status", "after", "more"),
    [
        (signal.SIGINT, 130, "start embedded", ()),
        (signal.SIGTERM, 143, "lint (beside)", ()),
        (signal.SIGINT, 130, "deploy", ("--faults", "all")),
    ],
    ids=["before the deployment", "while it deploys", "while ticks flow under faults"],
)
def test_an_interrupted_run_ends_clean(
    tmp_path: Path, number: signal.Signals, status: int, after: str, more: tuple[str, ...]
) -> None:
    """Ctrl-C and SIGTERM end LocalStack, functions and files whatever goes on, and are said in one line."""
    process = start(tmp_path, *RUN, *more, "--env", "cmdint", "--results", str(tmp_path / "results"))
    assert process.stdout is not None
    assert any(line.startswith(after) for line in process.stdout), f"the run ended before {after!r}"
    process.send_signal(number)
    said, _ = process.communicate()
    assert process.returncode == status, said
    assert "Traceback" not in said
    assert "everything that was started has been ended" in said
    assert list((tmp_path / "tmp").iterdir()) == []
