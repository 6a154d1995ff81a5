"""LocalStack's Lambda executor that runs functions as child processes, without containers.

LocalStack creates one executor an execution environment and calls it from whatever thread serves the request; the
work is done by `bench.emulator.functions.environment` in one event loop.
"""

import asyncio
import contextlib
import json
import shutil
import tempfile
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.emulator.faults.matching import FAULTS
from bench.emulator.functions.code_folders import CodeFolders
from bench.emulator.functions.environment import MAX_STARTING, ExecutionEnvironment, FunctionSettings, Invocation
from bench.emulator.functions.outcomes import Outcome
from bench.emulator.functions.runtime_folder import build_runtime_folder
from bench.emulator.functions.zygote import RUNTIME_VARIABLES, Zygote
from bench.emulator.observed.running import RUNNING
from bench.engine import FUNCTIONS_PATH, FunctionVersion, InvocationResult, RuntimeExecutor, config
from bench.faults import Action, FaultRule
from bench.faults.rules import INVOCATION


class _Loop:
    """The event loop of all environments, in a thread that ends only with LocalStack."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self.starting = asyncio.Semaphore(MAX_STARTING)
        self.zygote = Zygote(_runtime_folder())
        threading.Thread(target=self._loop.run_forever, name="lambda-processes", daemon=True).start()

    def start_zygote(self) -> None:
        """Start what functions are forked from, beside whatever happens until the first is needed."""
        self._loop.call_soon_threadsafe(self.zygote.start)

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@cache
def _loop() -> _Loop:
    return _Loop()


def _folder(name: str) -> Path:
    """Return a folder of this LocalStack's own (its TMPDIR lies in the target's throw-away state folder)."""
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def _runtime_folder() -> Path:
    return build_runtime_folder(_folder("lambda-runtime"))


@cache
def _code() -> CodeFolders:
    return CodeFolders(_folder("lambda-tasks"))


class ProcessExecutor(RuntimeExecutor):  # type: ignore[misc] # LocalStack is untyped here
    """One execution environment, as LocalStack sees it."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:  # noqa: A002 - LocalStack's name
        super().__init__(id, function_version)
        # The one; and its twin, where an event runs a second time at the same time, once a fault has wanted that.
        self._environments: list[ExecutionEnvironment] = []
        self._variables: dict[str, str] = {}
        self._task_root = _code().of(function_version)
        self._temporary_folder = _folder("lambda-tmp") / id

    # What LocalStack calls, in order ----------------------------------------------------------------------------

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Begin to unpack the code; the version is active at once."""
        _loop().start_zygote()
        _code().prepare(function_version)

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Remove a version's code when nothing runs it any more."""
        _code().retire(function_version)

    def start(self, env_vars: dict[str, Any]) -> None:
        """Note the variables; the process itself starts with the first event.

        So a failed import is an invocation's outcome, with its log, as on AWS; were it an error of this method,
        LocalStack would drop the log.
        """
        variables = {name: str(value) for name, value in env_vars.items()} | RUNTIME_VARIABLES
        self._variables = variables | {
            "LAMBDA_TASK_ROOT": str(self._task_root),
            "LAMBDA_RUNTIME_DIR": str(_runtime_folder()),
        }
        self._environments = [self._new_environment(self._temporary_folder)]

    def invoke(self, payload: dict[str, str], function_timeout: int | None = None) -> InvocationResult:  # noqa: ARG002 - LocalEmu's, known here already
        """Run one event; blocks until the function has answered, failed, or met its timeout."""
        request_id = payload["invoke-id"]
        invocation = Invocation(
            request_id,
            payload["invoked-function-arn"],
            payload["trace-id"],
            payload["payload"].encode(),
        )
        fault = _fault(self.function_version.id.function_name, payload["payload"])
        with _code().in_use(self._task_root, self.id):
            if fault is not None and fault.action is Action.TWICE:
                outcome, log = self._run_twice(invocation)
            else:
                outcome, log = _loop().run(_run(self._environments[0], invocation, fault))
        if self._environments[0].is_over:
            self.stop()
        return InvocationResult(
            request_id=request_id, payload=outcome.payload, is_error=outcome.error_type is not None, logs=log
        )

    def stop(self) -> None:
        """End the environment: at once when idle, after the running invocation otherwise."""
        environments = tuple(self._environments)

        async def stop() -> None:
            for environment in environments:
                environment.stop()

        with contextlib.suppress(CancelledError):
            _loop().run(stop())
        # A stopped one may still finish the event that it has.
        if all(environment.is_over for environment in environments):
            shutil.rmtree(self._temporary_folder, ignore_errors=True)

    # What LocalStack asks ---------------------------------------------------------------------------------------

    def get_address(self) -> str:
        """Return the address of the function's process."""
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        """Return LocalStack's address as the function sees it."""
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        """Return LocalStack's internal callback address (only its container init uses it)."""
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}{FUNCTIONS_PATH}/{self.id}"

    def get_logs(self) -> str:
        """Return nothing: every line is part of some invocation's result."""
        return ""

    def _new_environment(self, temporary_folder: Path) -> ExecutionEnvironment:
        temporary_folder.mkdir(parents=True, exist_ok=True)
        function = self.function_version.config
        settings = FunctionSettings(
            name=self.function_version.id.function_name,
            task_root=self._task_root,
            runtime_folder=_runtime_folder(),
            temporary_folder=temporary_folder,
            # On AWS every environment has a /tmp of its own.
            variables=self._variables | {"TMPDIR": str(temporary_folder)},
            timeout_s=float(function.timeout),
            memory_mb=function.memory_size,
        )
        return ExecutionEnvironment(settings, _loop().starting, _loop().zygote)

    def _run_twice(self, invocation: Invocation) -> tuple[Outcome, str]:
        """Run one event in both environments at the same time; the first one's outcome counts, both logs are kept."""
        if len(self._environments) == 1:
            self._environments.append(self._new_environment(self._temporary_folder / "twin"))

        async def run_both() -> tuple[Outcome, str]:
            # A cold start takes longer than many an event: without this they would run one after the other.
            await asyncio.gather(*(one.warm_up(invocation.request_id) for one in self._environments))
            results = await asyncio.gather(*(_run(one, invocation) for one in self._environments))
            return results[0][0], "".join(log for _, log in results)

        return _loop().run(run_both())


async def _run(
    environment: ExecutionEnvironment, invocation: Invocation, fault: FaultRule | None = None
) -> tuple[Outcome, str]:
    """Run an event under a trace id of its own, by which a fault finds the process that sent a request."""

    def kill() -> bool:
        return _loop().run(environment.kill_running())

    with RUNNING.running(invocation.trace_id, kill) as trace_id:
        return await environment.invoke(replace(invocation, trace_id=trace_id), fault)


def _fault(function_name: str, payload: str) -> FaultRule | None:
    """Return the fault that hits an invocation, if any."""
    if not FAULTS.concern(*INVOCATION):
        return None
    event = json.loads(payload) if payload else None
    return FAULTS.hit(*INVOCATION, function_name, event)
