"""Sends a workload through a deployed stack and waits until the books balance."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.books import Balance, Books, wait_until_balanced
from bench.driver import Driver
from bench.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.api_client import ApiClient
    from bench.books import Progress
    from bench.deployment import Outputs
    from bench.targets import Target
    from bench.truth import ObjectFile, PostBody


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack on a target, and its API."""

    target: Target
    outputs: Outputs
    api: ApiClient


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was sent, and how the waiting ended. Seconds count from the first upload."""

    pieces: tuple[ObjectFile | PostBody, ...]
    ledger: Ledger
    balance: Balance
    last_acknowledgement_s: float
    last_rollup_s: float


def push(
    deployed: Deployed,
    pieces: Sequence[ObjectFile | PostBody],
    show: Callable[[int, Progress, int], None],
    *,
    ticks_a_second: float | None,
    stall_s: float,
) -> Pushed:
    """Send everything, watch meanwhile, wait until the books balance or a stall is proven.

    show: gets the rows acknowledged so far, the look, and the lag in milliseconds. ticks_a_second: the schedule, None
    for all at once. stall_s: see `bench.books.wait_until_balanced`.
    """
    ledger = Ledger()
    s3 = deployed.target.client("s3")
    driver = Driver(s3, deployed.outputs.bucket_name, deployed.api, ledger, ticks_a_second)
    books = Books(deployed.target, deployed.outputs, ledger)
    with ThreadPoolExecutor(1, thread_name_prefix="driver") as pool:
        sending = pool.submit(driver.send, pieces)
        try:
            balance = wait_until_balanced(
                books,
                lambda progress, lag_ms: show(ledger.rows_acknowledged, progress, lag_ms),
                is_sending=lambda: not sending.done(),
                stall_s=stall_s,
            )
            last_rollup_s = driver.elapsed_s()
            sending.result()
        finally:
            # Also on an interrupt: leaving the block waits for the driver.
            driver.stop()
    acknowledged_s = max((entry.acknowledged_s for entry in ledger.entries()), default=0.0)
    return Pushed(tuple(pieces), ledger, balance, acknowledged_s, last_rollup_s)
