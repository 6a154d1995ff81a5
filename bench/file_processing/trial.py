"""A run of file processing: files of a known fate go in, every status must tell exactly that fate."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from bench.faults import FaultInjector
from bench.faults.retries import RETRY_AFTER_S, retry_soon
from bench.file_processing import checks
from bench.file_processing.compare import Window
from bench.file_processing.completion import FileProgress, Rest, Watch, wait_until_at_rest
from bench.file_processing.faults import rules_of
from bench.file_processing.input_files import MAX_FILE_BYTES, Feed, Nature
from bench.ledger.api_client import ApiClient
from bench.ledger.driver import Driver
from bench.ledger.sent import Ledger
from bench.report.console import Display
from bench.stack import deployment
from bench.stack.dev_stack import how_to_try
from bench.stack.outputs import FileOutputs
from bench.targets import Capability

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.file_processing.input_files import FeedFile, FileWorkload
    from bench.ledger.verdict import Verdict
    from bench.report.console import Reporter
    from bench.targets import Target

PIPELINE: Final = deployment.FILE_PROCESSING


class FileTrial:
    """See `bench.run.Trial`.

    ticks_a_second: the schedule, None for all files at once. stall_s: see `wait_until_at_rest`.
    """

    pipeline = PIPELINE
    unit = "files"
    parameters: Mapping[str, str] = {"MaxFileBytes": str(MAX_FILE_BYTES)}

    def __init__(self, workload: FileWorkload, *, ticks_a_second: float | None = None, stall_s: float = 60.0) -> None:
        self.seed = workload.seed
        self._workload = workload
        self._rate = ticks_a_second
        self._stall_s = stall_s
        self._environment = ""
        self._ledger = Ledger()
        self._deviations: list[str] = []
        self._rest_s = 0.0
        self._truth: Path
        self._files: tuple[FeedFile, ...]
        self._target: Target
        self._outputs: FileOutputs
        self._window: Window
        self._rest: Rest

    @property
    def ticks(self) -> int:
        """See Trial."""
        return self._workload.ticks

    @property
    def needs(self) -> tuple[tuple[Capability, str], ...]:
        """See Trial."""
        if self._workload.poison_share or self._workload.curable_share:
            return ((Capability.FAULTS, "a poison or curable file (--poison 0 --curable 0 sends none)"),)
        return ()

    def prepare(self, folder: Path) -> None:
        """See Trial."""
        self._truth, objects = folder / "truth", folder / "files"
        self._truth.mkdir()
        objects.mkdir()
        self._files = Feed(self._workload, objects, self._truth).make()

    def push(self, target: Target, environment: str, reporter: Reporter) -> None:
        """See Trial."""
        self._target, self._environment = target, environment
        self._outputs = outputs = deployment.read_outputs(target, environment, PIPELINE, FileOutputs)
        api = ApiClient(target, target.api_url(outputs.rest_api_id, environment))
        self._order_faults()
        driver = Driver(target.client("s3"), outputs.bucket_name, api, self._ledger, self._rate)
        watch = Watch(target, outputs, self._ledger)
        display = FileDisplay(len(self._files))
        start_ms = time.time_ns() // 10**6
        with ThreadPoolExecutor(1, thread_name_prefix="driver") as pool, reporter.progress(display):
            sending = pool.submit(driver.send, [file.object for file in self._files])
            try:
                self._rest = wait_until_at_rest(
                    watch, display.update, is_sending=lambda: not sending.done(), stall_s=self._stall_s
                )
                self._rest_s = driver.elapsed_s()
                sending.result()
            finally:
                # Also on an interrupt: leaving the block waits for the driver.
                driver.stop()
        self._window = Window(start_ms, time.time_ns() // 10**6)

    def _order_faults(self) -> None:
        rules = rules_of(self._files, self._outputs)
        if not rules:
            return
        FaultInjector(self._target).add(rules)
        retry_soon(self._target.client("sqs"), self._outputs.working_queues().values())
        self._deviations.append(
            f"a message that fails on purpose comes again after {RETRY_AFTER_S} s, not after the FIFO queues' "
            "visibility timeout"
        )

    def verify(self) -> Verdict:
        """See Trial."""
        evidence = checks.Evidence(self._files, self._truth, self._ledger, self._rest, self._window)
        return checks.verdict_of(self._target, self._outputs, self._environment, evidence)

    def facts(self) -> dict[str, Any]:
        """See Trial."""
        entries = self._ledger.entries()
        return {
            "workload": self._workload.facts(),
            "files": {nature.value: self._workload.count(nature) for nature in Nature},
            "sent_bytes": sum(entry.size_bytes for entry in entries),
            "first_upload_to_last_acknowledgement_s": max((entry.acknowledged_s for entry in entries), default=0.0),
            "first_upload_to_rest_s": self._rest_s,
            "deviations": self._deviations,
            "rest": asdict(self._rest.last),
        }

    def speed(self) -> str:
        """See Trial."""
        return (
            f"{len(self._files) / max(self._rest_s, 0.001):,.1f} files/s from first upload until all were at rest "
            f"({self._rest_s:.1f} s, attempts of poison and curable files among it)"
        )

    def how_to_try(self) -> str:
        """See Trial."""
        return how_to_try(self._target, PIPELINE, self._environment)


class FileDisplay(Display):
    """Files sent, and how many are where."""

    def __init__(self, attempted: int) -> None:
        super().__init__()
        self._attempted = attempted
        self._last: FileProgress | None = None

    def update(self, progress: FileProgress) -> None:
        """Take a look's figures."""
        self._last = progress
        self.changed(last=progress.complete and progress.acknowledged == self._attempted)

    def text(self) -> str:
        """See Display."""
        last = self._last
        if last is None:
            return f"sent 0 of {self._attempted:,} files"
        return (
            f"sent {last.acknowledged:,} of {self._attempted:,} files | validated {last.validated:,} | processed "
            f"{last.processed:,} | completed {last.completed:,} | failed {last.failed:,} | queues {last.queued} + "
            f"{last.in_flight} | dead letters {last.dead_letters} | parked {last.parked}"
        )
