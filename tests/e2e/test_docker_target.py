"""The docker target with a real engine.

Optional, because an engine and an image are no Python packages: `tests/e2e/localstack.Dockerfile` says how to make one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import docker
import pytest

from bench.__main__ import main
from bench.targets.container import LABEL
from tests.patience import wait_until_true

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = os.environ.get("TICKSTREAM_DOCKER_IMAGE", "")
pytestmark = pytest.mark.skipif(
    not IMAGE, reason="needs a Docker engine and TICKSTREAM_DOCKER_IMAGE, see tests/e2e/localstack.Dockerfile"
)


@pytest.fixture
def engine() -> Iterator[Any]:
    """Talk to the engine."""
    client = docker.from_env()
    yield client
    client.close()


def _containers(engine: Any) -> list[str]:
    return [container.name for container in engine.containers.list(all=True, filters={"label": LABEL})]


def _wait_for(engine: Any, *, some: bool) -> None:
    wait_until_true(f"containers: {some}", lambda: bool(_containers(engine)) == some)


def test_b02_a_run_in_a_container_passes_and_leaves_none(engine: Any, tmp_path: Path) -> None:
    """The same run, with the same checks, in a container; afterwards there is none."""
    arguments = ["run", "--target", "docker", "--image", IMAGE, "--ticks", "2000", "--symbols", "10"]
    assert main([*arguments, "--env", "container", "--results", str(tmp_path)]) == 0
    assert _containers(engine) == []


def test_b02_a_killed_bench_leaves_no_container_and_no_folder(engine: Any, tmp_path: Path) -> None:
    """SIGKILL gives the bench no chance to clean up; its container and its folder go all the same."""
    work = f"""
import time
from bench.targets.docker import DockerTarget
with DockerTarget({IMAGE!r}):
    time.sleep(600)
"""
    bench = subprocess.Popen([sys.executable, "-c", work], env={**os.environ, "TMPDIR": str(tmp_path)})
    try:
        _wait_for(engine, some=True)
        assert list(tmp_path.iterdir()) != []
    finally:
        bench.send_signal(signal.SIGKILL)
        bench.wait()
    _wait_for(engine, some=False)
    wait_until_true("the folder to go", lambda: not list(tmp_path.iterdir()))


def test_b02_up_leaves_a_container_and_down_ends_it(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A container outlives `up`, is found again by `down`, and is not started twice."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    up = ["up", "--bare", "--target", "docker", "--image", IMAGE]
    try:
        assert main(up) == 0
        assert len(_containers(engine)) == 1
        assert main(up) == 2
        assert "runs already" in capsys.readouterr().err
    finally:
        assert main(["down", "--target", "docker"]) == 0
    assert _containers(engine) == []
    assert main(["down", "--target", "docker"]) == 2
