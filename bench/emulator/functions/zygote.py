"""LocalStack's side of the process that functions are forked from: see `bench.emulator.functions.launcher`.

Everything here runs in the event loop of `bench.emulator.functions.process_executor`. One zygote serves all functions;
it is started by the first of them, and again where it has ended: its functions end with it, by the kernel's doing.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LAUNCHER: Final = Path(__file__).with_name("launcher.py")
#: What AWS's Python runtime sets; the rest comes from the function's configuration.
RUNTIME_VARIABLES: Final = {
    "LANG": "en_US.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
}
_MAX_MESSAGE_BYTES: Final = 1 << 16
# The first answer comes after half a second of imports. A zygote that hangs must not hang its functions too.
_ANSWER_TIMEOUT_S: Final = 60.0


def interpreter_variables() -> dict[str, str]:
    """Return what this process's Python was given to find its own library with; a child of the same Python needs it."""
    path = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": path} if path else {}


@dataclass(slots=True)
class Child:
    """A forked function. ``pidfd`` is the owner's to close; ``exited`` gets its exit code, negative for a signal."""

    pid: int
    pidfd: int
    exited: asyncio.Future[int]


class ZygoteUnavailable(Exception):
    """It cannot fork this function, which is then started cold; the message says why."""


class Zygote:
    """Starts functions as forks of one process."""

    def __init__(self, runtime_folder: Path) -> None:
        self._runtime_folder = runtime_folder
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._asked: dict[int, asyncio.Future[tuple[int, int]]] = {}
        self._running: dict[int, asyncio.Future[int]] = {}
        self._last_id = 0

    @property
    def pid(self) -> int | None:
        """Its process, once it was started."""
        return None if self._process is None else self._process.pid

    async def fork(self, task_root: Path, variables: Mapping[str, str], output_fd: int) -> Child:
        """Fork a function that writes to ``output_fd``, which stays the caller's.

        Raises ZygoteUnavailable where the function must be started cold, or the zygote ended meanwhile.
        """
        loop = asyncio.get_running_loop()
        self.start()
        assert self._control is not None and self._process is not None, "just started"  # noqa: S101, PT018 - for the type checker
        self._last_id += 1
        request_id = self._last_id
        request = {"id": request_id, "task_root": str(task_root), "variables": dict(variables)}
        asked = self._asked[request_id] = loop.create_future()
        exited = self._running[request_id] = loop.create_future()
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], [output_fd])
            pid, pidfd = await asyncio.wait_for(asked, _ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            # With it ends what it may fork yet: two processes must not ask one environment for events.
            self._process.kill()
            self._running.pop(request_id, None)
            raise ZygoteUnavailable(f"it did not answer within {_ANSWER_TIMEOUT_S:.0f} s") from error
        except OSError as error:
            # Its socket is full, or the variables are larger than a message may be.
            self._running.pop(request_id, None)
            raise ZygoteUnavailable(f"it cannot be asked: {error}") from error
        except ZygoteUnavailable:
            self._running.pop(request_id, None)
            raise
        finally:
            self._asked.pop(request_id, None)
        return Child(pid, pidfd, exited)

    def start(self) -> None:
        """Start it where it does not run, before the first function needs it. Called in the event loop."""
        if self._control is not None:
            return
        own_end, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        own_end.settimeout(0)
        command = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(self._runtime_folder)]
        try:
            self._process = subprocess.Popen(
                [*command, "--zygote", str(its_end.fileno())],
                cwd=self._runtime_folder,
                env={**RUNTIME_VARIABLES, **interpreter_variables()},
                stdin=subprocess.DEVNULL,
                # What it says goes to LocalStack's log: it has no function's words.
                pass_fds=(its_end.fileno(),),
            )
        except OSError:
            own_end.close()
            raise
        finally:
            its_end.close()
        self._control = own_end
        asyncio.get_running_loop().add_reader(own_end.fileno(), self._on_message)

    def kill(self) -> None:
        """End it and its functions, now; where this process ends, the kernel does it."""
        if self._control is not None:
            self._on_end()

    def _on_message(self) -> None:
        assert self._control is not None, "only an open socket is read"  # noqa: S101 - for the type checker
        try:
            message, fds, _, _ = socket.recv_fds(self._control, _MAX_MESSAGE_BYTES, 1)
        except BlockingIOError:
            return
        except ConnectionError:
            message, fds = b"", []
        if not message:
            self._on_end()
            return
        answer: dict[str, Any] = json.loads(message)
        request_id: int = answer["id"]
        if "status" in answer:
            if exited := self._running.pop(request_id, None):
                exited.set_result(answer["status"])
            return
        asked = self._asked.pop(request_id, None)
        if asked is None or asked.done():
            # Whoever asked has lost patience, and the zygote is being killed for it.
            for fd in fds:
                os.close(fd)
        elif "pid" in answer:
            asked.set_result((answer["pid"], fds[0]))
        else:
            asked.set_exception(ZygoteUnavailable(answer["refusal"]))

    def _on_end(self) -> None:
        assert self._control is not None and self._process is not None, "it was started"  # noqa: S101, PT018 - for the type checker
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        self._control = None
        self._process.kill()
        self._process.wait()
        asked, self._asked = self._asked, {}
        running, self._running = self._running, {}
        for waiting in asked.values():
            if not waiting.done():
                waiting.set_exception(ZygoteUnavailable("it ended"))
        # The kernel kills them with it.
        for request_id, exited in running.items():
            if request_id not in asked:
                exited.set_result(-signal.SIGKILL)
