"""One execution environment: a function's process, started when an event needs it and again after it died.

Everything here runs in the event loop of `bench.emulator.functions.process_executor`, a thread that lives as long as
LocalStack: the kernel ties a child to the thread that started it, and LocalStack's own threads come and go.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from bench.emulator.functions import outcomes
from bench.emulator.functions.failed_imports import FAILED_IMPORTS
from bench.emulator.functions.outcomes import Outcome
from bench.emulator.functions.process import FunctionProcess
from bench.emulator.functions.runtime_api import Event, serve
from bench.emulator.functions.zygote import Zygote
from bench.faults import Action, FaultRule

# Lambda allows 10 s to import a handler and then starts again within the function's timeout. Here cold starts share
# few cores with everything else, so only an import that hangs is meant to meet this limit.
INIT_TIMEOUT_S: Final = 60.0
#: A start is CPU and little else: more of them at once only make each other late.
MAX_STARTING: Final = 2 * (os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """What an environment needs to know of its function: where its code is and what Lambda grants it."""

    name: str
    task_root: Path
    runtime_folder: Path
    temporary_folder: Path
    variables: Mapping[str, str]
    timeout_s: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event on its way to a function."""

    request_id: str
    function_arn: str
    trace_id: str
    payload: bytes


class _Session:
    """One process's side of the Runtime API, on a port of its own: no process is taken for one before or after it.

    It is there before the process, which may ask for its first event before its start is known of here.
    """

    def __init__(self, resolve: Callable[[str, Outcome], bool]) -> None:
        loop = asyncio.get_running_loop()
        self._resolve = resolve
        self._ended: asyncio.Future[None] = loop.create_future()
        self._server: asyncio.Server | None = None
        self.ready: asyncio.Future[None] = loop.create_future()
        self.init_error: asyncio.Future[Outcome] = loop.create_future()
        self.events: asyncio.Queue[Event] = asyncio.Queue(1)

    async def open(self) -> str:
        """Listen, and return where."""
        self._server = await serve(self)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """The process has ended, or was never started."""
        if not self._ended.done():
            self._ended.set_result(None)
        if self._server is not None:
            self._server.close()

    async def next_event(self) -> Event:
        """See `bench.emulator.functions.runtime_api.Environment`."""
        if not self.ready.done():
            self.ready.set_result(None)
        event = asyncio.ensure_future(self.events.get())
        await asyncio.wait((event, self._ended), return_when=asyncio.FIRST_COMPLETED)
        if not event.done():
            # The process died while it waited: its connection has no other way to learn of it.
            event.cancel()
            raise ConnectionResetError("the function's process has ended")
        return event.result()

    def on_response(self, request_id: str, payload: bytes) -> HTTPStatus:
        """See `bench.emulator.functions.runtime_api.Environment`."""
        outcome = outcomes.returned(payload)
        if not self._resolve(request_id, outcome):
            return HTTPStatus.BAD_REQUEST
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if outcome.error_type else HTTPStatus.ACCEPTED

    def on_error(self, request_id: str, payload: bytes) -> HTTPStatus:
        """See `bench.emulator.functions.runtime_api.Environment`."""
        resolved = self._resolve(request_id, outcomes.raised(payload))
        return HTTPStatus.ACCEPTED if resolved else HTTPStatus.BAD_REQUEST

    def on_init_error(self, payload: bytes) -> HTTPStatus:
        """See `bench.emulator.functions.runtime_api.Environment`."""
        if self.init_error.done():
            return HTTPStatus.FORBIDDEN
        self.init_error.set_result(outcomes.raised(payload, during_init=True))
        return HTTPStatus.ACCEPTED


