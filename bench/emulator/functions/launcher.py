"""Becomes one Lambda function: the first code that runs in a function's process.

Run as a file by ``python -I -S``, so nothing of LocalStack's or the user's Python environment is on the path. What a
function may import is its bundle, the packages of AWS's own Python runtime, and the standard library, in that order,
as on AWS. Either ``launcher.py PARENT_PID RUNTIME_FOLDER TASK_ROOT``: the function, a quarter of a second of CPU.

Or ``launcher.py PARENT_PID RUNTIME_FOLDER --zygote CONTROL_FD``: a process that has imported what every function
imports of AWS's runtime, and forks one function a request, in milliseconds. It holds nothing of any function's (no
bundle, no variables, no credentials) and nothing of LocalStack's; it has one thread and opens no connection. What a
fork gets for its own: see `_become`. What all forks share is Python's hash seed, which a cold start draws anew.

A bundle that brings another version of what is imported already is refused, and started cold. Libraries of a bundle
are not imported here, because they are that function's alone; polars could not be in any case: it starts threads
when it is imported, and a fork would inherit their locks and not the threads.

The two speak JSON over CONTROL_FD, a socket that keeps messages apart (SOCK_SEQPACKET):
`bench.emulator.functions.zygote`.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_MAX_MESSAGE_BYTES = 1 << 20
#: The services whose models are read before the first fork: those that functions of a data pipeline mostly call.
_SERVICES = ("dynamodb", "s3", "sqs", "events", "cloudwatch")
_MODULES = (
    "concurrent.futures.thread",
    "csv",
    "decimal",
    "zoneinfo",
    "awslambdaric.lambda_context",
    "awslambdaric.lambda_runtime_exception",
    "awslambdaric.lambda_runtime_marshaller",
)


def _die_with_parent(libc: ctypes.CDLL, parent_pid: int) -> None:
    """Have the kernel kill this process when the thread that started it ends, however it ends."""
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died before the line above: then nobody sends the signal any more.
    if os.getppid() != parent_pid:
        os._exit(1)


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, set the import path and run AWS's runtime interface client."""
    parent_pid, runtime_folder, *rest = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    _die_with_parent(libc, int(parent_pid))
    sys.path.insert(0, runtime_folder)
    if rest[0] == "--zygote":
        _preload()
        # Returns in the forked children only.
        task_root = _fork_on_request(libc, runtime_folder, int(rest[1]))
    else:
        (task_root,) = rest
    sys.path.insert(0, task_root)
    sys.argv[:] = [os.path.join(runtime_folder, "bootstrap.py"), os.environ["_HANDLER"]]  # noqa: PTH118 - pathlib costs 10 ms a cold start

    from awslambdaric.__main__ import main as serve  # noqa: PLC0415 - importable only now

    serve(sys.argv)


# --- the zygote ---------------------------------------------------------------------------------------------------


def _preload() -> None:
    """Import what every function imports and nothing that looks at a function's variables while it is imported.

    (As parts of AWS's client do: its log format, the Runtime API's address.)
    """
    import gc  # noqa: PLC0415 - as all here: a cold start does without
    from importlib import import_module  # noqa: PLC0415

    import boto3  # noqa: PLC0415

    for module in _MODULES:
        import_module(module)
    _remember_model_files()
    # Clients for their models, and for what they import only now; they connect when they are first used.
    session = boto3.session.Session("none", "none", region_name="us-east-1")
    for service in _SERVICES:
        session.client(service)  # type: ignore[call-overload] # a name from a list
    del session
    # What is here stays, so the collector need not look at it, nor thereby copy its pages in every fork.
    gc.collect()
    gc.freeze()


def _remember_model_files() -> None:
    """Have botocore read each file and each folder of its models once, not once a session.

    Within one session it does so by itself, so that clients share what was read is nothing new to it.
    """
    from botocore.loaders import JSONFileLoader, Loader  # noqa: PLC0415 - as above

    files: dict[str, object] = {}
    services: dict[tuple[str, ...], list[str]] = {}
    list_services = Loader.list_available_services

    class RememberingFileLoader(JSONFileLoader):
        def load_file(self, file_path: str) -> object:
            if file_path not in files:
                files[file_path] = super().load_file(file_path)
            return files[file_path]

    def list_available_services(loader: Loader, type_name: str) -> list[str]:
        key = (type_name, *loader.search_paths)
        if key not in services:
            services[key] = list_services(loader, type_name)
        return services[key]

    Loader.FILE_LOADER_CLASS = RememberingFileLoader
    Loader.list_available_services = list_available_services  # type: ignore[method-assign, assignment] # the point of it


