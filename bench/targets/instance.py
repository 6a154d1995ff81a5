"""One running LocalStack of the embedded target: where it is, whose it is, and how a later command finds it again."""

import json
import os
import tempfile
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.errors import TargetError

IDENTITY_PATH: Final = "/_bench/identity"
# A proxy that the user's environment names is not for this machine's own loopback address.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Instance:
    """A started LocalStack. ``supervisor_started`` tells its process from a later one with the same number."""

    port: int
    token: str
    supervisor_pid: int
    supervisor_started: int
    state_dir: str
    settings: Mapping[str, str]

    @property
    def endpoint_url(self) -> str:
        """Where its AWS API answers."""
        return f"http://127.0.0.1:{self.port}"

    def is_supervised(self) -> bool:
        """Return whether the process that owns it still runs."""
        return process_started(self.supervisor_pid) == self.supervisor_started

    def identity(self, timeout_s: float = 2.0) -> Mapping[str, Any] | None:
        """Ask who answers on the port; None where nobody does, or another than this instance."""
        try:
            with _OPENER.open(self.endpoint_url + IDENTITY_PATH, timeout=timeout_s) as response:
                answer = json.load(response)
        except (OSError, ValueError):
            return None  # nobody yet, or something that is no LocalStack of ours
        return answer if isinstance(answer, dict) and answer.get("token") == self.token else None


def process_started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None where it has ended, even if not yet reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the command in parentheses and may hold anything.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def detached_file() -> Path:
    """Return the file that remembers the detached instance: one a user.

    Raises TargetError where the user has no home, as in a container under a number that it knows no name for.
    """
    base = os.environ.get("XDG_STATE_HOME")
    if not base:
        try:
            base = str(Path.home() / ".local" / "state")
        except RuntimeError as error:
            raise TargetError(
                "this user has no home folder to note in what is left running: set XDG_STATE_HOME to a folder of yours"
            ) from error
    return Path(base) / "tickstream" / "embedded.json"


def prepare() -> None:
    """See to it that a detached instance can be remembered, before one is started. Raises TargetError."""
    folder = detached_file().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TargetError(
            f"what is left running cannot be noted in {folder} ({error.strerror}): set XDG_STATE_HOME to a folder of "
            "yours"
        ) from error


def remember(instance: Instance) -> None:
    """Write the detached instance down, whole or not at all; readable by the user only, for its token."""
    path = detached_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(asdict(instance), indent=2), encoding="utf-8")
    new.replace(path)


def recall() -> Instance | None:
    """Return the remembered instance while it runs, else None. Raises TargetError on a broken file."""
    path = detached_file()
    try:
        instance = Instance(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise TargetError(f"{path} does not describe a running LocalStack ({error}); delete it") from error
    if instance.is_supervised():
        return instance
    forget()
    return None


def forget() -> None:
    """Remove what `remember` wrote."""
    detached_file().unlink(missing_ok=True)
