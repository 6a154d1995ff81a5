"""A run of market analytics: ticks go in through S3 and the API, every bar must be the oracle's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench.ledger.api_client import ApiClient
from bench.market_analytics.checks import Evidence, late_bars, verdict_of
from bench.market_analytics.facts import pushed_facts
from bench.market_analytics.fault_plan import LATE_CHECK, FaultPlan
from bench.market_analytics.load import Deployed, Pushed, push
from bench.market_analytics.oracle import Oracle
from bench.market_analytics.progress_display import ProgressDisplay
from bench.market_analytics.recording.idle import idle_facts
from bench.measure.stored import stored_facts
from bench.own_file.taking import take_in
from bench.stack import deployment
from bench.stack.dev_stack import how_to_try
from bench.synthetic.factory import Factory
from bench.targets import Capability
from tickstream.feeds.catalogue import catalogue_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.ledger.sent import Ledger
    from bench.ledger.truth import ObjectFile, PostBody
    from bench.ledger.verdict import Check, Verdict
    from bench.own_file.asked import OwnFile
    from bench.report.console import Reporter
    from bench.targets import Target
    from bench.workloads import Workload

DEFAULT_STALL_S: Final = 60.0
#: About what a row of a tick file takes.
_ROW_BYTES: Final = 50


class MarketTrial:
    """See `bench.run.Trial`.

    parameters: of the stack. own_file: the user's own file, sent instead of the workload's ticks. ticks_a_second: a
    schedule in place of the workload's. stall_s: see `bench.market_analytics.completion.wait_until_processed`. faults:
    what the run is put under, if anything.
    """

    pipeline = deployment.PIPELINE
    unit = "ticks"

    def __init__(
        self,
        workload: Workload,
        parameters: Mapping[str, str],
        *,
        own_file: OwnFile | None = None,
        ticks_a_second: float | None = None,
        stall_s: float = DEFAULT_STALL_S,
        faults: FaultPlan | None = None,
    ) -> None:
        self.seed = workload.seed
        self.parameters = {**(faults.parameters if faults else {}), **parameters}
        self._workload = workload
        self._own_file = own_file
        self._rate = ticks_a_second
        self._stall_s = stall_s
        self._plan = faults
        self._environment = ""
        self._truth: Path
        self._pieces: tuple[ObjectFile | PostBody, ...]
        self._deployed: Deployed
        self._pushed: Pushed
        self._idle: dict[str, Any] | None = None
        self._stored: dict[str, int] | None = None

    @property
    def ticks(self) -> int:
        """See Trial; of a file of the user's own only its size is known."""
        return self._own_file.path.stat().st_size // _ROW_BYTES if self._own_file else self._workload.ticks

    @property
    def needs(self) -> tuple[tuple[Capability, str], ...]:
        """See Trial."""
        return ((Capability.FAULTS, "--faults"),) if self._plan else ()

    def prepare(self, folder: Path) -> None:
        """See Trial."""
        self._truth, objects = folder / "truth", folder / "objects"
        self._truth.mkdir()
        if self._own_file is not None:
            own = self._own_file
            catalogue = catalogue_of(own.feeds) if own.feeds else None
            self._pieces = (take_in(own.path, folder, self._truth, key=own.key, catalogue=catalogue),)
            return
        objects.mkdir()
        self._pieces = tuple(Factory(self._workload, objects, self._truth).make())

    def push(self, target: Target, environment: str, reporter: Reporter) -> None:
        """See Trial."""
        self._environment = environment
        outputs = deployment.outputs_of(target, environment)
        api = ApiClient(target, target.api_url(outputs.rest_api_id, environment))
        self._deployed = Deployed(target, outputs, api)
        # Before anything is sent. It leaves DataAggregator warm, as its schedule does on AWS.
        self._idle = idle_facts(target, outputs)
        for line in self._plan.about if self._plan else ():
            reporter.line(line)
        display = ProgressDisplay(sum(piece.rows for piece in self._pieces))
        with reporter.progress(display):
            self._pushed = push(
                self._deployed,
                self._pieces,
                display.update,
                ticks_a_second=self._rate,
                stall_s=self._stall_s,
                operator=self._operator if self._plan else None,
            )
        self._stored = stored_facts(target, outputs.table_name)
        if self._plan:
            self._plan.finish()

    def _operator(self, ledger: Ledger) -> FaultPlan:
        assert self._plan is not None, "asked for under faults only"  # noqa: S101 - for the type checker

        def read_late() -> Check:
            return late_bars(LATE_CHECK, self._deployed.api, Oracle(self._truth, ledger.origins()))

        self._plan.install(self._deployed, self._pieces, read_late)
        return self._plan

    def verify(self) -> Verdict:
        """See Trial."""
        pushed, plan = self._pushed, self._plan
        evidence = Evidence(
            pushed.ledger,
            Oracle(self._truth, pushed.ledger.origins()),
            pushed.pieces,
            pushed.completion,
            journal=pushed.recorder.journal,
            expected_dead_letters=plan.expected_dead_letters if plan else (),
            planted_ingests=plan.planted_ingests() if plan else frozenset(),
            checks=plan.checks() if plan else (),
        )
        return verdict_of(self._deployed, evidence)

    def facts(self) -> dict[str, Any]:
        """See Trial."""
        sent = self._own_file.facts() if self._own_file else self._workload.facts()
        return {
            "workload": {**sent, "ticks_a_second": self._rate},
            **pushed_facts(self._pushed),
            "idle": self._idle,
            "stored": self._stored,
            "deviations": list(self._plan.deviations) if self._plan else [],
            "faults": self._plan.facts(self._pushed.began_ms) if self._plan else None,
        }

    def speed(self) -> str:
        """See Trial."""
        facts = pushed_facts(self._pushed)
        return (
            f"{facts['ticks_per_s']:,.0f} ticks/s from first upload to last rollup "
            f"({facts['first_upload_to_last_rollup_s']:.1f} s)"
        )

    def how_to_try(self) -> str:
        """See Trial."""
        return how_to_try(self._deployed.target, self.pipeline, self._environment)
