"""One run, from the generator to the verdict: `python -m bench run`. The same life for every pipeline."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from bench.cost.estimate import estimate
from bench.errors import DeploymentError
from bench.files import free_bytes
from bench.iam.refusals import RefusalWatch
from bench.ledger.verdict import Check, Verdict
from bench.report.facts import target_facts
from bench.report.html import write_report
from bench.report.result import git_commit, host_facts, result_folder, verdict_fields, write_result
from bench.stack import deployment
from bench.stack.dev_stack import down_command
from bench.stack.leftovers import inventory, of_stack
from bench.stack.lint import Lint
from bench.targets import Capability, Kind, TargetChoice, open_target, require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.report.console import Reporter
    from bench.targets import Target


# With less, LocalStack has not kept what it was given.
_ROOM_BYTES: Final = 1 << 20


class Trial(Protocol):
    """What differs between the runs of different pipelines: what is sent, when it is done, what must be true then.

    Its methods are called in this order, each once.
    """

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""

    @property
    def unit(self) -> str:
        """What the verdict counts, such as `ticks`."""

    @property
    def seed(self) -> int:
        """What its random choices depend on."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """Template parameters of the stack, beside the code's."""

    @property
    def ticks(self) -> int:
        """About how many rows it will send: what an estimate of the cost goes by."""

    @property
    def needs(self) -> tuple[tuple[Capability, str], ...]:
        """What its target must be able to do, and what for, such as `--faults`."""

    def prepare(self, folder: Path) -> None:
        """Make what will be sent, and its truth, below a folder."""

    def push(self, target: Target, environment: str, reporter: Reporter) -> None:
        """Send everything through the deployed stack and wait until it is done, or never will be."""

    def verify(self) -> Verdict:
        """Read everything back and judge it."""

    def facts(self) -> Mapping[str, Any]:
        """Say in plain JSON what was sent, and how it went: the workload, and units in the names."""

    def speed(self) -> str:
        """Say in one line how fast it was."""

    def how_to_try(self) -> str:
        """Say what to type against the stack that was left running."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run was asked for, beside its trial.

    results: the folder of the result files. feeds: a folder of feeds that the functions get beside the built-in ones.
    """

    environment: str
    results: Path
    keep: bool
    target: TargetChoice
    feeds: Path | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over. `written`: its result file."""

    verdict: Verdict
    written: Path


def run(trial: Trial, options: RunOptions, reporter: Reporter, more_facts: Mapping[str, Any] | None = None) -> Verdict:
    """Do it all; returns the verdict. Raises BenchError or GeneratorError where the run could not be made.

    more_facts: what the result file shall say beside what the run itself finds.
    """
    return carried_out(trial, options, reporter, more_facts).verdict


def carried_out(
    trial: Trial,
    options: RunOptions,
    reporter: Reporter,
    more_facts: Mapping[str, Any] | None = None,
    *,
    on: Target | None = None,
) -> Finished:
    """Do it all, as `run`. on: a target of the options' kind that runs already, and goes on afterwards."""
    began = datetime.now(UTC)
    # Before anything is started: a folder that cannot be made would cost a whole run at its very end.
    options.results.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        target = on or open_target(options.target, detached=options.keep)
        if on is None:
            with reporter.phase(f"start {target.kind}"):
                stack.enter_context(_kept(target) if options.keep else target)
        require(target, trial.needs)
        # Inside the target's own folder, which is removed even where this process is killed.
        temporary = tempfile.TemporaryDirectory(prefix="bench-", dir=target.scratch_dir)
        folder = Path(stack.enter_context(temporary))
        with reporter.phase("generate"):
            template = deployment.generate(options.environment, trial.pipeline)
        with reporter.phase("ask the target"):
            deployment.ask(target, options.environment, trial.pipeline, template, ticks=trial.ticks, say=reporter.line)
        template_path = folder / "template.json"
        template_path.write_text(template, encoding="utf-8")
        lint = stack.enter_context(Lint(template_path))
        with reporter.phase("bundle"):
            build = deployment.assemble(
                options.environment,
                template,
                pipeline=trial.pipeline,
                architecture=target.architecture,
                feeds=options.feeds,
            )
        with reporter.phase(f"make {trial.unit}"):
            trial.prepare(folder)
        with reporter.phase("lint (beside)"):
            lint.wait()
        before, refusals = inventory(target), RefusalWatch(target)
        # What goes wrong from here on must not leave a stack in somebody's account.
        stack.enter_context(deployment.undone_on_failure(target, options.environment, trial.pipeline))
        with reporter.phase("deploy"):
            deployment.create(target, options.environment, build, trial.parameters)
        deployment.wait_until_shown(target, reporter.phase)
        deployment.write_flat_outputs(deployment.flat_outputs(target, options.environment, trial.pipeline))
        with reporter.phase("push and wait"):
            trial.push(target, options.environment, reporter)
        with reporter.phase("verify"):
            verdict = trial.verify()
        made = deployment.physical_names(target, options.environment, trial.pipeline)
        if options.keep:
            reporter.line(
                "kept running, so that nothing was destroyed and nothing checked about it: "
                f"{down_command(options.target, options.environment, trial.pipeline)} ends it"
            )
            reporter.line(trial.how_to_try())
        else:
            with reporter.phase("destroy"):
                verdict = _with_check(verdict, _destroy(target, options.environment, trial.pipeline, made, before))
        # After the deletion, in which functions work too.
        verdict = refusals.judged(verdict, made)
        facts = {
            "began": began.isoformat(),
            "commit": git_commit(),
            "host": host_facts(),
            **target_facts(target),
            **_predicted(target, trial.ticks),
            "stack": deployment.stack_name(options.environment, trial.pipeline),
            "pipeline": trial.pipeline,
            "stack_parameters": dict(trial.parameters),
            "phases_s": reporter.phases.seconds,
            **trial.facts(),
            **(more_facts or {}),
            "verdict": verdict_fields(verdict),
        }
        if not verdict.passed:
            _say_where_to_look(target, reporter)
    written = write_result(result_folder(options.results, trial.seed, began), facts)
    reporter.verdict(verdict, trial.unit)
    reporter.summary(trial.speed(), facts)
    reporter.line(f"result: {written}")
    reporter.line(f"report: {write_report(written)}")
    return Finished(verdict, written)


