"""Many schedules on several processors, and what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from bench.errors import BenchError
from bench.simulation.worker import encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.simulation.worker import Job

_TURN_S: Final = 0.5


class WorkerError(BenchError):
    """A worker failed by a defect of its own."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A schedule that must not be. lines: the events that are left of it. events: how many it had."""

    part: str
    seed: int
    kind: str
    text: str
    events: int
    lines: tuple[str, ...]

    @property
    def replay(self) -> str:
        """The line that replays it."""
        return f"python -m bench simulate --pipeline {self.part} --seed {self.seed}"


@dataclass(slots=True)
class Campaign:
    """What some jobs have come to. done, steps: by part, schedules and what happened in them."""

    done: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def run_jobs(
    jobs: Iterable[Job],
    at_a_time: int,
    tell: Callable[[Job, dict[str, Any]], None] = lambda _, __: None,
) -> Campaign:
    """Run jobs in processes of their own, so many at a time; `tell` gets each message of theirs as it comes.

    Raises WorkerError with a worker's last words where one fails; the others are ended then.
    """
    campaign = Campaign()
    waiting = deque(jobs)
    messages: SimpleQueue[tuple[_Worker, dict[str, Any] | None]] = SimpleQueue()
    running: set[_Worker] = set()
    try:
        while waiting or running:
            while waiting and len(running) < at_a_time:
                running.add(_Worker(waiting.popleft(), messages))
            with suppress(Empty):
                # In turns: a wait without an end may not hear of an interrupt.
                worker, message = messages.get(timeout=_TURN_S)
                if message is None:
                    running.discard(worker)
                    worker.end()
                    part = worker.job.part
                    campaign.seconds[part] = campaign.seconds.get(part, 0.0) + time.monotonic() - worker.began_s
                    continue
                _note(campaign, message)
                tell(worker.job, message)
    finally:
        for worker in running:
            worker.stop()
    return campaign


def _note(campaign: Campaign, message: dict[str, Any]) -> None:
    if "done" in message:
        campaign.done[message["part"]] += message["done"]
        campaign.steps[message["part"]] += message["steps"]
    elif "seed" in message:
        campaign.findings.append(finding_of(message))


def finding_of(message: dict[str, Any]) -> Finding:
    """Read what a worker found."""
    return Finding(
        message["part"],
        message["seed"],
        message["kind"],
        message["text"],
        message["events"],
        tuple(message["lines"]),
    )


class _Worker:
    def __init__(self, job: Job, messages: SimpleQueue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        self.job = job
        self.began_s = time.monotonic()
        # See bench.simulation.worker: one seed is one history.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "POWERTOOLS_LOG_LEVEL": "CRITICAL"}
        environment |= {"AWS_DEFAULT_REGION": "eu-central-1", "POLARS_MAX_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.simulation.worker", encoded(job)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._words = ""
        self._listeners = [Thread(target=self._listen, args=(messages,)), Thread(target=self._keep_words)]
        for listener in self._listeners:
            listener.start()

    def _listen(self, messages: SimpleQueue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        for line in self._process.stdout:
            with suppress(json.JSONDecodeError):  # a line of somebody else's
                message = json.loads(line)
                if isinstance(message, dict):
                    messages.put((self, message))
        messages.put((self, None))

    def _keep_words(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        self._words = self._process.stderr.read()

    def end(self) -> None:
        """Wait for the process to end, which has said all. Raises WorkerError."""
        status = self._process.wait()
        for listener in self._listeners:
            listener.join()
        self._close()
        if status:
            last = self._words.strip().splitlines()[-1:] or ["it said nothing"]
            error = WorkerError(f"a worker of the simulation ended with status {status}: {last[0]}")
            error.add_note(self._words)
            raise error

    def stop(self) -> None:
        """End the process, wherever it is."""
        self._process.kill()
        self._process.wait()
        for listener in self._listeners:
            listener.join()
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
