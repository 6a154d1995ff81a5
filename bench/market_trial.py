"""A run of market analytics: ticks go in through S3 and the API, every bar must be the oracle's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench import deployment
from bench.api_client import ApiClient
from bench.intake import take_in
from bench.oracle import Oracle
from bench.pushing import Deployed, Pushed, push
from bench.report.console import ProgressDisplay
from bench.report.facts import pushed_facts
from bench.standing import how_to_try
from bench.synthetic.factory import Factory
from bench.verdict import Evidence, verdict_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.report.console import Reporter
    from bench.targets import Capability, Target
    from bench.truth import ObjectFile, PostBody
    from bench.verify import Verdict
    from bench.workloads import Workload

DEFAULT_STALL_S: Final = 60.0
#: About what a row of a tick file takes.
_ROW_BYTES: Final = 50


class MarketTrial:
    """See `bench.run.Trial`.

    input_path: the user's own file, sent instead of the workload's ticks. ticks_a_second: the schedule, None for all
    at once. stall_s: see `bench.books.wait_until_balanced`.
    """

    pipeline = deployment.PIPELINE
    unit = "ticks"

    def __init__(
        self,
        workload: Workload,
        parameters: Mapping[str, str],
        *,
        input_path: Path | None = None,
        ticks_a_second: float | None = None,
        stall_s: float = DEFAULT_STALL_S,
    ) -> None:
        self.seed = workload.seed
        self.parameters = parameters
        self._workload = workload
        self._input_path = input_path
        self._rate = ticks_a_second
        self._stall_s = stall_s
        self._environment = ""
        self._truth: Path
        self._pieces: tuple[ObjectFile | PostBody, ...]
        self._deployed: Deployed
        self._pushed: Pushed

    @property
    def ticks(self) -> int:
        """See Trial; of a file of the user's own only its size is known."""
        return self._input_path.stat().st_size // _ROW_BYTES if self._input_path else self._workload.ticks

    @property
    def needs(self) -> tuple[tuple[Capability, str], ...]:
        """See Trial."""
        return ()

    def prepare(self, folder: Path) -> None:
        """See Trial."""
        self._truth, objects = folder / "truth", folder / "objects"
        self._truth.mkdir()
        if self._input_path is not None:
            self._pieces = (take_in(self._input_path, folder, self._truth),)
            return
        objects.mkdir()
        self._pieces = tuple(Factory(self._workload, objects, self._truth).make())

    def push(self, target: Target, environment: str, reporter: Reporter) -> None:
        """See Trial."""
        self._environment = environment
        outputs = deployment.outputs_of(target, environment)
        api = ApiClient(target, target.api_url(outputs.rest_api_id, environment))
        self._deployed = Deployed(target, outputs, api)
        display = ProgressDisplay(sum(piece.rows for piece in self._pieces))
        with reporter.progress(display):
            self._pushed = push(
                self._deployed, self._pieces, display.update, ticks_a_second=self._rate, stall_s=self._stall_s
            )

    def verify(self) -> Verdict:
        """See Trial."""
        oracle = Oracle(self._truth, self._pushed.ledger.origins())
        evidence = Evidence(self._pushed.ledger, oracle, self._pushed.pieces, self._pushed.balance)
        return verdict_of(self._deployed, evidence)

    def facts(self) -> dict[str, Any]:
        """See Trial."""
        sent = {"input_file": self._input_path.name} if self._input_path else self._workload.facts()
        return {"workload": sent, **pushed_facts(self._pushed)}

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
