"""A run that other processes send: three of Dask's workers, one of which is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.patience import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.targets.embedded import EmbeddedTarget

WORKERS = ("one", "two", "three")
ENVIRONMENT = "workers"


class Machines:
    """A scheduler and its workers, as a user starts them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._stack = stack
        self._file = folder / "scheduler.json"
        self._folder = folder
        self._environment = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        local = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(self._file))
        self.scheduler = self._start("scheduler", *local, "--port", "0")
        wait_until("the scheduler's file", lambda: self._file.exists() or None)
        self.workers = {
            name: self._start(
                "worker", "--scheduler-file", str(self._file), "--name", name, "--no-nanny", "--no-dashboard",
                "--nthreads", "1", "--local-directory", str(folder),
            )
            for name in WORKERS
        }  # fmt: skip

    @property
    def address(self) -> str:
        """The scheduler's."""
        return str(json.loads(self._file.read_text())["address"])

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{arguments[0]}.log").open("ab") as log:
            command = (sys.executable, "-m", "dask", *arguments)
            started = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        self._stack.callback(started.wait)
        self._stack.callback(started.kill)
        return started


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """All of them end with the test."""
    with ExitStack() as stack:
        yield Machines(tmp_path, stack)


def test_a_worker_that_is_killed_is_named_and_what_it_had_is_in_doubt(
    target: EmbeddedTarget, machines: Machines, tmp_path: Path
) -> None:
    """The verdict passes: nothing is lost or counted twice, and each piece of the killed one is there whole or not."""
    command = (
        sys.executable, "-m", "bench", "run", "--target", "endpoint", "--endpoint-url", target.endpoint_url,
        "--workers", machines.address, "--env", ENVIRONMENT, "--workload", "streams", "--ticks", "12000",
        "--streams", "120", "--rate", "1200", "--results", str(tmp_path / "results"),
    )  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        bucket = f"market-data-{ENVIRONMENT}-"

        def objects() -> int | None:
            assert run.poll() is None, run.stdout and run.stdout.read()
            s3 = target.client("s3")
            found = [one["Name"] for one in s3.list_buckets()["Buckets"] if one["Name"].startswith(bucket)]
            count = s3.list_objects_v2(Bucket=found[0])["KeyCount"] if found else 0
            return count if count >= 20 else None

        try:
            wait_until("twenty objects to be sent", objects)
            machines.workers["two"].send_signal(signal.SIGKILL)
            said, _ = run.communicate()
        finally:
            run.kill()
    assert run.returncode == 0, said
    (path,) = (tmp_path / "results").glob("*/result.json")
    result: dict[str, Any] = json.loads(path.read_text())
    counts = result["verdict"]["counts"]
    assert (counts["lost"], counts["duplicated"], counts["unexpected"]) == (0, 0, 0)
    each = {one["name"]: one for one in result["workers"]["each"]}
    assert [name for name, one in each.items() if one["lost"]] == ["two"]
    assert sum(one["pieces"] for one in each.values()) == 120
    assert all(one["pieces_told_of"] == one["pieces"] for name, one in each.items() if name != "two")
    doubtful = each["two"]["pieces"] - each["two"]["pieces_told_of"]
    assert doubtful > 0
    (check,) = (one for one in result["verdict"]["checks"] if one["name"] == "workers")
    assert check["passed"]
    assert f"of {doubtful:,} nobody knew" in check["detail"]
    # Clocks of one machine: what is measured of their difference lies within what it is uncertain by, and a little.
    for one in each.values():
        assert abs(one["clock_ahead_ms"]) <= one["clock_uncertainty_ms"] + 50
    assert result["workers"]["latency_ms"]["acknowledged"]["count"] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--workers", "tcp://127.0.0.1:1"), "does not answer within"),
        (("--workers", "nonsense://x"), "a scheduler's address"),
    ],
)
def test_a_scheduler_that_is_not_there_is_one_line(
    target: EmbeddedTarget, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    """Within a bound, before anything is made, with exit status 2."""
    command = (
        sys.executable, "-m", "bench", "run", "--target", "endpoint", "--endpoint-url", target.endpoint_url,
        "--results", str(tmp_path), *options,
    )  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
