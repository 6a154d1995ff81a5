"""A started function and what it says; the environment replaces it as a whole when it dies."""

import asyncio
import contextlib
import fcntl
import logging
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from bench.emulator.functions.zygote import LAUNCHER, Child, Zygote, ZygoteUnavailable, interpreter_variables

LOG = logging.getLogger(__name__)
MAX_LOG_BYTES: Final = 4 << 20
_CHUNK_BYTES: Final = 1 << 16


class FunctionProcess:
    """One process of a function, forked from the zygote or started cold."""

    def __init__(self, child: Child, output_end: int) -> None:
        self.pid = child.pid
        self.exited = child.exited
        self._pidfd = child.pidfd
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._peak_memory_kb = 0
        self._output_end: int | None = output_end
        loop.add_reader(output_end, self._read_output)
        self.exited.add_done_callback(self._on_exit)

    @classmethod
    async def start(cls, zygote: Zygote, task_root: Path, runtime_folder: Path, variables: Mapping[str, str]) -> Self:
        """Start a function with these variables and no others. Raises OSError where the system does not let it."""
        read_end, write_end = os.pipe()
        # 1 MB where the kernel allows it: a chatty function rarely waits for this loop to read.
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 1 << 20)
        os.set_blocking(read_end, False)
        try:
            try:
                child = await zygote.fork(task_root, variables, write_end)
            except ZygoteUnavailable as reason:
                LOG.info("a function of %s starts cold: %s", task_root.name, reason)
                child = _start_cold(task_root, runtime_folder, variables, write_end)
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        return cls(child, read_end)

    def kill(self) -> None:
        """End the process; `exited` is set when it has."""
        if not self.exited.done():
            # It may have ended, and whoever reaps it not yet have said so.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def take_output(self) -> str:
        """Return what the function has written since the last call."""
        # The function wrote before it answered, so its words are in the pipe already, though perhaps not read yet.
        self._read_output()
        text = b"".join(self._output).decode(errors="replace")
        if self._output_bytes > MAX_LOG_BYTES:
            text += f"\n[{self._output_bytes - MAX_LOG_BYTES} more bytes of output dropped]\n"
        self._output.clear()
        self._output_bytes = 0
        return text

    def peak_memory_mb(self) -> int:
        """Return the process's largest resident size; of one that is gone, as last asked for.

        What it shares with the zygote counts: a function that had imported it itself would have it too. (What the
        kernel reports of a child that has ended includes the size of LocalStack, which forks a cold start.)
        """
        if not self.exited.done():
            status = ""
            # Gone, and whoever reaps it has not yet said so.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8", errors="replace")
            # Where it lives on, that was it and no later process of the same number.
            if not select.select([self._pidfd], [], [], 0)[0]:
                for line in status.splitlines():
                    if line.startswith("VmHWM:"):
                        self._peak_memory_kb = int(line.split()[1])
        return -(-self._peak_memory_kb // 1024)

    def _read_output(self) -> None:
        while self._output_end is not None:
            try:
                chunk = os.read(self._output_end, _CHUNK_BYTES)
            except BlockingIOError:
                return
            if not chunk:
                self._close_output()
                return
            if self._output_bytes < MAX_LOG_BYTES:
                self._output.append(chunk[: MAX_LOG_BYTES - self._output_bytes])
            self._output_bytes += len(chunk)

    def _close_output(self) -> None:
        if self._output_end is not None:
            self._loop.remove_reader(self._output_end)
            os.close(self._output_end)
            self._output_end = None

    def _on_exit(self, _: object) -> None:
        os.close(self._pidfd)
        self._read_output()
        # A grandchild may hold the pipe open for ever: what it writes later belongs to no invocation.
        self._close_output()


def _start_cold(task_root: Path, runtime_folder: Path, variables: Mapping[str, str], output_fd: int) -> Child:
    """Start a function in a Python of its own, which imports everything itself."""
    popen = subprocess.Popen(
        [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(runtime_folder), str(task_root)],
        cwd=task_root,
        env={**interpreter_variables(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=output_fd,
        stderr=output_fd,
    )
    loop = asyncio.get_running_loop()
    child = Child(popen.pid, os.pidfd_open(popen.pid), loop.create_future())
    # One of its own: the other is closed by the process's owner.
    end_fd = os.dup(child.pidfd)

    def on_exit() -> None:
        loop.remove_reader(end_fd)
        os.close(end_fd)
        child.exited.set_result(popen.wait())

    loop.add_reader(end_fd, on_exit)
    return child
