"""Sends a workload through a deployed stack and waits until everything is processed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.ledger.driver import Driver
from bench.ledger.sent import Ledger
from bench.market_analytics.completion import Processed, Watch, wait_until_processed
from bench.market_analytics.recording.recorder import Recorder
from bench.market_analytics.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.ledger.api_client import ApiClient
    from bench.ledger.driver import Sender
    from bench.ledger.truth import ObjectFile, PostBody
    from bench.market_analytics.completion import Operator, Progress
    from bench.stack.outputs import Outputs
    from bench.targets import Target


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack on a target, and its API."""

    target: Target
    outputs: Outputs
    api: ApiClient


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was sent, and how the waiting ended. Seconds count from the first upload.

    began_ms: the first upload, Unix milliseconds. recorder: what was measured, already left. rounds: how each ended.
    """

    pieces: tuple[ObjectFile | PostBody, ...]
    ledger: Ledger
    completion: Processed
    last_acknowledgement_s: float
    last_rollup_s: float
    began_ms: float
    recorder: Recorder
    rounds: Rounds


@dataclass(frozen=True, slots=True)
class _Operators:
    """Several who act on a run as one."""

    those: Sequence[Operator]

    def look(self, progress: Progress, *, sending: bool) -> str:
        awaited = [one.look(progress, sending=sending) for one in self.those]
        return ", ".join(filter(None, awaited))


def push(
    deployed: Deployed,
    pieces: Sequence[ObjectFile | PostBody],
    show: Callable[[int, Progress, int], None],
    *,
    ticks_a_second: float | None,
    stall_s: float,
    operators: Callable[[Ledger], Sequence[Operator]] = lambda _ledger: (),
    sender: Callable[[Ledger], Sender] | None = None,
) -> Pushed:
    """Send everything, watch meanwhile, wait until everything is processed or a stall is proven.

    show: gets the rows acknowledged so far, the look, and the lag in milliseconds. ticks_a_second: a schedule in place
    of the pieces' own. stall_s: see `bench.market_analytics.completion.wait_until_processed`. operators: from the run's
    ledger, makes those who act on the run while it goes on. sender: from the run's ledger, makes who sends in place of
    this process.
    """
    ledger = Ledger()
    target, outputs = deployed.target, deployed.outputs
    rounds = Rounds(pieces)
    driver: Sender = (
        sender(ledger)
        if sender
        else Driver(target.client("s3"), outputs.bucket_name, deployed.api, ledger, ticks_a_second, gate=rounds)
    )
    watch = Watch(target, outputs, ledger)
    acting = [*operators(ledger)]
    if rounds.count > 1:
        acting.append(rounds)
    with (
        Recorder(target, outputs.table_name, deployed.api, ledger, driver.elapsed_s) as recorder,
        ThreadPoolExecutor(1, thread_name_prefix="driver") as pool,
    ):
        sending = pool.submit(driver.send, pieces)

        def look(progress: Progress, lag_ms: int) -> None:
            rows = ledger.rows_acknowledged
            recorder.timeline.note(progress, rows)
            show(rows, progress, lag_ms)

        try:
            completion = wait_until_processed(
                watch,
                look,
                is_sending=lambda: not (sending.done() or rounds.is_awaited),
                stall_s=stall_s,
                operator=_Operators(acting) if acting else None,
            )
            rounds.close()
            last_rollup_s = driver.elapsed_s()
            began_ms = time.time() * 1000 - last_rollup_s * 1000
            sending.result()
        finally:
            # Also on an interrupt: leaving the block waits for the driver.
            driver.stop()
    acknowledged_s = max((entry.acknowledged_s for entry in ledger.entries()), default=0.0)
    return Pushed(tuple(pieces), ledger, completion, acknowledged_s, last_rollup_s, began_ms, recorder, rounds)
