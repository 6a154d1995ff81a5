"""Owns one LocalStack for the embedded target: starts it, ends it, and removes its folder.

A process of its own, because it must outlive whoever started it: when the bench is killed, this pipe's other end
closes, and within moments LocalStack, its functions and the state folder are gone. LocalStack dies with this process
(PR_SET_PDEATHSIG), the functions die with LocalStack (see `bench.emulator.functions.launcher`).

``python -m bench.targets.supervisor STATE_FOLDER WATCHED_FD [MODULE]``; the module is run in place of
LocalStack. A byte from the pipe says that its other end may close
and LocalStack is to stay (``bench up``): only a signal ends it then.
LocalStack inherits the environment and writes to ``STATE_FOLDER/localstack.log``. Its state is thrown away, so it is
ended by SIGKILL: an orderly shutdown takes seconds and saves nothing.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.engine import MAIN

LOG_NAME: Final = "localstack.log"
#: What `bench up` writes into the pipe once it is known where LocalStack is.
LET_GO: Final = b"1"
# Holds the exit status of a LocalStack that ended by itself.
EXITED_NAME: Final = "exited"
_PR_SET_PDEATHSIG: Final = 1
_END_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _die_with_parent() -> None:
    # Runs between fork and exec; this process has one thread, so nothing can be locked by another.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def supervise(state_folder: Path, watched_fd: int, module: str = MAIN) -> int:
    """Run LocalStack until a signal comes or the watched pipe closes; return its exit status, or 0."""
    # Signals arrive as bytes in a pipe: no handler runs in the middle of anything.
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    for number in _END_SIGNALS:
        signal.signal(number, lambda *_: None)
    with (state_folder / LOG_NAME).open("ab") as log:
        # Its own process group: what it may have started besides functions dies with it.
        localstack = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            cwd=state_folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - single-threaded, see there
        )
    exited = os.pidfd_open(localstack.pid)
    watched = {wake_read, exited, watched_fd}
    try:
        while True:
            ready, _, _ = select.select(watched, [], [])
            if wake_read in ready or (watched_fd in ready and not os.read(watched_fd, len(LET_GO))):
                break
            if exited in ready:
                # LocalStack ended by itself: whoever started it reads the log first, then closes the pipe or signals.
                (state_folder / EXITED_NAME).write_text(str(localstack.wait()), encoding="ascii")
            watched -= {exited, watched_fd} & set(ready)
    finally:
        _kill_group(localstack)
        shutil.rmtree(state_folder, ignore_errors=True)
    return max(localstack.returncode or 0, 0)


def _kill_group(localstack: subprocess.Popen[bytes]) -> None:
    # No such group: it and all that it started have ended.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(localstack.pid, signal.SIGKILL)
    localstack.wait()


if __name__ == "__main__":
    supervise(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
