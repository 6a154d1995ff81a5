"""LocalStack in a container: its own image, or one of yours, through the Docker engine of this machine.

What differs from the embedded target: functions are containers that LocalStack starts through Docker's socket, which
is mounted, DynamoDB is DynamoDB Local, and the bench's extensions are missing unless the image has them.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, override

import docker
from docker.errors import DockerException, ImageNotFound, NotFound

from bench.errors import TargetError
from bench.targets import Kind, instance
from bench.targets.architectures import host_architecture, lambda_architecture
from bench.targets.container import LABEL, remove
from bench.targets.endpoint import EndpointTarget
from bench.targets.health import wait_for_health
from bench.targets.localstack_settings import CONTAINER_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

#: For how long a container that starts may say nothing.
START_PATIENCE_S: Final = 120.0
STOP_TIMEOUT_S: Final = 40.0
_PORT: Final = "4566/tcp"
_SOCKET: Final = "/var/run/docker.sock"
_DOCKER_TIMEOUT_S: Final = 60


@dataclass(frozen=True, slots=True)
class _Guard:
    """The process that ends the container when this one ends, and the end of its pipe that is held here."""

    process: subprocess.Popen[bytes]
    pipe: int


@dataclass(frozen=True, slots=True)
class _Detached:
    """A container that outlives its command."""

    container: str
    image: str


class DockerTarget(EndpointTarget):
    """LocalStack's container; enter it, or call `start` and `stop`.

    ``image``: must be there or be pulled. ``detached``: it outlives this process until `stop`, or until ``bench down``
    stops what `attached` returns. Otherwise it ends with this process, even when that is killed.
    """

    kind = Kind.DOCKER
    outlives_run = False

    def __init__(self, image: str, *, detached: bool = False) -> None:
        super().__init__("")
        self._image = image
        self._detached = detached
        self._name = ""
        self._docker: Any = None
        self._guard: _Guard | None = None
        self._folder: Path | None = None

    @classmethod
    def attached(cls) -> DockerTarget | None:
        """Return the detached container that an earlier command of this user left running, connected, or None."""
        try:
            kept = _Detached(**json.loads(_detached_file().read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise TargetError(f"{_detached_file()} names no container ({error}); delete it") from error
        target = cls(kept.image, detached=True)
        target._name, target._docker = kept.container, _engine()
        try:
            container = target._container()
        except NotFound:
            _detached_file().unlink(missing_ok=True)
            return None
        target._endpoint_url = _address(container)
        super(DockerTarget, target).start()
        return target

    # Its life ---------------------------------------------------------------------------------------------------

    @override
    def start(self) -> None:
        """Start the container and return when LocalStack answers. Raises TargetError, which says what is missing."""
        if self._name:
            raise TargetError("this container runs already")
        if self._detached and (kept := self.attached()) is not None:
            raise TargetError(f"a container runs already at {kept.endpoint_url}: bench down --target docker ends it")
        if self._detached:
            instance.prepare()
        self._docker = _engine()
        self._pull()
        self._name = f"tickstream-{secrets.token_hex(4)}"
        try:
            # Watched before there is anything to watch: a kill in between leaves nothing either.
            if not self._detached:
                self._folder = Path(tempfile.mkdtemp(prefix=f"{self._name}-"))
                self._guard = _watch(self._name, self._folder)
            self._run()
            self._connect(wait_for_health(self._endpoint_url, START_PATIENCE_S, self._check_alive))
            if self._detached:
                path = _detached_file()
                path.write_text(json.dumps(asdict(_Detached(self._name, self._image))), encoding="utf-8")
        except BaseException:
            # Whatever ends the start, an interrupt included, ends what was started.
            self.stop()
            raise

    @override
    def stop(self) -> None:
        """Remove the container and those of its functions; does nothing where none runs."""
        super().stop()
        name, self._name = self._name, ""
        guard, self._guard = self._guard, None
        if not name:
            return
        try:
            remove(self._docker, name)
        except DockerException as error:
            raise TargetError(f"the container {name} cannot be removed: {error}") from error
        finally:
            if guard is not None:
                os.close(guard.pipe)
                with suppress(subprocess.TimeoutExpired):
                    guard.process.wait(STOP_TIMEOUT_S)
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            if self._detached:
                _detached_file().unlink(missing_ok=True)

    @override
    def __exit__(self, exception_type: Any, exception: BaseException | None, traceback: Any) -> None:
        """End the container; after a failure, keep its log (see `keep_log`)."""
        if exception is not None and not isinstance(exception, KeyboardInterrupt):
            kept = self.keep_log()
            if kept is not None:
                exception.add_note(f"LocalStack's log: {kept}")
        self.stop()

    # The target -------------------------------------------------------------------------------------------------

    @property
    @override
    def architecture(self) -> str:
        """What the engine's containers run on."""
        if self._functions is not None:
            return super().architecture
        return lambda_architecture(str(self._docker.version().get("Arch", ""))) or host_architecture()

    @property
    @override
    def settings(self) -> Mapping[str, str]:
        """The LocalStack settings of this run."""
        return CONTAINER_SETTINGS

    @property
    @override
    def scratch_dir(self) -> Path | None:
        """A folder that goes with the container; None for a detached one."""
        return self._folder

    @override
    def object_url(self, bucket: str, key: str) -> str:
        """Return the object's address inside the container, where the port is another."""
        return f"http://127.0.0.1:{_PORT.removesuffix('/tcp')}/{bucket}/{key}"

    @override
    def describe(self) -> Mapping[str, str]:
        """Return the server's facts, the image, and the engine's version."""
        container = self._container()
        return {
            **super().describe(),
            "image": self._image,
            "image_id": str(container.image.id),
            "docker": str(self._docker.version()["Version"]),
        }

    @override
    def keep_log(self) -> Path | None:
        """Save the container's log; None where there is no container."""
        try:
            log = self._container().logs() if self._name else None
        except DockerException:
            return None
        if log is None:
            return None
        handle, name = tempfile.mkstemp(prefix="tickstream-localstack-", suffix=".log")
        with os.fdopen(handle, "wb") as file:
            file.write(log)
        return Path(name)

    # ------------------------------------------------------------------------------------------------------------

    def _pull(self) -> None:
        try:
            self._docker.images.get(self._image)
        except ImageNotFound:
            try:
                self._docker.images.pull(self._image)
            except DockerException as error:
                raise TargetError(f"there is no image {self._image}, and it cannot be pulled: {error}") from error

    def _run(self) -> None:
        label = f"{LABEL}={self._name}"
        try:
            container = self._docker.containers.run(
                self._image,
                name=self._name,
                detach=True,
                labels={LABEL: self._name},
                # Docker chooses the port, so that nobody can take it in between.
                ports={_PORT: ("127.0.0.1", None)},
                environment={
                    **CONTAINER_SETTINGS,
                    # How LocalStack finds its own container, and how the containers that it starts are found.
                    "MAIN_CONTAINER_NAME": self._name,
                    "LAMBDA_DOCKER_FLAGS": f"--label {label}",
                },
                volumes={_socket_here(): {"bind": _SOCKET, "mode": "rw"}},
            )
            self._endpoint_url = _address(container)
        except DockerException as error:
            raise TargetError(f"the image {self._image} cannot be started: {error}") from error

    def _check_alive(self) -> object:
        container = self._container()
        if container.status not in {"created", "running"}:
            last = "\n".join(container.logs(tail=5).decode(errors="replace").splitlines())
            raise TargetError(f"the container of {self._image} ended while starting; its last words:\n{last}")
        return container.logs(tail=5)

    def _container(self) -> Any:
        return self._docker.containers.get(self._name)


def _engine() -> Any:
    try:
        client = docker.from_env(timeout=_DOCKER_TIMEOUT_S)
        client.ping()
    except DockerException as error:
        raise TargetError(f"no Docker engine answers: {error}") from error
    return client


def _address(container: Any) -> str:
    container.reload()
    published = container.ports.get(_PORT)
    if not published:
        raise TargetError(f"the container {container.name} publishes no port; it is {container.status}")
    return f"http://127.0.0.1:{published[0]['HostPort']}"


def _socket_here() -> str:
    """Where the engine's socket is on this machine."""
    host = os.environ.get("DOCKER_HOST", "")
    return host.removeprefix("unix://") if host.startswith("unix://") else _SOCKET


def _watch(name: str, folder: Path) -> _Guard:
    read_end, write_end = os.pipe()
    try:
        command = [sys.executable, "-P", "-m", "bench.targets.container", str(read_end), name, str(folder)]
        process = subprocess.Popen(
            command, pass_fds=(read_end,), stdin=subprocess.DEVNULL, cwd="/", start_new_session=True
        )
    finally:
        os.close(read_end)
    return _Guard(process, write_end)


def _detached_file() -> Path:
    return instance.detached_file().with_name("docker.json")
