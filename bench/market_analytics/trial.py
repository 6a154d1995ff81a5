"""A run of market analytics: ticks go in through S3 and the API, every bar must be the oracle's."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from bench.ledger.api_client import ApiClient
from bench.ledger.sent import origins_of
from bench.ledger.truth import ObjectFile
from bench.market_analytics.answers import read_answers, write_answers
from bench.market_analytics.checks import late_bars, verdict_of
from bench.market_analytics.evidence import Evidence
from bench.market_analytics.facts import pushed_facts
from bench.market_analytics.fault_plan import LATE_CHECK, FaultPlan
from bench.market_analytics.load import Deployed, Pushed, push
from bench.market_analytics.oracle import Oracle
from bench.market_analytics.polling import OBJECTS, SYMBOLS, PollingReader, watched_hours
from bench.market_analytics.progress_display import ProgressDisplay
from bench.market_analytics.recording.idle import idle_facts
from bench.market_analytics.replacements import Replacements, cut_off
from bench.market_analytics.retractions import Retractions, choose
from bench.measure.stored import stored_facts
from bench.own_file.taking import take_in
from bench.stack import deployment
from bench.stack.dev_stack import how_to_try
from bench.synthetic.factory import Factory
from bench.targets import Capability
from bench.workers.told import worker_facts
from tickstream.feeds.catalogue import catalogue_of
from tickstream.keys import object_ingest_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bench.ledger.driver import Sender
    from bench.ledger.sent import Ledger
    from bench.ledger.truth import PostBody
    from bench.ledger.verdict import Check, Verdict
    from bench.market_analytics.completion import Operator
    from bench.market_analytics.retractions import Due
    from bench.own_file.asked import OwnFile
    from bench.report.console import Reporter
    from bench.targets import Target
    from bench.workers.fleet import Fleet, Part
    from bench.workloads import Workload

DEFAULT_STALL_S: Final = 60.0
#: About what a row of a tick file takes.
_ROW_BYTES: Final = 50


class MarketTrial:
    """See `bench.run.Trial`.

    parameters: of the stack. own_file: the user's own file, sent instead of the workload's ticks. ticks_a_second: a
    schedule in place of the workload's. stall_s: see `bench.market_analytics.completion.wait_until_processed`. faults:
    what the run is put under, if anything. fleet: the workers that send in place of this process. answers: where what
    was answered at the end is written, if anywhere.
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
        fleet: Fleet | None = None,
        answers: Path | None = None,
    ) -> None:
        self.seed = workload.seed
        self._replaced_share = 0.0 if own_file else workload.replaced_share
        replacing = {"SameKey": "replace"} if self._replaced_share else {}
        self.parameters = {**replacing, **(faults.parameters if faults else {}), **parameters}
        self._workload = workload
        self._own_file = own_file
        self._rate = ticks_a_second
        self._stall_s = stall_s
        self._plan = faults
        self._fleet = fleet
        self._answers = answers
        self._environment = ""
        self._truth: Path
        self._pieces: tuple[ObjectFile | PostBody, ...]
        self._deployed: Deployed
        self._pushed: Pushed
        self._retractions: Retractions
        self._replacements: Replacements
        self._reader: PollingReader
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
        if self._fleet:
            self._fleet.make(self._workload, self._rate)
        self._pieces = tuple(Factory(self._workload, objects, self._truth).make())
        if self._fleet:
            self._fleet.made(self._pieces)

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
        if self._fleet:
            self._fleet.compare_clocks(reporter.line)
        display = ProgressDisplay(sum(piece.rows for piece in self._pieces))
        with reporter.progress(display), ExitStack() as stack:
            self._pushed = push(
                self._deployed,
                self._pieces,
                display.update,
                ticks_a_second=self._rate,
                stall_s=self._stall_s,
                operators=lambda ledger: self._operators(ledger, stack),
                sender=self._sender(target.api_url(outputs.rest_api_id, environment)),
            )
        self._stored = stored_facts(target, outputs.table_name)
        if self._plan:
            self._plan.finish()

    def _sender(self, api_url: str) -> Callable[[Ledger], Sender] | None:
        """Return what makes the workers the senders of a run; None where this process sends."""
        fleet, bucket = self._fleet, self._deployed.outputs.bucket_name
        return (lambda ledger: fleet.aim(ledger, bucket, api_url)) if fleet else None

    def _operators(self, ledger: Ledger, stack: ExitStack) -> Sequence[Operator]:
        """Make those who act on the run, before anything is sent; what is to end with it is entered into `stack`."""

        def read_late() -> Check | None:
            if self._retractions.are_under_way or self._replacements.are_awaited():
                return None
            gone = self._retractions.ordinals()
            counting = origins_of(one for one in ledger.acknowledged() if one.ordinal not in gone)
            oracle = Oracle(self._truth, counting)
            ingests = plan.late_ingests() if plan else frozenset[str]()
            late = [one.ordinal for one in ledger.acknowledged() if one.ingest_id in ingests]
            hours = frozenset[tuple[str, int]]().union(*(oracle.hours_of(ordinal) for ordinal in late))
            return late_bars(LATE_CHECK, self._deployed.api, oracle, hours)

        plan = self._plan
        if plan:
            plan.install(self._deployed, self._pieces, read_late)
        due = self._to_be_taken_back(self._deployed.outputs.bucket_name)
        self._retractions = Retractions(self._deployed, ledger, due)
        polled = [one.ordinal for one in due[:OBJECTS]]
        first = cut_off(
            self._pieces,
            self._replaced_share,
            self.seed,
            self._deployed.outputs.bucket_name,
            spared={one.ordinal for one in due} | self._under_faults(),
        )
        self._replacements = Replacements(self._deployed, first, is_replacing=bool(self._replaced_share))
        oracle = Oracle(self._truth, ())
        watched = watched_hours(oracle.lone_ticks(polled, most=SYMBOLS)) + watched_hours(
            oracle.lone_ticks([one.ordinal for one in first[:OBJECTS]], most=SYMBOLS)
        )
        self._reader = stack.enter_context(PollingReader(self._deployed.api, watched))
        self._replacements.put()
        return (*([plan] if plan else []), self._retractions, self._replacements)

    def _under_faults(self) -> set[int]:
        """Return the sources that a fault is about: of those another ingest under the key would have it."""
        plan = self._plan
        ingests = (plan.stuck_ingests() | plan.late_ingests()) if plan else frozenset()
        bucket = self._deployed.outputs.bucket_name
        return {
            piece.ordinal
            for piece in self._pieces
            if isinstance(piece, ObjectFile)
            and object_ingest_id(bucket, piece.key, piece.etag, piece.size_bytes) in ingests
        }

    def _to_be_taken_back(self, bucket: str) -> tuple[Due, ...]:
        plan = self._plan
        share = 0.0 if self._own_file else self._workload.retracted_share
        stuck, late = (plan.stuck_ingests(), plan.late_ingests()) if plan else ((), ())
        return choose(self._pieces, share, self.seed, bucket, first=stuck, spared=late)

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
            planted_ingests=(plan.planted_ingests() if plan else frozenset()) | self._replacements.ingest_ids(),
            retractions=self._retractions.all,
            replacements=self._replacements,
            reader=self._reader,
            checks=(*pushed.rounds.checks(), *(plan.checks() if plan else ())),
            workers=self._workers,
        )
        if self._answers is not None:
            write_answers(self._answers, read_answers(self._deployed, pushed.ledger.outcomes(), evidence.oracle))
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
            "workers": worker_facts(self._workers),
            "retractions": self._retractions.facts(self._pushed.began_ms),
            "replacements": self._replacements.facts(),
            "faults": self._plan.facts(self._pushed.began_ms) if self._plan else None,
        }

    @property
    def _workers(self) -> Sequence[Part]:
        return self._fleet.parts if self._fleet else ()

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
