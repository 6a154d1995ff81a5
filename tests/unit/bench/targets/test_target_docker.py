from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from docker.errors import APIError, ImageNotFound, NotFound

from bench.__main__ import main
from bench.errors import TargetError
from bench.targets import docker as docker_target
from bench.targets.container import LABEL, remove
from bench.targets.docker import DockerTarget

if TYPE_CHECKING:
    from pathlib import Path


class Engine:
    """Docker's SDK as far as the target uses it: images, and containers that say what is done to them."""

    def __init__(self, *, can_pull: bool = True, dies: bool = False) -> None:
        self.images = self
        self.containers = self
        self.can_pull, self.dies = can_pull, dies
        self.running: dict[str, Container] = {}
        self.done: list[str] = []

    def get(self, name: str) -> Any:
        """Return a container; images are never there."""
        if name in self.running:
            return self.running[name]
        raise NotFound(name) if name.startswith("tickstream-") else ImageNotFound(name)

    def pull(self, image: str) -> None:
        """Pull, or not."""
        self.done.append(f"pull {image}")
        if not self.can_pull:
            raise APIError("no route to the registry")

    def run(self, image: str, *, name: str, labels: dict[str, str], **arguments: Any) -> Container:
        """Start a container."""
        assert labels == {LABEL: name}
        assert arguments["ports"] == {"4566/tcp": ("127.0.0.1", None)}
        self.running[name] = Container(self, name, "exited" if self.dies else "running")
        return self.running[name]

    def list(self, *, filters: dict[str, str], **_: Any) -> list[Container]:
        """Return the containers of a label."""
        name = filters["label"].removeprefix(f"{LABEL}=")
        return [container for key, container in self.running.items() if key.startswith(name)]


class Container:
    """A container."""

    ports: ClassVar = {"4566/tcp": [{"HostPort": "1"}]}

    def __init__(self, engine: Engine, name: str, status: str) -> None:
        self.engine, self.name, self.status = engine, name, status

    def reload(self) -> None:
        """Nothing changes."""

    def logs(self, **_: Any) -> bytes:
        """Return its last words."""
        return b"no space left on device\n"

    def stop(self, **_: Any) -> None:
        """Stop."""
        self.engine.done.append(f"stop {self.name}")

    def remove(self, **_: Any) -> None:
        """Remove; one that Docker removes already is a conflict."""
        if self.name.endswith("-going"):
            raise APIError("removal in progress", response=_Conflict())
        del self.engine.running[self.name]


class _Conflict:
    status_code = 409
    reason = "Conflict"
    url = ""


def test_removing_ends_localstack_first_and_then_what_it_started() -> None:
    """LocalStack is stopped in good order, then every container with its label goes; one that is gone is no error."""
    engine = Engine()
    for name in ("tickstream-1", "tickstream-1-lambda", "tickstream-1-going", "other"):
        engine.running[name] = Container(engine, name, "running")
    remove(engine, "tickstream-1")
    assert engine.done == ["stop tickstream-1"]
    assert set(engine.running) == {"tickstream-1-going", "other"}
    remove(engine, "tickstream-2")


def test_an_image_that_cannot_be_had_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that is not there and cannot be pulled ends before any container or helper process is made."""
    engine = Engine(can_pull=False)
    monkeypatch.setattr(docker_target, "_engine", lambda: engine)
    with pytest.raises(TargetError, match=r"no image no/such, and it cannot be pulled: no route"):
        DockerTarget("no/such").start()
    assert engine.running == {}


def test_a_container_that_ends_while_starting_is_removed_and_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the container said last is in the error, and neither it nor its folder stays."""
    engine = Engine(dies=True)
    monkeypatch.setattr(docker_target, "_engine", lambda: engine)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/socket")
    with pytest.raises(TargetError, match="no space left on device"):
        DockerTarget("image").start()
    assert engine.running == {}
    assert list(tmp_path.iterdir()) == []


def test_without_an_engine_the_run_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where no Docker engine answers, the command says so and exits with 2."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/socket")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["up", "--target", "docker"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no Docker engine answers" in said
