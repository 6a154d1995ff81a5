"""LocalStack's own runtime as a child process: no Docker, no Java, no account, nothing left behind.

`bench.emulator` holds what runs inside LocalStack, and the supervisor that owns it. This is the bench's side of it:
start it on a free loopback port with a throw-away folder, make sure that the one who answers is ours, and end it.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, override

from bench.engine import DISTRIBUTIONS, ENGINE_VARIABLE
from bench.errors import TargetError
from bench.files import can_load_libraries, free_bytes
from bench.targets import REGION, Capability, Kind, Preflight, RunRequest, instance
from bench.targets.architectures import host_architecture
from bench.targets.clients import emulator_clients
from bench.targets.connection import Connection
from bench.targets.instance import Instance
from bench.targets.localstack_settings import SETTINGS, engine_settings, localstack_environment, not_emulated
from bench.targets.supervisor import EXITED_NAME, LET_GO, LOG_NAME
from bench.waiting import Patience, activity_of, processes_of, wait_for

#: What LocalStack may have of its processors, or idle away, until it answers.
START_PATIENCE_S: Final = 120.0
#: For how long nothing may end of what was told to.
STOP_PATIENCE_S: Final = 60.0
_PORT_ATTEMPTS: Final = 3
_POLL_INTERVAL_S: Final = 0.05
# With less than a function's code takes, what fails is put down to the disk.
_ROOM_BYTES: Final = 64 << 20
_SAID_CHARACTERS: Final = 300
# What bench.emulator.loopback exits with; not imported, that would load LocalStack here.
_PORT_TAKEN_STATUS: Final = "69"


@dataclass(frozen=True, slots=True)
class _Owned:
    """The supervisor that this process started, and its end of the pipe that the supervisor watches."""

    process: subprocess.Popen[bytes]
    watch_end: int | None


class EmbeddedTarget(Connection):
    """LocalStack as a child process; enter it, or call `start` and `stop`.

    ``state_dir``: the parent of the throw-away folder (default: the system's temporary folder). ``detached``: it
    outlives this process until `stop`, or until ``bench down`` stops what `attached` returns. Otherwise it ends with
    this process, even when that is killed. ``overrides``: LocalStack settings in place of the usual ones.
    """

    def __init__(
        self,
        state_dir: Path | None = None,
        *,
        detached: bool = False,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        self._parent_dir = state_dir
        self._detached = detached
        self._settings = engine_settings({**SETTINGS, **(overrides or {})})
        self._instance: Instance | None = None
        self._owned: _Owned | None = None
        super().__init__("the embedded LocalStack, which is not running")
        self._peak_bytes = 0

    @classmethod
    def attached(cls) -> "EmbeddedTarget | None":
        """Return the detached target that an earlier command of this user left running, or None."""
        running = instance.recall()
        if running is None:
            return None
        target = cls(detached=True, overrides=running.settings)
        target._instance = running
        target._clients = emulator_clients(running.endpoint_url)
        return target

    # Its life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start LocalStack and return when it answers. Raises TargetError, with the log's place and last words."""
        if self._instance is not None:
            raise TargetError("this embedded LocalStack runs already")
        try:
            version(self._distribution)
        except PackageNotFoundError as error:
            raise TargetError(
                f"{self._distribution} is not installed in the environment of {sys.executable}"
            ) from error
        if self._detached:
            if (running := instance.recall()) is not None:
                raise TargetError(f"an embedded LocalStack runs already at {running.endpoint_url}: bench down ends it")
            instance.prepare()
        for attempt in range(_PORT_ATTEMPTS):
            try:
                self._start_once()
            except _PortTakenError as error:
                if attempt + 1 == _PORT_ATTEMPTS:
                    raise TargetError(f"no free loopback port after {_PORT_ATTEMPTS} attempts: {error}") from error
            else:
                break
        if self._detached:
            self._let_go()

    def stop(self) -> None:
        """End LocalStack, its functions and its folder; does nothing where nothing runs."""
        running, owned = self._instance, self._owned
        self._instance = self._owned = None
        self._disconnect()
        if running is None:
            return
        try:
            _end(running, owned)
        finally:
            if self._detached:
                instance.forget()

    @override
    def __exit__(self, exception_type: Any, exception: BaseException | None, traceback: Any) -> None:
        """End LocalStack; after a failure, keep its log (see `log_path`).

        Raises TargetError in place of what fails on a full disk: whatever failed, LocalStack has nowhere to write.
        """
        try:
            if isinstance(exception, Exception) and self._instance is not None:
                _require_room(Path(self._instance.state_dir), exception)
            if exception is not None and not isinstance(exception, KeyboardInterrupt):
                kept = self.keep_log()
                if kept is not None:
                    exception.add_note(f"LocalStack's log: {kept}")
        finally:
            self.stop()

    # The target -------------------------------------------------------------------------------------------------

    kind: Final = Kind.EMBEDDED
    region: Final = REGION
    capabilities: Final = frozenset(Capability)
    outlives_run: Final = False

    @property
    def architecture(self) -> str:
        """Functions are processes of this machine."""
        return host_architecture()

    @property
    def endpoint_url(self) -> str:
        """Where the AWS API answers. Raises TargetError before `start`."""
        return self._running().endpoint_url

    @property
    def settings(self) -> Mapping[str, str]:
        """The LocalStack settings of this run."""
        return self._settings

    @property
    def not_emulated(self) -> tuple[str, ...]:
        """What LocalStack, run like this, does not do as AWS does."""
        return not_emulated(self._settings)

    @property
    def log_path(self) -> Path:
        """LocalStack's log; it goes with the state folder, see `keep_log`."""
        return Path(self._running().state_dir) / LOG_NAME

    @property
    def scratch_dir(self) -> Path:
        """The state folder: the supervisor removes it, however this process ends. Raises TargetError before `start`."""
        return Path(self._running().state_dir)

    def keep_log(self) -> Path | None:
        """Copy LocalStack's log out of the throw-away folder; return where to, or None where there is none."""
        if self._instance is None:
            return None
        return _copy_log(Path(self._instance.state_dir))

    def api_url(self, rest_api_id: str, stage: str) -> str:
        """Return the stage's address on this port: names below localhost.localstack.cloud would need DNS."""
        return f"{self.endpoint_url}/_aws/execute-api/{rest_api_id}/{stage}"

    def object_url(self, bucket: str, key: str) -> str:
        """Return the object's address on this port."""
        return f"{self.endpoint_url}/{bucket}/{key}"

    def preflight(self, request: RunRequest) -> Preflight:  # noqa: ARG002 - the interface has it
        """Return nothing to say: the template's types and services are all there, which the tests show."""
        return Preflight()

    def describe(self) -> Mapping[str, str]:
        """Return the target's kind, versions and address."""
        packages = (self._distribution, "moto-ext", "awslambdaric", "boto3")
        return {
            "kind": "embedded",
            "endpoint_url": self.endpoint_url,
            "python": sys.version.split()[0],
            **{package: version(package) for package in packages},
        }

    def memory_bytes(self) -> int:
        """Return the largest sum of resident sizes, LocalStack's and its functions', sampled twice a second."""
        answer = self._instance.identity() if self._instance else None
        if answer is not None:
            self._peak_bytes = max(self._peak_bytes, int(answer["peak_resident_bytes"]))
        return self._peak_bytes

    # ------------------------------------------------------------------------------------------------------------

    @property
    def _distribution(self) -> str:
        return DISTRIBUTIONS[self._settings[ENGINE_VARIABLE]]

    def _running(self) -> Instance:
        if self._instance is None:
            raise TargetError("the embedded LocalStack is not running")
        return self._instance

    def _let_go(self) -> None:
        """Note where LocalStack is, then have its supervisor watch this process no longer.

        Whatever fails before that ends LocalStack, a kill of this process included: a note of one that has ended is
        taken for none. Later its end is `stop`, here or in another process.
        """
        owned = self._owned
        assert owned is not None and owned.watch_end is not None, "it was just started"  # noqa: S101, PT018 - for the type checker
        try:
            instance.remember(self._running())
            os.write(owned.watch_end, LET_GO)
        except BaseException:
            self.stop()
            raise
        os.close(owned.watch_end)
        self._owned = _Owned(owned.process, None)

    def _start_once(self) -> None:
        if self._parent_dir is not None:
            self._parent_dir.mkdir(parents=True, exist_ok=True)
        state_dir = Path(tempfile.mkdtemp(prefix="tickstream-localstack-", dir=self._parent_dir))
        if not can_load_libraries(state_dir):
            shutil.rmtree(state_dir, ignore_errors=True)
            raise TargetError(
                f"{state_dir.parent} is mounted noexec: functions cannot load their libraries from there; "
                "TMPDIR names another folder"
            )
        (state_dir / "tmp").mkdir()
        port = free_port()
        token = secrets.token_hex(16)
        read_end, write_end = os.pipe()
        environment = localstack_environment(self._settings, state_dir, port, token)
        command = [sys.executable, "-P", "-m", "bench.targets.supervisor", str(state_dir), str(read_end)]
        try:
            process = subprocess.Popen(
                command,
                cwd=state_dir,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=(state_dir / LOG_NAME).open("ab"),
                pass_fds=(read_end,),
                # Ctrl-C in the terminal is for the bench, which still needs LocalStack to clean up with.
                start_new_session=True,
            )
        except BaseException:
            os.close(write_end)
            shutil.rmtree(state_dir, ignore_errors=True)
            raise
        finally:
            os.close(read_end)
        self._owned = _Owned(process, write_end)
        started = instance.process_started(process.pid)
        self._instance = Instance(port, token, process.pid, started or 0, str(state_dir), self._settings)
        self._clients = emulator_clients(self._instance.endpoint_url)
        try:
            self._wait_until_ready(state_dir)
        except BaseException:
            # Whatever ends the waiting, an interrupt included, ends what was waited for.
            self.stop()
            raise

    def _wait_until_ready(self, state_dir: Path) -> None:
        running, owned = self._running(), self._owned
        patience = Patience(START_PATIENCE_S, lambda: activity_of(running.supervisor_pid))
        while running.identity() is None:
            exited = _read(state_dir / EXITED_NAME)
            if exited == _PORT_TAKEN_STATUS:
                raise _PortTakenError(f"port {running.port} was taken meanwhile")
            if exited or (owned is not None and owned.process.poll() is not None):
                raise _failed(f"LocalStack ended with status {exited or 'unknown'} while starting", state_dir)
            if patience.is_over:
                raise _failed(f"LocalStack had {START_PATIENCE_S:.0f} s and does not answer", state_dir)
            time.sleep(_POLL_INTERVAL_S)


class _PortTakenError(TargetError):
    """Another process took the port between the search for it and its use."""


def free_port() -> int:
    """Return a loopback port that is free now; where it is taken before LocalStack has it, LocalStack exits."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end(running: Instance, owned: _Owned | None) -> None:
    """Have the supervisor end everything; wait as long as anything still ends. Raises TargetError where it hangs."""
    if owned is not None and owned.watch_end is not None:
        os.close(owned.watch_end)
    elif running.is_supervised():
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.supervisor_pid, signal.SIGTERM)

    def is_gone() -> bool | None:
        if owned is not None:
            owned.process.poll()
        return None if running.is_supervised() else True

    patience = Patience(STOP_PATIENCE_S, lambda: activity_of(running.supervisor_pid))
    if (
        wait_for(is_gone, patience, poll_s=_POLL_INTERVAL_S, figure=lambda: processes_of(running.supervisor_pid))
        is None
    ):
        raise TargetError(
            f"LocalStack's supervisor (process {running.supervisor_pid}) was told to stop and hangs: nothing of it "
            f"ended for {STOP_PATIENCE_S:.0f} s; its folder is {running.state_dir}"
        )
    if owned is not None:
        owned.process.wait()
    # The supervisor removes it; only one that was killed itself leaves it behind.
    shutil.rmtree(running.state_dir, ignore_errors=True)


def _require_room(state_dir: Path, failure: Exception) -> None:
    """Raise TargetError in place of a failure where the disk is as good as full."""
    if not state_dir.exists() or (room := free_bytes(state_dir)) >= _ROOM_BYTES:
        return
    said = " ".join(f"{type(failure).__name__}: {failure}".split())[:_SAID_CHARACTERS]
    raise TargetError(
        f"the disk of {state_dir.parent}, where LocalStack keeps everything, has {room >> 20} MB left: TMPDIR names "
        f"another folder ({said})"
    ) from failure


def _failed(what: str, state_dir: Path) -> TargetError:
    last_words = (_read(state_dir / LOG_NAME) or "(an empty log)").strip().splitlines()[-5:]
    return TargetError("\n".join([f"{what}; its log is {_copy_log(state_dir)} and ends:", *last_words]))


def _copy_log(state_dir: Path) -> Path | None:
    log = state_dir / LOG_NAME
    if not log.exists():
        return None
    handle, name = tempfile.mkstemp(prefix="tickstream-localstack-", suffix=".log")
    os.close(handle)
    try:
        return Path(shutil.copyfile(log, name))
    except OSError:
        # No room for it. What is being reported is no reason to report this instead.
        Path(name).unlink(missing_ok=True)
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