def _predicted(target: Target, ticks: int) -> dict[str, Any]:
    """What it was said to cost before it began, where it costs anything."""
    if target.kind is not Kind.AWS:
        return {}
    return {"predicted_usd": {name: str(dollars) for name, dollars in estimate(ticks).by_service.items()}}


def _say_where_to_look(target: Target, reporter: Reporter) -> None:
    """Name LocalStack's log after a failed verdict. Raises DeploymentError where it is the disk that failed."""
    if target.scratch_dir and free_bytes(target.scratch_dir) < _ROOM_BYTES:
        raise DeploymentError(f"the disk of {target.scratch_dir.parent} is full: what was found is no verdict")
    if log := target.keep_log():
        reporter.line(f"LocalStack's log: {log}")


class _kept(ExitStack):  # noqa: N801 - used like a function
    """A target that stays if the block ends well, and ends with it otherwise."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        target.start()
        self.push(lambda kind, *_: target.stop() if kind is not None else None)


def _destroy(target: Target, environment: str, pipeline: str, made: frozenset[str], before: frozenset[str]) -> Check:
    """Delete the stack, of which the physical names are `made`, and see that this one deletion leaves nothing."""
    name = "one deletion leaves nothing"
    try:
        deployment.destroy(target, environment, pipeline)
    except DeploymentError as error:
        return Check(name, passed=False, detail=str(error))
    left = sorted(inventory(target) - before)
    if target.outlives_run:
        # Others work there at the same time: only what bears a name of this stack's is its own.
        left = of_stack(left, made)
    detail = f"{len(left)} left: {', '.join(left[:8])}" if left else "nothing of the stack is left"
    return Check(name, not left, detail)


def _with_check(verdict: Verdict, check: Check) -> Verdict:
    return replace(verdict, checks=(*verdict.checks, check))