class ExecutionEnvironment:
    """Runs the invocations of one environment, one at a time, and reports each as Lambda does."""

    def __init__(self, settings: FunctionSettings, starting: asyncio.Semaphore, zygote: Zygote) -> None:
        self._settings = settings
        self._zygote = zygote
        self._starting = starting
        self._session: _Session | None = None
        self._process: FunctionProcess | None = None
        self._answer: asyncio.Future[Outcome] | None = None
        self._request_id = ""
        self._busy = False
        self._stopping = False
        self._killed = False

    @property
    def pid(self) -> int | None:
        """The function's process, while there is one."""
        process = self._process
        return None if process is None or process.exited.done() else process.pid

    @property
    def is_over(self) -> bool:
        """Whether it was stopped and nothing runs in it any more."""
        return self._stopping and not self._busy

    async def invoke(self, invocation: Invocation, fault: FaultRule | None = None) -> tuple[Outcome, str]:
        """Run one event through the function; return how it ended and the log lines of it.

        Starts a process where there is none: at first, and after a timeout or a crash (Lambda too keeps the
        environment and its log stream and starts only the runtime again). Never raises for what a function does.

        fault: what the bench has ordered for this invocation (REFUSE, KILL_AFTER, DELAY), if anything.
        """
        self._busy = True
        try:
            return await self._invoke(invocation, fault)
        finally:
            self._busy = False
            # Stopped meanwhile, or invoked once more after that (LocalStack may hand an environment out while it
            # stops the version): either way nothing must live on that nobody knows of.
            if self._stopping:
                self._close()

    async def warm_up(self, request_id: str) -> None:
        """Have a process wait for the next event. One that cannot start is reported by the next invocation."""
        if self._process is None or self._process.exited.done():
            process, failed = await self._start(request_id)
            if process and failed:
                process.kill()
                await process.exited

    async def kill_running(self) -> bool:
        """Kill the process in the middle of its invocation and return when it is dead; False where none runs.

        The invocation then ends as that of any process that dies.
        """
        process = self._process
        if process is None or process.exited.done() or self._answer is None or self._answer.done():
            return False
        process.kill()
        await process.exited
        return True

    async def _invoke(self, invocation: Invocation, fault: FaultRule | None) -> tuple[Outcome, str]:
        init_ms: float | None = None
        outcome: Outcome | None = None
        process = self._process
        if fault is not None and fault.action is Action.REFUSE:
            outcome = outcomes.exited(invocation.request_id, -signal.SIGKILL)
        elif process is None or process.exited.done():
            started = time.monotonic()
            process, outcome = await self._start(invocation.request_id)
            init_ms = (time.monotonic() - started) * 1000
            if process:
                process.peak_memory_mb()
        began = time.monotonic()
        head = process.take_output() if process else ""
        if outcome is None and process is not None:
            outcome = await self._run(process, invocation, fault)
        assert outcome is not None, "an invocation without a process has a failed start as its outcome"  # noqa: S101 - for the type checker
        duration_ms = (time.monotonic() - began) * 1000
        if process is not None and (outcome.dead or self._stopping):
            # Wait for the end: the next invocation must not meet a dying process, nor may its last words get lost.
            process.kill()
            await process.exited
        peak_mb = process.peak_memory_mb() if process else 0
        tail = process.take_output() if process else ""
        report = outcomes.report(
            invocation.request_id,
            outcome,
            duration_ms=duration_ms,
            init_duration_ms=init_ms,
            memory_mb=self._settings.memory_mb,
            peak_memory_mb=peak_mb,
        )
        version = self._settings.variables.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        start_line = f"START RequestId: {invocation.request_id} Version: {version}"
        end_line = f"END RequestId: {invocation.request_id}"
        parts = (head, start_line, tail, outcome.platform_line or "", end_line, report)
        return outcome, "".join(f"{part.rstrip()}\n" for part in parts if part.strip())

    def stop(self) -> None:
        """Stop for good: at once when idle; otherwise when the invocation that runs has ended.

        On AWS an update or a deletion of a function lets what runs finish. Here that matters twice: an SQS message
        that dies with its function is invisible for minutes.
        """
        self._stopping = True
        if not self._busy:
            self._close()

    def kill(self) -> None:
        """Stop for good and at once, whatever runs."""
        self._stopping = self._killed = True
        self._close()

    # ------------------------------------------------------------------------------------------------------------

    def _resolve(self, request_id: str, outcome: Outcome) -> bool:
        """Give the waiting invocation its outcome; False for an answer that nobody waits for (late, or repeated)."""
        if self._answer is None or self._answer.done() or request_id != self._request_id:
            return False
        self._answer.set_result(outcome)
        return True

    async def _start(self, request_id: str) -> tuple[FunctionProcess | None, Outcome | None]:
        """Start the process and wait until it asks for an event; the outcome says what went wrong, if anything."""
        async with self._starting:
            if self._killed:
                return None, outcomes.exited(request_id, -9)
            self._session = session = _Session(self._resolve)
            settings = self._settings
            try:
                variables = {**settings.variables, "AWS_LAMBDA_RUNTIME_API": await session.open()}
                self._process = process = await FunctionProcess.start(
                    self._zygote, settings.task_root, settings.runtime_folder, variables
                )
            except BaseException:
                session.close()
                raise
            process.exited.add_done_callback(lambda _: session.close())
            self._kill_if_told()
            await asyncio.wait(
                (session.ready, session.init_error, process.exited),
                timeout=INIT_TIMEOUT_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        if session.ready.done():
            FAILED_IMPORTS.note(settings.name, None)
            return process, None
        if session.init_error.done():
            FAILED_IMPORTS.note(settings.name, session.init_error.result())
            return process, session.init_error.result()
        if process.exited.done():
            return process, outcomes.exited(request_id, process.exited.result())
        return process, outcomes.timed_out(request_id, INIT_TIMEOUT_S)

    def _kill_if_told(self) -> None:
        """Do what `kill` could not while the process was only being started."""
        if self._killed:
            self._close()

    async def _run(self, process: FunctionProcess, invocation: Invocation, fault: FaultRule | None) -> Outcome:
        timeout_s = self._settings.timeout_s
        action = None if fault is None else fault.action
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._answer, self._request_id = answer, invocation.request_id
        deadline_ms = int((time.time() + timeout_s) * 1000)
        assert self._session is not None, "it was made with the process"  # noqa: S101 - for the type checker
        self._session.events.put_nowait(
            Event(
                invocation.request_id,
                invocation.function_arn,
                invocation.trace_id,
                deadline_ms,
                invocation.payload,
            )
        )
        ends: tuple[asyncio.Future[Any], ...] = (answer, process.exited)
        if fault is not None and action is Action.DELAY:
            # The function believes in its whole timeout, and whatever it answers meanwhile is not heard.
            timeout_s = min(timeout_s, fault.delay_s)
            ends = (process.exited,)
        try:
            await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._answer = None
        if answer.done() and action is Action.KILL_AFTER:
            return outcomes.exited(invocation.request_id, -signal.SIGKILL)
        if action is Action.DELAY and not process.exited.done():
            return outcomes.timed_out(invocation.request_id, timeout_s)
        # A process that answered and then died has answered: its effects are done and the caller may know.
        if answer.done():
            return answer.result()
        if process.exited.done():
            return outcomes.exited(invocation.request_id, process.exited.result())
        return outcomes.timed_out(invocation.request_id, timeout_s)

    def _close(self) -> None:
        if self._process is not None:
            self._process.kill()
