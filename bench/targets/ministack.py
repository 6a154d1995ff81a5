"""MiniStack, another emulator, as a child process on loopback: a second opinion beside LocalStack's.

Written by other people from AWS's documentation: what both agree on is no oddity of one of them. It has none of the
bench's extensions, and what it does not do is said before the run.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, override

from botocore.exceptions import ClientError

from bench.errors import TargetError
from bench.targets import Kind, Preflight, RunRequest
from bench.targets.architectures import host_architecture
from bench.targets.embedded import free_port
from bench.targets.endpoint import EndpointTarget
from bench.targets.health import Health, wait_for_health
from bench.targets.literals import with_literals
from bench.targets.supervisor import EXITED_NAME, LOG_NAME
from bench.waiting import Patience, activity_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

DISTRIBUTION: Final = "ministack"
#: For how long a server that starts may do nothing.
START_PATIENCE_S: Final = 60.0
STOP_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.05
#: The parameters that are set there whatever the template's defaults are.
FIXED: Final[Mapping[str, str]] = {"Alarms": "DISABLED"}
#: Its health's name of a service -> LocalStack's.
_RENAMED: Final = {"monitoring": "cloudwatch"}
_LITERALS: Final = "number parameters are written into the template as literals: MiniStack makes texts of them"
_NO_ALARMS: Final = "alarms are off (Alarms=DISABLED): MiniStack refuses alarms on metric math"
_FIFO: Final = "a FIFO queue's groups go one after the other"
_RANGES: Final = "the range of an object's version is cut by the bench: MiniStack answers with the whole object"
_UNPACKED: Final = "a function's code is unpacked once by the bench, and linked to: MiniStack does it for each process"
_CHANGED: Final = (_LITERALS, _NO_ALARMS, _RANGES, _UNPACKED)
#: What runs it.
_SERVER: Final = "bench.targets.ministack_server"
_NOT_EMULATED: Final = (
    "IAM: policies are stored and not enforced.",
    "CloudWatch: no alarm of the template is made.",
    "SQS: groups of a FIFO queue are processed one after the other, not side by side.",
    "Lambda: functions run as processes under this machine's Python; memory and concurrency are not limited.",
    "Limits, throttling, retries, retention and time to live: not known to be as on AWS, so nothing is shown of them.",
)


class MiniStackTarget(EndpointTarget):
    """MiniStack of this Python's environment; enter it, or call `start` and `stop`. It ends with this process."""

    kind = Kind.MINISTACK
    outlives_run = False

    def __init__(self) -> None:
        super().__init__("")
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._folder: Path | None = None

    # Its life ---------------------------------------------------------------------------------------------------

    @override
    def start(self) -> None:
        """Start it and return when it answers. Raises TargetError where it is not installed or does not start."""
        if self._process is not None:
            raise TargetError("this MiniStack runs already")
        installed_version()
        self._folder = Path(tempfile.mkdtemp(prefix="tickstream-ministack-"))
        (self._folder / "tmp").mkdir()
        port = free_port()
        self._endpoint_url = f"http://127.0.0.1:{port}"
        read_end, self._pipe = os.pipe()
        try:
            with (self._folder / LOG_NAME).open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-P", "-m", "bench.targets.supervisor"),
                        *(str(self._folder), str(read_end), _SERVER),
                    ],
                    cwd=self._folder,
                    env=_environment(self._folder, port),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    pass_fds=(read_end,),
                    start_new_session=True,
                )
            found = wait_for_health(self._endpoint_url, START_PATIENCE_S, self._check_alive)
            self._connect(_renamed(found))
        except BaseException:
            # Whatever ends the start, an interrupt included, ends what was started.
            self.stop()
            raise
        finally:
            os.close(read_end)

    @override
    def stop(self) -> None:
        """End it, its functions and its folder; does nothing where none runs."""
        super().stop()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        if process is not None:
            # It unpacks a function's code again for each process, and its folder takes as long as it is large.
            patience = Patience(STOP_PATIENCE_S, lambda: activity_of(process.pid))
            ended = wait_for(lambda: True if process.poll() is not None else None, patience, poll_s=_POLL_S)
            if ended is None:
                raise TargetError(f"MiniStack's supervisor (process {process.pid}) was told to end and hangs")
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _check_alive(self) -> object:
        """Return what moves while it starts. Raises TargetError where it has ended."""
        process, folder = self._process, self._folder
        assert process is not None and folder is not None, "it was just started"  # noqa: S101, PT018 - for the type checker
        if process.poll() is not None or (folder / EXITED_NAME).exists():
            log = (folder / LOG_NAME).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise TargetError("\n".join(["MiniStack ended while it started; its log ends:", *log[-5:]]))
        return activity_of(process.pid)

    # The target -------------------------------------------------------------------------------------------------

    @property
    @override
    def architecture(self) -> str:
        """Functions are processes of this machine."""
        return host_architecture()

    @property
    @override
    def settings(self) -> Mapping[str, str]:
        """What is set there whatever the template says."""
        return FIXED

    @property
    @override
    def not_emulated(self) -> tuple[str, ...]:
        """What it does not do as AWS does, and what the bench changes for it."""
        deviations = (f"Deviation: {one}." for one in _CHANGED)
        return (*deviations, *_NOT_EMULATED)

    @property
    @override
    def scratch_dir(self) -> Path | None:
        """Its folder: the supervisor removes it, however this process ends."""
        return self._folder

    @override
    def adapted(self, template: str, parameters: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """Return the template with its numbers as literals, and the parameters with alarms off."""
        given = {**parameters, **FIXED}
        return with_literals(template, given), given

    @override
    def describe(self) -> Mapping[str, str]:
        """Return the kind, address and version."""
        return {**super().describe(), "edition": "MiniStack", "version": installed_version()}

    @override
    def keep_log(self) -> Path | None:
        """Copy its log to where it stays."""
        log = self._folder / LOG_NAME if self._folder else None
        if log is None or not log.exists():
            return None
        handle, name = tempfile.mkstemp(prefix="tickstream-ministack-", suffix=".log")
        os.close(handle)
        return Path(shutil.copyfile(log, name))

    @override
    def preflight(self, request: RunRequest) -> Preflight:
        """Say what it cannot do and what is changed for it; refuse what cannot run."""
        found = super().preflight(replace(request, template=self.adapted(request.template, {})[0]))
        if found.refusal:
            return found
        if not _reads_ranges_of_versions(self.client("s3")):
            raise TargetError(
                f"MiniStack {installed_version()} answers the range of a version otherwise than 1.5.33 did"
            )
        deviations = [f"deviation {one}" for one in _CHANGED]
        return Preflight((*found.lines, *deviations, f"cannot    {_FIFO}"))


def installed_version() -> str:
    """Return MiniStack's version in this environment. Raises TargetError where there is none."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError as error:
        raise TargetError(
            "--target ministack is not installed: pip install 'tickstream[ministack]' brings it"
        ) from error


def _renamed(found: Health) -> Health:
    return replace(found, services=frozenset(_RENAMED.get(name, name) for name in found.services))


def _environment(folder: Path, port: int) -> dict[str, str]:
    """Return its whole environment: nothing of the user's own, and nothing that it writes outside its folder."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "GATEWAY_PORT": str(port),
        # It binds every interface unless told.
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
    }


def _reads_ranges_of_versions(buckets: Any) -> bool:
    """Return whether a range of an object's version is answered with that range, as the functions read objects."""
    name = f"tickstream-ranges-{secrets.token_hex(4)}"
    buckets.create_bucket(Bucket=name)
    versions: list[str] = []
    try:
        buckets.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        versions.append(buckets.put_object(Bucket=name, Key="k", Body=b"0123456789")["VersionId"])
        answer = buckets.get_object(Bucket=name, Key="k", VersionId=versions[0], Range="bytes=2-4")
        return bool(answer["Body"].read() == b"234")
    except ClientError as error:
        raise TargetError(f"MiniStack cannot read a version's range: {error}") from error
    finally:
        # It all goes with the target: what is found is not to be lost over this.
        with suppress(ClientError):
            for one in versions:
                buckets.delete_object(Bucket=name, Key="k", VersionId=one)
            buckets.delete_bucket(Bucket=name)