def _fork_on_request(libc: ctypes.CDLL, runtime_folder: str, control_fd: int) -> str:
    """Serve requests until LocalStack closes the socket; in a forked child return its function's task root."""
    import json  # noqa: PLC0415 - as above
    import select  # noqa: PLC0415
    import socket  # noqa: PLC0415

    control = socket.socket(fileno=control_fd)
    preloaded = {name.partition(".")[0] for name in sys.modules}
    refusals: dict[str, str | None] = {}
    children: dict[int, tuple[int, int]] = {}  # pidfd: (the request's id, pid)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    zygote_pid = os.getpid()
    while True:
        for fd, _ in poll.poll():
            if fd != control_fd:
                poll.unregister(fd)
                os.close(fd)
                request_id, pid = children.pop(fd)
                _, status = os.waitpid(pid, 0)
                control.send(json.dumps({"id": request_id, "status": os.waitstatus_to_exitcode(status)}).encode())
                continue
            message, (*output,), _, _ = socket.recv_fds(control, _MAX_MESSAGE_BYTES, 1)
            if not message:
                os._exit(0)
            request = json.loads(message)
            task_root = request["task_root"]
            if task_root not in refusals:
                refusals[task_root] = _refusal(task_root, runtime_folder, preloaded)
            try:
                pid = -1 if refusals[task_root] else os.fork()
            except OSError as error:
                # Too many processes: the functions that run are not to end with this one.
                refusals[task_root], pid = str(error), -1
            if pid == -1:
                control.send(json.dumps({"id": request["id"], "refusal": refusals[task_root]}).encode())
                # The next one may find a folder there, or room.
                del refusals[task_root]
            elif pid == 0:
                control.detach()  # closed below
                _become(libc, zygote_pid, request, output[0])
                return str(task_root)
            else:
                pidfd = os.pidfd_open(pid)
                children[pidfd] = request["id"], pid
                poll.register(pidfd, select.POLLIN)
                socket.send_fds(control, [json.dumps({"id": request["id"], "pid": pid}).encode()], [pidfd])
            for output_fd in output:
                os.close(output_fd)


def _become(libc: ctypes.CDLL, zygote_pid: int, request: dict[str, object], output_fd: int) -> None:
    """Make the forked process the function's own: its life, its output, its variables, its folder.

    Python draws new randomness in a forked process by itself, and so does OpenSSL.
    """
    import time  # noqa: PLC0415 - as above

    _die_with_parent(libc, zygote_pid)
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    # The zygote's socket, and what it knows other functions by.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    variables = request["variables"]
    assert isinstance(variables, dict)  # noqa: S101 - for the type checker
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    os.chdir(str(request["task_root"]))
    # So that `ps` and `top` tell functions apart: their command lines are the zygote's.
    libc.prctl(_PR_SET_NAME, str(variables.get("AWS_LAMBDA_FUNCTION_NAME", "function")).encode()[:15])


def _refusal(task_root: str, runtime_folder: str, preloaded: set[str]) -> str | None:
    """Return why a bundle must not start from here: it brings other code under a name that is imported already."""
    try:
        entries = os.listdir(task_root)  # noqa: PTH208 - see main
    except OSError as error:
        # A version that was replaced before its start. All functions would end with this process.
        return str(error)
    for entry in entries:
        name = entry.partition(".")[0]
        if name in preloaded and not _same(os.path.join(task_root, entry), os.path.join(runtime_folder, entry)):  # noqa: PTH118 - see main
            return f"its {entry} is not the one that is imported"
    return None


def _same(own: str, imported: str) -> bool:
    """Tell whether a bundle's module or package holds what AWS's runtime holds under that name, file by file."""
    from pathlib import Path  # noqa: PLC0415 - as above

    files = [Path(own)] if os.path.isfile(own) else [path for path in Path(own).rglob("*") if path.is_file()]  # noqa: PTH113
    for path in files:
        if "__pycache__" in path.parts:
            continue
        twin = Path(imported) / path.relative_to(own)
        if not twin.is_file() or twin.read_bytes() != path.read_bytes():
            return False
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
