"""Becomes one Lambda function: the first code that runs in a function's process.

Run as a file by ``python -I -S``, so nothing of LocalStack's or the user's Python environment is on the path:
``launcher.py PARENT_PID TASK_ROOT RUNTIME_FOLDER``. What the function may import is its bundle, the packages of
AWS's own Python runtime, and the standard library, in that order, as on AWS.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def _die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when LocalStack's starting thread ends, however it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died before the line above: then nobody sends the signal any more.
    if os.getppid() != parent_pid:
        os._exit(1)


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, set the import path and run AWS's runtime interface client."""
    parent_pid, task_root, runtime_folder = arguments
    _die_with_parent(int(parent_pid))
    sys.path[:0] = [task_root, runtime_folder]
    sys.argv[:] = [os.path.join(runtime_folder, "bootstrap.py"), os.environ["_HANDLER"]]  # noqa: PTH118 - pathlib costs 10 ms a cold start

    from awslambdaric.__main__ import main as serve  # noqa: PLC0415 - importable only now

    serve(sys.argv)


if __name__ == "__main__":
    main(sys.argv[1:])
